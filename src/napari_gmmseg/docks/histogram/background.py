"""Work things out beside the window's thread: of what waits, the latest is done."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session.jobs import Job
from napari_gmmseg.volumes import Command, FitReport

R = TypeVar("R")


@dataclass(frozen=True)
class Done(Generic[R]):
    """What came of a work.

    Parameters
    ----------
    key : object
        Which one it was.
    result : object or None
        What it returned; None where it failed.
    error : GmmsegError or None
        Why it failed.
    """

    key: object
    result: R | None
    error: GmmsegError | None


class Background(Generic[R]):
    """Does one work at a time on a thread that is joined before the program ends.

    Parameters
    ----------
    name : str
        For the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._now: tuple[object, Job[R]] | None = None
        self._next: tuple[object, Callable[[], R]] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is worked out, or was and is not taken yet."""
        return self._now is not None

    def ask(self, key: object, work: Callable[[], R]) -> None:
        """Have something worked out; what waits still is then not done at all.

        Parameters
        ----------
        key : object
            Comes back with the result.
        work : callable
            Called on the thread.
        """
        self._next = (key, work)
        if self._now is None:
            self._start()

    def take(self) -> Done[R] | None:
        """Return what was worked out, once; None where it is not done yet. Called now and then."""
        if self._now is None or not self._now[1].state.ended:
            return None
        key, job = self._now
        self._now = None
        if self._next is not None:
            self._start()
        return Done(key, job.result, job.error)

    def end(self) -> None:
        """Take no more results."""
        if self._now is not None:
            self._now[1].cancel()
        self._now = self._next = None

    def _start(self) -> None:
        assert self._next is not None
        key, work = self._next
        self._next = None
        job: Job[R] = Job(lambda: _steps(work), name=self._name)
        self._now = (key, job)
        job.start()


def _steps(work: Callable[[], R]) -> Generator[FitReport, Command | None, R]:
    """Return a work as what jobs run."""
    yield from ()
    return work()
