"""Take a fit to its end."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_gmmseg.volumes import Command, FitReport, Segmentation


def follow(
    steps: Generator[FitReport, Command | None, Segmentation], progress: Callable[[FitReport], object] | None
) -> Segmentation:
    """Take a fit to its end; whatever ends it early closes it first.

    Parameters
    ----------
    steps : generator
        The fit.
    progress : callable or None
        Called with each report.
    """
    try:
        while True:
            report = next(steps)
            if progress is not None:
                progress(report)
    except StopIteration as end:
        result: Segmentation = end.value
        return result
    finally:
        steps.close()
