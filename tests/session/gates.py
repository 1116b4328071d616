"""Fits that take a step when a test says so, and a session that is looked at until it is at rest."""

from __future__ import annotations

import threading
from collections.abc import Callable

from napari_gmmseg.session import Job, JobState, SegmentationRequest, Session
from napari_gmmseg.session.jobs import FitGenerator

WAIT = 30


class _Gated:
    """One fit behind the gate."""

    def __init__(self) -> None:
        self.permits, self.arrived, self.free, self.ended = 0, 0, False, False


class Gate:
    """Lets fits through step by step.

    Parameters
    ----------
    make : callable
        What a session calls to segment.
    """

    def __init__(self, make: Callable[[SegmentationRequest], FitGenerator]) -> None:
        self._make = make
        self._condition = threading.Condition()
        self._fits: dict[str, _Gated] = {}
        self._open = False

    def __call__(self, request: SegmentationRequest) -> FitGenerator:
        """Return a fit that waits before each step."""
        me = self._of(threading.current_thread().name)
        steps = self._make(request)
        command = None
        try:
            while True:
                self._pass(me)
                try:
                    report = steps.send(command)
                except StopIteration as end:
                    return end.value
                command = yield report
        finally:
            steps.close()
            with self._condition:
                me.ended = True
                self._condition.notify_all()

    def advance(self, session: Session, n: int = 1) -> None:
        """Let the fit at hand take so many steps, as long as it is not paused, and have the session look at it."""
        job = session.job
        assert job is not None
        me = self._of(_name(job))

        def there() -> bool:
            waits = me.arrived > me.permits and not me.free
            return waits or me.ended or (job.state is JobState.PAUSED and job.pausing) or job.state.ended

        job.state_changed.connect(self._notify)
        with self._condition:
            assert self._condition.wait_for(there, WAIT)
            me.permits += n
            self._condition.notify_all()
            assert self._condition.wait_for(there, WAIT)
            me.permits = min(me.permits, me.arrived)
        if me.ended:
            assert job.join(WAIT)
        look_at(session)

    def open(self) -> None:
        """Let all fits through from now on."""
        with self._condition:
            self._open = True
            self._condition.notify_all()

    def _of(self, name: str) -> _Gated:
        with self._condition:
            return self._fits.setdefault(name, _Gated())

    def release_others(self, session: Session) -> None:
        """Let fits through that a session has left."""
        with self._condition:
            for name, other in self._fits.items():
                other.free |= session.job is None or name != _name(session.job) or not session.running
            self._condition.notify_all()

    def _pass(self, me: _Gated) -> None:
        with self._condition:
            me.arrived += 1
            self._condition.notify_all()
            assert self._condition.wait_for(lambda: self._open or me.free or me.permits >= me.arrived, WAIT)

    def _notify(self, _: object) -> None:
        with self._condition:
            self._condition.notify_all()


def look_at(session: Session) -> None:
    """Have a session take what there is, once the edit at hand is worked out."""
    if session._edits._at_hand is not None:
        assert session._edits._at_hand[1].join(WAIT)
    session.poll()


def _name(job: Job) -> str:
    return f"gmmseg-segmentation-{job.generation}"


def rest(session: Session) -> None:
    """Look at a session until no run is on and no edit is being worked out."""
    while session.running or session.editing:
        if session.running:
            assert session.job is not None
            assert session.job.join(WAIT)
        look_at(session)
