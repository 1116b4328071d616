"""Keep Python's garbage collector from holding the window up while a job runs."""

from __future__ import annotations

import gc

#: Collections of the young between two of everything; the latter take a quarter of a second with torch and napari.
_RARELY = 10_000


class CalmCollector:
    """Puts whole-heap collections off between `begin` and `end`; those of young objects go on."""

    def __init__(self) -> None:
        self._before: tuple[int, int, int] | None = None

    def begin(self) -> None:
        """Put them off; a second call changes nothing."""
        if self._before is None:
            self._before = gc.get_threshold()
            gc.set_threshold(self._before[0], self._before[1], max(_RARELY, self._before[2]))

    def end(self) -> None:
        """Have them as they were; a second call changes nothing."""
        if self._before is not None:
            gc.set_threshold(*self._before)
            self._before = None
