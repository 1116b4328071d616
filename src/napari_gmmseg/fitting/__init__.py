"""Fits as generators: they report, take commands, and return a segmentation."""

from napari_gmmseg.fitting.segmenting import fit

__all__ = ["fit"]
