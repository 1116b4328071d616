"""Run a fit on a thread of its own: pause, resume, stop, cancel, and joined before the program ends."""

from __future__ import annotations

import atexit
import itertools
import logging
import threading
import time
import weakref
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from psygnal import EmitLoopError, Signal, SignalInstance

from napari_gmmseg.errors import GmmsegError, ResourceError
from napari_gmmseg.session.failures import is_foreseen, told_as
from napari_gmmseg.session.logbook import Logbook
from napari_gmmseg.session.mailbox import Mailbox
from napari_gmmseg.session.orders import Order, Orders
from napari_gmmseg.session.progress import FinishReason, JobState, Progress
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
    save_every : float or None
        Ask the fit for its state so often, in s; None where nobody wants it.
    """

    state_changed = Signal(JobState)
    reported = Signal(Progress)

    def __init__(
        self,
        make_generator: Callable[[], Steps[R]],
        *,
        name: str = "segmentation",
        save_every: float | None = None,
    ) -> None:
        self.generation = next(_generations)
        self.mailbox: Mailbox[Progress] = Mailbox()
        self.logbook = Logbook()
        self._make_generator: Callable[[], Steps[R]] | None = make_generator
        self._name = name
        self._condition = threading.Condition()
        self._state = JobState.IDLE
        self._pause = self._stop = self._cancel = False
        self._orders = Orders(save_every)
        self._stop_told = False
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

    @property
    def reason(self) -> FinishReason | None:
        """Why it ended; None as long as it has not."""
        if not self._state.ended:
            return None
        if self._state is JobState.CANCELLED:
            return FinishReason.CANCELLED
        if self._error is not None:
            short = isinstance(self._error, ResourceError)
            return FinishReason.OUT_OF_MEMORY if short else FinishReason.FAILED
        if self._stop:
            return FinishReason.STOPPED
        last = self.logbook.last
        settled = last is not None and last.step < last.n_steps
        return FinishReason.SETTLED if settled else FinishReason.DONE

    @property
    def n_reports(self) -> int:
        """How many reports the fit has made; those of reading and preparing are not counted."""
        return self.logbook.n_reports

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
            # Paused, too: it may have been told to go on and not have woken up yet.
            if self._state in (JobState.PREPARING, JobState.RUNNING, JobState.PAUSED):
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
        self._orders.add(Order(Look(slice_index)))

    def send(self, command: Command, *, after: int | None = None) -> Order:
        """Tell the fit something; commands reach it one a step, in their order.

        Parameters
        ----------
        command : Command
            What it is told; what cannot be done comes back in a later report's `refused`.
        after : int or None
            Not before it has made so many reports; None for the next step.

        Returns
        -------
        Order
            Says whether and where it was told.
        """
        order = Order(command, after)
        self._orders.add(order)
        return order

    def amend(self, order: Order, command: Command) -> bool:
        """Replace a command that was not told yet, and say whether it could be.

        Parameters
        ----------
        order : Order
            From `send`.
        command : Command
            What is to be told in its place.
        """
        return self._orders.amend(order, command)

    def withdraw(self, order: Order) -> bool:
        """Take back a command that was not told yet, and say whether it could be.

        Parameters
        ----------
        order : Order
            From `send`.
        """
        return self._orders.withdraw(order)

    def take_preview(self) -> NDArray[np.uint8] | None:
        """Return the newest labels so far, once; None where none came since.

        Of reports only the newest is kept, and many bring no labels: here those of an earlier one wait.
        """
        return self.logbook.take_preview()

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
        except Exception as error:  # noqa: BLE001 - a thread's last line: whatever a fit raises must reach the person
            self._error = told_as(error)
            if not is_foreseen(error):
                _log.exception("the job %s failed", self._name)
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
            self.logbook.write(report, command)
            self._deliver(report, time.monotonic() - worked_from)
            command = self._next_command(report)
            worked_from = time.monotonic()

    def _check_cancelled(self) -> None:
        with self._condition:
            if self._cancel:
                raise _Cancelled

    def _next_command(self, report: FitReport) -> Command | None:
        """Wait while paused, then say what the fit is told; what takes no steps yet heeds nothing but the end."""
        if self._pause and not self._cancel:
            self._set_state(JobState.PAUSED)
            with self._condition:
                self._condition.wait_for(lambda: not self._pause)
            if not (self._stop or self._cancel):
                self._set_state(JobState.RUNNING)
        self._check_cancelled()
        heeded = report.n_steps > 0
        command = None if self._stop else self._next_order(report, heeded=heeded)
        if not (self._stop or isinstance(command, Stop)):
            return command
        self._stop = True
        if heeded and not self._stop_told:
            self._stop_told = True
            self.logbook.write_told(Stop())
        if self._state is not JobState.STOPPING:
            self._set_state(JobState.STOPPING)
        # Said again after each step: reading and preparing cannot end early, the fit that comes after them can.
        return Stop()

    def _next_order(self, report: FitReport, *, heeded: bool) -> Command | None:
        order = self._orders.next(self.n_reports, heeded=heeded, phase=report.phase)
        if order is None:
            return None
        if heeded and not isinstance(order.command, Stop):
            self.logbook.write_told(order.command)
        return order.command

    def _deliver(self, report: FitReport, seconds: float) -> None:
        remaining = self._estimate.update(report.phase, report.step, report.n_steps, seconds)
        progress = Progress(self.generation, report, remaining, self.n_reports)
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
