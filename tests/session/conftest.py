"""Fits made of nothing, that wait where a test wants them to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

import numpy as np
import pytest
from tests.session.fake_fits import fake_fit
from tests.session.gates import Gate

from napari_gmmseg.config import find_preset, numbered_classes
from napari_gmmseg.session import SegmentationRequest, Session, segment_in_steps
from napari_gmmseg.session.jobs import FitGenerator, Job, cancel_all
from napari_gmmseg.volumes import FitReport, Geometry, LabelMap, Mixture, Segmentation, Stop, Volume

GRID = (2, 3, 4)


def segmentation(steps: int, *, stopped: bool = False) -> Segmentation:
    geometry = Geometry.from_spacing(GRID, (1.0, 1.0, 1.0))
    labels = np.ones(GRID, dtype=np.uint8)
    return Segmentation(
        label_map=LabelMap(labels, geometry, numbered_classes(2)),
        probabilities=np.zeros((2, *GRID), dtype=np.float32),
        mask=np.ones(GRID, dtype=bool),
        mixture=Mixture(np.ones(2) / 2, np.zeros((2, 1)), np.ones((2, 1, 1)), np.arange(2)),
        method="gmm",
        log_likelihood=0.0,
        steps=steps,
        stopped=stopped,
    )


class SteppedFit:
    """A fit whose every step waits for `allow`, unless it runs freely."""

    def __init__(self, n_steps: int = 100, *, free: bool = False) -> None:
        self.n_steps = n_steps
        self.free = free
        self.closed = False
        self.done = 0
        self.commands: list[object] = []
        self._permits = threading.Semaphore(0)

    def allow(self, n: int = 1) -> None:
        for _ in range(n):
            self._permits.release()

    def __call__(self) -> FitGenerator:
        return self._steps()

    def _steps(self) -> FitGenerator:
        try:
            for step in range(1, self.n_steps + 1):
                if not self.free:
                    assert self._permits.acquire(timeout=10)
                self.done = step
                command = yield FitReport("Test", step, self.n_steps)
                self.commands.append(command)
                if isinstance(command, Stop):
                    return segmentation(step, stopped=True)
            return segmentation(self.n_steps)
        finally:
            self.closed = True


class States:
    """Remembers a job's states, and waits for one."""

    def __init__(self, job: Job) -> None:
        self.seen: list[str] = []
        self._condition = threading.Condition()
        job.state_changed.connect(self._note)

    def _note(self, state: str) -> None:
        with self._condition:
            self.seen.append(str(state))
            self._condition.notify_all()

    def wait_for(self, state: str) -> None:
        with self._condition:
            assert self._condition.wait_for(lambda: state in self.seen, timeout=10), self.seen


@pytest.fixture
def stepped_fit() -> type[SteppedFit]:
    return SteppedFit


@pytest.fixture
def states_of() -> Callable[[Job], States]:
    return States


@pytest.fixture(autouse=True)
def no_thread_left() -> Generator[None]:
    yield
    assert cancel_all(timeout=10), "a job outlived its test"


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Generator[Gate]:
    """Have sessions fit nothing, and only when a test says so."""
    made = Gate(segment_in_steps)
    monkeypatch.setattr("napari_gmmseg.session.segmenting._load_fit", lambda: fake_fit)
    monkeypatch.setattr("napari_gmmseg.session.following.segment_in_steps", made)
    yield made
    made.open()


def numbered_request() -> SegmentationRequest:
    """An image of 240 voxels whose intensities rise from 0 to 60."""
    intensities = np.linspace(0, 60, 240, dtype=np.float32).reshape(1, 4, 6, 10)[0]
    return SegmentationRequest(Volume.from_array(intensities, (1, 1, 1)), find_preset("custom"))


@pytest.fixture
def session(gate: Gate) -> Generator[Session]:
    """A session with an image, and nothing done."""
    made = Session()
    made.open(numbered_request())
    yield made
    gate.open()
    made.close()
