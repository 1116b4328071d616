"""A thread that writes, so that neither a window nor a fit waits for the disk."""

from __future__ import annotations

import atexit
import logging
import queue
import threading
import weakref
from collections.abc import Callable

_log = logging.getLogger(__name__)
Task = Callable[[], None]


class Writer:
    """Do tasks one after the other on a thread of its own; after the first that fails none is done any more.

    Parameters
    ----------
    failed : callable
        Called once, on that thread, with what was raised.
    """

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._tasks: queue.SimpleQueue[tuple[Task, bool] | None] = queue.SimpleQueue()
        self._failed = failed
        self._broken = self._closed = False
        self._thread = threading.Thread(target=self._work, name="gmmseg-journal", daemon=True)
        self._thread.start()
        _alive.add(self)

    def put(self, task: Task) -> None:
        """Have something done after all that was put before; nothing once it is closed or has failed.

        Parameters
        ----------
        task : callable
            What to do.
        """
        if not (self._closed or self._broken):
            self._tasks.put((task, False))

    def flush(self) -> None:
        """Wait until all that was put is done, or has failed."""
        if not self._closed:
            done = threading.Event()
            self._tasks.put((done.set, True))
            done.wait()

    def close(self, *, wait: bool = True) -> None:
        """Do what was put, and end the thread.

        Parameters
        ----------
        wait : bool
            Whether to wait for that; the interpreter does in any case before it goes.
        """
        if not self._closed:
            self._closed = True
            self._tasks.put(None)
        if wait:
            self._thread.join()

    def put_last(self, task: Task) -> None:
        """Have something done at the end, even where all else has failed.

        Parameters
        ----------
        task : callable
            What to do.
        """
        if not self._closed:
            self._tasks.put((task, True))

    def _work(self) -> None:
        while (entry := self._tasks.get()) is not None:
            task, always = entry
            if self._broken and not always:
                continue
            try:
                task()
            except Exception as error:  # noqa: BLE001 - recording fails as a whole, and work goes on without it
                self._broken = True
                self._tell(error)

    def _tell(self, error: Exception) -> None:
        try:
            self._failed(error)
        except Exception:  # noqa: BLE001 - who waits for this thread would wait for ever
            _log.exception("nobody could be told that recording failed")


_alive: weakref.WeakSet[Writer] = weakref.WeakSet()


def _close_all() -> None:
    """Write what was recorded before the interpreter goes."""
    for writer in list(_alive):
        writer.close()


atexit.register(_close_all)
