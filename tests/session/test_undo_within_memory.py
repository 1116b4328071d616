"""How much undo holds."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest
from tests.session.conftest import numbered_request
from tests.session.gates import Gate, rest

from napari_gmmseg.config import FitConfig, find_preset, numbered_classes
from napari_gmmseg.session import SegmentationRequest, Session, Situation
from napari_gmmseg.session.undoing import LIMIT, Act, UndoStack
from napari_gmmseg.volumes import Geometry, LabelMap, Mixture, Segmentation, Volume

LARGE = (256, 256, 256)
#: Bytes of three probabilities, the labels and the mask.
ONE_RESULT = 256**3 * (3 * 4 + 1 + 1)


def large_result() -> Segmentation:
    """A result of a 256³ volume; its arrays are zeros, which cost no memory until they are written to."""
    return Segmentation(
        label_map=LabelMap(
            np.zeros(LARGE, np.uint8), Geometry.from_spacing(LARGE, (1.0, 1.0, 1.0)), numbered_classes(3)
        ),
        probabilities=np.zeros((3, *LARGE), np.float32),
        mask=np.zeros(LARGE, bool),
        mixture=Mixture(np.ones(3) / 3, np.arange(3.0)[:, None], np.ones((3, 1, 1)), np.arange(3)),
        method="spatial",
        log_likelihood=0.0,
        steps=1,
    )


def large_session() -> Session:
    volume = Volume.from_array(np.zeros(LARGE, np.float32), (1, 1, 1))
    session = Session()
    session.open(SegmentationRequest(volume, find_preset("custom")))
    result = large_result()
    session.restore(SegmentationRequest(volume, find_preset("custom")), Situation(FitConfig(), result, result))
    return session


def test_fifty_results_of_a_large_volume_stay_within_the_limit():
    undo = UndoStack()
    now = Situation(FitConfig(), large_result())
    for step in range(50):
        new = Situation(FitConfig(), large_result())
        undo.push(Act(f"step {step}", now, object()), new)
        now = new
        assert undo.memory_used(now) <= LIMIT
    assert undo.memory_used(now) == LIMIT // ONE_RESULT * ONE_RESULT
    assert undo.can_undo == "step 49"


def test_fifty_names_and_colours_of_a_large_volume_cost_nothing_and_are_all_undone():
    session = large_session()
    first = session.situation
    for step in range(25):
        session.rename(1, f"Tissue {step}")
        session.recolour(2, (step / 25, 0.0, 0.0))
    assert session.memory_used == 0
    for _ in range(50):
        session.undo()
    assert session.situation == first
    assert session.can_undo is None


def test_what_several_acts_share_is_counted_once():
    undo, result = UndoStack(), large_result()
    for step in range(10):
        undo.push(Act(str(step), Situation(FitConfig(seed=step), result), object()), Situation(FitConfig()))
    assert undo.memory_used(Situation(FitConfig())) == ONE_RESULT
    assert undo.memory_used(Situation(FitConfig(), result)) == 0


def test_views_of_one_array_are_one():
    undo, result = UndoStack(), large_result()
    view = replace(result, probabilities=result.probabilities[:2])
    for held in (result, view):
        undo.push(Act("", Situation(FitConfig(), held), object()), Situation(FitConfig()))
    assert undo.memory_used(Situation(FitConfig())) == ONE_RESULT


def test_the_oldest_is_forgotten_first():
    undo = UndoStack(limit=2 * ONE_RESULT)
    for step in range(4):
        undo.push(Act(str(step), Situation(FitConfig(), large_result()), object()), Situation(FitConfig()))
    words = []
    while (act := undo.undo(Situation(FitConfig()))) is not None:
        words.append(act.words)
    assert words == ["3", "2"]


def test_states_of_a_training_count(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 3)
    assert session.memory_used == 0
    session.retune(n_classes=4)
    gate.advance(session, 2)
    session.cancel()
    session.run()
    gate.advance(session, 3)
    session.retune(n_classes=4)
    gate.open()
    rest(session)
    # 100 weights and a start of 1000 numbers, held once though there is another state at the end.
    assert session.memory_used == 100 * 8 + 1000 * 8


def test_a_run_that_is_on_holds_no_more_states_than_undo_may(gate: Gate):
    session = Session(memory_limit=3 * 100 * 8)
    session.open(numbered_request())
    session.run()
    gate.advance(session)
    for step in range(5):
        session.retune(learning_rate=0.001 * (step + 2))
        gate.advance(session, 2)
        assert session.memory_used <= session.memory_limit
    assert len(session._run.log.states) == 4
    assert session.can_undo
    gate.open()
    session.close()


@pytest.fixture
def done(session: Session, gate: Gate) -> Session:
    gate.open()
    session.run()
    rest(session)
    return session


def act(session: Session, n: int) -> None:
    """Do the n-th of many things."""
    kind = n % 10
    if n % 250 == 0:
        session.retune(learning_rate=0.001 + (n % 500) * 1e-5)
    elif n % 125 == 0:
        session.split(1)
        session.merge(1, 4)
    elif kind < 3:
        session.rename(1 + kind, f"Tissue {n % 7}-{kind}")
    elif kind < 5:
        session.recolour(2, (kind / 10, 0.5, 0.5))
    elif kind < 7:
        session.lock(3, kind == 5)
    elif n % 50 == 9:
        session.adjust({2: (25.0 + n % 11,)}, {})
    elif kind == 7:
        session.undo()
    elif kind == 8:
        session.redo()
    else:
        session.keep_as("kept")
        session.drop("kept")
    rest(session)


def test_ten_thousand_actions_do_not_grow_what_is_held(done: Session):
    numbers = cycle(range(1, 1001))
    # Libraries are loaded when they are first used.
    for _ in range(1000):
        act(done, next(numbers))
    tracemalloc.start()
    try:
        # More than undo holds, so that all of what it holds was made while it was counted.
        for _ in range(3000):
            act(done, next(numbers))
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10_000):
            act(done, next(numbers))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after <= 1.05 * before, (before, after)
