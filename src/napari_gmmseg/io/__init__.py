"""Files in and out."""

from napari_gmmseg.io.labels import read_labels, read_mask, read_mask_with_notes
from napari_gmmseg.io.reading import read_channels
from napari_gmmseg.io.writing import check_writable, write_labels, write_map

__all__ = [
    "check_writable",
    "read_channels",
    "read_labels",
    "read_mask",
    "read_mask_with_notes",
    "write_labels",
    "write_map",
]
