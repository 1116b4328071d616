"""Count voxels of each label on a thread of its own, piece by piece, so that the window goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.session import Job, Steps
from napari_gmmseg.volumes import FitReport

#: Voxels that are counted at a time, while which Python holds all threads.
_PIECE = 1_000_000


class Counting:
    """Holds the newest counts; for the GUI thread."""

    def __init__(self) -> None:
        self.counts: Mapping[int, int] = {}
        self._job: Job[NDArray[np.int64]] | None = None

    def count(self, labels: Any | None, *, at_once: bool = False) -> None:
        """Begin to count, unless other labels are being counted.

        Parameters
        ----------
        labels : ndarray uint8 or None
            Any shape; None for nothing.
        at_once : bool
            Whether a count that goes on is ended for this one.
        """
        if labels is None or (self._job is not None and not at_once):
            return
        self.cancel()
        self._job = Job(lambda: _steps(labels), name="counting")
        self._job.start()

    def poll(self) -> bool:
        """Take counts that are done; return whether there are any."""
        job = self._job
        if job is None or not job.state.ended:
            return False
        self._job = None
        if job.result is None:
            return False
        self.counts = {value: int(n) for value, n in enumerate(job.result) if n}
        return True

    def cancel(self) -> None:
        """Count no more."""
        job, self._job = self._job, None
        if job is not None:
            job.cancel()


def _steps(labels: Any) -> Steps[NDArray[np.int64]]:
    flat = np.asarray(labels).reshape(-1)
    total = np.zeros(256, dtype=np.int64)
    for begin in range(0, flat.size, _PIECE):
        yield FitReport("Counting", 0, 0)
        piece = flat[begin : begin + _PIECE]
        # Paint beyond the labels of a mask is no class.
        total += np.bincount(piece[(piece >= 0) & (piece < 256)].astype(np.uint8), minlength=256)
    return total
