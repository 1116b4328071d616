"""Where a job stands, why it ended, and what it tells on its way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from napari_gmmseg.volumes import Command, FitReport


class JobState(StrEnum):
    """Where a job stands."""

    IDLE = "idle"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class FinishReason(StrEnum):
    """Why a job ended."""

    DONE = "all steps were done"
    SETTLED = "it had settled"
    STOPPED = "it was stopped"
    CANCELLED = "it was cancelled"
    FAILED = "it failed"
    OUT_OF_MEMORY = "memory ran out"


@dataclass(frozen=True)
class Told:
    """What a fit was told, and where in its run.

    Parameters
    ----------
    after : int
        How many reports the fit had made; those of reading and preparing are not counted.
    command : Command
        What it was told.
    """

    after: int
    command: Command


@dataclass(frozen=True)
class Note:
    """A report with what must not be lost even if nobody looks in time: a state, or why something was refused.

    Parameters
    ----------
    n_reports : int
        The report's number in its run, from 1.
    report : FitReport
        Without preview.
    answers : Command or None
        What the fit had been told before this report.
    """

    n_reports: int
    report: FitReport
    answers: Command | None


@dataclass(frozen=True)
class Progress:
    """One report on its way to whoever watches.

    Parameters
    ----------
    generation : int
        Number of the job, rising through the program's life: what an older job sent late can be told by it.
    report : FitReport
        What the fit said.
    remaining : float or None
        Seconds left at most; None where it cannot be told yet.
    n_reports : int
        The report's number in its run, from 1; 0 while reading and preparing.
    """

    generation: int
    report: FitReport
    remaining: float | None
    n_reports: int = 0
