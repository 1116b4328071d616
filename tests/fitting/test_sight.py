"""The first sight of other classes: the shown slice at once, before anything is fitted to them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fitting.live_runs import FAST, first_of, slice_case

from napari_gmmseg.volumes import Look, Merge, Retune, Stop

PHASES = [("Network learns the spatial mixture", 2), ("Blind-spot prior", 8)]


def place_of(phase: str, step: int) -> int:
    return first_of(slice_case().run(method="blindspot", **FAST).reports, phase, step)


@pytest.mark.parametrize(("phase", "step"), PHASES)
def test_more_classes_are_seen_in_the_shown_slice_before_the_next_step(phase: str, step: int) -> None:
    place = place_of(phase, step)
    run = slice_case().run({place: Retune({"n_classes": 4})}, method="blindspot", **FAST)
    before, sight, after = run.reports[place - 1], run.reports[place], run.reports[place + 1]
    assert (sight.step, after.step) == (before.step, before.step + 1)
    assert sight.preview is not None
    assert set(np.unique(sight.preview)) - {0} == set(sight.classes.values)


@pytest.mark.parametrize(("phase", "step"), PHASES)
def test_a_merged_class_is_seen_in_the_one_that_it_became_part_of(phase: str, step: int) -> None:
    place = place_of(phase, step)
    run = slice_case().run({place: Merge(2, 1)}, method="blindspot", **FAST)
    sight = run.reports[place]
    assert sight.preview is not None
    assert set(np.unique(sight.preview)) - {0} == set(sight.classes.values) == {2, 3}


def test_what_is_told_at_the_first_sight_is_heard() -> None:
    place = place_of(*PHASES[1])
    script = {place: Retune({"n_classes": 4}), place + 1: Retune({"n_classes": 5}), place + 2: Look(0)}
    run = slice_case().run(script, method="blindspot", **FAST)
    assert [len(run.reports[place + n].classes) for n in (0, 1, 2)] == [4, 5, 5]
    stopped = slice_case().run({place: Retune({"n_classes": 4}), place + 1: Stop()}, method="blindspot", **FAST)
    assert len(stopped.result.label_map.classes) == 4
