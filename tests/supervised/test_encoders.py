"""Training with an encoder of the extra: batch norms, public weights, and states on disk."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import napari_gmmseg
from napari_gmmseg.errors import InputError, SettingsError
from napari_gmmseg.fitting.supervised import predict, train
from napari_gmmseg.fitting.supervised.learner import Learner
from napari_gmmseg.fitting.supervised.splitting import split
from napari_gmmseg.io.trained_models import read_model, read_public_weights, read_state, write_model, write_state
from napari_gmmseg.volumes import Volume

from .labelled_cases import CHANNELS, CLASSES, case, case_set, config, followed

pytestmark = pytest.mark.skipif(
    find_spec("segmentation_models_pytorch") is None, reason="the extra [glioma] is not installed"
)
ENCODER = "resnet18"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights of the encoder, as a public file has them."""
    settings = config(encoder=ENCODER, seed=11)
    encoder = Learner(split(case_set(2).cases, settings), CLASSES, settings, None).network.encoder
    path = tmp_path / "public.safetensors"
    save_file({name: value.numpy() for name, value in encoder.state_dict().items()}, path)
    return path


def test_a_training_with_batch_norms_is_gone_on_with_from_disk_to_the_same_curve(tmp_path: Path):
    settings = config(encoder=ENCODER, epochs=2)
    whole, reports = followed(case_set(), settings)
    first = next(report.state for report in reports if report.state is not None)
    path = write_state(tmp_path / "state.safetensors", first)
    gone_on, _ = followed(case_set(), settings, state=read_state(path))
    assert gone_on.history == whole.history
    assert all(np.array_equal(array, whole.arrays[name]) for name, array in gone_on.arrays.items())
    model = read_model(write_model(tmp_path / "m.safetensors", whole))
    volume = Volume.from_array(case(9).image, channels=CHANNELS)
    np.testing.assert_array_equal(predict(model, volume).probabilities, predict(whole, volume).probabilities)


def test_public_weights_are_where_a_training_starts(weights: Path, tmp_path: Path):
    common = {"encoder": ENCODER, "epochs": 1, "test_share": 0.0, "threads": 1, "learning_rate": 1e-9}
    model = napari_gmmseg.train(case_set(), tmp_path / "m.safetensors", encoder_weights=weights, **common)
    other = napari_gmmseg.train(case_set(), tmp_path / "n.safetensors", **common)
    from safetensors.numpy import load_file

    first = load_file(weights)["layer1.0.conv1.weight"]
    np.testing.assert_allclose(model.arrays["encoder.layer1.0.conv1.weight"], first, atol=1e-6)
    assert np.abs(other.arrays["encoder.layer1.0.conv1.weight"] - first).max() > 1e-3


def test_a_batch_of_one_keeps_the_statistics_that_public_weights_brought(weights: Path):
    public = read_public_weights(weights)
    for batch, kept in ((1, True), (4, False)):
        settings = config(encoder=ENCODER, batch_slices=batch)
        held = Learner(split(case_set(2).cases, settings), CLASSES, settings, public)
        before = held.network.encoder.bn1.running_mean.clone()
        next(held.epoch())
        assert bool((held.network.encoder.bn1.running_mean == before).all()) is kept


def test_a_training_from_public_weights_is_gone_on_with_without_them(weights: Path):
    public = read_public_weights(weights)
    settings = config(encoder=ENCODER, epochs=2, batch_slices=1)
    reports = list(train(case_set(2), settings, encoder_weights=public))
    states = [report.state for report in reports if report.state is not None]
    gone_on = [r.state for r in train(case_set(2), settings, state=states[0]) if r.state is not None]
    assert states[1].meta["history"] == gone_on[-1].meta["history"]
    assert all(np.array_equal(array, gone_on[-1].arrays[name]) for name, array in states[1].arrays.items())


def test_weights_of_another_encoder_are_refused(weights: Path, tmp_path: Path):
    with pytest.raises(SettingsError, match="another encoder"):
        napari_gmmseg.train(case_set(), tmp_path / "m.safetensors", encoder="mobilenet_v2", encoder_weights=weights)
    (tmp_path / "odd.safetensors").write_bytes(b"odd")
    with pytest.raises(InputError, match="damaged"):
        napari_gmmseg.train(
            case_set(), tmp_path / "m.safetensors", encoder=ENCODER, encoder_weights=tmp_path / "odd.safetensors"
        )
