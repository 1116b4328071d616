"""A window made of nothing, a viewer without a screen, and work that waits where a test wants it to."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.segment.choices import AgreementRow, ChangeRow, Choices, ClassRow, Controls, KeptRow
from napari_gmmseg.docks.segment.presenter import SegmentPresenter
from napari_gmmseg.errors import InputError
from napari_gmmseg.plugin.shown import image_layers
from napari_gmmseg.session import SegmentationRequest, Steps
from napari_gmmseg.session.jobs import cancel_all
from napari_gmmseg.session.state import Session
from napari_gmmseg.volumes import (
    ClassTable,
    Command,
    Finding,
    FitReport,
    Geometry,
    LabelMap,
    Merge,
    Mixture,
    Retune,
    SaveState,
    Segmentation,
    Split,
    Stop,
    Volume,
)

SHAPE = (4, 5, 6)

if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
    # Widgets can be made without a screen; what needs OpenGL skips.
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


NEEDS_SCREEN = [
    pytest.mark.gl,
    pytest.mark.skipif(
        sys.platform.startswith("linux")
        and (not os.environ.get("DISPLAY") or os.environ.get("QT_QPA_PLATFORM") == "offscreen"),
        reason="needs a screen with OpenGL: run under Xvfb",
    ),
]


class FakeView:
    """Remembers what it was told to show."""

    def __init__(self) -> None:
        self.choices = Choices()
        self.controls = Controls()
        self.messages: list[Message] = []
        self.progress: tuple[str, float | None] = ("", 0.0)
        self.rows: Sequence[ClassRow] = ()
        self.certainty = ""
        self.refinement: tuple[str, Sequence[ChangeRow], bool] = ("", (), False)
        self.saved = ""
        self.history: tuple[str | None, str | None] = (None, None)
        self.kept: Sequence[KeptRow] = ()
        self.agreement: tuple[str, Sequence[AgreementRow]] = ("", ())
        self.suggestion = self.memory = self.held = ""
        self.recovery = ("", False)
        self.polling = False
        self.save_to: Path | None = None

    def show_choices(self, choices: Choices) -> None:
        self.choices = choices

    def show_controls(self, controls: Controls) -> None:
        self.controls = controls

    def show_progress(self, text: str, fraction: float | None) -> None:
        self.progress = (text, fraction)

    def show_messages(self, messages: Sequence[Message]) -> None:
        self.messages = list(messages)

    def show_result(self, rows: Sequence[ClassRow], certainty: str) -> None:
        self.rows, self.certainty = rows, certainty

    def show_refinement(self, sentence: str, rows: Sequence[ChangeRow], *, keeps_spatial: bool) -> None:
        self.refinement = (sentence, rows, keeps_spatial)

    def show_saved(self, text: str) -> None:
        self.saved = text

    def show_memory(self, sentence: str) -> None:
        self.memory = sentence

    def show_history(self, undo: str | None, redo: str | None, held: str) -> None:
        self.history, self.held = (undo, redo), held

    def show_kept(self, rows: Sequence[KeptRow]) -> None:
        self.kept = rows

    def show_agreement(self, sentence: str, rows: Sequence[AgreementRow]) -> None:
        self.agreement = (sentence, rows)

    def show_suggestion(self, sentence: str) -> None:
        self.suggestion = sentence

    def show_recovery(self, sentence: str, *, can_choose: bool = True) -> None:
        self.recovery = (sentence, can_choose and bool(sentence))

    def start_polling(self) -> None:
        self.polling = True

    def stop_polling(self) -> None:
        self.polling = False

    def ask_where_to_save(self, name: str) -> Path | None:
        self.asked_for = name
        return self.save_to


class SteppedFit:
    """A fit whose steps wait for a permit each; it takes commands as fits do, and notes them."""

    def __init__(
        self,
        request: SegmentationRequest,
        permits: threading.Semaphore,
        fails: bool = False,
        refines: bool = False,
        n_steps: int = 10,
    ):
        self.request = request
        self.heard: list[Command] = []
        self._permits, self._fails, self._refines = permits, fails, refines
        self._n_steps = n_steps
        start, k = request.start, request.config.n_classes
        classes = request.preset.classes
        if start is not None:
            classes = start.label_map.classes
        self.classes = classes if classes is not None else numbered_classes(k)
        self._reshape(k)

    def steps(self) -> Steps[Segmentation]:
        stopped, refused = False, None
        for step in range(1, self._n_steps + 1):
            assert self._permits.acquire(timeout=10)
            if self._fails:
                raise InputError("The image is odd.", "Take another.")
            command = yield FitReport(
                "Testing",
                step,
                self._n_steps,
                preview=self.labels(),
                classes=self.classes,
                mixture=self._mixture(),
                refused=refused,
            )
            refused = None
            if command is not None and not isinstance(command, SaveState):
                self.heard.append(command)
                refused = self._take(command)
            if isinstance(command, Stop):
                stopped = True
                break
        result = replace(self._segmentation(self.labels()), steps=step, stopped=stopped)
        if self._refines:
            refined = self.labels()
            # Two voxels of the second class go to the first.
            refined.reshape(-1)[[1, len(self.classes) + 1]] = 1
            result = replace(self._segmentation(refined), method="blindspot", steps=step, base=result)
            result = replace(result, prior=result.probabilities[::-1])
        return result

    def labels(self) -> np.ndarray:
        shape, k = self.request.volume.grid_shape, len(self.classes)
        values = np.array(self.classes.values, dtype=np.uint8)
        return values[np.arange(np.prod(shape)).reshape(shape) % k]

    def _take(self, command: Command) -> Finding | None:
        if isinstance(command, Retune) and "n_classes" in command.settings:
            k = command.settings["n_classes"]
            if k < len(command.protected):
                return Finding("refused", "All classes are named or locked.", "Say which two shall be merged.")
            self._reshape(k)
        elif isinstance(command, Merge):
            self.classes = ClassTable(tuple(c for c in self.classes if c.value != command.other))
        elif isinstance(command, Split):
            self._reshape(len(self.classes) + 1)
        return None

    def _reshape(self, k: int) -> None:
        fresh = numbered_classes(16)
        kept = list(self.classes)[:k]
        new = [c for c in fresh if c.value not in {t.value for t in kept}]
        self.classes = ClassTable((*kept, *new[: k - len(kept)]))

    def _mixture(self) -> Mixture:
        k = len(self.classes)
        return Mixture(np.full(k, 1 / k), np.arange(k)[:, None] * 50.0, np.full((k, 1, 1), 25.0), np.arange(k))

    def _segmentation(self, labels: np.ndarray) -> Segmentation:
        volume = self.request.volume
        return Segmentation(
            label_map=LabelMap(labels, volume.geometry, self.classes, volume.source),
            probabilities=np.stack([(labels == c.value) * np.float32(0.95) for c in self.classes]),
            mask=np.ones(volume.grid_shape, dtype=bool),
            mixture=self._mixture(),
            method="spatial",
            log_likelihood=0.0,
            steps=0,
        )


class Dock:
    """Presenter, fake view, viewer without a screen, and a hand on the work's brake."""

    def __init__(self) -> None:
        self.viewer = ViewerModel()
        self.view = FakeView()
        self.permits = threading.Semaphore(0)
        self.fails = False
        self.refines = False
        self.n_steps = 10
        self.fits: list[SteppedFit] = []
        self.now, self.tick = 0.0, 10.0
        self.presenter = SegmentPresenter(self.viewer, self.view, clock=self._clock)

    @property
    def fit(self) -> SteppedFit:
        """The newest fit."""
        return self.fits[-1]

    @property
    def session(self) -> Session:
        return self.presenter.session

    def segment_in_steps(self, request: SegmentationRequest) -> Steps[Segmentation]:
        self.fits.append(SteppedFit(request, self.permits, self.fails, self.refines, self.n_steps))
        return self.fits[-1].steps()

    def _clock(self) -> float:
        self.now += self.tick
        return self.now

    def allow(self, n: int = 1) -> None:
        for _ in range(n):
            self.permits.release()

    def poll_until(self, ready: Callable[[], bool]) -> None:
        """Poll as the window's timer does, woken by whatever the job says."""
        deadline = threading.Event()
        for _ in range(2000):
            if self.view.polling:
                self.presenter.poll()
            if ready():
                return
            deadline.wait(0.005)
        raise AssertionError(f"never became so; {self.view.progress}, {self.view.messages}")

    def step_until(self, ready: Callable[[], bool]) -> None:
        """Let it take a step whenever the one before was reported: reports come 25 times a second at most."""
        for _ in range(self.n_steps - 1):
            self.allow(1)
            for _ in range(10):
                self.presenter.poll()
                if ready():
                    return
                threading.Event().wait(0.005)
        raise AssertionError(f"never became so; {self.view.progress}, {self.view.messages}")

    def finish(self) -> None:
        self.allow(2 * self.n_steps)
        self.poll_until(lambda: not self.view.polling)
        while self.permits.acquire(blocking=False):
            pass


@pytest.fixture(autouse=True)
def _sessions_of_tests(monkeypatch, tmp_path):
    """Record in a folder of the test's own."""
    monkeypatch.setenv("NAPARI_GMMSEG_SESSIONS", str(tmp_path / "sessions"))


@pytest.fixture
def dock(monkeypatch) -> Generator[Dock]:
    made = Dock()
    monkeypatch.setattr("napari_gmmseg.session.following.segment_in_steps", made.segment_in_steps)
    yield made
    made.presenter.shut_down()
    made.allow(50)
    assert cancel_all(timeout=10), "a job outlived its test"


@pytest.fixture
def window(make_napari_viewer):
    """A viewer with the dock, as a person opens them."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 720)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Segment")
    yield viewer, dock
    dock.presenter.shut_down()
    if dock.presenter.job is not None:
        assert dock.presenter.job.join(20)


def add_image(viewer: Any, name: str = "brain T1", channel: str = "", preset: str = "", shape=SHAPE, seed: int = 0):
    """Add an image as our reader does."""
    rng = np.random.default_rng(seed)
    affine = np.diag([2.0, 1.0, 1.5, 1.0])
    data = rng.normal(100, 20, (1, *shape)).astype(np.float32)
    volume = Volume(data, Geometry(shape[-3:], affine), channels=(channel,))
    array, settings, _ = image_layers(volume, name, {"preset": preset} if preset else None)[0]
    return viewer.add_image(array, **settings)


def labels_layers(dock: Dock) -> list:
    return [layer for layer in dock.viewer.layers if type(layer).__name__ == "Labels"]


def start(dock: Dock) -> None:
    dock.presenter.run()
    dock.allow(1)
    dock.poll_until(lambda: dock.view.progress[0].startswith("Testing"))
