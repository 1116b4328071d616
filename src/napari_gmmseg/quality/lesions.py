"""How well labelled objects are found in slices and volumes, and how much is found where nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.quality.islands import spurious_islands


@dataclass(frozen=True)
class LesionScores:
    """Figures over cases, each the mean over classes.

    Parameters
    ----------
    dice, iou : float
        Of whole volumes, mean over cases; 1 where a class is neither there nor found.
    slice_dice, slice_iou : float
        Of single slices, mean over all of them, 1 for empty ones where nothing is found: the convention that published
        slice-wise figures most likely follow, and that flatters.
    islands : float
        Regions of a slice that are found where nothing is, in a hundred slices.
    island_voxels : float
        Voxels of these, in a hundred slices.
    slices : int
        How many there were.
    """

    dice: float
    iou: float
    slice_dice: float
    slice_iou: float
    islands: float
    island_voxels: float
    slices: int

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)


def lesion_scores(pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]], values: Sequence[int]) -> LesionScores:
    """Compare predicted with true labels of several cases.

    Parameters
    ----------
    pairs : sequence of (ndarray (Z, Y, X) uint8, ndarray (Z, Y, X) uint8)
        Predicted and true label values of each case.
    values : sequence of int
        Label values of the classes.

    Raises
    ------
    ValueError
        Where there is no case.
    """
    if not pairs:
        raise ValueError("There is no case to judge.")
    volumes, slices, islands = [], [], []
    for predicted, true in pairs:
        for value in values:
            found, there = predicted == value, true == value
            volumes.append(_overlap(found, there))
            slices += [_overlap(f, t) for f, t in zip(found, there, strict=True)]
            islands += [spurious_islands(f[None], t[None]) for f, t in zip(found, there, strict=True)]
    whole, single = np.mean(volumes, axis=0), np.mean(slices, axis=0)
    n_slices = sum(len(true) for _, true in pairs)
    per_hundred = 100.0 / n_slices / len(values)
    return LesionScores(
        dice=float(whole[0]),
        iou=float(whole[1]),
        slice_dice=float(single[0]),
        slice_iou=float(single[1]),
        islands=per_hundred * sum(found.number for found in islands),
        island_voxels=per_hundred * sum(found.voxels for found in islands),
        slices=n_slices,
    )


def _overlap(found: NDArray[np.bool_], there: NDArray[np.bool_]) -> tuple[float, float]:
    both, total = int((found & there).sum()), int(found.sum()) + int(there.sum())
    return (2.0 * both / total, both / (total - both)) if total else (1.0, 1.0)
