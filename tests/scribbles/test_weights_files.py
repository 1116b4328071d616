from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests.scribbles.tuning_cases import TINY, drained, image_of, prepared, strokes_on, truth_of

from napari_gmmseg.errors import InputError, OutputError
from napari_gmmseg.fitting.scribbling.carrying import carry
from napari_gmmseg.fitting.scribbling.finetuning import finetune
from napari_gmmseg.io import weights as files
from napari_gmmseg.io.weights import read_weights, write_weights

TRUTH = truth_of()
VOLUME = image_of(TRUTH)
PREPARED = prepared(VOLUME)


@pytest.fixture(scope="module")
def weights():
    strokes = strokes_on(VOLUME, TRUTH, background=1)
    return drained(finetune(VOLUME, PREPARED, strokes, replace(TINY, steps=3))).weights


@pytest.fixture
def path(tmp_path: Path, weights):
    return write_weights(tmp_path / "model.safetensors", weights)


def test_a_model_comes_back_as_it_was(path, weights):
    found = read_weights(path)
    assert {name: a.tobytes() for name, a in found.arrays.items()} == {
        name: a.tobytes() for name, a in weights.arrays.items()
    }
    assert found.classes == weights.classes
    assert (found.channels, found.background, found.steps) == (("t1",), 1, 3)
    np.testing.assert_array_equal(found.mixture.means, weights.mixture.means)


def test_a_model_that_was_read_answers_as_the_one_that_was_written(path, weights):
    before, after = (carry(model, VOLUME, PREPARED, TINY) for model in (weights, read_weights(path)))
    assert before.probabilities.tobytes() == after.probabilities.tobytes()


def test_the_header_tells_what_the_model_is(path):
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        header = json.loads(file.metadata()["napari_gmmseg"])
    assert {"architecture", "classes", "channels", "standardisation", "seed", "provenance"} <= set(header)
    assert header["provenance"]["napari_gmmseg"]


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_weights(tmp_path / "none.safetensors")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04K\x01."], ids=["empty", "text", "pickle"])
def test_what_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_weights(path)


def test_a_file_cut_short_is_refused(path):
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged"):
        read_weights(path)


def test_arrays_of_another_program_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"weight": np.zeros(3, dtype=np.float32)}, path)
    with pytest.raises(InputError, match="other arrays"):
        read_weights(path)


def test_a_model_in_a_type_that_numpy_has_not_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch

    path = tmp_path / "model.safetensors"
    save_torch({"weight": torch.zeros(3, dtype=torch.bfloat16)}, path)
    with pytest.raises(InputError, match="cannot be read as a model"):
        read_weights(path)


def test_a_mixture_of_other_classes_is_refused(path):
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        told = file.metadata()
    arrays = load_file(path)
    mixture = {name: array[:1] if name.startswith("mixture/means") else array for name, array in arrays.items()}
    assert any(name.startswith("mixture/") for name in mixture)
    save_file(mixture, path, told)
    with pytest.raises(InputError):
        read_weights(path)


@pytest.mark.parametrize(
    "change", [{"layout": 99}, {"classes": 3}, {"format": "other"}, {"width": None, "channels": []}], ids=str
)
def test_a_header_that_makes_no_sense_is_refused(path, change):
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        header = json.loads(file.metadata()["napari_gmmseg"])
    save_file(load_file(path), path, {"napari_gmmseg": json.dumps({**header, **change})})
    with pytest.raises(InputError):
        read_weights(path)


def test_weights_that_are_no_numbers_are_refused(tmp_path, weights):
    name, array = next(iter(weights.arrays.items()))
    broken = replace(weights, arrays={**weights.arrays, name: np.full_like(array, np.nan)})
    with pytest.raises(InputError, match="no numbers"):
        write_weights(tmp_path / "model.safetensors", broken)
    assert not list(tmp_path.iterdir())


def test_another_suffix_is_refused(tmp_path, weights):
    with pytest.raises(OutputError, match="safetensors"):
        write_weights(tmp_path / "model.pt", weights)


def test_a_write_that_fails_leaves_what_was_there(path, weights, monkeypatch):
    before = path.read_bytes()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_compare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_weights(path, replace(weights, steps=7))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_told(tmp_path, weights):
    with pytest.raises(OutputError, match="cannot be written"):
        write_weights(tmp_path / "none" / "model.safetensors", weights)
