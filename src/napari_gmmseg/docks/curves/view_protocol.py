"""What the Curves dock's presenter asks of its window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from napari_gmmseg.docks.common.plot_colours import PlotColours
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.curves.shown import Picture


class CurvesView(Protocol):
    """The window."""

    def show_picture(self, picture: Picture) -> None:
        """Draw curves and marks."""

    def show_channels(self, names: Sequence[str], chosen: int) -> None:
        """Show whose means can be and are drawn; fewer than two are no choice."""

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences."""

    def show_colours(self, colours: PlotColours) -> None:
        """Draw in these colours from now on."""

    def refresh_soon(self) -> None:
        """Ask for a refresh once, as soon as the window has time."""

    def start_polling(self) -> None:
        """Ask for a refresh several times a second from now on."""

    def stop_polling(self) -> None:
        """Ask for it no more."""
