"""What the Segment dock's presenters ask of its window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.segment.choices import AgreementRow, ChangeRow, Choices, ClassRow, Controls, KeptRow


class SegmentView(Protocol):
    """The window."""

    def show_choices(self, choices: Choices) -> None:
        """Show what can be and is chosen."""

    def show_controls(self, controls: Controls) -> None:
        """Enable and name the buttons."""

    def show_progress(self, text: str, fraction: float | None) -> None:
        """Show how far it is, 0 ... 1; None where that cannot be told."""

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences."""

    def show_result(self, rows: Sequence[ClassRow], certainty: str) -> None:
        """Show the table of volumes and the sentence on how sure it is; empty takes both away."""

    def show_refinement(self, sentence: str, rows: Sequence[ChangeRow], *, keeps_spatial: bool) -> None:
        """Show what a refinement changed, and which of the two results is shown; empty takes it away."""

    def show_saved(self, text: str) -> None:
        """Show the tick of a saved mask; empty takes it away."""

    def show_memory(self, sentence: str) -> None:
        """Say how much memory a run will take; empty takes it away."""

    def show_history(self, undo: str | None, redo: str | None, held: str) -> None:
        """Say what would be undone and redone, None where there is nothing; and how much memory that holds."""

    def show_kept(self, rows: Sequence[KeptRow]) -> None:
        """Show what was kept."""

    def show_agreement(self, sentence: str, rows: Sequence[AgreementRow]) -> None:
        """Show how two results agree; empty takes it away."""

    def show_suggestion(self, sentence: str) -> None:
        """Say which number of classes the image speaks for; empty takes it away."""

    def show_recovery(self, sentence: str, *, can_choose: bool = True) -> None:
        """Offer a session that did not end; empty takes the offer away."""

    def start_polling(self) -> None:
        """Call `poll` from now on, several times a second."""

    def stop_polling(self) -> None:
        """Call `poll` no more."""

    def ask_where_to_save(self, name: str) -> Path | None:
        """Ask for a file; None where the person does not want to."""
