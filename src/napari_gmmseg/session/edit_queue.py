"""Edits of a finished result, worked out one after another on a thread of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session.jobs import Job
from napari_gmmseg.session.situation import Situation
from napari_gmmseg.volumes import Command, FitReport

#: Fields of the situation that change.
Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Edit:
    """One edit.

    Parameters
    ----------
    words : str
        For undo.
    what : str
        For the record.
    arguments : mapping
        For the record.
    make : callable
        Returns what changes in a situation; knows nothing but what it is given, for it runs on a worker's thread.
    drag : object or None
        The drag that it belongs to: of one drag only the newest is worked out.
    """

    words: str
    what: str
    arguments: Mapping[str, Any]
    make: Callable[[Situation], Changes]
    drag: object | None = None


class EditQueue:
    """Works edits out in order; each begins with what the one before it gave. For one thread."""

    def __init__(self) -> None:
        self._waiting: deque[Edit] = deque()
        self._at_hand: tuple[Edit, Job[Changes]] | None = None

    @property
    def busy(self) -> bool:
        """Whether an edit is being worked out or waits."""
        return self._at_hand is not None or bool(self._waiting)

    def add(self, edit: Edit) -> None:
        """Put an edit behind the others; it takes the place of one of its drag that waits.

        Parameters
        ----------
        edit : Edit
            The edit.
        """
        if self._waiting and edit.drag is not None and self._waiting[-1].drag is edit.drag:
            self._waiting.pop()
        self._waiting.append(edit)

    def start(self, now: Situation) -> None:
        """Begin with the next edit, where one waits and none is at hand.

        Parameters
        ----------
        now : Situation
            What is edited.
        """
        if self._at_hand is None and self._waiting:
            edit = self._waiting.popleft()

            def steps() -> Generator[FitReport, Command | None, Changes]:
                yield FitReport(edit.words, 0, 0)
                return edit.make(now)

            job: Job[Changes] = Job(steps, name="edit")
            self._at_hand = edit, job
            job.start()

    def take(self, *, wait: bool = False) -> tuple[Edit, Changes | GmmsegError] | None:
        """Return the edit that was worked out, with what changes or why it could not be; None where none was.

        Parameters
        ----------
        wait : bool
            Whether to wait for the one at hand.
        """
        if self._at_hand is None:
            return None
        edit, job = self._at_hand
        if wait:
            job.join()
        if not job.state.ended:
            return None
        self._at_hand = None
        outcome = job.result if job.error is None else job.error
        return None if outcome is None else (edit, outcome)

    def clear(self) -> None:
        """Drop all edits, and wait for the thread of the one at hand."""
        self._waiting.clear()
        if self._at_hand is not None:
            _, job = self._at_hand
            job.cancel()
            job.join()
            self._at_hand = None
