"""What a finished segmentation shows, worked out on the job's thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.docks.segment.choices import ClassRow
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.volumes import LabelMap, Segmentation

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
    """

    segmentation: Segmentation
    grid: LayerGrid
    rows: tuple[ClassRow, ...]
    certainty: str
    least_sure: int | None = None


def make_outcome(segmentation: Segmentation, grid: LayerGrid) -> Outcome:
    """Work out table and sentence.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    grid : LayerGrid
        The way to the layer.
    """
    return Outcome(
        segmentation=segmentation,
        grid=grid,
        rows=class_rows(segmentation.label_map),
        certainty=certainty_sentence(segmentation),
        least_sure=least_sure_slice(segmentation),
    )


def class_rows(label_map: LabelMap) -> tuple[ClassRow, ...]:
    """Return the table of volumes: ml, or voxels where there is no spacing.

    Parameters
    ----------
    label_map : LabelMap
        The labels.
    """
    counts = label_map.counts()
    total = max(1, sum(counts.values()))
    in_mm = label_map.geometry.unit == "mm"
    n_frames = label_map.labels.shape[0] if label_map.labels.ndim == 4 else 1

    def amount(n: int) -> str:
        if not in_mm:
            return f"{n:,} voxels".replace(",", "\u202f")
        return f"{n * label_map.geometry.voxel_volume_ml / n_frames:.1f} ml"

    return tuple(
        ClassRow(
            name=f"{c.value} {c.name}",
            colour=c.colour,
            amount=amount(counts[c.value]),
            share=f"{100 * counts[c.value] / total:.0f}",
        )
        for c in label_map.classes
    )


def certainty_sentence(segmentation: Segmentation) -> str:
    """Say how sure the result is, and between which classes it is least so; no full stop.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    """
    unsure = segmentation.uncertainty > 1.0 - SURE
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


def least_sure_slice(segmentation: Segmentation) -> int | None:
    """Return the volume's slice with most unsure voxels; None where all are sure, or there is one slice.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    """
    unsure = segmentation.uncertainty > 1.0 - SURE
    per_slice = np.count_nonzero(unsure, axis=tuple(axis for axis in range(unsure.ndim) if axis != unsure.ndim - 3))
    return int(per_slice.argmax()) if len(per_slice) > 1 and per_slice.any() else None


def _commonest_pair(segmentation: Segmentation, unsure: NDArray[Any]) -> tuple[int, int]:
    """Return the two classes that most of the unsure voxels waver between."""
    p = segmentation.probabilities[:, unsure]
    two = np.sort(np.argpartition(p, -2, axis=0)[-2:], axis=0)
    k = len(segmentation.label_map.classes)
    pair = int(np.bincount(two[0] * k + two[1], minlength=k * k).argmax())
    return pair // k, pair % k
