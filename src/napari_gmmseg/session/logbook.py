"""What a job must not lose, even where nobody looks before its next report."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.session.mailbox import Mailbox
from napari_gmmseg.session.progress import Note, Told
from napari_gmmseg.volumes import Command, FitReport

T = TypeVar("T")
#: So many reports are held for whoever draws curves and comes late.
_TRAIL = 20_000


class Logbook:
    """Written on the worker's thread, taken on another: each thing is given out once."""

    def __init__(self) -> None:
        #: The newest report without its preview, and how many there were: together, so that they belong together.
        self.latest: tuple[int, FitReport | None] = (0, None)
        self._previews: Mailbox[NDArray[np.uint8]] = Mailbox()
        self._told: deque[Told] = deque()
        self._notes: deque[Note] = deque()
        self._trail: deque[FitReport] = deque(maxlen=_TRAIL)

    @property
    def n_reports(self) -> int:
        """How many reports there were; those of reading and preparing are not counted."""
        return self.latest[0]

    @property
    def last(self) -> FitReport | None:
        """The newest of them, without its preview."""
        return self.latest[1]

    def write(self, report: FitReport, answers: Command | None) -> None:
        """Note a report; those of reading and preparing, which count no steps, are not counted.

        Parameters
        ----------
        report : FitReport
            The newest.
        answers : Command or None
            What the fit had been told before it.
        """
        if report.preview is not None:
            self._previews.put(report.preview)
        if report.n_steps <= 0:
            return
        n_reports, bare = self.n_reports + 1, replace(report, preview=None, state=None, plan=None)
        if not (report.state is None and report.refused is None and report.plan is None):
            self._notes.append(Note(n_reports, replace(report, preview=None), answers))
        self._trail.append(bare)
        self.latest = n_reports, bare

    def write_told(self, command: Command) -> None:
        """Note what the fit is told after the reports so far.

        Parameters
        ----------
        command : Command
            What it is told.
        """
        self._told.append(Told(self.n_reports, command))

    def take_preview(self) -> NDArray[np.uint8] | None:
        """Return the newest labels so far, once; None where none came since."""
        return self._previews.take()

    def take_told(self) -> tuple[Told, ...]:
        """Return what the fit was told since this was last asked, and where in its run."""
        return _emptied(self._told)

    def take_notes(self) -> tuple[Note, ...]:
        """Return the reports with a state, a refusal or a plan since this was last asked."""
        return _emptied(self._notes)

    def take_trail(self) -> tuple[FitReport, ...]:
        """Return every report since this was last asked, without previews and states: for curves."""
        return _emptied(self._trail)


def _emptied(items: deque[T]) -> tuple[T, ...]:
    """Take all that is there; the other thread may go on adding."""
    found = []
    while items:
        found.append(items.popleft())
    return tuple(found)
