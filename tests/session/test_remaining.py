"""Seconds left, told from reports."""

from __future__ import annotations

import pytest

from napari_gmmseg.session.remaining import RemainingTime


def test_equal_steps_give_the_exact_time_left():
    remaining = RemainingTime()
    assert remaining.update("EM", 1, 11, 0.5) is None
    assert remaining.update("EM", 2, 11, 0.5) == pytest.approx(4.5)
    assert remaining.update("EM", 3, 11, 0.5) == pytest.approx(4.0)


def test_a_new_phase_begins_a_new_estimate():
    remaining = RemainingTime()
    remaining.update("EM", 1, 10, 0.5)
    remaining.update("EM", 2, 10, 0.5)
    assert remaining.update("Sweeps", 1, 10, 9.0) is None
    assert remaining.update("Sweeps", 2, 10, 1.0) == pytest.approx(8.0)


def test_the_last_step_leaves_nothing():
    remaining = RemainingTime()
    remaining.update("EM", 9, 10, 1.0)
    assert remaining.update("EM", 10, 10, 1.0) == 0.0


def test_a_report_without_a_step_does_not_divide_by_zero():
    remaining = RemainingTime()
    remaining.update("EM", 1, 10, 1.0)
    assert remaining.update("EM", 1, 10, 1.0) is None


def test_a_phase_whose_steps_are_counted_on_tells_from_its_first_step():
    """Warm-up and training are steps of one count, so that the time of both is told from the start."""
    remaining = RemainingTime()
    remaining.update("Warm-up", 1, 10, 1.0)
    assert remaining.update("Warm-up", 2, 10, 1.0) == pytest.approx(8.0)
    assert remaining.update("Training", 3, 10, 2.0) == pytest.approx(14.0)


def test_a_phase_with_a_count_of_its_own_does_not_take_the_way_to_it_for_a_step():
    remaining = RemainingTime()
    remaining.update("Sweeps", 1, 12, 0.1)
    remaining.update("Sweeps", 2, 12, 0.1)
    assert remaining.update("Training", 3, 100, 5.0) is None
    assert remaining.update("Training", 4, 100, 0.5) == pytest.approx(48.0)
