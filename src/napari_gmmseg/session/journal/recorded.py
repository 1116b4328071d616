"""A fit whose commands, states and end go into a journal, without a window or a thread of its own."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from napari_gmmseg.session.jobs import FitGenerator
from napari_gmmseg.session.journal.journal import Journal
from napari_gmmseg.session.orders import SAVE_EVERY
from napari_gmmseg.session.progress import FinishReason
from napari_gmmseg.session.segmenting import SegmentationRequest, segment_in_steps
from napari_gmmseg.volumes import Command, FitReport, Look, SaveState, Segmentation

_generations = itertools.count(1)


def recorded(
    request: SegmentationRequest,
    journal: Journal,
    *,
    orders: Mapping[int, Command] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> FitGenerator:
    """Prepare and fit, as a generator, and record it; takes commands as a fit does.

    Parameters
    ----------
    request : SegmentationRequest
        All that the fit depends on.
    journal : Journal
        Where to.
    orders : mapping of int to Command, or None
        What the fit is told after so many of its reports, whatever is sent then.
    clock : callable
        Returns the time in s.

    Yields
    ------
    FitReport
        Progress, without the states that the journal asked for.

    Returns
    -------
    Segmentation
        The result.
    """
    generation, orders = next(_generations), dict(orders or {})
    journal.record(
        {
            "kind": "began",
            "generation": generation,
            "config": request.config,
            "start": request.start,
            "state": request.state,
            "told": [{"after": n, "command": command, "words": ""} for n, command in sorted(orders.items())],
        }
    )
    asking = _Asking(journal, clock)
    steps = segment_in_steps(request)
    n_reports, command, own = 0, None, False
    try:
        while True:
            try:
                report = steps.send(command)
            except StopIteration as end:
                result: Segmentation = end.value
                break
            heeded = report.n_steps > 0
            n_reports += heeded
            if report.plan is not None:
                journal.record({"kind": "planned", "generation": generation, "plan": report.plan})
            if report.state is not None:
                journal.record({"kind": "state", "generation": generation, "after": n_reports, "state": report.state})
                report = replace(report, state=None) if own else report
            command = yield report
            own = False
            if not heeded:
                continue
            command = orders.pop(n_reports, command)
            if command is None and asking.due(report):
                command, own = SaveState(), True
            elif command is not None and not isinstance(command, Look | SaveState):
                journal.record({"kind": "told", "generation": generation, "after": n_reports, "command": command})
    finally:
        steps.close()
    reason = FinishReason.STOPPED if result.stopped else FinishReason.DONE
    # Whoever wants it again after a crash gets it from the last state: the disk need not hold it twice.
    journal.record({"kind": "ended", "generation": generation, "reason": reason, "result": result, "store": False})
    return result


class _Asking:
    """When a fit is asked for its state: at once in each phase, then every so often, as long as the disk keeps up.

    Parameters
    ----------
    journal : Journal
        Which writes it.
    clock : callable
        Returns the time in s.
    """

    def __init__(self, journal: Journal, clock: Callable[[], float]) -> None:
        self._journal, self._clock = journal, clock
        self._phase, self._asked_at = "", float("-inf")

    def due(self, report: FitReport) -> bool:
        """Tell whether to ask now; never right after a phase began, which is then told where to look.

        Parameters
        ----------
        report : FitReport
            The newest.
        """
        if report.phase != self._phase:
            self._phase, self._asked_at = report.phase, float("-inf")
            return False
        now = self._clock()
        if now - self._asked_at < SAVE_EVERY or not self._journal.ready_for_state:
            return False
        self._asked_at = now
        return True
