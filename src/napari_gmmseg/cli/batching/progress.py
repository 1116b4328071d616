"""How far a batch is: a line a case on standard error, with the time that is left."""

from __future__ import annotations

import sys
from datetime import timedelta

from napari_gmmseg.cli.batching.records import Record


class BatchProgress:
    """Tell of each case as it ends.

    Parameters
    ----------
    n_cases : int
        Cases in all.
    """

    def __init__(self, n_cases: int) -> None:
        self._n, self._told, self._seconds, self._width = n_cases, 0, [0.0, 0.0], len(str(n_cases))

    def begin(self, name: str) -> None:
        """Tell that a case is begun.

        Parameters
        ----------
        name : str
            The case.
        """
        self._line(self._told + 1, f"{name} …")

    def end(self, record: Record) -> None:
        """Tell what became of a case that was worked on.

        Parameters
        ----------
        record : Record
            The case.
        """
        self._told += 1
        self._seconds = [self._seconds[0] + record.seconds, self._seconds[1] + 1]
        left = timedelta(seconds=round(self._seconds[0] / self._seconds[1] * (self._n - self._told)))
        what = f"{record.status}: {record.reason}" if record.reason else record.status
        self._line(self._told, f"{record.case} {what} ({record.seconds:.1f} s){f', about {left} left' if left else ''}")

    def skip(self, record: Record) -> None:
        """Tell of a case that was settled before.

        Parameters
        ----------
        record : Record
            The case.
        """
        self._told += 1
        why = record.reason if record.status == "edited" else "same files, settings and version"
        self._line(self._told, f"{record.case} {record.status} before: {why}")

    def _line(self, number: int, text: str) -> None:
        print(f"[{number:{self._width}}/{self._n}] {text}", file=sys.stderr, flush=True)  # noqa: T201 - the log
