"""The Segment dock."""

from napari_gmmseg.docks.segment.dock import SegmentDock

__all__ = ["SegmentDock"]
