"""`segment` on images larger than the memory that they may take."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from .conftest import Outcome, tissues

Run = Callable[..., Outcome]
TINY = ("--method", "gmm", "--memory-limit", "0.0001")


def test_a_tiny_limit_gives_the_same_mask_slab_by_slab(run: Run, t1: Path, tmp_path: Path) -> None:
    plain = run("segment", t1, "-o", tmp_path / "a.nii.gz", "--method", "gmm", "--json")
    streamed = run("segment", t1, "-o", tmp_path / "b.nii.gz", *TINY, "--json")
    assert streamed.code == 0, streamed.err
    masks = [np.asarray(nibabel.load(tmp_path / name).dataobj) for name in ("a.nii.gz", "b.nii.gz")]
    np.testing.assert_array_equal(masks[1], masks[0])
    assert ((masks[1] > 0) == (tissues() > 0)).all()
    one, other = (json.loads(outcome.out) for outcome in (plain, streamed))
    for row, same in zip(one["classes"], other["classes"], strict=True):
        assert row["name"] == same["name"]
        assert row["voxels"] == same["voxels"]
        assert same["volume_ml_hard"] == pytest.approx(row["volume_ml_hard"])
        assert same["volume_ml_soft"] == pytest.approx(row["volume_ml_soft"], rel=1e-4)
        assert same["share"] == pytest.approx(row["share"])
    assert other["unit"] == "mm"
    assert other["mean_uncertainty"] == pytest.approx(one["mean_uncertainty"], rel=1e-4)
    assert "streamed" in [finding["code"] for finding in other["findings"]]
    assert "Writing the mask" in streamed.err


def test_volumes_are_told_in_ml(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", *TINY)
    assert outcome.code == 0
    assert "ml" in outcome.out
    assert "White matter" in outcome.out


@pytest.mark.parametrize(
    "flags",
    [
        ("--uncertainty", "u.nii.gz"),
        ("--probabilities", "p.nii.gz"),
        ("--fractions-out", "f.nii.gz"),
        ("--bias-field-out", "b.nii.gz"),
        ("--remove-islands", "3"),
    ],
)
def test_what_needs_all_of_it_in_memory_is_refused(
    run: Run, t1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run("segment", t1, "-o", "m.nii.gz", *TINY, *flags)
    assert outcome.code == 3
    assert f"{flags[0]} needs all of it" in " ".join(outcome.err.split())
    assert "Hint:" in outcome.err
    assert not (tmp_path / "m.nii.gz").exists()


def test_other_methods_are_refused_with_the_way_out(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--memory-limit", "0.00001")
    assert outcome.code == 3
    assert "--method gmm" in outcome.err
    assert not (tmp_path / "m.nii.gz").exists()


def test_a_limit_of_nothing_is_refused(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--memory-limit", "0")
    assert outcome.code == 2
    assert "--memory-limit" in outcome.err
