"""Strokes in the region of a locked class: what is taken, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError
from napari_gmmseg.volumes.findings import Finding
from napari_gmmseg.volumes.scribbles import IGNORED, UNLABELLED, Stroke
from napari_gmmseg.volumes.segmentation import LabelMap


@dataclass(frozen=True, eq=False)
class CheckedStroke:
    """A stroke without what lies in another class's locked region.

    Parameters
    ----------
    accepted : Stroke or None
        What is left of it; None where nothing is.
    refused : ndarray (n, 3) or (n, 4), integer
        Positions that were refused.
    finding : Finding or None
        Says which class refused them; None where all was accepted.
    """

    accepted: Stroke | None
    refused: NDArray[np.integer[Any]]
    finding: Finding | None = None


def keep_out_of_locked(stroke: Stroke, label_map: LabelMap, locked: Iterable[int]) -> CheckedStroke:
    """Split a stroke into the voxels that may be painted and those in the region of another, locked class.

    Strokes that take labels away or leave voxels out claim nothing for a class, and pass whole.

    Parameters
    ----------
    stroke : Stroke
        What was painted.
    label_map : LabelMap
        The result at hand: its regions are what is locked.
    locked : iterable of int
        Label values of the locked classes.

    Raises
    ------
    GeometryError
        Where the stroke lies outside the result's grid.
    """
    shape = label_map.labels.shape
    fits = stroke.voxels.shape[1] == len(shape)
    if not fits or not ((stroke.voxels >= 0) & (stroke.voxels < np.asarray(shape))).all():
        raise GeometryError(f"Stroke {stroke.id} leaves the grid of {shape} voxels.", "Paint inside the image.")
    others = sorted(set(locked) - {stroke.value})
    here = label_map.labels[tuple(stroke.voxels.T)]
    refused = np.isin(here, others) & (stroke.value not in (UNLABELLED, IGNORED))
    if not refused.any():
        return CheckedStroke(stroke if len(stroke.voxels) else None, stroke.voxels[:0])
    left = stroke.voxels[~refused]
    owners = [_name(value, label_map) for value in others if (here[refused] == value).any()]
    return CheckedStroke(
        replace(stroke, voxels=left) if len(left) else None, stroke.voxels[refused], _refusal(owners, here, refused)
    )


def _name(value: int, label_map: LabelMap) -> str:
    tissue = label_map.classes.by_value(value)
    return tissue.name if tissue else f"Label {value}"


def _refusal(owners: list[str], here: NDArray[np.uint8], refused: NDArray[np.bool_]) -> Finding:
    number, total = int(refused.sum()), len(here)
    share = "The stroke lies" if number == total else f"{number} of the stroke's {total} voxels lie"
    which = f"{owners[0]}, which is locked" if len(owners) == 1 else f"{' and '.join(owners)}, which are locked"
    left = "nothing was painted" if number == total else "the rest was painted"
    return Finding(
        "locked-region",
        f"{share} in the region of {which}: {left}.",
        "Unlock the class in the table of classes to paint over it.",
        "note",
    )
