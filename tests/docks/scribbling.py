"""A Scribble presenter with a fake window and a viewer without a screen, on an image with two halves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from napari.components import ViewerModel

from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.scribble.presenter import ScribblePresenter
from napari_gmmseg.docks.scribble.shown import Shown
from napari_gmmseg.plugin.metadata import KEY

SHAPE = (3, 24, 32)


def halves(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A dark left half and a bright right half, with noise."""
    rng = np.random.default_rng(0)
    half = np.where(np.arange(shape[-1]) < shape[-1] // 2, 20.0, 80.0)
    return (half + rng.normal(0, 3, shape)).astype(np.float32)


class FakeScribbleView:
    """Remembers what it was told to show."""

    def __init__(self) -> None:
        self.shown = Shown()
        self.messages: list[Message] = []
        self.brush = (3.0, False)
        self.path: Path | None = None

    def show_state(self, shown: Shown) -> None:
        self.shown = shown

    def show_messages(self, messages: Sequence[Message]) -> None:
        self.messages = list(messages)

    def ask_what_to_import(self) -> Path | None:
        return self.path

    def ask_where_to_export(self, name: str) -> Path | None:
        return self.path


class Scribbling:
    """A presenter, and the layers that it made."""

    def __init__(self) -> None:
        self.viewer = ViewerModel()
        self.view = FakeScribbleView()
        self.presenter = ScribblePresenter(self.viewer, self.view)
        self.session = self.presenter.session

    def open(self, image: np.ndarray | None = None) -> None:
        """Add an image and start on it."""
        shown = halves() if image is None else image
        # A preset of no tissue: no brain is looked for.
        told = {KEY: {"preset": "custom"}}
        self.viewer.add_image(shown, scale=(2.0, 1.0, 1.0), units=("mm",) * 3, metadata=told)
        self.presenter.start()
        self.poll_until(lambda: self.view.shown.started)

    @property
    def strokes(self):
        """The layer that is painted on."""
        return next(layer for layer in self.viewer.layers if layer.name == "Scribbles")

    @property
    def answer(self):
        """The layer that shows the result."""
        return next((layer for layer in self.viewer.layers if layer.name.endswith("scribbled")), None)

    def paint(self, value: int, x: int, *, z: int = 1, rows: tuple[int, int] = (4, 20)) -> None:
        """Paint a column of a slice as napari's brush does: a stroke, lifted at the end."""
        self.presenter.choose(value)
        with self.strokes.block_history():
            for y in range(*rows):
                self.strokes.paint((z, y, x), value)

    def poll_until(self, ready: Callable[[], bool]) -> None:
        for _ in range(2000):
            self.presenter.poll()
            if ready():
                return
            threading.Event().wait(0.005)
        raise AssertionError(f"never became so; {self.view.shown}, {self.view.messages}")

    def rest(self) -> None:
        """Wait until nothing is on."""
        self.poll_until(lambda: not self.presenter.busy)

    def close(self) -> None:
        self.presenter.shut_down()
        self.session.close()
