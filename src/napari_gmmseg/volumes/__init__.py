"""Frozen nouns on numpy: what flows through the program."""

from napari_gmmseg.volumes.changes import ClassChange, class_changes
from napari_gmmseg.volumes.classes import ClassTable, Colour, TissueClass
from napari_gmmseg.volumes.findings import Finding
from napari_gmmseg.volumes.geometry import Geometry, SourceGrid, Unit, read_only
from napari_gmmseg.volumes.islands import Island
from napari_gmmseg.volumes.mixture import Mixture
from napari_gmmseg.volumes.reports import (
    Adjust,
    Command,
    FitReport,
    FitState,
    Look,
    Merge,
    Retune,
    SaveState,
    Split,
    Stop,
)
from napari_gmmseg.volumes.segmentation import LabelMap, Segmentation
from napari_gmmseg.volumes.volume import Volume

__all__ = [
    "Adjust",
    "ClassChange",
    "ClassTable",
    "Colour",
    "Command",
    "Finding",
    "FitReport",
    "FitState",
    "Geometry",
    "Island",
    "LabelMap",
    "Look",
    "Merge",
    "Mixture",
    "Retune",
    "SaveState",
    "Segmentation",
    "SourceGrid",
    "Split",
    "Stop",
    "TissueClass",
    "Unit",
    "Volume",
    "class_changes",
    "read_only",
]
