"""The Classes dock."""

from napari_gmmseg.docks.classes.dock import ClassesDock

__all__ = ["ClassesDock"]
