"""What the Outlier dock's presenter asks of its window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.outlier.shown import Numbers, SheetCell, Shown


class OutlierDockView(Protocol):
    """The window."""

    def show_numbers(self, numbers: Numbers) -> None:
        """Show what is chosen; nothing is emitted."""

    def show_state(self, shown: Shown) -> None:
        """Show all of this."""

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences."""

    def show_sheet(self, cells: Sequence[SheetCell]) -> None:
        """Show a contact sheet; nothing takes it away."""

    def refresh_soon(self) -> None:
        """Ask for a refresh once, as soon as the window has time."""

    def start_polling(self) -> None:
        """Ask for a refresh several times a second from now on."""

    def stop_polling(self) -> None:
        """Ask for it no more."""
