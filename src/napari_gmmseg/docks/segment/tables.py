"""Tables of a result: how large each class is, and what a refinement changed in it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from napari_gmmseg.docks.segment.choices import ChangeRow, ClassRow
from napari_gmmseg.volumes import LabelMap, Segmentation
from napari_gmmseg.volumes.changes import ClassChange

_THIN_SPACE = "\u202f"
#: What soft volumes are sums of, in words.
_SOFT = {
    "mixed voxels": "each voxel counts with the share of it that is this tissue, by a model of mixed voxels",
    "posterior": "each voxel counts with its probability",
}


def class_rows(segmentation: Segmentation) -> tuple[ClassRow, ...]:
    """Return the table of volumes, hard and soft: ml, or voxels where there is no spacing.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    """
    label_map = segmentation.label_map
    counts, sums = label_map.counts(), segmentation.fraction_sums
    total = max(1, sum(counts.values()))
    soft = _SOFT[segmentation.fraction_basis]
    return tuple(
        ClassRow(
            name=f"{c.value} {c.name}",
            colour=c.colour,
            amount=amount_of(counts[c.value], label_map),
            soft_amount=amount_of(float(sums[k]), label_map),
            share=f"{100 * counts[c.value] / total:.0f}",
            tip=f"{c.name}. Hard: voxels of the mask. Soft: {soft}.",
        )
        for k, c in enumerate(label_map.classes)
    )


def change_rows(changes: Sequence[ClassChange], label_map: LabelMap) -> tuple[ChangeRow, ...]:
    """Return the table of changes, in ml, or voxels where there is no spacing, and in percent.

    Parameters
    ----------
    changes : sequence of ClassChange
        One a class.
    label_map : LabelMap
        The later labels, which tell the size of a voxel.
    """
    return tuple(
        ChangeRow(
            name=c.tissue.name,
            colour=c.tissue.colour,
            amount=amount_of(c.voxels_after - c.voxels_before, label_map, signed=True),
            percent="new" if isnan(c.percent) else f"{_signed(c.percent, 1)} %",
            tip=f"{c.tissue.name}: {_grouped(c.gained)} voxels came from other classes, "
            f"{_grouped(c.lost)} went to others.",
        )
        for c in changes
    )


def amount_of(n: float, label_map: LabelMap, *, signed: bool = False) -> str:
    """Return a number of voxels as the volume of one frame, in ml, or in voxels where there is no spacing.

    Parameters
    ----------
    n : float
        Voxels of all frames.
    label_map : LabelMap
        Tells the size of a voxel.
    signed : bool
        Whether a sign is put before it.
    """
    geometry = label_map.geometry
    if geometry.unit != "mm":
        return f"{_signed(n, 0) if signed else _grouped(n)} voxels"
    n_frames = label_map.labels.shape[0] if label_map.labels.ndim == 4 else 1
    volume = n * geometry.voxel_volume_ml / n_frames
    # No tissue is known to a tenth of a percent, and its name needs the room.
    return f"{_signed(volume, 1) if signed else f'{volume:.{0 if volume >= 100 else 1}f}'} ml"


def _grouped(n: float) -> str:
    return f"{n:,.0f}".replace(",", _THIN_SPACE)


def _signed(value: float, digits: int) -> str:
    """Return a number with its sign; what rounds to nothing has none."""
    if round(value, digits) == 0:
        return f"{0:.{digits}f}"
    return f"{value:+,.{digits}f}".replace(",", _THIN_SPACE).replace("-", "−")
