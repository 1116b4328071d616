from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    # A script finds those beside it by its own folder.
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("carried")


def test_strokes_are_counted_until_a_dice_is_first_reached(carried: ModuleType) -> None:
    course = carried.Course([0, 3, 6], [0.5, 0.7, 0.6])
    assert course.until(0.6) == 3
    assert course.until(0.5) == 0
    assert course.until(0.8) is None


def test_a_pair_counts_where_half_the_strokes_suffice(carried: ModuleType) -> None:
    rows = [{"a": 6, "b": 3}, {"a": 6, "b": 4}, {"a": 6, "b": None}, {"a": None, "b": 0}]
    assert carried.summary(rows, "a", "b").endswith("at most half in 1 of 3")
