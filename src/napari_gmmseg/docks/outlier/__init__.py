"""The Outlier dock: what is too small to be believed, seen, taken out, or kept out of what a network learns."""

from napari_gmmseg.docks.outlier.dock import OutlierDock

__all__ = ["OutlierDock"]
