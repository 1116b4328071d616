"""What the Scribble dock's presenter asks of its window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.scribble.shown import Shown


class ScribbleDockView(Protocol):
    """The window."""

    @property
    def brush(self) -> tuple[float, bool]:
        """Diameter of the brush in mm, and whether it is a ball through the slices."""

    def show_state(self, shown: Shown) -> None:
        """Show all of this."""

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences."""

    def ask_what_to_import(self) -> Path | None:
        """Ask for a file of strokes; None where the person does not want to."""

    def ask_where_to_export(self, name: str) -> Path | None:
        """Ask where to write strokes; None where the person does not want to."""
