"""Between a viewer's sliders and the slices of a volume."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.plugin.layer_making import rotation

from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.layers import volume_from_layer
from napari_gmmseg.plugin.shown import display_like
from napari_gmmseg.plugin.slices import shown_place, slice_at, slider_step
from napari_gmmseg.plugin.snapshots import take_snapshot
from napari_gmmseg.volumes import Geometry


def volume_shape(grid: LayerGrid) -> tuple[int, ...]:
    return tuple(grid.grid.shape[axis] for axis in grid.grid.axes)


def seen(viewer: ViewerModel, image, grid: LayerGrid) -> int | None:
    return slice_at(shown_place(viewer.dims, image), grid)


def numbered(image, grid: LayerGrid) -> np.ndarray:
    """Return the number of each voxel's slice, in the layer's order."""
    shape = volume_shape(grid)
    frames = (image.data.shape[grid.extra],) if grid.axis4 == "time" and grid.extra is not None else ()
    return grid.to_layer(np.broadcast_to(np.arange(shape[0])[:, None, None], (*frames, *shape)))


@pytest.mark.parametrize("scale", [(2.0, 1.0, 1.5), (-2.0, -1.0, -1.5)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_slider_s_slice_is_known_and_found_again(scale, order):
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((4, 5, 6), dtype=np.float32), scale=scale, units=("mm",) * 3)
    viewer.dims.order = order
    grid = volume_from_layer(take_snapshot(image)).grid
    labels = viewer.add_labels(np.array(numbered(image, grid)).astype(np.uint8), **display_like(image, range(3)))
    slider = viewer.dims.order[0]
    z_axis = grid.slice_axis
    for step in range(image.data.shape[slider]):
        viewer.dims.set_current_step(slider, step)
        if slider != z_axis:
            assert seen(viewer, image, grid) is None
            continue
        z = seen(viewer, image, grid)
        shown = np.take(labels.data, round(image.world_to_data(viewer.dims.point)[slider]), axis=slider)
        assert set(np.unique(shown)) == {z}
        assert slider_step(viewer.dims, labels, grid, z) == step


def test_no_slice_is_shown_in_three_dimensions_or_across_the_slices():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((4, 5, 6), dtype=np.float32))
    grid = LayerGrid.plain(Geometry((4, 5, 6), np.eye(4)))
    assert seen(viewer, image, grid) is not None
    viewer.dims.order = (1, 0, 2)
    assert seen(viewer, image, grid) is None
    assert slider_step(viewer.dims, image, grid, 0) is None
    viewer.dims.order = (0, 1, 2)
    viewer.dims.ndisplay = 3
    assert seen(viewer, image, grid) is None


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_of_a_layer_that_lies_askew_the_plane_that_napari_shows_is_known_and_found_again():
    viewer = ViewerModel()
    affine = np.eye(4)
    affine[:3, :3] = rotation((0.3, 0.2, 0.1)) @ np.diag([2.0, 1.0, 1.5])
    numbers = np.broadcast_to(np.arange(4.0)[:, None, None], (4, 5, 6))
    image = viewer.add_image(np.array(numbers), affine=affine)
    grid = LayerGrid.plain(Geometry((4, 5, 6), np.eye(4)))
    for z in range(4):
        viewer.dims.set_current_step(0, slider_step(viewer.dims, image, grid, z))
        assert seen(viewer, image, grid) == z


def test_a_slider_beside_the_volume_shows_no_slice():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((4, 5, 6), dtype=np.float32))
    viewer.add_image(np.zeros((9, 5, 6), dtype=np.float32))
    viewer.dims.set_current_step(0, 7)
    assert seen(viewer, image, LayerGrid.plain(Geometry((4, 5, 6), np.eye(4)))) is None


@pytest.mark.parametrize("axis4", ["time", "channel"])
def test_a_fourth_axis_is_told_from_the_slices(axis4):
    viewer = ViewerModel()
    image = viewer.add_image(np.random.default_rng(0).normal(size=(3, 4, 5, 6)))
    grid = volume_from_layer(take_snapshot(image), axis4=axis4).grid
    axes = grid.label_axes(4)
    labels = viewer.add_labels(np.array(numbered(image, grid)).astype(np.uint8), **display_like(image, axes))
    viewer.dims.set_current_step(0, 2)
    for step in range(4):
        viewer.dims.set_current_step(1, step)
        z = seen(viewer, image, grid)
        assert set(np.unique(labels.data[..., step, :, :])) == {z}
        assert slider_step(viewer.dims, labels, grid, z) == step


def test_a_picture_has_no_slices():
    viewer = ViewerModel()
    image = viewer.add_image(np.random.default_rng(0).normal(size=(5, 6)))
    grid = volume_from_layer(take_snapshot(image)).grid
    assert seen(viewer, image, grid) is None
    assert slider_step(viewer.dims, image, grid, 0) is None
