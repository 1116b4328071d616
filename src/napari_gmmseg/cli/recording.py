"""Record what a command does, so that it can be gone on with or done again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from napari_gmmseg import api
from napari_gmmseg.cli.answers import Errand
from napari_gmmseg.cli.progress import FitProgress
from napari_gmmseg.errors import GmmsegError, ResourceError
from napari_gmmseg.session.journal import JOURNAL, Journal, Opened, discard, recorded, result_hash

if TYPE_CHECKING:
    from napari_gmmseg.session import SegmentationRequest
    from napari_gmmseg.volumes import Command, Finding, Segmentation


class Recording:
    """A command's journal: a context manager, whose session is finished where it is left without an error.

    Parameters
    ----------
    journal : Journal
        Where it is recorded.
    errand : Errand
        Where the journal is noted as what stays after an interruption.
    """

    def __init__(self, journal: Journal, errand: Errand) -> None:
        errand.watch((journal.folder / JOURNAL,))
        self._journal = journal
        self._hash = ""
        self._worthless = False

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close(finished=error is None)
        if self._worthless:
            discard(self._journal.folder)

    def begin(self, case: Opened) -> Segmentation:
        """Segment a case in a new session; a session that a mistake ended is not kept.

        Parameters
        ----------
        case : Opened
            What is segmented.

        Returns
        -------
        Segmentation
            The result, with a warning if it was not recorded.
        """
        self._journal.record({"kind": "opened", "case": case})
        try:
            return self.go_on(case, case.request, {})
        except GmmsegError as error:
            self._worthless = not isinstance(error, ResourceError)
            raise

    def go_on(self, case: Opened, request: SegmentationRequest, orders: Mapping[int, Command]) -> Segmentation:
        """Fit, and record it.

        Parameters
        ----------
        case : Opened
            What is segmented.
        request : SegmentationRequest
            From where the fit goes on.
        orders : mapping of int to Command
            What it is told after so many of its reports.

        Returns
        -------
        Segmentation
            The result, with a warning if it was not recorded.
        """
        with FitProgress() as progress:
            result = api.follow(recorded(request, self._journal, orders=orders), progress)
        return self.end(case, result)

    def end(self, case: Opened, result: Segmentation) -> Segmentation:
        """Return a result as a command tells it, once it is on the disk.

        Parameters
        ----------
        case : Opened
            What was segmented.
        result : Segmentation
            Of the fit.
        """
        self._hash = result_hash(result)
        self._journal.flush()
        whole = api.finished(case, result)
        if self._journal.warning is None:
            return whole
        return replace(whole, findings=(*whole.findings, self._journal.warning))

    def told(self) -> dict[str, Any]:
        """Return what `--json` tells of it."""
        return {"session": self._journal.folder, "hash": self._hash}


def warn(finding: Finding) -> None:
    """Tell at once that a session is no longer recorded.

    Parameters
    ----------
    finding : Finding
        Why.
    """
    print(f"Warning: {finding.message} {finding.hint}", file=sys.stderr, flush=True)  # noqa: T201 - the log
