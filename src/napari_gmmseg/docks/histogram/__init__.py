"""The Histogram dock."""

from napari_gmmseg.docks.histogram.dock import HistogramDock

__all__ = ["HistogramDock"]
