"""Load torch before it is needed, on a thread of its own."""

from __future__ import annotations

import atexit
import importlib
import logging
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_thread: threading.Thread | None = None


def warm_up(*more: Callable[[], object]) -> threading.Thread:
    """Begin to load what a fit and its first step need, once a program; return the thread that does it.

    Parameters
    ----------
    *more : callable
        What else is slow the first time; called first, on the same thread.
    """
    global _thread  # noqa: PLW0603 - an import happens once a program
    with _lock:
        if _thread is None:
            _thread = threading.Thread(target=_warm, args=(more,), name="gmmseg-warm-up", daemon=True)
            _thread.start()
        return _thread


def _warm(more: tuple[Callable[[], object], ...]) -> None:
    for step in (*more, _import_fitting, _take_a_step):
        try:
            step()
        except Exception:  # noqa: BLE001 - nothing but time is lost: what fails here fails again where it is needed
            _log.debug("warming up failed", exc_info=True)


def _import_fitting() -> None:
    for folder in ("preparation", "fitting"):
        importlib.import_module(f"napari_gmmseg.{folder}")


def _take_a_step() -> None:
    """Train one filter once: the first optimiser of a program loads torch's compiler, which takes most of a second."""
    import torch

    weight = torch.ones((1, 1, 3, 3), requires_grad=True)
    optimiser = torch.optim.AdamW([weight])
    torch.nn.functional.conv2d(torch.ones((1, 1, 8, 8)), weight).mean().backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _join() -> None:
    """Let the import end before the interpreter goes."""
    if _thread is not None:
        _thread.join()


atexit.register(_join)
