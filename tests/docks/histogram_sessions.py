"""Sessions whose fit is given, viewers that show its result, and windows made of nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from napari.components import ViewerModel

from napari_gmmseg.config import FitConfig, find_preset, numbered_classes
from napari_gmmseg.docks.common.plot_colours import PlotColours
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.histogram.presenter import HistogramPresenter
from napari_gmmseg.docks.histogram.shown import Curves, Drawn, Offer
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.shown import display_of, image_layers, label_layer
from napari_gmmseg.session import SegmentationRequest, Session
from napari_gmmseg.volumes import (
    Adjust,
    Command,
    FitReport,
    Geometry,
    LabelMap,
    Mixture,
    Segmentation,
    Volume,
)

GRID = (4, 16, 20)
MEANS, STD = np.array([30.0, 60.0, 90.0]), 5.0


def make_volume(n_channels: int = 1) -> Volume:
    """Three tissues beside each other; a second channel shows them in the reverse order."""
    rng = np.random.default_rng(0)
    tissue = np.broadcast_to(np.arange(GRID[2]) * 3 // GRID[2], GRID)
    channels = [MEANS[tissue], MEANS[::-1][tissue]][:n_channels]
    data = np.stack([c + rng.normal(0, STD, GRID) for c in channels]).astype(np.float32)
    return Volume(data, Geometry(GRID, np.diag([1.5, 1.0, 2.0, 1.0])), channels=("t1", "t2")[:n_channels])


def make_result(volume: Volume) -> Segmentation:
    """The result that knows the tissues; the first two rows lie outside the mask."""
    tissue = np.broadcast_to(np.arange(GRID[2]) * 3 // GRID[2], GRID)
    mask = np.ones(GRID, dtype=bool)
    mask[:, :2] = False
    labels = np.where(mask, tissue + 1, 0).astype(np.uint8)
    means = np.stack([MEANS, MEANS[::-1]][: volume.n_channels], axis=1)
    covariances = np.tile(np.eye(volume.n_channels) * STD**2, (3, 1, 1))
    return Segmentation(
        label_map=LabelMap(labels, volume.geometry, numbered_classes(3)),
        probabilities=np.stack([np.where(labels == k, 0.98, 0.01 * (labels > 0)) for k in (1, 2, 3)]).astype("f4"),
        mask=mask,
        mixture=Mixture(np.full(3, 1 / 3), means, covariances, np.arange(3)),
        method="gmm",
        log_likelihood=-1.0,
        steps=2,
    )


class GivenFit:
    """A fit that reports what it is told to; with a gate it waits before its end, and hears what it is told."""

    def __init__(
        self,
        reports: Sequence[FitReport] = (),
        *,
        waits: bool = False,
        of: Callable[[Volume], Segmentation] = make_result,
    ) -> None:
        self.reports, self.of = reports, of
        self.heard: list[Command] = []
        self.gate = threading.Event()
        if not waits:
            self.gate.set()

    def __call__(self, request: SegmentationRequest) -> Generator[FitReport, Command | None, Segmentation]:
        result = self.of(request.volume)
        last = FitReport("Test", 2, 2, mixture=result.mixture, classes=result.label_map.classes)
        for report in (*self.reports, last):
            self._hear((yield report))
        while not self.gate.wait(0.005):
            self._hear((yield last))
        return replace(result, history=tuple(replace(r, mixture=None) for r in self.reports))

    def _hear(self, command: Command | None) -> None:
        if command is not None:
            self.heard.append(command)

    @property
    def adjusts(self) -> list[Adjust]:
        return [command for command in self.heard if isinstance(command, Adjust)]


def run_session(monkeypatch: Any, fit: GivenFit | None = None, n_channels: int = 1) -> Session:
    """Return a session with a fit that was begun, and ended where it does not wait."""
    fit = fit or GivenFit()
    monkeypatch.setattr("napari_gmmseg.session.following.segment_in_steps", fit)
    session = Session()
    session.open(
        SegmentationRequest(make_volume(n_channels), find_preset("custom"), config=FitConfig(n_classes=3, method="gmm"))
    )
    session.run()
    if fit.gate.is_set():
        assert session.job is not None
        assert session.job.join(10)
        session.poll()
    return session


def show_session(viewer: Any, session: Session) -> Any:
    """Add image and result as the Segment dock does, and return the result's layer."""
    request, result = session.request, session.result
    assert request is not None
    for data, settings, _ in image_layers(request.volume, "brain"):
        image = viewer.add_image(data, **settings)
    label_map = make_result(request.volume).label_map if result is None else result.label_map
    extra = {"role": "result", "of": id(image), "segmentation": result}
    grid, place = LayerGrid.plain(request.volume.geometry), display_of(request.volume.geometry)
    data, settings, _ = label_layer(label_map, grid, place, "brain segmentation", extra)
    viewer.add_labels(data, **settings)
    viewer.dims.set_current_step(0, 1)
    return viewer.layers[-1]


class FakeHistogramView:
    """Remembers what it was told to show."""

    def __init__(self) -> None:
        self.offer = Offer()
        self.drawn: Drawn | None = None
        self.curves = Curves(np.empty(0))
        self.messages: list[Message] = []
        self.selected = ""
        self.colours: PlotColours | None = None
        self.asked = 0
        self.polling = False

    def show_offer(self, offer: Offer) -> None:
        self.offer = offer

    def show_histogram(self, drawn: Drawn | None) -> None:
        self.drawn = drawn

    def show_curves(self, curves: Curves) -> None:
        self.curves = curves

    def show_messages(self, messages: Sequence[Message]) -> None:
        self.messages = list(messages)

    def show_selected(self, text: str) -> None:
        self.selected = text

    def show_colours(self, colours: PlotColours) -> None:
        self.colours = colours

    def refresh_soon(self) -> None:
        self.asked += 1

    def start_polling(self) -> None:
        self.polling = True

    def stop_polling(self) -> None:
        self.polling = False


class HistogramCase:
    """Presenter, fake view, viewer without a screen, and a session."""

    def __init__(self, session: Session, *, shows: bool = True) -> None:
        self.session = session
        self.viewer = ViewerModel()
        self.layer = show_session(self.viewer, session) if shows else None
        self.view = FakeHistogramView()
        self.presenter = HistogramPresenter(self.viewer, session, self.view)

    def settle(self, ready: Callable[[], bool] | None = None) -> None:
        """Refresh as the window's timer does, until nothing is worked out any more, or a test has what it waits for."""
        pause = threading.Event()
        for _ in range(2000):
            self.presenter.refresh()
            if ready() if ready is not None else not self.view.polling:
                return
            pause.wait(0.005)
        raise AssertionError(f"never became so; {self.view.messages}")

    def end(self) -> None:
        self.presenter.shut_down()
        self.session.close()


Make = Callable[..., HistogramCase]


def make_cases(monkeypatch: Any) -> Generator[Make]:
    """Give out cases, and end them all: for a fixture."""
    made: list[HistogramCase] = []

    def make(fit: GivenFit | None = None, n_channels: int = 1, *, shows: bool = True) -> HistogramCase:
        made.append(HistogramCase(run_session(monkeypatch, fit, n_channels), shows=shows))
        return made[-1]

    yield make
    for case in made:
        case.end()
