"""`segment` on images larger than the memory that they may take."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from .conftest import Outcome, save, tissues

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
        ("--series", "1.2.3"),
        ("--device", "cuda:0"),
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


@pytest.mark.parametrize("name", ["image.mgz", "image.nrrd", "series.nii.gz", "folder"])
def test_a_limit_that_cannot_be_kept_is_refused(run: Run, t1: Path, tmp_path: Path, name: str) -> None:
    image = tmp_path / name
    if name == "folder":
        image.mkdir()
    elif name == "image.mgz":
        nibabel.save(nibabel.MGHImage(tissues().astype(np.float32), np.eye(4)), image)
    elif name == "image.nrrd":
        sitk = pytest.importorskip("SimpleITK")
        sitk.WriteImage(sitk.GetImageFromArray(tissues().astype(np.float32)), str(image))
    else:
        save(image, np.stack([tissues().astype(np.int16)] * 2, axis=-1))
    outcome = run("segment", image, "-o", tmp_path / "m.nii.gz", "--memory-limit", "8")
    assert outcome.code == 2
    assert "--memory-limit" in outcome.err
    assert "one NIfTI file of three axes" in " ".join(outcome.err.split())


def test_a_limit_beside_strokes_is_refused(run: Run, t1: Path, tmp_path: Path) -> None:
    strokes = save(tmp_path / "strokes.nii.gz", tissues().astype(np.uint8))
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", "--scribbles", strokes, "--memory-limit", "8")
    assert outcome.code == 2
    assert "--memory-limit" in outcome.err


def test_a_file_that_is_not_there_is_told_whatever_the_limit(run: Run, tmp_path: Path) -> None:
    outcome = run("segment", tmp_path / "none.nii.gz", "-o", tmp_path / "m.nii.gz", "--memory-limit", "8")
    assert outcome.code == 2
    assert "none.nii.gz" in outcome.err
    assert "limit" not in outcome.err


def test_settings_without_effect_are_noted(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "-o", tmp_path / "m.nii.gz", *TINY, "--precision", "bfloat16", "--json")
    assert outcome.code == 0, outcome.err
    assert "settings-without-effect" in [finding["code"] for finding in outcome.data["findings"]]


def test_the_processor_may_be_asked_for(run: Run, t1: Path, tmp_path: Path) -> None:
    assert run("segment", t1, "-o", tmp_path / "m.nii.gz", *TINY, "--device", "cpu").code == 0
