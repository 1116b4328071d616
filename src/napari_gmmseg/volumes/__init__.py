"""Frozen nouns on numpy: what flows through the program."""

from napari_gmmseg.volumes.changes import ClassChange, class_changes
from napari_gmmseg.volumes.classes import ClassTable, Colour, TissueClass
from napari_gmmseg.volumes.findings import Finding
from napari_gmmseg.volumes.geometry import Geometry, SourceGrid, Unit, read_only
from napari_gmmseg.volumes.mixture import Mixture
from napari_gmmseg.volumes.reports import Command, FitReport, Look, Stop
from napari_gmmseg.volumes.segmentation import LabelMap, Segmentation
from napari_gmmseg.volumes.volume import Volume

__all__ = [
    "ClassChange",
    "ClassTable",
    "Colour",
    "Command",
    "Finding",
    "FitReport",
    "Geometry",
    "LabelMap",
    "Look",
    "Mixture",
    "Segmentation",
    "SourceGrid",
    "Stop",
    "TissueClass",
    "Unit",
    "Volume",
    "class_changes",
    "read_only",
]
