"""Masks come back in place: every axis order and mirror, oblique, with and without a fourth axis."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, inv_ornt_aff
from scipy.spatial.transform import Rotation

from .conftest import Outcome, intensities, save, tissues

Run = Callable[..., Outcome]
ORIENTATIONS = [
    np.column_stack([order, signs]) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)
]


def oblique() -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [11, -8, 14], degrees=True).as_matrix() @ np.diag([1.5, 1.0, 2.0])
    affine[:3, 3] = (-31.5, 12.25, 7.0)
    return affine


def turned(data: np.ndarray, orientation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same voxels at the same places in the world, in another axis order."""
    return apply_orientation(data, orientation), oblique() @ inv_ornt_aff(orientation, data.shape[:3])


def back(array: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    inverse = np.empty_like(orientation)
    for axis, (to, sign) in enumerate(orientation):
        inverse[int(to)] = (axis, sign)
    return apply_orientation(array, inverse)


def check_grid(mask: nibabel.Nifti1Image, source: Path) -> None:
    image = nibabel.load(source)
    np.testing.assert_allclose(mask.affine, image.affine, atol=1e-5)
    assert mask.shape[:3] == image.shape[:3]
    assert mask.header.get_xyzt_units()[0] == "mm"


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The labels of the image in its first axis order."""
    from napari_gmmseg.cli import main

    folder = tmp_path_factory.mktemp("straight")
    image = save(folder / "t1.nii.gz", intensities(tissues()), oblique())
    assert main(["segment", str(image), "-o", str(folder / "m.nii.gz"), "--method", "gmm"]) == 0
    return np.asanyarray(nibabel.load(folder / "m.nii.gz").dataobj)


@pytest.mark.parametrize("number", range(48))
def test_a_volume_is_labelled_alike_in_every_axis_order(
    run: Run, tmp_path: Path, straight: np.ndarray, number: int
) -> None:
    orientation = ORIENTATIONS[number]
    data, affine = turned(intensities(tissues()), orientation)
    image = save(tmp_path / "t1.nii.gz", data, affine)
    outcome = run("segment", image, "-o", tmp_path / "mask.nii.gz", "--method", "gmm")
    assert outcome.code == 0, outcome.err
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    check_grid(mask, image)
    assert (back(np.asanyarray(mask.dataobj), orientation) == straight).mean() >= 0.999


@pytest.mark.parametrize("number", range(48))
def test_frames_are_fitted_together_and_labelled_each(run: Run, tmp_path: Path, number: int) -> None:
    orientation = ORIENTATIONS[number]
    frames = np.stack([intensities(tissues(), seed) for seed in (0, 1, 2)], axis=-1)
    data, affine = turned(frames, orientation)
    image = save(tmp_path / "t1.nii.gz", data, affine)
    outcome = run("segment", image, "-o", tmp_path / "mask.nii.gz", "--method", "gmm", "--axis4", "time")
    assert outcome.code == 0, outcome.err
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    check_grid(mask, image)
    found = back(np.asanyarray(mask.dataobj), orientation)
    assert found.shape == frames.shape
    assert (found == tissues()[..., np.newaxis]).mean() > 0.97


@pytest.mark.parametrize("number", range(48))
def test_channels_on_a_fourth_axis_give_one_mask(run: Run, tmp_path: Path, number: int) -> None:
    orientation = ORIENTATIONS[number]
    channels = np.stack([intensities(tissues()), intensities(tissues(), 1, (160.0, 100.0, 40.0))], axis=-1)
    data, affine = turned(channels, orientation)
    image = save(tmp_path / "image.nii.gz", data, affine)
    outcome = run(
        "segment", image, "-o", tmp_path / "m.nii.gz", "--method", "gmm", "--axis4", "channel", "--contrast", "t1,t2"
    )
    assert outcome.code == 0, outcome.err
    mask = nibabel.load(tmp_path / "m.nii.gz")
    check_grid(mask, image)
    found = back(np.asanyarray(mask.dataobj), orientation)
    assert found.shape == tissues().shape
    assert (found == tissues()).mean() > 0.97


def test_one_frame_can_be_picked(run: Run, tmp_path: Path) -> None:
    frames = np.stack([np.zeros_like(tissues(), np.int16), intensities(tissues())], axis=-1)
    image = save(tmp_path / "t1.nii.gz", frames, oblique())
    outcome = run("segment", image, "-o", tmp_path / "m.nii.gz", "--axis4", "time", "--frame", 1, "--method", "gmm")
    assert outcome.code == 0, outcome.err
    mask = nibabel.load(tmp_path / "m.nii.gz")
    check_grid(mask, image)
    assert (np.squeeze(np.asanyarray(mask.dataobj)) == tissues()).mean() > 0.97
