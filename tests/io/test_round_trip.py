"""Masks come back in place, whatever the order of the axes."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.io.grid_making import ORDERS, labels_of, reordered, save_nifti, world_affine, world_image

from napari_gmmseg.io import read_channels, read_labels, write_labels, write_map


def _expected(array: NDArray[np.float32], labels_rule: float) -> NDArray[np.uint8]:
    return np.where(array > labels_rule, 2, 1).astype(np.uint8)


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize(("order", "signs"), ORDERS)
def test_a_mask_comes_back_on_the_grid_of_each_axis_order(
    tmp_path: Path, order: tuple[int, ...], signs: tuple[int, ...], oblique: bool
) -> None:
    array, affine = reordered(world_image(), world_affine(oblique), order, signs)
    path = save_nifti(tmp_path / "t1.nii.gz", array, affine)
    (volume,) = read_channels(path)
    np.testing.assert_array_equal(volume.data[0], world_image().transpose(2, 1, 0))
    swap = np.eye(4)[[2, 1, 0, 3]]
    np.testing.assert_allclose(volume.geometry.affine, swap @ world_affine(oblique) @ swap, atol=1e-5)

    label_map = labels_of(volume)
    written = nibabel.load(write_labels(tmp_path / "mask.nii.gz", label_map))
    source = nibabel.load(path)
    assert written.shape == source.shape
    np.testing.assert_allclose(written.affine, source.affine, atol=1e-5)
    np.testing.assert_array_equal(written.get_qform(coded=True)[0], source.get_qform(coded=True)[0])
    assert written.header.get_xyzt_units() == source.header.get_xyzt_units()
    stored = np.asarray(written.dataobj)
    inside = stored > 0
    np.testing.assert_array_equal(stored[inside], _expected(array, float(np.median(array)))[inside])
    assert int(inside.sum()) == int((label_map.labels > 0).sum())
    again = read_labels(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(again.labels, label_map.labels)
    assert [c.name for c in again.classes] == ["Dark", "Bright"]


@pytest.mark.parametrize(("order", "signs"), ORDERS)
def test_a_time_axis_gives_a_mask_of_every_frame(
    tmp_path: Path, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    array, affine = reordered(world_image(3), world_affine(), order, signs)
    path = save_nifti(tmp_path / "cine.nii", array, affine)
    (volume,) = read_channels(path, axis4="time")
    assert volume.data.shape == (1, 3, 4, 5, 6)
    np.testing.assert_array_equal(volume.data[0, 1], world_image(3)[..., 1].transpose(2, 1, 0))
    label_map = labels_of(volume)
    written = nibabel.load(write_labels(tmp_path / "mask.nii", label_map))
    assert written.shape == array.shape
    np.testing.assert_allclose(written.affine, affine, atol=1e-5)
    stored = np.asarray(written.dataobj)
    inside = stored > 0
    np.testing.assert_array_equal(stored[inside], _expected(array, float(np.median(array)))[inside])
    np.testing.assert_array_equal(read_labels(tmp_path / "mask.nii").labels, label_map.labels)


@pytest.mark.parametrize(("order", "signs"), ORDERS)
def test_a_channel_axis_gives_a_mask_without_it(tmp_path: Path, order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    array, affine = reordered(world_image(2), world_affine(), order, signs)
    path = save_nifti(tmp_path / "both.nii", array, affine)
    (volume,) = read_channels(path, axis4="channel")
    assert volume.data.shape == (2, 4, 5, 6)
    assert volume.channels == ("", "")
    np.testing.assert_array_equal(volume.data[1], world_image(2)[..., 1].transpose(2, 1, 0))
    label_map = labels_of(volume)
    written = nibabel.load(write_labels(tmp_path / "mask.nii", label_map))
    assert written.shape == array.shape[:3]
    np.testing.assert_allclose(written.affine, affine, atol=1e-5)
    stored = np.asarray(written.dataobj)
    inside = stored > 0
    first = array[..., 0]
    np.testing.assert_array_equal(stored[inside], _expected(first, float(np.median(first)))[inside])


@pytest.mark.parametrize(("order", "signs"), ORDERS[::7])
def test_probabilities_become_a_fourth_axis(tmp_path: Path, order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    array, affine = reordered(world_image(), world_affine(), order, signs)
    (volume,) = read_channels(save_nifti(tmp_path / "t1.nii", array, affine))
    maps = np.stack([volume.data[0], -volume.data[0], volume.data[0] * 0.5])
    written = nibabel.load(write_map(tmp_path / "p.nii.gz", maps, labels_of(volume)))
    assert written.shape == (*array.shape, 3)
    assert written.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asarray(written.dataobj)[..., 1], -array)
    np.testing.assert_allclose(written.affine, affine, atol=1e-5)


def test_probabilities_with_time_have_five_axes(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "cine.nii", world_image(3), world_affine())
    (volume,) = read_channels(path, axis4="time")
    maps = np.stack([volume.data[0], volume.data[0] + 1])
    written = nibabel.load(write_map(tmp_path / "p.nii", maps, labels_of(volume)))
    assert written.shape == (6, 5, 4, 3, 2)
    np.testing.assert_array_equal(np.asarray(written.dataobj)[..., 2, 1], world_image(3)[..., 2] + 1)
    single = nibabel.load(write_map(tmp_path / "u.nii", volume.data[0], labels_of(volume)))
    np.testing.assert_array_equal(np.asarray(single.dataobj), world_image(3))


def test_one_frame_gives_a_mask_without_time(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "cine.nii.gz", world_image(3), world_affine())
    (volume,) = read_channels(path, frame=2)
    np.testing.assert_array_equal(volume.data[0], world_image(3)[..., 2].transpose(2, 1, 0))
    assert nibabel.load(write_labels(tmp_path / "m.nii", labels_of(volume))).shape == (6, 5, 4)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".img", ".hdr", ".mgz", ".nrrd", ".mha"])
@pytest.mark.parametrize("source", [".nii.gz", ".mgz", ".nrrd", ".mha"])
def test_each_format_is_read_and_written_on_the_grid_of_each_other(tmp_path: Path, source: str, suffix: str) -> None:
    order, signs = ORDERS[29]
    array, affine = reordered(world_image(), world_affine(), order, signs)
    (first,) = read_channels(save_nifti(tmp_path / "first.nii", array, affine))
    label_map = labels_of(first)
    from_map = write_map(tmp_path / f"image{source}", first.data[0], label_map)
    (volume,) = read_channels(from_map)
    assert volume.geometry.verified
    assert volume.source is not None
    np.testing.assert_array_equal(volume.data, first.data)
    np.testing.assert_allclose(volume.geometry.affine, first.geometry.affine, atol=1e-5)
    np.testing.assert_allclose(volume.source.affine, affine, atol=1e-5)
    target = write_labels(tmp_path / f"mask{suffix}", labels_of(volume))
    again = read_labels(target)
    np.testing.assert_array_equal(again.labels, label_map.labels)
    assert again.source is not None
    assert again.source.shape == array.shape
    np.testing.assert_allclose(again.source.affine, affine, atol=1e-5)


@pytest.mark.parametrize("suffix", [".mgz", ".nrrd", ".mha"])
def test_each_format_holds_a_time_axis(tmp_path: Path, suffix: str) -> None:
    (volume,) = read_channels(save_nifti(tmp_path / "c.nii", world_image(3), world_affine()), axis4="time")
    target = write_labels(tmp_path / f"mask{suffix}", labels_of(volume))
    np.testing.assert_array_equal(read_labels(target).labels, labels_of(volume).labels)
    image = write_map(tmp_path / f"image{suffix}", volume.data[0], labels_of(volume))
    (again,) = read_channels(image, axis4="time")
    np.testing.assert_array_equal(again.data, volume.data)


def test_a_volume_made_in_memory_is_written_by_its_geometry(tmp_path: Path) -> None:
    (volume,) = read_channels(save_nifti(tmp_path / "a.nii", world_image(), world_affine()))
    label_map = labels_of(volume)
    from dataclasses import replace

    again = read_labels(write_labels(tmp_path / "m.nii", replace(label_map, source=None)))
    np.testing.assert_array_equal(again.labels, label_map.labels)
    np.testing.assert_allclose(again.geometry.affine, volume.geometry.affine, atol=1e-5)
