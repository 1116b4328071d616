"""Progress of a fit: a bar on a terminal, plain lines in a log; always on standard error."""

from __future__ import annotations

import math
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from napari_gmmseg.session.remaining import RemainingTime

if TYPE_CHECKING:
    from rich.progress import TaskID

    from napari_gmmseg.volumes import FitReport

#: Seconds between two lines in a log.
_LOG_EVERY = 5.0
#: Columns of a terminal from which on there is room for a bar and a clock beside the words.
_WIDE = 110


class FitProgress:
    """Show the reports of a fit; a context manager that is called with each report.

    On a terminal each phase has a line with steps, log-likelihood, and the time that is left at most; in a log
    each phase has a first and a last line, and one every few seconds, with the terms of the loss.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._phase = ""
        self._remaining = RemainingTime()
        self._last_report = time.monotonic()
        self._last_line = 0.0
        self._untold: FitReport | None = None

    def __enter__(self) -> FitProgress:
        if self._console.is_terminal:
            drawn = (BarColumn(bar_width=20), TimeElapsedColumn()) if self._console.width >= _WIDE else ()
            words = (TextColumn(f"{{task.fields[{name}]}}") for name in ("steps", "likelihood", "left"))
            self._bar = Progress(
                TextColumn("{task.description}"), *drawn, *words, console=self._console, transient=True
            )
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._untold is not None:
            _tell(self._untold)

    def __call__(self, report: FitReport) -> None:
        """Show one report.

        Parameters
        ----------
        report : FitReport
            What the fit tells.
        """
        if self._bar is not None:
            self._draw(self._bar, report)
        else:
            self._log(report)
        self._phase = report.phase

    def _draw(self, bar: Progress, report: FitReport) -> None:
        now = time.monotonic()
        left = self._remaining.update(report.phase, report.step, report.n_steps, now - self._last_report)
        self._last_report = now
        if self._task is None or report.phase != self._phase:
            if self._task is not None:
                # A phase may end before its last step: its bar is full, and its clock stands.
                bar.update(self._task, total=bar.tasks[-1].completed or 1, left="")
                bar.stop_task(self._task)
            self._task = bar.add_task(escape(report.phase), total=None, steps="", likelihood="", left="")
        bar.update(
            self._task,
            completed=report.step,
            total=report.n_steps or None,
            steps=f"step {report.step}/{report.n_steps}" if report.n_steps else "",
            likelihood=_likelihood(report),
            left="" if left is None else f"≤ {_clock(left)} left",
        )

    def _log(self, report: FitReport) -> None:
        began = report.phase != self._phase
        if began and self._untold is not None:
            _tell(self._untold)
        if began or time.monotonic() - self._last_line >= _LOG_EVERY:
            self._last_line, self._untold = time.monotonic(), None
            _tell(report)
        else:
            self._untold = report


def _tell(report: FitReport) -> None:
    told = [f"step {report.step} of at most {report.n_steps}"] if report.n_steps else []
    told += [_likelihood(report), *(f"{name} {value:.4g}" for name, value in report.terms.items())]
    line = ", ".join([*filter(None, told), f"{report.seconds:.1f} s"])
    print(f"{report.phase}: {line}", file=sys.stderr, flush=True)  # noqa: T201 - this is the log


def _likelihood(report: FitReport) -> str:
    return "" if report.log_likelihood is None else f"{report.log_likelihood:.4f} nat/voxel"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
