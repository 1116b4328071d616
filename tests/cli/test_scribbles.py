"""`segment --scribbles` and `--init` from end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

import napari_gmmseg
from napari_gmmseg.io import read_channels
from napari_gmmseg.io.scribbles import read_scribbles, write_scribbles

from .conftest import Outcome, save, tissues

Run = Callable[..., Outcome]


def labels_of(path: Path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj)


def strokes(values: tuple[int, ...] = (1, 2, 3), most: int = 6) -> np.ndarray:
    painted = np.zeros(tissues().shape, dtype=np.uint8)
    for value in values:
        pixels = np.argwhere(tissues() == value)
        near = pixels[np.argsort(((pixels - pixels[len(pixels) // 2]) ** 2).sum(1), kind="stable")[:most]]
        painted[tuple(near.T)] = value
    return painted


@pytest.fixture
def scribbles(tmp_path: Path) -> Path:
    return save(tmp_path / "S.nii.gz", strokes())


def test_strokes_give_a_mask_with_their_own_numbers(run: Run, t1: Path, scribbles: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "--scribbles", scribbles, "-o", tmp_path / "m.nii.gz", "--json")
    assert outcome.code == 0, outcome.err
    found = labels_of(tmp_path / "m.nii.gz")
    assert (found == tissues()).mean() > 0.95
    assert (found[strokes() > 0] == strokes()[strokes() > 0]).all()
    assert outcome.data["method"] == "scribbles"
    assert [c["name"] for c in outcome.data["classes"]] == ["Class 1", "Class 2", "Class 3"]


def test_json_scribbles_give_the_same_mask(run: Run, t1: Path, scribbles: Path, tmp_path: Path) -> None:
    copy = tmp_path / "S.json"
    write_scribbles(copy, read_scribbles(scribbles, read_channels(t1)[0]))
    for source, target in ((scribbles, "a.nii.gz"), (copy, "b.nii.gz")):
        assert run("segment", t1, "--scribbles", source, "-o", tmp_path / target).code == 0
    np.testing.assert_array_equal(labels_of(tmp_path / "a.nii.gz"), labels_of(tmp_path / "b.nii.gz"))


def test_background_is_zero_in_the_mask(run: Run, t1: Path, scribbles: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "--scribbles", scribbles, "--background", 1, "-o", tmp_path / "m.nii.gz", "--json")
    assert outcome.code == 0, outcome.err
    assert set(np.unique(labels_of(tmp_path / "m.nii.gz"))) == {0, 2, 3}
    assert [c["value"] for c in outcome.data["classes"]] == [2, 3]


def test_a_finished_mask_without_strokes_comes_back_unchanged(run: Run, t1: Path, tmp_path: Path) -> None:
    mask = save(tmp_path / "old.nii.gz", tissues().astype(np.uint8))
    empty = save(tmp_path / "S.nii.gz", np.zeros(tissues().shape, dtype=np.uint8))
    for more in ((), ("--scribbles", empty)):
        outcome = run("segment", t1, "--init", mask, *more, "-o", tmp_path / "m.nii.gz")
        assert outcome.code == 0, outcome.err
        np.testing.assert_array_equal(labels_of(tmp_path / "m.nii.gz"), tissues())


def test_strokes_correct_a_finished_mask(run: Run, t1: Path, tmp_path: Path) -> None:
    wrong = tissues().astype(np.uint8)
    wrong[:12][wrong[:12] == 3] = 2
    painted = np.where((np.arange(24)[:, None, None] < 12) & (tissues() == 3), 3, 0).astype(np.uint8)
    painted[:, ::2] = 0
    mask, some = save(tmp_path / "old.nii.gz", wrong), save(tmp_path / "S.nii.gz", painted)
    outcome = run("segment", t1, "--init", mask, "--scribbles", some, "-o", tmp_path / "m.nii.gz")
    assert outcome.code == 0, outcome.err
    found = labels_of(tmp_path / "m.nii.gz")
    assert (found != tissues()).sum() < 0.3 * (wrong != tissues()).sum()


def test_masks_of_ones_and_of_0_and_255_can_be_corrected(run: Run, t1: Path, tmp_path: Path) -> None:
    full = save(tmp_path / "full.nii.gz", np.ones(tissues().shape, dtype=np.uint8))
    assert run("segment", t1, "--init", full, "-o", tmp_path / "m.nii.gz").code == 0
    assert (labels_of(tmp_path / "m.nii.gz") == 1).all()
    binary = np.where(tissues() == 3, 255, 0).astype(np.uint8)
    some = save(tmp_path / "S.nii.gz", strokes((2,)))
    mask = save(tmp_path / "binary.nii.gz", binary)
    outcome = run("segment", t1, "--init", mask, "--scribbles", some, "-o", tmp_path / "m.nii.gz")
    assert outcome.code == 0, outcome.err
    found = labels_of(tmp_path / "m.nii.gz")
    assert set(np.unique(found)) == {0, 2, 255}
    assert (found[strokes((2,)) == 2] == 2).all()
    painted = save(tmp_path / "S.nii.gz", np.where(strokes((2,)) == 2, 255, 0).astype(np.uint8))
    outcome = run("segment", t1, "--init", mask, "--scribbles", painted, "-o", tmp_path / "m.nii.gz")
    assert outcome.code == 2
    assert "another value" in outcome.err


@pytest.mark.parametrize("flags", [("--classes", 4), ("--region", "r.nii.gz"), ("--mask", "r.nii.gz")], ids=str)
def test_what_says_nothing_beside_a_finished_mask_is_refused(
    run: Run, t1: Path, tmp_path: Path, flags: tuple[object, ...]
) -> None:
    mask = save(tmp_path / "old.nii.gz", tissues().astype(np.uint8))
    outcome = run("segment", t1, "--init", mask, *flags, "-o", tmp_path / "m.nii.gz")
    assert outcome.code == 2
    assert str(flags[0]) in outcome.err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--classes", 4), "4 classes were asked for"),
        (("--method", "gmm"), "method (--method)"),
        (("--view", "slices"), "view"),
        (("--session", "run"), "not recorded"),
        (("--prior", "p.nii.gz"), "--prior"),
        (("--background", 9), "9 is to be background"),
    ],
)
def test_flags_that_contradict_strokes_are_refused(
    run: Run,
    t1: Path,
    scribbles: Path,
    tmp_path: Path,
    flags: tuple[object, ...],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run("segment", t1, "--scribbles", scribbles, "-o", "m.nii.gz", *flags)
    assert outcome.code == 2
    assert told in outcome.err
    assert "Hint:" in outcome.err
    assert not (tmp_path / "m.nii.gz").exists()


def test_one_class_alone_is_refused(run: Run, t1: Path, tmp_path: Path) -> None:
    alone = save(tmp_path / "S.nii.gz", strokes((2,)))
    outcome = run("segment", t1, "--scribbles", alone, "-o", tmp_path / "m.nii.gz")
    assert outcome.code == 2
    assert "at least two classes" in outcome.err


def test_background_without_strokes_is_refused(run: Run, t1: Path, tmp_path: Path) -> None:
    outcome = run("segment", t1, "--background", 1, "-o", tmp_path / "m.nii.gz")
    assert outcome.code == 2
    assert "--scribbles" in outcome.err


def test_a_mask_of_another_grid_is_refused(run: Run, t1: Path, tmp_path: Path) -> None:
    other = save(tmp_path / "old.nii.gz", tissues()[:20].astype(np.uint8))
    outcome = run("segment", t1, "--init", other, "-o", tmp_path / "m.nii.gz")
    assert outcome.code == 2
    assert "different grids" in outcome.err


def test_python_takes_the_same_words(t1: Path, scribbles: Path) -> None:
    result = napari_gmmseg.segment(t1, scribbles=scribbles, background=1)
    assert result.method == "scribbles"
    assert result.provenance["background"] == 1
    assert json.dumps(dict(result.provenance))


def test_the_whole_image_is_answered_where_background_is_painted(tmp_path: Path) -> None:
    labels = np.where(tissues() > 0, 2, 1)
    noisy = np.array([0.0, 60.0, 140.0])[labels] + np.random.default_rng(0).normal(0, 6, labels.shape)
    image = save(tmp_path / "head.nii.gz", noisy.astype(np.float32))
    painted = np.zeros(labels.shape, dtype=np.uint8)
    painted[0, :6, 0], painted[12, 8:12, 8] = 1, 2
    result = napari_gmmseg.segment(image, scribbles=save(tmp_path / "S.nii.gz", painted), background=1)
    assert result.mask.all()
    assert "whole-image" in {finding.code for finding in result.findings}
    assert set(np.unique(result.label_map.labels)) == {0, 2}
