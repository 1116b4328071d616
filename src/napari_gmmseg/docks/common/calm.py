"""Keep Python's garbage collector from holding the window up while a job runs."""

from __future__ import annotations

import gc
from typing import ClassVar

#: Collections of the young between two of everything; the latter take a quarter of a second with torch and napari.
_RARELY = 10_000


class CalmCollector:
    """Puts whole-heap collections off between `begin` and `end`; those of young objects go on.

    Several may do so at once, such as the docks of two windows: the last one to end has them as they were.
    """

    _calm: ClassVar[set[int]] = set()
    _before: ClassVar[tuple[int, int, int]] = gc.get_threshold()

    def begin(self) -> None:
        """Put them off; a second call changes nothing."""
        if not self._calm:
            CalmCollector._before = young, middle, old = gc.get_threshold()
            gc.set_threshold(young, middle, max(_RARELY, old))
        self._calm.add(id(self))

    def end(self) -> None:
        """Have them as they were; a second call changes nothing."""
        if id(self) not in self._calm:
            return
        self._calm.remove(id(self))
        if not self._calm:
            gc.set_threshold(*self._before)
