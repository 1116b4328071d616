"""What is shown over a voxel is the mask that it gets."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.errors import GeometryError, MaskError
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.layers import volume_from_layer
from napari_gmmseg.plugin.masks import mask_from_layer, region_from_shapes
from napari_gmmseg.plugin.shown import display_of, image_layers, label_layer
from napari_gmmseg.plugin.snapshots import take_snapshot
from napari_gmmseg.volumes import Geometry, LabelMap, Volume

SHAPE = (5, 6, 7)


def brain_layer(spacing=(2.0, 1.0, 1.5), n_frames: int = 1) -> Image:
    rng = np.random.default_rng(0)
    lead = (1,) if n_frames == 1 else (1, n_frames)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (10.0, -4.0, 3.0)
    volume = Volume(rng.normal(size=(*lead, *SHAPE)).astype(np.float32), Geometry(SHAPE, affine))
    data, settings, _ = image_layers(volume, "brain")[0]
    return Image(data, **settings)


def place_like(layer: Image) -> dict:
    return {"scale": layer.scale, "translate": layer.translate, "units": layer.units}


def bring(mask: Labels, image: Image):
    found = volume_from_layer(take_snapshot(image), axis4="time" if image.ndim == 4 else None)
    return mask_from_layer(take_snapshot(mask), take_snapshot(image), found)


def test_a_mask_on_the_images_own_grid_is_taken_as_it_is():
    image = brain_layer()
    painted = np.zeros(SHAPE, dtype=np.uint8)
    painted[1:3, 2:4, 3] = 1
    assert np.array_equal(bring(Labels(painted, **place_like(image)), image), painted)


def test_a_new_labels_layer_painted_over_the_image_masks_what_it_covers():
    viewer = ViewerModel()
    image = viewer.add_layer(brain_layer())
    viewer._new_labels()
    labels = viewer.layers[-1]
    world = image.data_to_world((1, 2, 3))
    index = tuple(round(i) for i in labels.world_to_data(world))
    labels.data[index] = 7
    brought = bring(labels, image)
    assert brought[1, 2, 3] == 7
    assert np.count_nonzero(brought) == 1


def test_a_coarser_mask_is_brought_to_the_images_grid():
    image = brain_layer(spacing=(1.0, 1.0, 1.0))
    coarse = Labels(
        np.ones((3, 3, 4), dtype=np.uint8), scale=image.scale * 2, translate=image.translate + 0.5 * image.scale
    )
    assert bring(coarse, image).all()


def test_a_mask_elsewhere_is_refused():
    image = brain_layer()
    with pytest.raises(MaskError, match="not over"):
        bring(Labels(np.ones(SHAPE, dtype=np.uint8), translate=(900, 900, 900)), image)


def test_a_mask_of_one_frame_holds_for_all():
    image = brain_layer(n_frames=4)
    mask = Labels(np.ones(SHAPE, dtype=np.uint8), scale=image.scale[1:], translate=image.translate[1:])
    assert bring(mask, image).shape == SHAPE


def test_a_mask_with_all_frames_keeps_them():
    image = brain_layer(n_frames=4)
    painted = np.zeros((4, *SHAPE), dtype=np.uint8)
    painted[2, 1, 1, 1] = 1
    assert np.array_equal(bring(Labels(painted, **place_like(image)), image), painted)


def test_a_mask_with_other_frames_is_refused():
    image = brain_layer(n_frames=4)
    with pytest.raises(GeometryError, match="shape"):
        bring(Labels(np.ones((3, *SHAPE), dtype=np.uint8), scale=image.scale), image)


def test_our_masks_of_an_obliquely_other_grid_are_refused_though_they_look_alike():
    image = brain_layer()
    turned = np.diag([2.0, 1.0, 1.5, 1.0])
    turned[:3, 3] = (10.0, -4.0, 3.0)
    angle = np.deg2rad(20)
    turned[1:3, 1:3] = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ turned[1:3, 1:3]
    geometry = Geometry(SHAPE, turned)
    label_map = LabelMap(np.ones(SHAPE, dtype=np.uint8), geometry, numbered_classes(2))
    data, settings, _ = label_layer(label_map, LayerGrid.plain(geometry), display_of(geometry), "other")
    with pytest.raises(GeometryError, match="another grid"):
        bring(Labels(data, **settings), image)


def shapes_over(image: Image, corners: np.ndarray, kind: str) -> Shapes:
    """Draw in world coordinates, as a person does."""
    world = np.array([image.data_to_world(corner) for corner in corners])
    return Shapes([world[:, -corners.shape[1] :]], shape_type=[kind])


def test_a_rectangle_in_one_slice_is_a_region_in_that_slice():
    image = brain_layer()
    corners = np.array([[2, 1, 1], [2, 1, 5], [2, 4, 5], [2, 4, 1]], dtype=float)
    region = region_from_shapes(shapes_over(image, corners, "rectangle"), take_snapshot(image))
    brought = mask_from_layer(region, take_snapshot(image), volume_from_layer(take_snapshot(image)))
    assert sorted(np.unique(np.nonzero(brought)[0])) == [2]
    assert brought[2, 2, 3]
    assert not brought[2, 5, 6]


def test_lines_are_no_region():
    image = brain_layer()
    line = shapes_over(image, np.array([[2, 1, 1], [2, 4, 5]], dtype=float), "line")
    with pytest.raises(MaskError, match="no closed shape"):
        region_from_shapes(line, take_snapshot(image))
