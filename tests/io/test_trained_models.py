"""Trained networks and unfinished trainings as files, and the card beside a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from napari_gmmseg.config.presets import MAGENTA
from napari_gmmseg.errors import InputError, OutputError
from napari_gmmseg.io import trained_models as files
from napari_gmmseg.io.model_cards import card, card_path, write_card
from napari_gmmseg.volumes import ClassTable, Finding, FitState, TissueClass, TrainedModel

SCORES = {"dice": 0.81234, "iou": 0.7, "slice_dice": 0.9, "slice_iou": 0.8, "islands": 3.0, "island_voxels": 40.0}
MODEL = TrainedModel(
    arrays={"head.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "steps": np.array(3)},
    settings={"encoder": "small", "attributes": None, "epochs": 2, "seed": 7},
    classes=ClassTable((TissueClass(2, "Tumour | core", "T", MAGENTA, "tumour"),)),
    channels=("t1", "flair"),
    attributes={"kinds": [["sex", ["f", "m"]]], "amounts": [["age", 40.0, 9.5]], "position": True},
    parts={"train": ("a", "b"), "validation": ("c",), "test": ()},
    scores={"validation": {**SCORES, "slices": 12}},
    history=({"loss": 1.5}, {"loss": 0.25, "validation Dice": 0.81234}),
    provenance={"epochs": 2, "best_epoch": 2, "seconds": 3.2, "device": "cpu", "parameters": 143_000},
    findings=(Finding("slices", "8 slices are learnt from.", "", "note"),),
)


def test_a_model_comes_back_as_it_was(tmp_path: Path):
    path = files.write_model(tmp_path / "m.safetensors", MODEL)
    found = files.read_model(path)
    assert all(np.array_equal(found.arrays[name], array) for name, array in MODEL.arrays.items())
    assert replace(found, arrays={}) == replace(MODEL, arrays={})
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_a_model_that_cannot_be_written_leaves_the_one_before(tmp_path: Path):
    path = files.write_model(tmp_path / "m.safetensors", MODEL)
    before = path.read_bytes()
    odd = replace(MODEL, arrays={"head.weight": np.full(3, np.nan, dtype=np.float32)})
    with pytest.raises(InputError, match="no numbers"):
        files.write_model(path, odd)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]
    with pytest.raises(OutputError, match="does not end in"):
        files.write_model(tmp_path / "m.pt", MODEL)
    with pytest.raises(OutputError, match="cannot be written"):
        files.write_model(tmp_path / "no" / "m.safetensors", MODEL)


def test_a_state_comes_back_as_it_was(tmp_path: Path):
    state = FitState(
        arrays={"network/w": np.ones(3, np.float32), "optimiser/0/step": np.array(4.0, np.float32)},
        start={},
        start_key="",
        meta={"history": [{"loss": 0.1}], "best_epoch": 1},
    )
    path = files.write_state(files.state_path(tmp_path / "m.safetensors"), state)
    assert path.name == "m.unfinished.safetensors"
    found = files.read_state(path)
    assert found.meta == state.meta
    assert all(np.array_equal(found.arrays[name], array) for name, array in state.arrays.items())
    with pytest.raises(InputError, match="is no trained network"):
        files.read_model(path)


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b'\x08\x00\x00\x00\x00\x00\x00\x00{"a":1}}'])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes):
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"m\.safetensors"):
        files.read_model(path)


def test_a_file_of_another_program_is_no_model_and_its_arrays_are_weights(tmp_path: Path):
    path = tmp_path / "timm.safetensors"
    save_file({"stem.conv.weight": np.ones((2, 3), np.float32)}, path)
    with pytest.raises(InputError, match="is no trained network"):
        files.read_model(path)
    assert list(files.read_public_weights(path)) == ["stem.conv.weight"]
    with pytest.raises(InputError, match="There is no file"):
        files.read_public_weights(tmp_path / "no.safetensors")


def test_a_card_tells_figures_data_settings_and_what_it_is_not_for():
    told = card("m", MODEL)
    for words in (
        "no medical device",
        "| Dice of volumes | 0.8123 |",
        "so its figures flatter",
        "- train: 2 cases: a, b",
        "- test: nobody",
        "| sex | one of f, m |",
        "| age | amount, mean 40, deviation 9.5 |",
        "| seed | 7 |",
        "- 8 slices are learnt from.",
        "| 2 | 0.25 | 0.8123 |",
        "143,000 parameters",
        "Licence",
    ):
        assert words in told, words


def test_a_card_lies_beside_its_model(tmp_path: Path):
    path = write_card(card_path(tmp_path / "m.safetensors"), MODEL)
    assert path == tmp_path / "m.md"
    assert path.read_text(encoding="utf-8").startswith("# m\n")
    assert path.stat().st_mode & 0o777 == 0o644
    with pytest.raises(OutputError, match="cannot be written"):
        write_card(tmp_path / "no" / "m.md", MODEL)
