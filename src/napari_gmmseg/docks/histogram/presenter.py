"""What the Histogram dock does, in plain Python: what is counted, and what becomes of a Gaussian that is dragged."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.docks.common.plot_colours import plot_colours
from napari_gmmseg.docks.common.sentences import Message, error_message, finding_message
from napari_gmmseg.docks.histogram import wording
from napari_gmmseg.docks.histogram.background import Background
from napari_gmmseg.docks.histogram.counting import Counting
from napari_gmmseg.docks.histogram.dragging import Dragging
from napari_gmmseg.docks.histogram.drawing import draw
from napari_gmmseg.docks.histogram.result_plane import find_result_layer
from napari_gmmseg.docks.histogram.selection import show_selection
from napari_gmmseg.docks.histogram.shown import Curves, Drawn, Offer
from napari_gmmseg.docks.histogram.source import Mask, channel_choices, region_layers
from napari_gmmseg.docks.histogram.view_protocol import HistogramView
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session import Session
from napari_gmmseg.session.histograms import inside_outline
from napari_gmmseg.volumes import ClassTable, Finding


class HistogramPresenter:
    """Runs the Histogram dock.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose plane is shown.
    session : Session
        What the person is doing.
    view : HistogramView
        The window.
    clock : callable
        Returns the time in s.
    """

    def __init__(
        self, viewer: Any, session: Session, view: HistogramView, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._viewer, self._session, self._view = viewer, session, view
        self._counting = Counting(viewer)
        self._selecting: Background[Mask] = Background("selection")
        self._dragging = Dragging(viewer, session, clock=clock)
        self._drawn: tuple[Any, ...] = ()
        self._selected: tuple[Any, Any] | None = None
        self._said: Message | None = None
        self._closed = False
        self._events = (
            (viewer.dims.events.current_step, self._on_plane),
            (viewer.dims.events.ndisplay, self._on_plane),
            (viewer.dims.events.order, self._on_plane),
            (viewer.layers.events.inserted, self._on_plane),
            (viewer.layers.events.removed, self._on_plane),
            (viewer.events.theme, self._on_theme),
            (session.changed, self._on_session),
            (session.refused, self._on_refused),
        )
        for signal, slot in self._events:
            signal.connect(slot)
        self._on_theme()
        view.refresh_soon()

    @property
    def offer(self) -> Offer:
        """What can be and is chosen."""
        request = self._session.request
        layers = [(key, f"In {layer.name}") for key, layer in region_layers(self._viewer).items()]
        return Offer(
            regions=(wording.SLICE, wording.VOLUME, *layers),
            region=self._counting.region,
            channels=() if request is None else channel_choices(request.volume),
            chosen=self._counting.channels,
        )

    def choose_region(self, region: str) -> None:
        """Count other voxels.

        Parameters
        ----------
        region : str
            A key of the offer.
        """
        self._counting.region = region
        self._said = None
        self._view.refresh_soon()

    def choose_channels(self, channels: tuple[int, ...]) -> None:
        """Count other intensities.

        Parameters
        ----------
        channels : tuple of int
            One or two.
        """
        self._counting.channels = tuple(channels)
        self._view.show_selected("")
        self._view.refresh_soon()

    def refresh(self) -> None:
        """Count and draw what is another than before; called by the window when it has time."""
        if self._closed:
            return
        if self._session.editing and not self._session.running:
            self._session.poll()
        request = self._session.request
        failed = self._counting.update(request, self._session.result)
        if failed is not None:
            self._said = error_message(failed)
        self._take_selection()
        self._forget_lost_selection()
        self._draw()
        busy = self._counting.busy or self._selecting.busy or self._session.editing or self._session.running
        if busy:
            self._view.start_polling()
        else:
            self._view.stop_polling()

    def begin_drag(self, value: int) -> None:
        """Take hold of a class.

        Parameters
        ----------
        value : int
            Its label value.
        """
        self._said = None
        self._dragging.begin(value)

    def drag(self, value: int, what: str, numbers: tuple[float, ...]) -> None:
        """Have a class look as if it were elsewhere or wider: its curve, and the labels of the shown plane.

        Parameters
        ----------
        value : int
            Its label value.
        what : str
            "mean" or "std".
        numbers : tuple of float
            What is wanted in each of the channels that are shown, in the image's own unit.
        """
        counted = self._counting.counted
        if counted is None:
            return
        try:
            moved = self._dragging.move(value, what, numbers, counted.axes)
        except GmmsegError as error:
            self._say(error)
            return
        if moved:
            self._draw_curves()

    def end_drag(self, _value: int) -> None:
        """Let go: the class is where it was dragged, and the whole volume follows."""
        self._dragging.end()
        self._view.refresh_soon()

    def set_number(self, value: int, what: str, numbers: tuple[float, ...]) -> None:
        """Give a class an exact mean or standard deviation.

        Parameters
        ----------
        value : int
            Its label value.
        what : str
            "mean" or "std".
        numbers : tuple of float
            One for each of the channels that are shown, in the image's own unit.
        """
        counted = self._counting.counted
        if counted is None:
            return
        self._said = None
        try:
            self._dragging.set_numbers(value, what, numbers, counted.channels)
        except GmmsegError as error:
            self._say(error)
        self._view.refresh_soon()

    def set_lock(self, value: int, on: bool) -> None:
        """Hold a class's Gaussian as it is, or let it go.

        Parameters
        ----------
        value : int
            Its label value.
        on : bool
            Whether it is held.
        """
        self._said = None
        self._session.lock(value, on)
        self._view.refresh_soon()

    def select(self, outline: NDArray[np.float64]) -> None:
        """Select the voxels whose two intensities lie within an outline.

        Parameters
        ----------
        outline : ndarray (P, 2) float64
            Corners, in the image's own unit.
        """
        source, channels = self._counting.source, self._counting.channels
        if source is None or len(channels) != 2:
            return
        self._said = None
        pair = (channels[0], channels[1])
        self._selecting.ask("selection", lambda: inside_outline(source.seen, source.inside, pair, outline))
        self._view.start_polling()

    def shut_down(self) -> None:
        """End with the window: nothing listens any more."""
        if self._closed:
            return
        self._closed = True
        for signal, slot in self._events:
            signal.disconnect(slot)
        self._dragging.end()
        self._counting.end()
        self._selecting.end()
        self._view.stop_polling()

    def _take_selection(self) -> None:
        done = self._selecting.take()
        request = self._session.request
        if done is None or request is None:
            return
        if done.error is not None:
            self._say(done.error)
            return
        shown = find_result_layer(self._viewer, request.volume, self._session.result)
        if shown is None:
            self._said = wording.NO_PLACE
        elif done.result is not None and done.result.shape == request.volume.grid_shape:
            layer = show_selection(self._viewer, shown, done.result)
            self._counting.forget_region()
            n, geometry = int(done.result.sum()), request.volume.geometry
            ml = n * geometry.voxel_volume_ml if geometry.unit == "mm" else None
            self._selected = (layer, request.volume)
            self._view.show_selected(wording.selected_in_words(n, ml, str(layer.name)))

    def _forget_lost_selection(self) -> None:
        """Say nothing of a selection whose layer was removed, or that is another image's."""
        if self._selected is None:
            return
        layer, volume = self._selected
        request = self._session.request
        if request is None or request.volume is not volume or layer not in self._viewer.layers:
            self._selected = None
            self._view.show_selected("")

    def _draw(self) -> None:
        """Draw what is another than before."""
        if self._dragging.on:
            return
        counted, gaussians, offer = self._counting.counted, self._dragging.gaussians, self.offer
        parts = () if gaussians is None else (gaussians.mixture, gaussians.table)
        key = (counted, offer, self._session.locked, self._said, self._session.running, *parts)
        if _same(key, self._drawn):
            return
        self._view.show_offer(offer)
        if not _same((counted,), self._drawn[:1]):
            names = () if counted is None else counted.source.names
            drawn = None if counted is None else Drawn(counted.histogram, tuple(names[c] for c in counted.channels))
            self._view.show_histogram(drawn)
        self._drawn = key
        self._draw_curves()
        self._view.show_messages(self._messages(fits=gaussians is not None))

    def _draw_curves(self) -> None:
        counted, gaussians = self._counting.counted, self._dragging.gaussians
        if counted is None or gaussians is None:
            self._view.show_curves(Curves(np.empty(0)))
            return
        curves = draw(
            gaussians.mixture,
            gaussians.table,
            counted.histogram,
            counted.channels,
            locked=self._session.locked,
        )
        self._view.show_curves(curves)

    def _say(self, error: GmmsegError) -> None:
        self._said = error_message(error)
        self._view.refresh_soon()

    def _messages(self, *, fits: bool) -> list[Message]:
        said = [] if self._said is None else [self._said]
        if self._session.request is None:
            return [*said, wording.NOTHING]
        counted = self._counting.counted
        if counted is None:
            return said or [wording.COUNTING]
        if not counted.histogram.n_voxels:
            return [*said, wording.NO_VOXELS]
        if not fits:
            said.append(wording.NO_CLASSES if self._session.running else wording.NOT_RUN)
        return said

    def _on_plane(self, _event: Any = None) -> None:
        self._view.refresh_soon()

    def _on_theme(self, _event: Any = None) -> None:
        self._view.show_colours(plot_colours(str(self._viewer.theme)))
        self._drawn = ()
        self._view.refresh_soon()

    def _on_session(self, _what: str) -> None:
        self._view.refresh_soon()

    def _on_refused(self, finding: Finding) -> None:
        self._said = finding_message(finding)
        self._view.refresh_soon()


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Tell whether two keys hold the same things; nouns with arrays are the same only where they are one."""
    if len(one) != len(other):
        return False
    plain = (str, int, tuple, frozenset, type(None), Offer, Message, ClassTable)
    return all(
        a is b or (isinstance(a, plain) and type(a) is type(b) and a == b) for a, b in zip(one, other, strict=True)
    )
