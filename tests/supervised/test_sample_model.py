"""The trained network that ships, on the generated glioma that it has not seen."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg import api
from napari_gmmseg.cli import main
from napari_gmmseg.errors import InputError
from napari_gmmseg.io import read_labels
from napari_gmmseg.io.model_cards import card_path
from napari_gmmseg.io.sample import load_sample_labels, sample_files, sample_path
from napari_gmmseg.io.trained_models import read_model

MODEL = "glioma_model.safetensors"


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    out = tmp_path_factory.mktemp("predicted") / "out.nii.gz"
    files = [str(path) for path in sample_files("glioma")]
    assert main(["predict", *files, "--model", str(sample_path(MODEL)), "-o", str(out), "--threads", "1"]) == 0
    labels = read_labels(out)
    assert [tissue.name for tissue in labels.classes] == ["Oedema", "Enhancing tumour", "Necrotic core"]
    return labels.labels


def test_the_sample_model_finds_the_sample_glioma(predicted: np.ndarray) -> None:
    truth = load_sample_labels("glioma").labels
    assert dice(predicted > 0, truth > 3) > 0.9
    for value in (4, 5, 6):
        assert dice(predicted == value, truth == value) > 0.8


def test_the_sample_model_has_not_seen_the_sample_and_says_what_it_learnt_from() -> None:
    model = read_model(sample_path(MODEL))
    seen = {name for names in model.parts.values() for name in names}
    assert len(seen) == 32
    assert "glioma-0000" not in seen
    card = card_path(sample_path(MODEL)).read_text(encoding="utf-8")
    assert "All images are generated" in card
    assert f"{model.scores['test']['dice']:.4f}" in card
    assert "Licence and consent" not in card


def test_the_sample_model_is_small() -> None:
    assert sample_path(MODEL).stat().st_size < 2e6


def test_a_missing_channel_is_refused() -> None:
    with pytest.raises(InputError, match="4 channels"):
        api.predict(sample_path(MODEL), sample_files("glioma")[:3])
