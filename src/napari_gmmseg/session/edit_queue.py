"""Edits of a finished result, worked out one after another on a thread of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session.jobs import Job
from napari_gmmseg.session.situation import Situation
from napari_gmmseg.volumes import Command, FitReport

#: Fields of the situation that change, and the setting "n_classes".
Changes = Mapping[str, Any]
Call = Callable[[], object]
P = ParamSpec("P")


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
    """Works edits out in order; each begins with what the one before it gave. For one thread.

    What builds on their outcome waits for them as a call, so that nobody has to wait on the thread that asks.
    """

    def __init__(self) -> None:
        self._waiting: deque[Edit] = deque()
        self._calls: deque[tuple[str, Call]] = deque()
        self._calling = False
        self._at_hand: tuple[Edit, Job[Changes]] | None = None
        self._dropped: list[Job[Changes]] = []

    @property
    def busy(self) -> bool:
        """Whether an edit is being worked out, or anything waits."""
        return self._at_hand is not None or bool(self._waiting) or bool(self._calls)

    @property
    def must_wait(self) -> bool:
        """Whether a call has to wait for what was asked before it."""
        return self.busy and not self._calling

    @property
    def deferring(self) -> bool:
        """Whether calls wait, and what is asked now has to wait behind them."""
        return bool(self._calls) and not self._calling

    @property
    def words(self) -> str | None:
        """What was asked last and is not done, in words; None where nothing is."""
        if self._calls:
            return self._calls[-1][0]
        if self._waiting:
            return self._waiting[-1].words
        return None if self._at_hand is None else self._at_hand[0].words

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

    def defer(self, words: str, call: Call) -> None:
        """Have something done when all edits that were asked for are in force.

        Parameters
        ----------
        words : str
            What it is.
        call : callable
            Does it.
        """
        self._calls.append((words, call))

    def call(self) -> None:
        """Do what waited, as far as no edit is at hand again."""
        while self._calls and self._at_hand is None and not self._waiting:
            _, call = self._calls.popleft()
            self._calling = True
            try:
                call()
            finally:
                self._calling = False

    def drop_newest(self) -> object | None:
        """Drop what was asked last and is not done, with all of its drag; return that drag."""
        if self._calls:
            self._calls.pop()
            return None
        edit = self._waiting.pop() if self._waiting else None
        if self._at_hand is not None and (
            edit is None or (edit.drag is not None and edit.drag is self._at_hand[0].drag)
        ):
            edit = self._at_hand[0]
            self._let_go()
        return None if edit is None else edit.drag

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

    def take(self) -> tuple[Edit, Changes | GmmsegError] | None:
        """Return the edit that was worked out, with what changes or why it could not be; None where none was."""
        if self._at_hand is None:
            return None
        edit, job = self._at_hand
        if not job.state.ended:
            return None
        self._at_hand = None
        outcome = job.result if job.error is None else job.error
        return None if outcome is None else (edit, outcome)

    def clear(self) -> None:
        """Drop all edits; the one at hand is worked out on its thread, and comes to nothing."""
        self._waiting.clear()
        self._calls.clear()
        self._let_go()

    def _let_go(self) -> None:
        if self._at_hand is not None:
            _, job = self._at_hand
            job.cancel()
            self._dropped = [other for other in (*self._dropped, job) if not other.join(0)]
            self._at_hand = None

    def join(self) -> None:
        """Wait for the threads of edits that were dropped."""
        for job in self._dropped:
            job.join()
        self._dropped.clear()


class _Edits(Protocol):
    """Who has edits."""

    _edits: EditQueue


S = TypeVar("S", bound=_Edits)


def after_edits(method: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """Have a method wait, where edits are being worked out on whose outcome it builds.

    Parameters
    ----------
    method : callable
        Of a class that has edits.
    """

    @wraps(method)
    def waiting(self: S, /, *arguments: P.args, **options: P.kwargs) -> None:
        if self._edits.must_wait:
            words = method.__name__.replace("_", " ").capitalize()
            self._edits.defer(words, lambda: method(self, *arguments, **options))
        else:
            method(self, *arguments, **options)

    return waiting
