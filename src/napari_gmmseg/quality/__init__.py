"""How good a result is: overlap, surface distances in mm, and volumes in ml."""

from napari_gmmseg.quality.evaluation import ClassEvaluation, Evaluation, evaluate
from napari_gmmseg.quality.islands import SpuriousIslands, spurious_islands
from napari_gmmseg.quality.matching import match_labels_to_ground_truth
from napari_gmmseg.quality.surfaces import hausdorff_distance_95

__all__ = [
    "ClassEvaluation",
    "Evaluation",
    "SpuriousIslands",
    "evaluate",
    "hausdorff_distance_95",
    "match_labels_to_ground_truth",
    "spurious_islands",
]
