"""A place for the one latest message between two threads."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Hold the latest item only: a reader that comes late sees the newest, and nothing queues up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._item: T | None = None

    def put(self, item: T) -> None:
        """Replace what is there.

        Parameters
        ----------
        item : object
            The newest item.
        """
        with self._lock:
            self._item = item

    def take(self) -> T | None:
        """Return the newest item and empty the box; None where nothing came since."""
        with self._lock:
            item, self._item = self._item, None
        return item
