"""Advice, doubt and calibration of a session's result, as jobs run them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.session.scribble_making import BRIGHT, DARK, SHAPE, await_answer, halves_request, stroke

from napari_gmmseg.session import Session
from napari_gmmseg.session.advising import advice_in_steps, calibration_in_steps, doubt_in_steps


def returned(steps):
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


@pytest.fixture
def painted():
    session = Session()
    session.open(halves_request(3))
    session.scribble(stroke(DARK, 2))
    session.scribble(stroke(BRIGHT, 13))
    await_answer(session)
    yield session
    session.close()


def test_advice_is_given_where_only_some_classes_are_painted(painted):
    advice = returned(advice_in_steps(painted.result, painted.scribbles))
    assert advice.spots or advice.finding is not None
    assert all(len(spot.position) == 3 and spot.why for spot in advice.spots)


@pytest.mark.parametrize("kind", ["entropy", "margin"])
def test_doubt_lies_between_nought_and_one(painted, kind):
    doubt = returned(doubt_in_steps(painted.result, kind))
    assert doubt.values.shape == SHAPE
    assert 0 <= doubt.values.min() <= doubt.values.max() <= 1 + 1e-6


def test_one_stroke_a_class_is_too_few_to_calibrate(painted):
    calibration = returned(calibration_in_steps(painted.request, painted.scribbles))
    assert calibration.ece_before is None
    assert [f.code for f in calibration.findings] == ["too-few-strokes-to-calibrate"]


def test_several_strokes_a_class_are_calibrated(painted):
    for z in (0, 2):
        painted.scribble(stroke(DARK, 3, z=z, rows=(0, 12)))
        painted.scribble(stroke(BRIGHT, 12, z=z, rows=(0, 12)))
    calibration = returned(calibration_in_steps(painted.request, painted.scribbles))
    assert calibration.ece_before is not None
    assert np.isfinite(calibration.temperature)


def test_snapshots_of_a_fine_tuning_disagree_where_the_network_changed_its_mind():
    session = Session()
    session.open(halves_request())
    assert session.disagreement_in_steps() is None
    session.scribble(stroke(DARK, 2))
    session.scribble(stroke(BRIGHT, 13))
    await_answer(session)
    session.finetune(steps=30)
    await_answer(session)
    found = returned(session.disagreement_in_steps())
    assert found.kind == "disagreement"
    assert found.values.shape == SHAPE
    assert 0 <= found.values.min() < found.values.max() <= 1
    assert 0 < found.most <= 1
    # One network that is asked twice does not disagree with itself.
    weights = session.situation.weights
    same = replace(weights, snapshots=(weights.arrays, weights.arrays))
    session._put(replace(session._now, weights=same))
    assert returned(session.disagreement_in_steps()).values.max() < 1e-5
    session.close()
