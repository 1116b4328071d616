"""Masks are read on the grid of the image, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.io.grid_making import ORDERS, reordered, save_nifti, world_affine, world_image

from napari_gmmseg.errors import GeometryError, MaskError
from napari_gmmseg.io import read_channels, read_mask
from napari_gmmseg.volumes import Volume


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """An image."""
    return read_channels(save_nifti(tmp_path / "t1.nii", world_image(), world_affine()))[0]


@pytest.mark.parametrize(("order", "signs"), ORDERS[::5])
def test_a_mask_stored_in_another_axis_order_fits(
    tmp_path: Path, volume: Volume, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    wanted = world_image() > 60
    array, affine = reordered(wanted.astype(np.float32), world_affine(), order, signs)
    path = save_nifti(tmp_path / "mask.nii", array.astype(np.uint8), affine)
    np.testing.assert_array_equal(read_mask(path, volume), wanted.transpose(2, 1, 0))


def test_a_mask_of_another_grid_is_refused_with_both_grids(tmp_path: Path, volume: Volume) -> None:
    moved = world_affine()
    moved[0, 3] += 4
    path = save_nifti(tmp_path / "mask.nii", np.ones((6, 5, 4), np.uint8), moved)
    with pytest.raises(GeometryError) as caught:
        read_mask(path, volume)
    assert caught.value.message.count("voxels (z, y, x)") == 2
    assert "--resample" in caught.value.hint


def test_a_mask_of_another_grid_is_resampled_on_request(tmp_path: Path, volume: Volume) -> None:
    fine = world_affine() @ np.diag([0.5, 0.5, 0.5, 1.0])
    fine[:3, 3] = (world_affine() @ (-0.25, -0.25, -0.25, 1))[:3]
    wanted = world_image() > 60
    doubled = wanted.repeat(2, 0).repeat(2, 1).repeat(2, 2).astype(np.uint8)
    path = save_nifti(tmp_path / "mask.nii", doubled, fine)
    np.testing.assert_array_equal(read_mask(path, volume, resample=True), wanted.transpose(2, 1, 0))


def test_a_mask_elsewhere_is_refused_even_when_resampled(tmp_path: Path, volume: Volume) -> None:
    far = world_affine()
    far[:3, 3] += 1000
    path = save_nifti(tmp_path / "mask.nii", np.ones((6, 5, 4), np.uint8), far)
    with pytest.raises(MaskError, match="does not overlap"):
        read_mask(path, volume, resample=True)


def test_an_empty_mask_is_refused(tmp_path: Path, volume: Volume) -> None:
    path = save_nifti(tmp_path / "mask.nii", np.zeros((6, 5, 4), np.uint8), world_affine())
    with pytest.raises(MaskError, match="is empty"):
        read_mask(path, volume)


def test_a_mask_without_time_holds_for_every_frame(tmp_path: Path) -> None:
    (cine,) = read_channels(save_nifti(tmp_path / "c.nii", world_image(3), world_affine()), axis4="time")
    wanted = world_image() > 60
    path = save_nifti(tmp_path / "mask.nii", wanted.astype(np.uint8), world_affine())
    mask = read_mask(path, cine)
    assert mask.shape == cine.grid_shape
    np.testing.assert_array_equal(mask[2], wanted.transpose(2, 1, 0))


def test_a_mask_with_frames_fits_only_as_many_frames(tmp_path: Path, volume: Volume) -> None:
    (cine,) = read_channels(save_nifti(tmp_path / "c.nii", world_image(3), world_affine()), axis4="time")
    wanted = world_image(3) > 100
    path = save_nifti(tmp_path / "mask.nii", wanted.astype(np.uint8), world_affine())
    np.testing.assert_array_equal(read_mask(path, cine), wanted.transpose(3, 2, 1, 0))
    with pytest.raises(MaskError, match="3 frames and the image 1"):
        read_mask(path, volume)


def test_probabilities_are_cut_at_a_half_and_brain_images_at_zero(tmp_path: Path, volume: Volume) -> None:
    probability = np.linspace(0, 1, 120, dtype=np.float32).reshape(6, 5, 4)
    path = save_nifti(tmp_path / "p.nii", probability, world_affine())
    np.testing.assert_array_equal(read_mask(path, volume), (probability >= 0.5).transpose(2, 1, 0))
    brain = probability * 100
    brain[0, 0, 1] = np.nan
    path = save_nifti(tmp_path / "b.nii", brain, world_affine())
    mask = read_mask(path, volume)
    assert int(mask.sum()) == 118
    assert not mask[1, 0, 0]
