"""Layers of every reader become volumes, and their masks go back on the file's grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dask.array
import nibabel
import numpy as np
import pytest
from napari.layers import Image, Labels, Points
from tests.plugin.layer_making import (
    SHAPE,
    SIGNED_ORDERS,
    file_affine,
    like_add_image,
    like_itk,
    like_napari_nifti,
)

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.errors import GeometryError, InputError, ResourceError, SettingsError
from napari_gmmseg.io import read_channels, write_labels
from napari_gmmseg.plugin.layers import LayerVolume, volume_from_layer
from napari_gmmseg.plugin.reader import read_layers
from napari_gmmseg.plugin.snapshots import take_snapshot
from napari_gmmseg.volumes import LabelMap

pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")


def opened(path: Path) -> Image:
    data, settings, kind = read_layers(str(path))[0]
    assert kind == "image"
    return Image(data, **settings)


def mask_of(found: LayerVolume, threshold: float = 100.0) -> LabelMap:
    volume = found.volume
    return LabelMap(
        (volume.data[0] > threshold).astype(np.uint8) + 1, volume.geometry, numbered_classes(2), volume.source
    )


def check_mask_in_place(found: LayerVolume, image: Path, target: Path) -> None:
    """The written mask labels the file's own voxels, and lies where the file lies."""
    write_labels(target, mask_of(found), sidecars=False)
    source, written = nibabel.load(image), nibabel.load(target)
    assert np.abs(written.affine - source.affine).max() < 1e-5
    assert np.array_equal(np.asarray(written.dataobj), (np.asarray(source.dataobj) > 100) + 1)
    assert written.header.get_xyzt_units()[0] == "mm"


def check_shown_in_place(found: LayerVolume, layer: Image) -> None:
    """Labels brought to the layer's order lie on the voxels that they were made of."""
    shown = found.grid.to_layer(mask_of(found).labels)
    assert np.array_equal(shown, (np.asarray(layer.data) > 100) + 1)


@pytest.mark.parametrize(("order", "signs"), SIGNED_ORDERS)
def test_masks_of_our_reader_go_back_on_the_file_whatever_its_axes(order, signs, make_file, tmp_path):
    path = make_file(file_affine(order, signs))
    layer = opened(path)
    found = volume_from_layer(take_snapshot(layer))
    check_mask_in_place(found, path, tmp_path / "mask.nii.gz")
    check_shown_in_place(found, layer)


@pytest.mark.parametrize(("order", "signs"), SIGNED_ORDERS)
@pytest.mark.parametrize("make", [like_napari_nifti, like_add_image])
def test_masks_of_other_readers_go_back_on_the_file_that_they_read(make, order, signs, make_file, tmp_path):
    path = make_file(file_affine(order, signs))
    layer = make(path, with_path=True)
    found = volume_from_layer(take_snapshot(layer))
    assert found.volume.geometry.verified
    check_mask_in_place(found, path, tmp_path / "mask.nii.gz")
    check_shown_in_place(found, layer)


@pytest.mark.parametrize(("order", "signs"), SIGNED_ORDERS)
def test_the_true_affine_in_the_metadata_is_found_without_the_file(order, signs, make_file, tmp_path):
    path = make_file(file_affine(order, signs))
    (truth,) = read_channels(path)
    layer = like_napari_nifti(path, with_path=False)
    found = volume_from_layer(take_snapshot(layer))
    assert found.volume.geometry.same_grid(truth.geometry)
    assert found.volume.geometry.verified
    assert np.array_equal(found.volume.data, truth.data)
    check_shown_in_place(found, layer)


@pytest.mark.parametrize(("order", "signs"), SIGNED_ORDERS)
def test_itks_keys_in_the_metadata_go_before_the_layers_rotation(order, signs, make_file, tmp_path):
    path = make_file(file_affine(order, signs))
    layer = like_itk(path)
    found = volume_from_layer(take_snapshot(layer))
    check_mask_in_place(found, path, tmp_path / "mask.nii.gz")
    check_shown_in_place(found, layer)


@pytest.mark.parametrize(("order", "signs"), SIGNED_ORDERS)
def test_a_full_affine_with_named_axes_is_taken_as_it_is(order, signs, make_file, tmp_path):
    path = make_file(file_affine(order, signs))
    layer = like_add_image(path)
    found = volume_from_layer(take_snapshot(layer))
    check_mask_in_place(found, path, tmp_path / "mask.nii.gz")
    check_shown_in_place(found, layer)


def test_a_sheared_and_rotated_layer_keeps_its_geometry():
    data = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    layer = Image(
        data, scale=(2, 1, 1.5), rotate=(10, 5, -8), shear=(0.1, 0.0, 0.05), translate=(3, 4, 5), units=("mm",) * 3
    )
    found = volume_from_layer(take_snapshot(layer))
    source = found.volume.source
    assert source is not None
    index = (4, 2, 3)
    assert source.shape == SHAPE[::-1]
    world = source.affine @ [*index[::-1], 1.0]
    assert np.allclose(world[:3][::-1], layer.data_to_world(index))


def test_a_layer_with_scale_and_translate_only_is_doubted_as_to_its_sides():
    layer = Image(np.random.default_rng(0).normal(size=SHAPE), scale=(3, 1, 1), translate=(5, 6, 7))
    found = volume_from_layer(take_snapshot(layer))
    assert found.volume.geometry.spacing == (3, 1, 1)
    assert found.volume.geometry.origin == (5, 6, 7)
    assert not found.volume.geometry.verified
    assert {f.code for f in found.volume.findings} == {"orientation-unknown", "unit-assumed"}


def test_a_layer_without_any_place_is_in_pixels():
    found = volume_from_layer(take_snapshot(Image(np.random.default_rng(0).normal(size=SHAPE))))
    assert found.volume.geometry.unit == "pixel"


def test_other_units_of_length_are_brought_to_mm():
    layer = Image(np.random.default_rng(0).normal(size=SHAPE), scale=(500, 500, 500), units=("um",) * 3)
    assert volume_from_layer(take_snapshot(layer)).volume.geometry.spacing == pytest.approx((0.5, 0.5, 0.5))


def test_metadata_of_another_array_is_not_believed(make_file):
    layer = like_napari_nifti(make_file(file_affine()), with_path=False)
    small = Image(np.asarray(layer.data)[::2, ::2, ::2], scale=layer.scale * 2, metadata=layer.metadata)
    found = volume_from_layer(take_snapshot(small))
    assert not found.volume.geometry.verified


def test_a_layer_that_was_changed_is_not_mistaken_for_its_file(make_file):
    path = make_file(file_affine())
    layer = like_napari_nifti(path)
    layer.data = np.asarray(layer.data) * 2
    found = volume_from_layer(take_snapshot(layer))
    assert found.volume.source is not None
    assert found.volume.source.format == "layer"
    assert np.array_equal(found.grid.to_layer(found.volume.data[0]), np.asarray(layer.data))


def test_paint_on_an_image_of_ours_is_segmented_not_what_the_file_holds(make_file):
    layer = opened(make_file(file_affine()))
    layer.data = np.asarray(layer.data) + 1000
    assert volume_from_layer(take_snapshot(layer)).volume.data.min() > 900


def test_a_lazy_array_is_read_when_it_is_needed():
    data = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    layer = Image(dask.array.from_array(data, chunks=2))
    snapshot = take_snapshot(layer)
    assert isinstance(snapshot.data, dask.array.Array)
    assert np.array_equal(volume_from_layer(snapshot).volume.data[0], data)


def test_a_pyramid_is_segmented_at_full_resolution():
    data = np.random.default_rng(0).normal(size=(8, 32, 32)).astype(np.float32)
    layer = Image([data, data[::2, ::2, ::2]], multiscale=True)
    assert volume_from_layer(take_snapshot(layer)).volume.grid_shape == data.shape


def test_a_slice_becomes_a_volume_of_one_slice_and_goes_back():
    data = np.random.default_rng(0).normal(100, 20, (20, 30)).astype(np.float32)
    layer = Image(data, scale=(0.5, 0.75))
    found = volume_from_layer(take_snapshot(layer))
    assert found.volume.grid_shape == (1, 20, 30)
    assert found.volume.geometry.spacing[1:] == (0.5, 0.75)
    check_shown_in_place(found, layer)


def test_a_fourth_axis_has_to_be_told():
    layer = Image(np.zeros((3, *SHAPE), dtype=np.float32))
    with pytest.raises(SettingsError, match="four axes"):
        volume_from_layer(take_snapshot(layer))


@pytest.mark.parametrize(("order", "signs"), SIGNED_ORDERS)
@pytest.mark.parametrize("make", ["ours", "napari-nifti"])
@pytest.mark.parametrize("axis4", ["time", "channel"])
def test_a_fourth_axis_is_what_it_was_told_to_be(make, axis4, order, signs, make_file, tmp_path):
    path = make_file(file_affine(order, signs), n_frames=3)
    layer = opened(path) if make == "ours" else like_napari_nifti(path)
    found = volume_from_layer(take_snapshot(layer), axis4=axis4)
    assert found.volume.n_frames == (3 if axis4 == "time" else 1)
    assert found.volume.n_channels == (1 if axis4 == "time" else 3)
    target = write_labels(tmp_path / "mask.nii.gz", mask_of(found), sidecars=False)
    written, source = nibabel.load(target), np.asarray(nibabel.load(path).dataobj)
    assert np.abs(written.affine - nibabel.load(path).affine).max() < 1e-5
    expected = source if axis4 == "time" else source[..., 0]
    assert np.array_equal(np.asarray(written.dataobj), (expected > 100) + 1)
    extra = 0 if make == "ours" else 3
    shown = np.asarray(layer.data) if axis4 == "time" else np.take(np.asarray(layer.data), 0, axis=extra)
    assert np.array_equal(found.grid.to_layer(mask_of(found).labels), (shown > 100) + 1)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (lambda: Image(np.zeros((4, 5, 3), dtype=np.uint8), rgb=True), "RGB"),
        (lambda: Image(np.zeros((2, 2, 2, 2, 2))), "5 axes"),
        (lambda: Points(np.zeros((2, 3))), "Points layer"),
        (lambda: Image(np.full((2, 3, 4), np.nan), contrast_limits=(0, 1)), "NaN"),
    ],
)
def test_layers_that_hold_no_image_are_told_so(layer, words):
    with pytest.raises(InputError, match=words) as caught:
        volume_from_layer(take_snapshot(layer()))
    assert caught.value.hint


def test_a_transform_without_extent_is_refused():
    layer = Image(np.random.default_rng(0).normal(size=SHAPE))
    snapshot = replace(take_snapshot(layer), transform=np.diag([0.0, 1, 1, 1]))
    with pytest.raises(GeometryError, match="transform"):
        volume_from_layer(snapshot)


def test_the_contrast_is_told_by_the_person_else_by_the_name():
    data = np.random.default_rng(0).normal(size=SHAPE)
    layer = Image(data, name="sub-01_FLAIR")
    assert volume_from_layer(take_snapshot(layer)).volume.channels == ("flair",)
    assert volume_from_layer(take_snapshot(layer), contrast="t2").volume.channels == ("t2",)


def test_labels_layers_can_be_snapshots_too():
    assert take_snapshot(Labels(np.zeros(SHAPE, dtype=np.uint8))).kind == "labels"


def never_read(block: np.ndarray) -> np.ndarray:
    raise AssertionError("a lazy layer was read")


def test_a_lazy_layer_larger_than_memory_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_gmmseg.plugin.layers.available_memory", lambda: 1_000_000_000)
    small = take_snapshot(Image(np.zeros(SHAPE, dtype=np.uint16)))
    lazy = dask.array.zeros((1024, 1024, 1024), dtype=np.uint16, chunks=128).map_blocks(never_read, dtype=np.uint16)
    with pytest.raises(ResourceError, match=r"needs about 10\.7 GB of memory .* and 1\.0 GB are free") as refused:
        volume_from_layer(replace(small, data=lazy))
    assert "coarser level" in refused.value.hint


def test_a_lazy_layer_that_fits_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(0).integers(0, 100, SHAPE).astype(np.uint16)
    monkeypatch.setattr("napari_gmmseg.plugin.layers.available_memory", lambda: 10 * data.size)
    small = take_snapshot(Image(data))
    found = volume_from_layer(replace(small, data=dask.array.from_array(data)))
    assert sorted(found.volume.data.reshape(-1)) == sorted(data.reshape(-1))
