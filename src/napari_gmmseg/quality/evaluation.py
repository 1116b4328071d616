"""A result against a reference: Dice, HD95 and volumes of each class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from napari_gmmseg.errors import GeometryError, InputError
from napari_gmmseg.quality.islands import spurious_islands
from napari_gmmseg.quality.matching import match_labels_to_ground_truth
from napari_gmmseg.quality.surfaces import hausdorff_distance_95
from napari_gmmseg.volumes import Finding, Geometry, LabelMap


@dataclass(frozen=True)
class ClassEvaluation:
    """How one class agrees with the reference.

    Parameters
    ----------
    value : int
        Label value in the reference.
    name : str
        Name of the class.
    dice : float
        2 |A and B| / (|A| + |B|), 0 ... 1; 1 where both are empty.
    hd95_mm : float or None
        95 % Hausdorff distance in mm; None where a side is empty or no spacing is known.
    volume_ml, volume_truth_ml : float or None
        Volume in prediction and reference in ml; None where no spacing is known.
    voxels, voxels_truth : int
        Voxels in prediction and reference.
    abbreviation : str
        Short name of the class, for narrow tables.
    iou : float
        Intersection over union, |A and B| / |A or B|, 0 ... 1; 1 where both are empty.
    spurious_islands, spurious_voxels : int
        Connected regions of the prediction without a voxel of the reference, and their voxels.
    """

    value: int
    name: str
    dice: float
    hd95_mm: float | None
    volume_ml: float | None
    volume_truth_ml: float | None
    voxels: int
    voxels_truth: int
    abbreviation: str = ""
    iou: float = 1.0
    spurious_islands: int = 0
    spurious_voxels: int = 0


@dataclass(frozen=True)
class Evaluation:
    """How a label map agrees with a reference.

    Parameters
    ----------
    classes : tuple of ClassEvaluation
        One entry a label value, rising.
    mean_dice : float
        Mean of the classes' Dice, 0 ... 1.
    matched_with_ground_truth : tuple of (int, int), or None
        Pairs (predicted value, true value) where the labels were matched by looking at the reference; None where
        values were compared as they are.
    findings : tuple of Finding
        Labels that only one side holds.
    """

    classes: tuple[ClassEvaluation, ...]
    mean_dice: float
    matched_with_ground_truth: tuple[tuple[int, int], ...] | None = None
    findings: tuple[Finding, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain dictionaries and lists, ready for JSON."""
        return asdict(self)


def evaluate(prediction: LabelMap, truth: LabelMap, *, match_labels: bool = False) -> Evaluation:
    """Compare a label map with a reference on the same grid.

    Every label value that either side's class table names or either side's voxels hold (but 0) is a class, so a wrong
    extra class counts. Where `match_labels` is set, the predicted values are first renamed by
    `match_labels_to_ground_truth`, and those without a partner do not count.

    Parameters
    ----------
    prediction, truth : LabelMap
        Labels (Z, Y, X) or (T, Z, Y, X).
    match_labels : bool
        Whether to rename the predicted labels so that they agree best: this looks at the ground truth.

    Returns
    -------
    Evaluation
        Dice, HD95 [mm] and volumes [ml] of each class.

    Raises
    ------
    GeometryError
        Where the grids differ.
    InputError
        Where neither side holds a label.
    """
    _check_grids(prediction, truth)
    predicted, true = _present_values(prediction), _present_values(truth)
    if not any((*predicted, *true)):
        raise InputError("Both masks are empty: there is nothing to compare.", "Check that these are label maps.")
    labels, matched = prediction.labels, None
    if match_labels:
        pairs = match_labels_to_ground_truth(prediction.labels, truth.labels, predicted, true)
        rename = np.zeros(256, dtype=np.uint8)
        rename[list(pairs)] = list(pairs.values())
        labels, matched, predicted = rename[prediction.labels], tuple(sorted(pairs.items())), true
    named = set(truth.classes.values) | (set() if match_labels else set(prediction.classes.values))
    values = sorted(named | set(predicted) | set(true))
    renamed = LabelMap(labels, prediction.geometry, prediction.classes)
    classes = tuple(_evaluate_class(value, renamed, truth, _names(value, prediction, truth)) for value in values)
    return Evaluation(classes, float(np.mean([c.dice for c in classes])), matched, _one_sided(predicted, true))


def _one_sided(predicted: tuple[int, ...], true: tuple[int, ...]) -> tuple[Finding, ...]:
    """Note label values that only one side holds; a warning where the sides have none in common."""
    if predicted and true and not set(predicted) & set(true):
        return (
            Finding(
                "disjoint-labels",
                f"No label is in both masks: the prediction holds {_listed(predicted)}, the truth {_listed(true)}.",
                "If they mean the same classes by other numbers, add --match-labels (match_labels=True).",
            ),
        )
    findings = []
    for side, only in (("prediction", set(predicted) - set(true)), ("truth", set(true) - set(predicted))):
        if only:
            what = f"Label{'s' if len(only) > 1 else ''} {_listed(sorted(only))}"
            findings.append(
                Finding("one-sided-labels", f"{what} in the {side} only: Dice is 0 there.", severity="note")
            )
    return tuple(findings)


def _listed(values: Iterable[int]) -> str:
    return ", ".join(str(value) for value in values)


def _check_grids(prediction: LabelMap, truth: LabelMap) -> None:
    if prediction.labels.shape != truth.labels.shape or not prediction.geometry.same_grid(truth.geometry):
        raise GeometryError(
            f"Prediction and truth lie on different grids: {_describe(prediction)}, and {_describe(truth)}.",
            "Resample one of them to the other's grid (nearest neighbour) first.",
        )


def _describe(label_map: LabelMap) -> str:
    frames = f"{label_map.labels.shape[0]} frames of " if label_map.labels.ndim == 4 else ""
    return frames + label_map.geometry.describe()


def _present_values(label_map: LabelMap) -> tuple[int, ...]:
    found = np.bincount(label_map.labels.reshape(-1), minlength=256)
    return tuple(int(value) for value in np.flatnonzero(found) if value != 0)


def _names(value: int, prediction: LabelMap, truth: LabelMap) -> tuple[str, str]:
    """Return name and abbreviation of a label value: the reference's, unless only the prediction's has a meaning."""
    known = [c for c in (truth.classes.by_value(value), prediction.classes.by_value(value)) if c is not None]
    meant = [c for c in known if c.role]
    return next(((c.name, c.abbreviation) for c in (*meant, *known)), (f"Label {value}", f"L{value}"))


def _evaluate_class(value: int, prediction: LabelMap, truth: LabelMap, names: tuple[str, str]) -> ClassEvaluation:
    first, second = prediction.labels == value, truth.labels == value
    both, n_first, n_second = int((first & second).sum()), int(first.sum()), int(second.sum())
    geometry = _measured(prediction.geometry, truth.geometry)
    ml = geometry.voxel_volume_ml if geometry else None
    noise = spurious_islands(first, second)
    return ClassEvaluation(
        value=value,
        name=names[0],
        dice=2.0 * both / (n_first + n_second) if n_first + n_second else 1.0,
        hd95_mm=hausdorff_distance_95(first, second, geometry.spacing) if geometry else None,
        volume_ml=n_first * ml if ml is not None else None,
        volume_truth_ml=n_second * ml if ml is not None else None,
        voxels=n_first,
        voxels_truth=n_second,
        abbreviation=names[1],
        iou=both / (n_first + n_second - both) if n_first + n_second else 1.0,
        spurious_islands=noise.number,
        spurious_voxels=noise.voxels,
    )


def _measured(prediction: Geometry, truth: Geometry) -> Geometry | None:
    """Return the geometry that knows its spacing, the reference's first; None where neither does."""
    return next((geometry for geometry in (truth, prediction) if geometry.unit == "mm"), None)
