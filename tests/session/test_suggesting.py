"""Which number of classes is suggested, and what is warned of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_gmmseg.config import PRESETS, numbered_classes
from napari_gmmseg.io.sample import load_sample
from napari_gmmseg.session.suggesting import suggest
from napari_gmmseg.volumes import Geometry, LabelMap, Mixture, Segmentation, Volume

SHAPE = (20, 50, 50)


def result_of(volume: Volume, truth: np.ndarray, stds: float = 10.0) -> Segmentation:
    """Return the segmentation of one who knows."""
    values = np.unique(truth[truth > 0])
    k = len(values)
    means = np.array([volume.data[:, truth == v].mean(1) for v in values])
    covariances = np.repeat(np.eye(volume.n_channels)[None] * stds**2, k, 0)
    return Segmentation(
        label_map=LabelMap(truth.astype(np.uint8), volume.geometry, numbered_classes(k)),
        probabilities=np.stack([(truth == v).astype(np.float32) for v in values]),
        mask=truth > 0,
        mixture=Mixture(np.full(k, 1 / k), means, covariances, np.arange(k)),
        method="spatial",
        log_likelihood=0.0,
        steps=1,
    )


def case(k: int, *, apart: float = 100.0, n_channels: int = 1) -> tuple[Volume, Segmentation]:
    rng = np.random.default_rng(k)
    truth = rng.integers(1, k + 1, SHAPE)
    data = (apart * truth + rng.normal(0, 16, (n_channels, *SHAPE))).astype(np.float32)
    volume = Volume(data, Geometry(SHAPE, np.eye(4)), channels=("",) * n_channels)
    return volume, result_of(volume, truth)


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_as_many_classes_are_suggested_as_there_are(k):
    found = suggest(*case(k))
    assert found.n_classes == k
    assert found.sentences == (f"The intensities speak for these {k} classes (least BIC of 2 to 7).",)


def test_three_are_suggested_for_the_sample_brain_whatever_was_found():
    volume = load_sample()
    inside = volume.data[0] > 0
    split = np.where(inside, 1 + (volume.data[0] > np.median(volume.data[0][inside])), 0)
    found = suggest(volume, result_of(volume, split))
    assert found.n_classes == 3
    assert found.sentences[0].startswith("The intensities speak for 3 classes")


def test_where_tissues_are_known_fewer_are_blamed_on_the_image():
    volume, result = case(2)
    tissues = PRESETS["brain-t1"].classes
    labels = result.label_map.labels.copy()
    labels.reshape(-1)[::5] = 3
    means = np.array([[100.0], [200.0], [300.0]])
    three = Mixture(np.full(3, 1 / 3), means, np.full((3, 1, 1), 100.0), np.arange(3))
    named = replace(result, label_map=replace(result.label_map, labels=labels, classes=tissues), mixture=three)
    assert suggest(volume, named).sentences == (
        "By their intensities alone only 2 of the 3 tissues can be told apart (least BIC of 2 to 7): noise or shading.",
    )


def test_a_tissue_that_was_split_in_two_is_told_by_name():
    volume, result = case(3)
    means = np.array([[100.0], [108.0], [300.0]])
    found = suggest(volume, replace(result, mixture=replace(result.mixture, means=means)))
    assert "Class 1 and Class 2 are nearly alike" in found.sentences[1]


def test_a_class_of_less_than_a_hundredth_is_told():
    volume, result = case(2)
    labels = np.ones(SHAPE, dtype=np.uint8)
    labels.reshape(-1)[:200] = 2
    found = suggest(volume, replace(result, label_map=replace(result.label_map, labels=labels)))
    assert found.sentences[-1] == "Class 2 has only 0.4 % of the mask: it may be no tissue."


def test_of_several_channels_no_number_is_suggested():
    found = suggest(*case(3, n_channels=2))
    assert (found.n_classes, found.sentences) == (None, ())


def test_an_image_of_two_intensities_has_nothing_to_compare():
    truth = np.ones(SHAPE, dtype=int)
    truth[:, :25] = 2
    volume = Volume(truth[None].astype(np.float32), Geometry(SHAPE, np.eye(4)), channels=("",))
    assert suggest(volume, result_of(volume, truth)).n_classes is None
