"""Strokes that correct an answer tell place, and teach intensities only as far as these are no other class's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from tests.scribbles.tuning_cases import image_of, prepared

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.config.scribbles import ScribbleConfig
from napari_gmmseg.fitting.scribbling import AtOnce
from napari_gmmseg.fitting.scribbling.at_once import TISSUES
from napari_gmmseg.fitting.scribbling.corrections import painted_later, teaching_weights
from napari_gmmseg.mixture.scribble_mixture import fit_scribble_mixture
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.volumes import Scribbles, Stroke, Volume

#: Two tissues in each other, in grains that say little of place.
TRUTH = 1 + (ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(1, 48, 48)), (0, 1, 1)) > 0).astype(int)
#: Where each looks like the other.
MISLEADING = np.zeros(TRUTH.shape, dtype=bool)
MISLEADING[0, :8, :8] = True
CLASSES = numbered_classes(2)


def misleading() -> Volume:
    return image_of(np.where(MISLEADING, 3 - TRUTH, TRUTH))


def painted(volume: Volume, *, known_times: bool, background: int | None = None) -> tuple[Scribbles, Scribbles]:
    """The first strokes, and these with corrections where each tissue was taken for the other."""
    typical, errors = (
        [np.argwhere((value == TRUTH) & where)[-30:] for value in (1, 2)] for where in (~MISLEADING, MISLEADING)
    )
    strokes = [Stroke(value, voxels) for some in (typical, errors) for value, voxels in zip((1, 2), some, strict=True)]
    if known_times:
        strokes = [replace(stroke, time=float(second)) for second, stroke in enumerate(strokes, start=1)]
    empty = Scribbles(TRUTH.shape, volume.geometry, CLASSES, background=background)
    return empty.with_strokes(strokes[:2]), empty.with_strokes(strokes)


def wrong(volume: Volume, strokes: Scribbles) -> float:
    """The share of wrong voxels away from the region that misleads."""
    labels = AtOnce(volume, prepared(volume)).update(strokes).labels
    return float((labels != TRUTH)[0, 12:, 12:].mean())


def test_a_correction_where_intensities_mislead_does_not_spoil_the_rest():
    volume = misleading()
    first, corrected = painted(volume, known_times=True)
    before = wrong(volume, first)
    assert wrong(volume, corrected) < before + 0.01
    # What is painted first, or at an unknown time, is what the classes look like.
    assert wrong(volume, painted(volume, known_times=False)[1]) > before + 0.05


def test_a_correction_holds_where_it_was_painted():
    volume = misleading()
    _, corrected = painted(volume, known_times=True)
    labels = AtOnce(volume, prepared(volume)).update(corrected).labels
    for stroke in corrected.strokes:
        assert (labels[tuple(stroke.voxels.T)] == stroke.value).all()


def test_times_make_no_difference_against_a_background():
    volume = misleading()
    answers = [
        AtOnce(volume, prepared(volume)).update(painted(volume, known_times=known, background=1)[1]).probabilities
        for known in (False, True)
    ]
    np.testing.assert_array_equal(*answers)


def test_later_is_what_was_painted_after_each_class_had_a_stroke():
    kinds = np.array([0, 0, 1, 0, 1])
    assert painted_later(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), kinds, 2).tolist() == [False, False, False, True, True]
    assert not painted_later(np.zeros(5), kinds, 2).any()
    # Where a class was painted at an unknown time, that is no later than anything.
    assert painted_later(np.array([0.0, 2.0, 3.0, 4.0, 5.0]), kinds, 2).tolist() == [False, False, False, True, True]


def weights_of(later_value: float) -> tuple[float, float]:
    """How much a later voxel of class 0 counts whose classes lie around 0 and 10, and what it contradicts."""
    spread = np.linspace(-1, 1, 20)
    samples = torch.from_numpy(np.concatenate((spread, 10 + spread, [later_value]))[None].astype(np.float32))
    classes = torch.tensor([0] * 20 + [1] * 20 + [0])
    scale = Standardisation(np.array([5.0]), np.array([5.0]))
    later = np.arange(41) == 40

    def fit(x, k, w):
        return fit_scribble_mixture(x, k, w, scale, (1, 1))

    found, contradicted = teaching_weights(samples, classes, torch.ones(41), later, scale, fit)
    assert (found[:40] == 1.0).all()
    return float(found[40]), contradicted


def test_a_later_voxel_teaches_its_class_unless_it_looks_like_another():
    counts, contradicted = weights_of(0.3)
    assert counts > 0.95
    assert contradicted < 0.05 / 40
    counts, contradicted = weights_of(10.3)
    assert counts < 0.05
    assert contradicted == pytest.approx((1 - counts) / 40)


def test_a_later_voxel_that_looks_like_nothing_so_far_teaches():
    assert weights_of(20.0)[0] > 0.95


def test_place_counts_more_the_more_strokes_contradict_intensities_unless_a_person_says_how_much():
    volume = misleading()
    _, corrected = painted(volume, known_times=True)
    blind = {"intensity_weight": 0.0, "neighbour_weight": 0.0}

    def evidence(**settings):
        return AtOnce(volume, prepared(volume), ScribbleConfig(**blind, **settings)).update(corrected).evidence

    told = evidence(spatial_weight=TISSUES.place)
    more = float(evidence().min() / told.min())
    assert more > 1.1
    np.testing.assert_allclose(evidence(), more * told, rtol=1e-4)
    np.testing.assert_allclose(evidence(spatial_weight=2 * TISSUES.place), 2 * told, rtol=1e-4)
