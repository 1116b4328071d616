"""A session whose result has islands of known size, and a window made of nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from napari.components import ViewerModel
from tests.docks.histogram_sessions import show_session

from napari_gmmseg.config import FitConfig, PreparationConfig, find_preset
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.outlier.presenter import OutlierPresenter
from napari_gmmseg.docks.outlier.shown import Numbers, SheetCell, Shown
from napari_gmmseg.session import SegmentationRequest, Session
from napari_gmmseg.volumes import Volume

SHAPE = (10, 40, 48)
DARK, BRIGHT = 1, 2
#: Corner and side of two bright cubes in the dark half.
SMALL, LARGE = ((3, 8, 6), 2), ((3, 26, 6), 5)


def request(slices: int = SHAPE[0], **settings: Any) -> SegmentationRequest:
    """A dark half with two bright cubes in it, and a bright half; voxels of 2 x 1 x 1 mm."""
    shape = (slices, *SHAPE[1:])
    image = np.where(np.arange(shape[2]) < 28, 20.0, 80.0) + np.random.default_rng(0).normal(0, 2, shape)
    for (z, y, x), side in (SMALL, LARGE):
        image[z : z + side, y : y + side, x : x + side] += 60
    return SegmentationRequest(
        Volume.from_array(image[None].astype(np.float32), (2, 1, 1)),
        find_preset("custom"),
        preparation=PreparationConfig(mask="none"),
        config=FitConfig(n_classes=2, **{"method": "gmm", **settings}),
    )


def fit(session: Session, **settings: Any) -> None:
    """Fit the case."""
    session.open(request(**settings))
    session.run()
    while session.running:
        assert session.job is not None
        session.job.join(5)
        session.poll()


class FakeOutlierView:
    """Remembers what it was told to show."""

    def __init__(self) -> None:
        self.shown = Shown()
        self.numbers = Numbers()
        self.messages: list[Message] = []
        self.cells: tuple[SheetCell, ...] = ()
        self.polling = False
        self.asked = 0

    def show_numbers(self, numbers: Numbers) -> None:
        self.numbers = numbers

    def show_state(self, shown: Shown) -> None:
        self.shown = shown

    def show_messages(self, messages: Sequence[Message]) -> None:
        self.messages = list(messages)

    def show_sheet(self, cells: Sequence[SheetCell]) -> None:
        self.cells = tuple(cells)

    def refresh_soon(self) -> None:
        self.asked += 1

    def start_polling(self) -> None:
        self.polling = True

    def stop_polling(self) -> None:
        self.polling = False


class OutlierCase:
    """Presenter, fake view, and a viewer without a screen that shows the result."""

    def __init__(self, session: Session, *, shows: bool = True) -> None:
        self.viewer, self.session, self.view = ViewerModel(), session, FakeOutlierView()
        self.now = 0.0
        if shows:
            show_session(self.viewer, session)
            self.viewer.dims.set_current_step(0, SHAPE[0] - 1 - 4)
        self.presenter = OutlierPresenter(self.viewer, session, self.view, clock=lambda: self.now)

    @property
    def heat(self) -> Any | None:
        """The layer of the heat map."""
        return next((layer for layer in self.viewer.layers if layer.name.endswith("outliers")), None)

    def settle(self, ready: Callable[[], bool] = lambda: True) -> None:
        """Refresh, as the window does when it has time, until nothing is awaited."""
        for _ in range(4000):
            self.now += 0.1
            self.presenter.refresh()
            if not self.view.polling and ready():
                return
            threading.Event().wait(0.005)
        raise AssertionError(f"never came to rest: {self.view.shown}")

    def lost(self) -> dict[int, str]:
        """What each class would lose."""
        return {line.value: line.goes for line in self.view.shown.losses}

    def end(self) -> None:
        """Close it."""
        self.presenter.shut_down()
        self.session.close()
