"""Stack DICOM images to a volume by where they lie, and see what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError
from napari_gmmseg.io.dicom_slices import Slice, load_pixels
from napari_gmmseg.io.grids import LPS_TO_RAS, RawImage
from napari_gmmseg.volumes import Finding, Unit

#: Slices closer than this, in mm, lie at the same place.
_SAME_PLACE = 1e-2
#: Largest departure from even steps, as a share of the step.
_UNEVEN = 0.05


def stack(name: str, slices: list[Slice]) -> RawImage:
    """Sort images by position and stack them.

    Parameters
    ----------
    name : str
        The series, for messages.
    slices : list of Slice
        One orientation and size.

    Returns
    -------
    RawImage
        Of shape (columns, rows, slices).

    Raises
    ------
    InputError
        Where slices are missing, uneven or repeated unevenly.
    """
    if any(s.position is None or s.orientation is None for s in slices):
        return _unplaced(name, slices)
    orientation = _array(slices[0].orientation)
    along_row, along_column = _unit(orientation[:3]), _unit(orientation[3:])
    normal = np.cross(along_row, along_column)
    if np.linalg.norm(normal) < 0.9:
        raise InputError(f"Series {name} has rows and columns that are not perpendicular.", "Export the series again.")
    heights = np.array([float(_array(s.position) @ normal) for s in slices])
    places = _places(heights)
    groups = [sorted(group, key=lambda i: slices[i].order) for group in places]
    lengths = {len(group) for group in groups}
    if len(lengths) > 1:
        most = max(lengths)
        short = [g for g in groups if len(g) < most]
        raise InputError(
            f"Series {name} has {most} images at most places, but fewer at {len(short)} of {len(groups)}.",
            "Copy the whole series again, or name another with --series.",
        )
    positions = np.array([_array(slices[group[0]].position) for group in groups])
    step = _step(name, positions, normal, slices[groups[0][0]])
    spacing = slices[0].spacing
    affine = np.eye(4)
    between_rows, between_columns = spacing or (1.0, 1.0)
    affine[:3, 0], affine[:3, 1] = along_row * between_columns, along_column * between_rows
    affine[:3, 2], affine[:3, 3] = step, positions[0]
    order = [[slices[i] for i in group] for group in groups]
    raw = _image(order, LPS_TO_RAS @ affine, "mm" if spacing else "pixel")
    if spacing:
        return replace(raw, findings=_gaps(name, float(np.linalg.norm(step)), slices[0]))
    finding = Finding("no-voxel-size", f"Series {name} tells no pixel spacing.", "Give it with --spacing DZ DY DX.")
    return replace(raw, verified=False, findings=(finding,))


def _gaps(name: str, apart: float, first: Slice) -> tuple[Finding, ...]:
    """Doubt slices that lie much further apart than they are thick: every second one may be missing."""
    if not first.thickness or apart < 1.5 * first.thickness:
        return ()
    finding = Finding(
        "gaps-between-slices",
        f"The slices of series {name} lie {apart:.3g} mm apart, and their headers say {first.thickness:.3g} mm.",
        "Check that none is missing; volumes in ml count what lies between slices as tissue of its neighbours.",
    )
    return (finding,)


def _array(value: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Narrow a place that is known to be there."""
    if value is None:
        raise InputError("A DICOM image has no place in space.", "Export the series again.")
    return value


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _places(heights: NDArray[np.float64]) -> list[list[int]]:
    """Group image numbers by height, rising."""
    order = np.argsort(heights, kind="stable")
    places: list[list[int]] = []
    last = -np.inf
    for i in order:
        if heights[i] - last > _SAME_PLACE:
            places.append([])
            last = heights[i]
        places[-1].append(int(i))
    return places


def _step(name: str, positions: NDArray[np.float64], normal: NDArray[np.float64], first: Slice) -> NDArray[np.float64]:
    """Return the way from one slice to the next in mm, LPS; refuse gaps."""
    if len(positions) == 1:
        step: NDArray[np.float64] = normal * (first.thickness or 1.0)
        return step
    gaps = np.diff(positions @ normal)
    usual = float(np.median(gaps))
    if first.thickness and len(gaps) < 3 and gaps.min() < 0.6 * usual:
        usual = float(gaps.min())
    wrong = np.flatnonzero(np.abs(gaps - usual) > max(_UNEVEN * usual, _SAME_PLACE))
    if wrong.size:
        n_missing = int(np.round(gaps[wrong] / usual - 1).clip(0).sum())
        where = ", ".join(f"after slice {i + 1} ({gaps[i]:.4g} mm instead of {usual:.4g})" for i in wrong[:3])
        whole = bool(np.all(np.abs(gaps[wrong] / usual - np.round(gaps[wrong] / usual)) < 0.1)) and n_missing > 0
        what = f"misses {n_missing} slice{'s' if n_missing > 1 else ''}" if whole else "has uneven gaps between slices"
        raise InputError(
            f"Series {name} {what}: {where}{' ...' if wrong.size > 3 else ''}.",
            "Copy the whole series again, or name another with --series.",
        )
    mean: NDArray[np.float64] = (positions[-1] - positions[0]) / (len(positions) - 1)
    aside = np.abs(positions - (positions[0] + np.arange(len(positions))[:, None] * mean)).max()
    if aside > max(_UNEVEN * usual, 10 * _SAME_PLACE):
        raise InputError(
            f"Series {name} has slices that lie up to {aside:.3g} mm aside of one straight line.",
            "Export it as NIfTI with a converter that knows this scanner.",
        )
    return mean


def _unplaced(name: str, slices: list[Slice]) -> RawImage:
    """Stack images that tell no place, in the order of their numbers."""
    if len({s.size for s in slices}) > 1:
        raise InputError(f"Series {name} mixes images of several sizes.", "Put each kind into a folder of its own.")
    ordered = sorted(slices, key=lambda s: s.order[::-1])
    spacing, thickness = slices[0].spacing, slices[0].thickness
    known = spacing is not None and (len(slices) == 1 or thickness is not None)
    between_rows, between_columns = spacing or (1.0, 1.0)
    steps = (between_columns, between_rows, thickness or 1.0) if known else (1.0, 1.0, 1.0)
    finding = Finding(
        "orientation-unknown",
        f"Series {name} does not tell where its {len(slices)} images lie; they are in the order of their numbers.",
        "Check order, left and right by eye; exports are marked as unverified.",
    )
    affine = LPS_TO_RAS @ np.diag([*steps, 1.0])
    raw = _image([[s] for s in ordered], affine, "mm" if known else "pixel")
    return replace(raw, verified=False, findings=(finding,))


def _image(order: list[list[Slice]], affine: NDArray[np.float64], unit: Unit) -> RawImage:
    """Make the image of slices [place][repetition]."""
    n_places, n_extra = len(order), len(order[0])
    n_rows, n_columns = order[0][0].size

    def load(frame: int | None) -> NDArray[np.float32]:
        chosen = range(n_extra) if frame is None else (frame,)
        members = [order[place][e] for e in chosen for place in range(n_places)]
        out: NDArray[Any] = np.empty((len(members), n_rows, n_columns), dtype=np.float32)
        for i, plane in load_pixels(members):
            out[i] = plane
        stacked = out.reshape(len(chosen), n_places, n_rows, n_columns)
        return stacked[0].transpose(2, 1, 0) if len(chosen) == 1 else stacked.transpose(3, 2, 1, 0)

    return RawImage(
        shape=(n_columns, n_rows, n_places),
        n_extra=n_extra,
        load=load,
        affine=affine,
        format="dicom",
        unit=unit,
    )
