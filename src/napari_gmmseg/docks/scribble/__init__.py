"""The Scribble dock: paint, see, fine-tune, and be told where to paint next."""

from napari_gmmseg.docks.scribble.dock import ScribbleDock

__all__ = ["ScribbleDock"]
