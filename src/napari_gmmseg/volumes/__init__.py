"""Frozen nouns on numpy: what flows through the program."""

from napari_gmmseg.volumes.classes import ClassTable, Colour, TissueClass
from napari_gmmseg.volumes.findings import Finding
from napari_gmmseg.volumes.geometry import Geometry, SourceGrid, Unit, read_only
from napari_gmmseg.volumes.mixture import Mixture
from napari_gmmseg.volumes.segmentation import FitReport, LabelMap, Segmentation, Stop
from napari_gmmseg.volumes.volume import Volume

__all__ = [
    "ClassTable",
    "Colour",
    "Finding",
    "FitReport",
    "Geometry",
    "LabelMap",
    "Mixture",
    "Segmentation",
    "SourceGrid",
    "Stop",
    "TissueClass",
    "Unit",
    "Volume",
    "read_only",
]
