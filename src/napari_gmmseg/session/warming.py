"""Load torch before it is needed, on a thread of its own."""

from __future__ import annotations

import atexit
import importlib
import threading

_lock = threading.Lock()
_thread: threading.Thread | None = None


def warm_up() -> threading.Thread:
    """Begin to import what a fit needs, once a program; return the thread that does it."""
    global _thread  # noqa: PLW0603 - an import happens once a program
    with _lock:
        if _thread is None:
            _thread = threading.Thread(target=_import_fitting, name="gmmseg-warm-up", daemon=True)
            _thread.start()
        return _thread


def _import_fitting() -> None:
    try:
        importlib.import_module("napari_gmmseg.fitting")
    except ImportError:
        # The same import fails again where a fit begins, and is told there.
        return


def _join() -> None:
    """Let the import end before the interpreter goes."""
    if _thread is not None:
        _thread.join()


atexit.register(_join)
