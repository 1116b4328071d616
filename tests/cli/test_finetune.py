from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

import napari_gmmseg
from napari_gmmseg.fitting.scribbling import tuner

from .conftest import Outcome, save, tissues

Run = Callable[..., Outcome]


@pytest.fixture
def strokes(tmp_path: Path) -> Path:
    """Two short strokes of each tissue, in two slices far from each other."""
    truth, painted = tissues(), np.zeros(tissues().shape, np.uint8)
    for z in (6, 10):
        for value in (1, 2, 3):
            painted[(*np.argwhere(truth[..., z] == value)[:4].T, z)] = value
    return save(tmp_path / "strokes.nii.gz", painted)


def labels_of(path: Path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj)


def test_strokes_give_a_mask_and_a_model(run: Run, t1: Path, strokes: Path, tmp_path: Path) -> None:
    mask, model = tmp_path / "mask.nii.gz", tmp_path / "m.safetensors"
    outcome = run("finetune", t1, "--scribbles", strokes, "--steps", 8, "--save-model", model, "-o", mask, "--json")
    assert outcome.code == 0, outcome.err
    inside = tissues() > 0
    assert (labels_of(mask) == tissues())[inside].mean() > 0.9
    painted = labels_of(strokes)
    np.testing.assert_array_equal(labels_of(mask)[painted > 0], painted[painted > 0])
    assert outcome.data["method"] == "finetuned"
    assert outcome.data["steps"] == 8
    assert outcome.data["model"] == str(model)
    assert outcome.data["files"] == {"mask": str(mask)}
    assert model.exists()


def test_a_model_is_gone_on_from_and_replaced(run: Run, t1: Path, strokes: Path, tmp_path: Path) -> None:
    mask, model = tmp_path / "mask.nii.gz", tmp_path / "m.safetensors"
    common = ("finetune", t1, "--scribbles", strokes, "--steps", 3, "-o", mask, "--save-model", model)
    assert run(*common).code == 0
    assert run(*common, "--model", model).code == 0
    assert napari_gmmseg.finetune(t1, strokes, steps=1, model=model).weights.steps == 7


def test_strokes_of_one_class_are_enough_for_a_model_with_a_background(
    run: Run, t1: Path, strokes: Path, tmp_path: Path
) -> None:
    model, mask = tmp_path / "m.safetensors", tmp_path / "mask.nii.gz"
    napari_gmmseg.finetune(t1, strokes, steps=3, background=1, save_model=model)
    one = save(tmp_path / "one.nii.gz", np.where(labels_of(strokes) == 2, 2, 0).astype(np.uint8))
    outcome = run("finetune", t1, "--scribbles", one, "--model", model, "--steps", 2, "-o", mask)
    assert outcome.code == 0, outcome.err
    assert set(np.unique(labels_of(mask))) <= {0, 2, 3}


def test_what_is_no_scribbles_is_refused_in_words(t1: Path) -> None:
    for given in (np.zeros((4, 4, 4), dtype=np.uint8), None):
        with pytest.raises(napari_gmmseg.errors.SettingsError):
            napari_gmmseg.finetune(t1, given, steps=1)
    with pytest.raises(napari_gmmseg.errors.SettingsError):
        napari_gmmseg.segment(t1, init=np.zeros((4, 4, 4), dtype=np.uint8))


def test_background_is_zero(run: Run, t1: Path, strokes: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.nii.gz"
    outcome = run("finetune", t1, "--scribbles", strokes, "--steps", 2, "--background", 1, "-o", mask)
    assert outcome.code == 0, outcome.err
    assert set(np.unique(labels_of(mask))) == {0, 2, 3}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--scribbles"),
        (("--scribbles", "{strokes}"), "-o"),
        (("--scribbles", "{none}", "-o", "{mask}"), "none.nii.gz"),
        (("--scribbles", "{strokes}", "-o", "{mask}", "--model", "{t1}"), "model"),
        (("--scribbles", "{strokes}", "-o", "{mask}", "--save-model", "{mask}"), "same file"),
        (("--scribbles", "{strokes}", "-o", "{mask}", "--save-model", "{pickle}"), ".safetensors"),
        (("--scribbles", "{strokes}", "-o", "{mask}", "--background", "9"), "9"),
        (("--scribbles", "{strokes}", "-o", "{mask}", "--steps", "0"), "steps"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_told_with_a_hint_and_nothing_is_written(
    run: Run, t1: Path, strokes: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    names = {
        "strokes": strokes,
        "t1": t1,
        "none": tmp_path / "none.nii.gz",
        "mask": tmp_path / "mask.nii.gz",
        "pickle": tmp_path / "model.pt",
    }
    before = set(tmp_path.iterdir())
    outcome = run("finetune", t1, *[argument.format(**names) for argument in arguments])
    assert outcome.code == 2
    assert words in outcome.err
    assert "Hint:" in outcome.err
    assert set(tmp_path.iterdir()) == before


def test_an_interrupt_leaves_nothing_behind(
    run: Run, t1: Path, strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tuner.Tuner, "step", interrupted)
    before = set(tmp_path.iterdir())
    model = tmp_path / "m.safetensors"
    outcome = run("finetune", t1, "--scribbles", strokes, "--save-model", model, "-o", tmp_path / "mask.nii.gz")
    assert outcome.code == 130
    assert "Nothing was written" in outcome.err
    assert set(tmp_path.iterdir()) == before
