"""What a finished segmentation shows, worked out on the job's thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.docks.segment.choices import ChangeRow, ClassRow
from napari_gmmseg.docks.segment.tables import change_rows, class_rows
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.maps import ResultMap, maps_of
from napari_gmmseg.volumes import Segmentation
from napari_gmmseg.volumes.changes import class_changes

#: A voxel whose likeliest class has less than this is called unsure.
SURE = 0.9


@dataclass(frozen=True)
class Outcome:
    """A segmentation with what is shown of it.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    grid : LayerGrid
        The way to the layer.
    rows : tuple of ClassRow
        The table of volumes.
    certainty : str
        How sure it is, and between which classes not; where is added when it is shown.
    least_sure : int or None
        The volume's slice with most unsure voxels; None where there is none.
    maps : tuple of ResultMap
        Probabilities and the like, where they were asked for.
    refinement : Refinement or None
        What was refined, and what that changed.
    """

    segmentation: Segmentation
    grid: LayerGrid
    rows: tuple[ClassRow, ...]
    certainty: str
    least_sure: int | None = None
    maps: tuple[ResultMap, ...] = ()
    refinement: Refinement | None = None


@dataclass(frozen=True)
class Refinement:
    """What a refinement began with, and what it changed.

    Parameters
    ----------
    base : Outcome
        The result before it.
    changes : tuple of ChangeRow
        The table of changes.
    sentence : str
        How much of the mask it changed.
    """

    base: Outcome
    changes: tuple[ChangeRow, ...]
    sentence: str


def make_outcome(segmentation: Segmentation, grid: LayerGrid, *, wants_maps: bool = False) -> Outcome:
    """Work out tables and sentences, of what was refined too.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    grid : LayerGrid
        The way to the layer.
    wants_maps : bool
        Whether probabilities and the like are shown.
    """
    unsure = segmentation.uncertainty > 1.0 - SURE
    base = segmentation.base
    return Outcome(
        segmentation=segmentation,
        grid=grid,
        rows=class_rows(segmentation),
        certainty=certainty_sentence(segmentation, unsure),
        least_sure=least_sure_slice(unsure),
        maps=maps_of(segmentation) if wants_maps else (),
        refinement=None if base is None else _refinement(make_outcome(base, grid, wants_maps=wants_maps), segmentation),
    )


def _refinement(base: Outcome, segmentation: Segmentation) -> Refinement:
    changes = class_changes(base.segmentation.label_map, segmentation.label_map)
    share = sum(c.gained for c in changes) / max(1, int(np.count_nonzero(segmentation.mask)))
    return Refinement(
        base=base,
        changes=change_rows(changes, segmentation.label_map),
        sentence=f"What the refinement changed: {100 * share:.1f} % of the voxels",
    )


def certainty_sentence(segmentation: Segmentation, unsure: NDArray[np.bool_]) -> str:
    """Say how sure the result is, and between which classes it is least so; no full stop.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    unsure : ndarray (*grid) bool
        Its unsure voxels.
    """
    n, n_unsure = int(np.count_nonzero(segmentation.mask)), int(np.count_nonzero(unsure))
    if n == 0:
        return "Nothing was fitted"
    sure = 100.0 * (1 - n_unsure / n)
    text = f"Sure (p > {SURE:g}) of {sure:.0f} % of the voxels"
    if not n_unsure:
        return text
    first, second = _commonest_pair(segmentation, unsure)
    classes = segmentation.label_map.classes
    return f"{text}; least between {classes[first].name} and {classes[second].name}"


def least_sure_slice(unsure: NDArray[np.bool_]) -> int | None:
    """Return the volume's slice with most unsure voxels; None where all are sure, or there is one slice.

    Parameters
    ----------
    unsure : ndarray (*grid) bool
        The unsure voxels.
    """
    per_slice = np.count_nonzero(unsure, axis=tuple(axis for axis in range(unsure.ndim) if axis != unsure.ndim - 3))
    return int(per_slice.argmax()) if len(per_slice) > 1 and per_slice.any() else None


def _commonest_pair(segmentation: Segmentation, unsure: NDArray[Any]) -> tuple[int, int]:
    """Return the two classes that most of the unsure voxels waver between."""
    p = segmentation.probabilities[:, unsure]
    two = np.sort(np.argpartition(p, -2, axis=0)[-2:], axis=0)
    k = len(segmentation.label_map.classes)
    pair = int(np.bincount(two[0] * k + two[1], minlength=k * k).argmax())
    return pair // k, pair % k
