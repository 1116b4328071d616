"""Frozen nouns on numpy: what flows through the program."""

from napari_gmmseg.volumes.atlas import AtlasPrior
from napari_gmmseg.volumes.attributes import USUAL, Attributes, AttributeTable, is_outcome
from napari_gmmseg.volumes.bias_field import BiasField
from napari_gmmseg.volumes.changes import ClassChange, class_changes
from napari_gmmseg.volumes.class_volumes import ClassVolume, class_volumes
from napari_gmmseg.volumes.classes import ClassTable, Colour, TissueClass
from napari_gmmseg.volumes.edits import Edits
from napari_gmmseg.volumes.findings import Finding
from napari_gmmseg.volumes.geometry import Geometry, SourceGrid, Unit, read_only, told_apart
from napari_gmmseg.volumes.islands import Island
from napari_gmmseg.volumes.labelled_case import CaseSet, LabelledCase, Part
from napari_gmmseg.volumes.locks import CheckedStroke, keep_out_of_locked
from napari_gmmseg.volumes.mixture import Mixture
from napari_gmmseg.volumes.network_weights import FinetunedSegmentation, NetworkWeights
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
from napari_gmmseg.volumes.scribbles import IGNORED, UNLABELLED, Scribbles, Stroke
from napari_gmmseg.volumes.segmentation import LabelMap, Segmentation
from napari_gmmseg.volumes.slabs import Slabs, first_sampled
from napari_gmmseg.volumes.streamed import StreamedSegmentation
from napari_gmmseg.volumes.trained_model import TrainedModel
from napari_gmmseg.volumes.volume import Volume

__all__ = [
    "IGNORED",
    "UNLABELLED",
    "USUAL",
    "Adjust",
    "AtlasPrior",
    "AttributeTable",
    "Attributes",
    "BiasField",
    "CaseSet",
    "CheckedStroke",
    "ClassChange",
    "ClassTable",
    "ClassVolume",
    "Colour",
    "Command",
    "Edits",
    "Finding",
    "FinetunedSegmentation",
    "FitReport",
    "FitState",
    "Geometry",
    "Island",
    "LabelMap",
    "LabelledCase",
    "Look",
    "Merge",
    "Mixture",
    "NetworkWeights",
    "Part",
    "Retune",
    "SaveState",
    "Scribbles",
    "Segmentation",
    "Slabs",
    "SourceGrid",
    "Split",
    "Stop",
    "StreamedSegmentation",
    "Stroke",
    "TissueClass",
    "TrainedModel",
    "Unit",
    "Volume",
    "class_changes",
    "class_volumes",
    "first_sampled",
    "is_outcome",
    "keep_out_of_locked",
    "read_only",
    "told_apart",
]
