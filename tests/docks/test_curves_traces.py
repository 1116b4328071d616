"""Numbers against steps, in a bounded room."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.docks.curves.traces import Trace, Traces
from napari_gmmseg.volumes import ClassTable, FitReport, Mixture


def mixture(*weights: float) -> Mixture:
    k = len(weights)
    return Mixture(np.array(weights), np.arange(2.0 * k).reshape(k, 2), np.tile(np.eye(2), (k, 1, 1)), np.arange(k))


def test_a_short_trace_is_kept_as_it_is():
    trace = Trace(8)
    for step in range(8):
        trace.append(step, step**2)
    steps, values = trace.points()
    assert steps.tolist() == list(range(8))
    assert values.tolist() == [step**2 for step in range(8)]


@pytest.mark.parametrize("n", [9, 100, 4097])
def test_a_long_trace_stays_small_and_keeps_its_extremes(n: int):
    trace = Trace(8)
    values = np.random.default_rng(n).normal(size=n)
    for step, value in enumerate(values):
        trace.append(step, value)
    steps, drawn = trace.points()
    assert len(trace) <= 8
    assert len(steps) == len(drawn) <= 16
    assert (drawn.min(), drawn.max()) == (values.min(), values.max())
    assert (np.diff(steps) >= 0).all()


def test_a_place_holds_no_more_than_its_share():
    trace = Trace(4)
    for step in range(64):
        trace.append(step, step)
    steps, values = trace.points()
    starts = steps[::2]
    assert (np.diff(starts) == np.diff(starts)[0]).all()
    assert (values[1::2] - values[::2] == np.diff(starts)[0] - 1).all()


def test_a_gap_survives():
    trace = Trace(8)
    for step, value in enumerate([1.0, np.nan, 2.0]):
        trace.append(step, value)
    assert np.isnan(trace.points()[1]).tolist() == [False, True, False]


def test_reading_and_preparing_are_no_steps():
    traces = Traces()
    traces.add([FitReport("Reading", 0, 0), FitReport("Fit", 1, 2, log_likelihood=-3.0)])
    assert traces.n_steps == 1
    assert traces.named("nll")["NLL"].points()[1].tolist() == [3.0]


def test_terms_and_rates_have_axes_of_their_own():
    traces = Traces()
    traces.add([FitReport("Fit", 1, 2, terms={"total variation": 0.5, "learning rate": 0.01})])
    assert list(traces.named("term")) == ["total variation"]
    assert list(traces.named("pace")) == ["learning rate"]


def test_a_term_that_a_phase_lacks_leaves_a_gap():
    traces = Traces()
    traces.add([FitReport("A", 1, 2, terms={"a": 1.0}), FitReport("B", 1, 2, terms={"b": 2.0})])
    assert np.isnan(traces.named("term")["a"].points()[1]).tolist() == [False, True]
    assert traces.phases == [(1, "A"), (2, "B")]


def test_weights_and_means_follow_a_class_through_changes_of_their_number():
    three = numbered_classes(3)
    traces = Traces()
    traces.add(
        [
            FitReport("Fit", 1, 3, mixture=mixture(0.2, 0.3, 0.5), classes=three),
            FitReport("Fit", 2, 3, mixture=mixture(0.4, 0.6), classes=ClassTable((three[0], three[2]))),
        ]
    )
    third, second = traces.named("weight")[3], traces.named("weight")[2]
    assert third.points()[1].tolist() == [0.5, 0.6]
    assert np.isnan(second.points()[1]).tolist() == [False, True]
    assert traces.named("mean 1")[3].points()[1].tolist() == [5.0, 3.0]
    assert traces.n_channels == 2


def test_a_report_without_gaussians_leaves_no_gap_in_theirs():
    traces = Traces()
    traces.add([FitReport("Fit", 1, 3, mixture=mixture(0.4, 0.6), classes=numbered_classes(2)), FitReport("Fit", 2, 3)])
    assert traces.named("weight")[1].points()[1].tolist() == [0.4]
