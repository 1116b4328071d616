"""Islands on the command line: kept out of what a network learns, and taken out of the mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from .conftest import MEANS, Outcome, save, tissues

Run = Callable[..., Outcome]
FEW = ("--steps", 6, "--warm-steps", 2, "--width", 4, "--depth", 2, "--threads", 1, "--method", "deepsvg")


@pytest.fixture
def speckled(tmp_path: Path) -> Path:
    """A brain with a speck of CSF's intensity in the middle of its white matter."""
    labels = tissues()
    image = np.array([0.0, *MEANS])[labels] + np.random.default_rng(0).normal(0, 6, labels.shape)
    image = np.where(labels > 0, np.maximum(image, 1), 0)
    image[12, 10, 8] = MEANS[0]
    return save(tmp_path / "sub-04_T1w.nii.gz", image.astype(np.float32))


def labels_of(path: Path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj)


def test_the_windows_reach_the_fit_and_a_weight_comes_with_them(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", *FEW, "--outlier", 3, 9, "--outlier-ramp", 0, "--json")
    assert outcome.code == 0, outcome.err
    assert "outlier region" in outcome.data["history"][-1]["terms"]
    settings = outcome.data["settings"] if "settings" in outcome.data else outcome.data["provenance"]["settings"]
    found = [settings[f"outlier_{name}"] for name in ("inner", "outer", "weight", "ramp")]
    assert found == [3, 9, 1.0, 0.0]


def test_without_the_flag_there_is_no_such_term(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", *FEW, "--json")
    assert all("outlier region" not in step["terms"] for step in outcome.data["history"])


def test_windows_without_a_network_are_told_to_have_no_effect(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--method", "spatial", "--outlier", 3, 9, "--json")
    (note,) = [f for f in outcome.data["findings"] if f["code"] == "settings-without-effect"]
    assert "outlier_weight (--outlier-weight)" in note["message"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--outlier", 9, 3), "not smaller"),
        (("--outlier", 4, 9), "odd"),
        (("--outlier", 3, 9, "--outlier-mode", "printed"), "two classes"),
        (("--remove-islands", 0), "above 0 mm"),
        (("--remove-islands", 5, "--session", "new"), "--session"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_fit(
    run: Run, t1: Path, tmp_path: Path, flags: tuple[object, ...], words: str
) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", *FEW, *flags)
    assert outcome.code == 2
    assert words in outcome.err
    assert not (tmp_path / "m.nii.gz").exists()


def test_islands_are_removed_with_any_method_and_what_went_is_told(run: Run, speckled: Path, tmp_path: Path) -> None:
    plain, without = tmp_path / "plain.nii.gz", tmp_path / "without.nii.gz"
    assert run("segment", speckled, "-o", plain, "--method", "gmm").code == 0
    outcome = run("segment", speckled, "-o", without, "--method", "gmm", "--remove-islands", 3, "--json")
    assert outcome.code == 0, outcome.err
    assert labels_of(plain)[12, 10, 8] == 1
    assert labels_of(without)[12, 10, 8] == 3
    (note,) = [finding for finding in outcome.data["findings"] if finding["code"] == "cleaned"]
    assert "ml" in note["message"]


def test_a_size_in_mm_needs_a_voxel_size(run: Run, tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "slice.png"
    grey = np.random.default_rng(0).integers(60, 200, (32, 32)).astype(np.uint8)
    Image.fromarray(grey).save(picture)
    outcome = run("segment", picture, "-o", tmp_path / "m.png", "--mask", "none", "--remove-islands", 5)
    assert outcome.code == 2
    assert "--spacing" in outcome.err
