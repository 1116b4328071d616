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
