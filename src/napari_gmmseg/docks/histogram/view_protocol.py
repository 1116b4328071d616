"""What the Histogram dock's presenter asks of its window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from napari_gmmseg.docks.common.plot_colours import PlotColours
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.histogram.shown import Curves, Drawn, Offer


class HistogramView(Protocol):
    """The window."""

    def show_offer(self, offer: Offer) -> None:
        """Show what can be and is chosen."""

    def show_histogram(self, drawn: Drawn | None) -> None:
        """Show counts; None where there are none."""

    def show_curves(self, curves: Curves) -> None:
        """Show the classes over the counts, and their numbers."""

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences."""

    def show_selected(self, text: str) -> None:
        """Say what was selected; empty takes it away."""

    def show_colours(self, colours: PlotColours) -> None:
        """Draw in these colours from now on."""

    def refresh_soon(self) -> None:
        """Ask for a refresh once, as soon as the window has time."""

    def start_polling(self) -> None:
        """Ask for a refresh several times a second from now on."""

    def stop_polling(self) -> None:
        """Ask for it no more."""
