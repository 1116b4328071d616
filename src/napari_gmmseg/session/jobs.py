"""Run a fit on a thread of its own: pause, resume, stop, cancel, and joined before the program ends."""

from __future__ import annotations

import atexit
import itertools
import logging
import threading
import time
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar

from psygnal import EmitLoopError, Signal, SignalInstance

from napari_gmmseg.errors import GmmsegError, ResourceError
from napari_gmmseg.session.mailbox import Mailbox
from napari_gmmseg.session.remaining import RemainingTime
from napari_gmmseg.volumes import Command, FitReport, Look, Segmentation, Stop

R = TypeVar("R")
#: What a job runs: a generator of reports that takes commands and returns a result.
Steps: TypeAlias = Generator[FitReport, Command | None, R]
FitGenerator: TypeAlias = Steps[Segmentation]

#: Shortest time between two reports, in s: 25 a second at most.
REPORT_INTERVAL = 0.04
_generations = itertools.count(1)
_log = logging.getLogger(__name__)


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
    """

    generation: int
    report: FitReport
    remaining: float | None


class _Cancelled(Exception):  # noqa: N818 - not an error: a way out of the loop
    """The person wants it to be as before."""


class Job(Generic[R]):
    """A fit, or what else is a generator of reports, that runs on a thread of its own.

    Signals are emitted on the worker's thread; what a listener raises is logged and never ends the job. A window takes
    the newest report from `mailbox` whenever it has time instead, and so is never behind.

    Parameters
    ----------
    make_generator : callable
        Called on the worker's thread, it returns the generator of the fit. What it does counts as preparing.
    name : str
        For the thread and the log.
    """

    state_changed = Signal(JobState)
    reported = Signal(Progress)

    def __init__(self, make_generator: Callable[[], Steps[R]], *, name: str = "segmentation") -> None:
        self.generation = next(_generations)
        self.mailbox: Mailbox[Progress] = Mailbox()
        self._make_generator: Callable[[], Steps[R]] | None = make_generator
        self._name = name
        self._condition = threading.Condition()
        self._state = JobState.IDLE
        self._pause = self._stop = self._cancel = False
        self._look: Look | None = None
        self._result: R | None = None
        self._error: GmmsegError | None = None
        self._thread: threading.Thread | None = None
        self._estimate = RemainingTime()
        self._held_back: Progress | None = None
        self._last_sent = float("-inf")

    @property
    def state(self) -> JobState:
        """Where the job stands now."""
        return self._state

    @property
    def pausing(self) -> bool:
        """Whether a pause was asked for that may not have begun: the step at hand is finished first."""
        return self._pause

    @property
    def result(self) -> R | None:
        """What the fit returned; None before, and after failing or being cancelled."""
        return self._result

    @property
    def error(self) -> GmmsegError | None:
        """Why it failed; None otherwise."""
        return self._error

    def start(self) -> None:
        """Begin to work; a job starts once.

        Raises
        ------
        RuntimeError
            Where it was started before.
        """
        with self._condition:
            if self._state is not JobState.IDLE:
                raise RuntimeError("A job starts once; make a new one.")
            self._state = JobState.PREPARING
        # A daemon, so that the interpreter comes to `_end_all` while it still runs, rather than waiting for the fit.
        self._thread = threading.Thread(target=self._work, name=f"gmmseg-{self._name}-{self.generation}", daemon=True)
        _alive.add(self)
        self._tell(self.state_changed, JobState.PREPARING)
        self._thread.start()

    def pause(self) -> None:
        """Hold after the step at hand; without effect on a job that has ended or is stopping."""
        with self._condition:
            if self._state in (JobState.PREPARING, JobState.RUNNING):
                self._pause = True

    def resume(self) -> None:
        """Go on where it was paused."""
        with self._condition:
            self._pause = False
            self._condition.notify_all()

    def stop(self) -> None:
        """End after the step at hand and keep the best so far."""
        with self._condition:
            if self._state is JobState.IDLE or self._state.ended:
                return
            self._stop, self._pause = True, False
            self._condition.notify_all()

    def cancel(self) -> None:
        """End after the step at hand and keep nothing."""
        with self._condition:
            idle = self._state is JobState.IDLE
            if idle:
                self._state, self._make_generator = JobState.CANCELLED, None
            self._cancel, self._pause = True, False
            self._condition.notify_all()
        if idle:
            self._tell(self.state_changed, JobState.CANCELLED)

    def look(self, slice_index: int) -> None:
        """Have this slice previewed first from the next step on; the latest call counts, and the result stays the same.

        Before the start it is kept for the first step, while paused for the next one; after the end nothing happens.

        Parameters
        ----------
        slice_index : int
            Position on the volume's Z axis.
        """
        with self._condition:
            self._look = Look(slice_index)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the thread has ended, and say whether it has.

        Parameters
        ----------
        timeout : float or None
            Longest wait in s; None for as long as it takes.
        """
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def _work(self) -> None:
        generator: Steps[R] | None = None
        end = JobState.FAILED
        try:
            make, self._make_generator = self._make_generator, None
            assert make is not None
            generator = make()
            self._result = self._drive(generator)
            end = JobState.DONE
        except _Cancelled:
            end = JobState.CANCELLED
        except GmmsegError as error:
            self._error = error
        except MemoryError:
            self._error = ResourceError("There is not enough memory.", "Close other programs, or fit a smaller region.")
        except Exception as error:  # noqa: BLE001 - a thread's last line: whatever a fit raises must reach the person
            _log.exception("the job %s failed", self._name)
            self._error = GmmsegError(
                f"Something went wrong that should not: {type(error).__name__}: {error}.",
                "Please report it together with the log.",
            )
        finally:
            if generator is not None:
                generator.close()
            self._flush()
            self._set_state(end)
            _alive.discard(self)

    def _drive(self, generator: Steps[R]) -> R:
        command: Command | None = None
        worked_from = time.monotonic()
        self._check_cancelled()
        while True:
            try:
                report = generator.send(command)
            except StopIteration as end:
                self._check_cancelled()
                result: R = end.value
                return result
            if self._state is JobState.PREPARING:
                self._set_state(JobState.RUNNING)
            self._deliver(report, time.monotonic() - worked_from)
            command = self._next_command(heeded=report.n_steps > 0)
            worked_from = time.monotonic()

    def _check_cancelled(self) -> None:
        with self._condition:
            if self._cancel:
                raise _Cancelled

    def _next_command(self, *, heeded: bool) -> Command | None:
        """Wait while paused, then say what the fit is told; what takes no steps yet heeds nothing but the end."""
        if self._pause and not self._cancel:
            self._set_state(JobState.PAUSED)
            with self._condition:
                self._condition.wait_for(lambda: not self._pause)
            if not (self._stop or self._cancel):
                self._set_state(JobState.RUNNING)
        self._check_cancelled()
        if not self._stop:
            return self._next_look(heeded=heeded)
        if self._state is not JobState.STOPPING:
            self._set_state(JobState.STOPPING)
        # Said again after each step: reading and preparing cannot end early, the fit that comes after them can.
        return Stop()

    def _next_look(self, *, heeded: bool) -> Look | None:
        """Return where to look, once; again where it went to reading or preparing, which show no slice."""
        with self._condition:
            look = self._look
            if heeded:
                self._look = None
        return look

    def _deliver(self, report: FitReport, seconds: float) -> None:
        remaining = self._estimate.update(report.phase, report.step, report.n_steps, seconds)
        progress = Progress(self.generation, report, remaining)
        now = time.monotonic()
        if now - self._last_sent < REPORT_INTERVAL:
            self._held_back = progress
            return
        self._last_sent, self._held_back = now, None
        self._send(progress)

    def _flush(self) -> None:
        """Send the last report, if it was held back for coming too soon."""
        last, self._held_back = self._held_back, None
        if last is not None and not self._cancel:
            self._send(last)

    def _send(self, progress: Progress) -> None:
        self.mailbox.put(progress)
        self._tell(self.reported, progress)

    def _set_state(self, state: JobState) -> None:
        with self._condition:
            self._state = state
        self._tell(self.state_changed, state)

    def _tell(self, signal: SignalInstance, value: object) -> None:
        try:
            signal.emit(value)
        except EmitLoopError:
            _log.exception("a listener of the job %s failed", self._name)


_alive: weakref.WeakSet[Job[Any]] = weakref.WeakSet()


def cancel_all(timeout: float | None = None) -> bool:
    """Cancel every job that is alive and wait for their threads; return whether all have ended.

    Parameters
    ----------
    timeout : float or None
        Longest wait for each in s; None for as long as it takes.
    """
    jobs = list(_alive)
    for job in jobs:
        job.cancel()
    ended = [job.join(timeout) for job in jobs]
    return all(ended)


def _end_all() -> None:
    """Leave no thread inside torch when the interpreter goes: it would abort."""
    cancel_all()


atexit.register(_end_all)
