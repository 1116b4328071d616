"""Hundreds of random things done to a session in which a person paints: no stroke and no edit is lost."""

from __future__ import annotations

import time
from collections import Counter
from typing import ClassVar, TypeAlias

import numpy as np
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test
from numpy.typing import NDArray
from tests.session.gates import WAIT, look_at
from tests.session.test_session_machine import ACTIONS, EXAMPLES, STEPS, Actions

from napari_gmmseg.volumes import Finding, Stroke

#: What was painted: number and voxels of each stroke, and the positions of the edits.
Painted: TypeAlias = tuple[tuple[tuple[int, bytes], ...], tuple[int, ...]]
COLUMNS = st.integers(0, 9)
ROWS = st.integers(0, 5)
SLICES = st.integers(0, 3)


def column(z: int, x: int, first: int) -> NDArray[np.int64]:
    """Return voxels down a column of a slice of the numbered image."""
    return np.array([(z, y, x) for y in range(first, 6)])


class PaintingActions(Actions):
    """A person who paints, too."""

    done: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[Finding] = []
        self.session.refused.connect(self.refusals.append)
        self.painted: Painted = ((), ())
        self.ever: set[Painted] = {self.painted}

    @property
    def at_rest(self) -> bool:
        """Whether what is asked for now is done now."""
        return not self.session.editing

    @precondition(lambda self: self.at_rest)
    @rule(strokes=st.lists(st.tuples(st.integers(0, 2), SLICES, COLUMNS, ROWS), min_size=1, max_size=4))
    def paint(self, strokes: list[tuple[int, int, int, int]]) -> None:
        for stroke in strokes:
            self.paint_one(*stroke)

    def paint_one(self, a: int, z: int, x: int, first: int) -> None:
        before, n_refused = self.now, len(self.refusals)
        self.session.scribble(Stroke(self.value(a), column(z, x, first)))
        strokes = self.now[0]
        assert strokes[: len(before[0])] == before[0]
        assert len(strokes) == len(before[0]) + 1 or len(self.refusals) > n_refused
        self.done["strokes"] += len(strokes) > len(before[0])
        self.note()

    @precondition(lambda self: self.at_rest)
    @rule(edits=st.lists(st.tuples(st.integers(0, 2), SLICES, COLUMNS, ROWS), min_size=1, max_size=4))
    def edit(self, edits: list[tuple[int, int, int, int]]) -> None:
        for edit in edits:
            self.edit_one(*edit)

    def edit_one(self, a: int, z: int, x: int, first: int) -> None:
        before, n_refused = self.now, len(self.refusals)
        self.session.edit(column(z, x, first), self.value(a))
        wanted = {z * 60 + y * 10 + x for y in range(first, 6)}
        assert set(self.now[1]) == {*before[1], *wanted} or len(self.refusals) > n_refused
        self.done["edits"] += self.now != before
        self.note()

    @precondition(lambda self: self.at_rest)
    @rule(z=SLICES, x=COLUMNS)
    def give_back(self, z: int, x: int) -> None:
        self.session.give_back(column(z, x, 0))
        self.note()

    @precondition(lambda self: self.at_rest and len(self.now[0]) > 2)
    @rule()
    def take_stroke_back(self) -> None:
        before = self.now[0]
        self.session.take_stroke_back()
        # What the newest act did beside the stroke is taken back with it.
        assert self.now[0] == before[:-1]
        self.note()

    @property
    def now(self) -> Painted:
        """What is painted, as the session has it."""
        there = self.session.situation
        strokes = () if there.scribbles is None else there.scribbles.strokes
        positions = () if there.edits is None else tuple(there.edits.positions.tolist())
        return tuple((each.id, each.voxels.tobytes()) for each in strokes), positions

    def note(self) -> None:
        """Expect from now on what is painted now."""
        self.painted = self.now
        self.ever.add(self.painted)

    @invariant()
    def nothing_painted_is_lost(self) -> None:
        until = time.monotonic() + WAIT
        while self.session.answering and time.monotonic() < until:
            look_at(self.session)
            # Whoever answers needs the interpreter, too.
            time.sleep(0.002)
        assert not self.session.answering
        self.done["with strokes"] += bool(self.now[0])
        self.done["with edits"] += bool(self.now[1])
        if not self.undone:
            assert self.now == self.painted
            return
        assert self.now in self.ever
        if self.at_rest:
            self.painted, self.undone = self.now, False

    @invariant()
    def edits_win_over_every_result(self) -> None:
        edits, result = self.session.edits, self.session.result
        if edits is not None and result is not None:
            assert result.label_map.labels.reshape(-1)[edits.positions].tolist() == edits.values.tolist()

    def seen(self) -> tuple[object, ...]:
        """Return what undo has to bring back; an answer to strokes is made again."""
        now = self.session.situation
        classes = None if now.scribbles is None else now.scribbles.classes
        whole = now.answered and now.scribbles is None and now.edits is None
        return super().seen() if whole else (self.now, classes, now.config, now.locked, self.session.running)


def test_hundreds_of_random_actions_lose_nothing_that_was_painted():
    PaintingActions.done.clear()
    # Not shrunk: with threads about, no smaller case fails alike, and looking for it takes minutes.
    how = {"deadline": None, "derandomize": True, "phases": [Phase.generate]}
    steps = settings(max_examples=2 * EXAMPLES, stateful_step_count=STEPS, **how)
    run_state_machine_as_test(PaintingActions, settings=steps)
    assert PaintingActions.done["actions"] >= ACTIONS
    # How much can be edited hangs on how fast earlier edits are worked out.
    assert min(PaintingActions.done.values()) >= 3, PaintingActions.done
