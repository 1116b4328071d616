"""What the Classes dock's presenter asks of its window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from napari_gmmseg.docks.classes.lines import ClassButtons, ClassLine
from napari_gmmseg.docks.common.sentences import Message


class ClassesDockView(Protocol):
    """The window."""

    @property
    def selection(self) -> tuple[int, ...]:
        """Label values of the selected classes, from top to bottom."""

    def show_lines(self, channels: Sequence[str], lines: Sequence[ClassLine]) -> None:
        """Show these classes; what is selected stays."""

    def show_buttons(self, buttons: ClassButtons) -> None:
        """Enable the buttons."""

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences."""
