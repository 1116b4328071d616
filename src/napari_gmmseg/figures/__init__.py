"""Pictures of a result, for reports and the demo: arrays and PNG files."""

from napari_gmmseg.figures.overlay import overlay_picture
from napari_gmmseg.figures.saving import save_picture

__all__ = ["overlay_picture", "save_picture"]
