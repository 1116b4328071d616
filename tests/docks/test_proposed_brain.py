"""The brain that was proposed in a whole head: a layer to correct, and to choose as the mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_gmmseg.plugin.metadata import entry_of
from napari_gmmseg.volumes import Finding, Segmentation

from .conftest import SteppedFit, add_image, labels_layers, start


@pytest.fixture
def proposing(dock, monkeypatch):
    """A dock whose fits tell that a brain was proposed: half of the image."""
    plain = SteppedFit._segmentation

    def segmentation(fit: SteppedFit, labels: np.ndarray) -> Segmentation:
        brain = np.zeros(labels.shape, dtype=bool)
        brain[: len(brain) // 2] = True
        found = Finding("proposed-brain", "A brain was proposed.", severity="note")
        return replace(plain(fit, labels), mask=brain, findings=(found,))

    monkeypatch.setattr(SteppedFit, "_segmentation", segmentation)
    return dock


def proposed(dock) -> list:
    return [layer for layer in labels_layers(dock) if entry_of(layer.metadata).get("role") == "proposed brain"]


def test_the_proposed_brain_is_a_hidden_layer_over_its_image(proposing):
    image = add_image(proposing.viewer)
    start(proposing)
    proposing.finish()
    (brain,) = proposed(proposing)
    assert brain.name == f"{image.name} proposed brain"
    assert not brain.visible
    assert np.array_equal(brain.scale, image.scale)
    assert np.array_equal(np.unique(brain.data[: len(brain.data) // 2]), [1])
    assert not brain.data[len(brain.data) // 2 :].any()


def test_a_corrected_proposal_is_a_mask_and_outlives_the_next_run(proposing):
    add_image(proposing.viewer)
    start(proposing)
    proposing.finish()
    (brain,) = proposed(proposing)
    brain.data_setitem((np.array([0]), np.array([0]), np.array([0])), 0)
    (choice,) = [mask for mask in proposing.view.choices.masks if mask.key == id(brain)]
    proposing.presenter.choose(mask=choice.key)
    start(proposing)
    proposing.finish()
    given = proposing.fit.request.mask
    assert given is not None
    labels = np.asarray(getattr(given, "labels", given))
    assert not labels[0, 0, 0]
    assert labels.sum() == brain.data.sum() == brain.data[: len(brain.data) // 2].size - 1
    assert proposed(proposing) == [brain]


def test_where_no_brain_was_proposed_there_is_no_layer(dock):
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    assert not proposed(dock)


def test_another_image_of_the_same_name_has_a_proposal_of_its_own(proposing):
    first = add_image(proposing.viewer)
    start(proposing)
    proposing.finish()
    (old,) = proposed(proposing)
    name, data = first.name, np.concatenate([first.data, first.data])
    proposing.viewer.layers.remove(first)
    proposing.viewer.add_image(data, name=name)
    start(proposing)
    proposing.finish()
    assert len(proposed(proposing)) == 2
    assert next(brain for brain in proposed(proposing) if brain is not old).data.shape == data.shape
