"""Take a fit to its end."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from napari_gmmseg.volumes import FitReport

Result = TypeVar("Result")


def follow(steps: Generator[FitReport, Any, Result], progress: Callable[[FitReport], object] | None) -> Result:
    """Take a fit to its end; whatever ends it early closes it first.

    Parameters
    ----------
    steps : generator
        The fit, or its preparation.
    progress : callable or None
        Called with each report.

    Returns
    -------
    object
        What the generator returns.
    """
    try:
        while True:
            report = next(steps)
            if progress is not None:
                progress(report)
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        steps.close()
