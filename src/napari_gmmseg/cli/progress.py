"""Progress of a fit: a bar on a terminal, plain lines in a log; always on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from rich.progress import TaskID

    from napari_gmmseg.volumes import FitReport

#: Seconds between two lines in a log.
_LOG_EVERY = 5.0


class FitProgress:
    """Show the reports of a fit; a context manager that is called with each report."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._phase = ""
        self._last_line = 0.0
        self._untold: FitReport | None = None

    def __enter__(self) -> FitProgress:
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("step {task.completed} of at most {task.total}"),
                TimeElapsedColumn(),
                TextColumn("left at most"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
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
            if self._task is None or report.phase != self._phase:
                self._task = self._bar.add_task(report.phase, total=report.n_steps)
            self._bar.update(self._task, completed=report.step, total=report.n_steps)
        elif report.phase != self._phase or time.monotonic() - self._last_line >= _LOG_EVERY:
            self._last_line, self._untold = time.monotonic(), None
            _tell(report)
        else:
            self._untold = report
        self._phase = report.phase


def _tell(report: FitReport) -> None:
    likelihood = "" if report.log_likelihood is None else f", {report.log_likelihood:.4f} nat/voxel"
    line = f"{report.phase}: step {report.step} of at most {report.n_steps}{likelihood}, {report.seconds:.1f} s"
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the log
