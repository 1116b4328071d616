"""The Curves dock."""

from napari_gmmseg.docks.curves.dock import CurvesDock

__all__ = ["CurvesDock"]
