"""Hundreds of random things done to a session, and what holds after each."""

from __future__ import annotations

import threading
from collections import Counter
from typing import ClassVar
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.session.conftest import numbered_request
from tests.session.fake_fits import fake_fit
from tests.session.gates import Gate, look_at, rest

from napari_gmmseg.session import Session, segment_in_steps

#: At least so many things are done, over all examples.
ACTIONS = 500
EXAMPLES, STEPS = 25, 40
PICK = st.integers(0, 15)
NAMES = st.sampled_from(["Grey", "White", "Fluid", "Class 4", "Class 5", "grey", ""])
COLOURS = st.tuples(*[st.floats(0, 1)] * 3)


class Actions(RuleBasedStateMachine):
    """A person at random, and a fit that takes a step now and then."""

    done: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate(segment_in_steps)
        self.patches = [
            patch("napari_gmmseg.session.segmenting._load_fit", lambda: fake_fit),
            patch("napari_gmmseg.session.following.segment_in_steps", self.gate),
        ]
        for each in self.patches:
            each.start()
        self.session = Session(memory_limit=40_000)
        #: Whether anything was undone or redone since the last look at what was painted.
        self.undone = False

    @initialize(done=st.sampled_from([True, True, False]), locked=st.booleans(), moved=st.booleans())
    def open(self, done: bool, locked: bool, moved: bool) -> None:
        self.session.open(numbered_request())
        if done:
            self.session.run()
            self.gate.advance(self.session, 100)
            if moved:
                self.session.adjust({2: (34.0,)}, {})
                look_at(self.session)
            if locked:
                self.session.lock(2, True)

    def value(self, pick: int) -> int:
        """Return the label value of some class, or now and then of none."""
        values = (*(self.session.classes.values if self.session.classes else ()), 77)
        return values[pick % len(values)]

    @rule()
    def run(self) -> None:
        self.session.run()

    @precondition(lambda self: self.session.running)
    @rule(n=st.integers(1, 6))
    def step(self, n: int) -> None:
        self.gate.advance(self.session, n)

    @precondition(lambda self: self.session.running)
    @rule()
    def finish(self) -> None:
        self.session.resume()
        self.gate.advance(self.session, 100)

    @rule()
    def pause(self) -> None:
        self.session.pause()

    @precondition(lambda self: self.session.running)
    @rule()
    def resume(self) -> None:
        self.session.resume()
        self.gate.advance(self.session, 0)

    @precondition(lambda self: self.session.running)
    @rule()
    def stop(self) -> None:
        self.session.stop()
        self.gate.advance(self.session, 0)

    @precondition(lambda self: self.session.running)
    @rule()
    def cancel(self) -> None:
        self.session.cancel()

    @precondition(lambda self: self.session.editing and not self.session.running)
    @rule()
    def wait(self) -> None:
        while self.session.editing and not self.session.running:
            look_at(self.session)

    @rule(k=st.integers(1, 7))
    def retune_k(self, k: int) -> None:
        self.session.retune(n_classes=k)

    @rule(rate=st.sampled_from([0.001, 0.01]), seed=st.sampled_from([0, 1]))
    def retune(self, rate: float, seed: int) -> None:
        self.session.retune(learning_rate=rate, seed=seed)

    @rule(ks=st.lists(st.integers(2, 7), min_size=2, max_size=4))
    def drag_k(self, ks: list[int]) -> None:
        self.session.begin_drag()
        for k in ks:
            self.session.retune(n_classes=k)
        self.session.end_drag()

    @rule(a=PICK, b=PICK)
    def merge(self, a: int, b: int) -> None:
        self.session.merge(self.value(a), self.value(b))

    @rule(a=PICK)
    def split(self, a: int) -> None:
        self.session.split(self.value(a))

    @rule(a=PICK, mean=st.floats(0, 60), std=st.floats(1, 20))
    def adjust(self, a: int, mean: float, std: float) -> None:
        self.session.adjust({self.value(a): (mean,)}, {self.value(a): (std,)})

    @rule(a=PICK, means=st.lists(st.floats(0, 60), min_size=2, max_size=5))
    def drag_mean(self, a: int, means: list[float]) -> None:
        value = self.value(a)
        self.session.begin_drag()
        for mean in means:
            self.session.adjust({value: (mean,)}, {})
        self.session.end_drag()

    @rule(a=PICK, on=st.booleans())
    def lock(self, a: int, on: bool) -> None:
        self.session.lock(self.value(a), on)

    @rule(a=PICK, name=NAMES)
    def rename(self, a: int, name: str) -> None:
        self.session.rename(self.value(a), name)

    @rule(a=PICK, colour=COLOURS)
    def recolour(self, a: int, colour: tuple[float, float, float]) -> None:
        self.session.recolour(self.value(a), colour)

    @rule(name=st.sampled_from(["one", "two", "three"]))
    def keep(self, name: str) -> None:
        self.session.keep_as(name)

    @rule(name=st.sampled_from(["one", "two", "three"]))
    def drop(self, name: str) -> None:
        self.session.drop(name)

    @rule(z=st.integers(-1, 5))
    def look(self, z: int) -> None:
        self.session.look(z)

    @rule()
    def poll(self) -> None:
        look_at(self.session)

    @rule(n=st.integers(1, 4))
    def undo(self, n: int) -> None:
        self.undone = True
        for _ in range(n):
            self.session.undo()

    @rule(n=st.integers(1, 4))
    def redo(self, n: int) -> None:
        self.undone = True
        for _ in range(n):
            self.session.redo()

    @precondition(lambda self: self.session.can_undo and not self.session.editing)
    @rule()
    def undo_and_redo(self) -> None:
        before = self.seen()
        self.session.undo()
        self.session.redo()
        assert self.seen() == before

    @precondition(lambda self: self.session.can_redo and not self.session.editing)
    @rule()
    def redo_and_undo(self) -> None:
        before = self.seen()
        self.session.redo()
        self.session.undo()
        assert self.seen() == before

    def seen(self) -> tuple[object, ...]:
        """Return what undo has to bring back; arrays by identity."""
        now = self.session.situation
        held = [id(now.result), id(now.fitted), dict(now.means), dict(now.stds), dict(now.given)]
        return now.config, now.locked, held, self.session.running, self.session.can_undo, self.session.can_redo

    @invariant()
    def classes_can_be_told_apart(self) -> None:
        now = self.session.situation
        self.done["actions"] += 1
        self.done["while running"] += now.run is not None
        self.done["with a result"] += now.result is not None
        self.done["with moved Gaussians"] += bool(now.means)
        self.done["with locks"] += bool(now.locked)
        self.gate.release_others(self.session)
        classes = list(self.session.classes or ())
        assert len({tissue.value for tissue in classes}) == len(classes)
        assert len({tissue.name for tissue in classes}) == len(classes)
        result = self.session.result
        if result is not None:
            table = result.label_map.classes
            assert len({tissue.name for tissue in table}) == len(table) == len(result.probabilities)
            assert {0, *table.values} >= set(result.label_map.labels.ravel().tolist())

    @invariant()
    def locked_classes_are_there(self) -> None:
        if self.session.classes is not None:
            assert self.session.locked <= set(self.session.classes.values)

    @invariant()
    def undo_keeps_to_its_memory(self) -> None:
        assert self.session.memory_used <= self.session.memory_limit

    @invariant()
    def kept_results_have_names_of_their_own(self) -> None:
        names = [kept.name for kept in self.session.kept]
        assert len(set(names)) == len(names)

    def teardown(self) -> None:
        try:
            self.gate.open()
            rest_or_cancel(self.session)
            self.session.close()
            alive = [thread.name for thread in threading.enumerate() if thread.name.startswith("gmmseg-")]
            assert alive == []
        finally:
            for each in self.patches:
                each.stop()


def rest_or_cancel(session: Session) -> None:
    """Let a session come to rest, resumed where it was paused."""
    session.resume()
    rest(session)


def test_hundreds_of_random_actions_keep_a_session_whole():
    Actions.done.clear()
    steps = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, derandomize=True)
    run_state_machine_as_test(Actions, settings=steps)
    assert Actions.done["actions"] >= ACTIONS
    assert min(Actions.done.values()) >= ACTIONS / 20, Actions.done
