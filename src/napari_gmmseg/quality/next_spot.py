"""Where a further stroke would help most, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.quality.gain_map import REACH, REGION_SHARE, GainMap, gain_map
from napari_gmmseg.volumes import ClassTable, Finding, Geometry, Scribbles

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

#: Gain below which no stroke is advised, as a fraction of the mask. It looks small because answers to strokes are surer
#: than they are right: with robot strokes on hearts and gliomas, Dice still rose above it, and hardly below.
SMALL_GAIN = 3e-7


@dataclass(frozen=True)
class Spot:
    """A place where a stroke is expected to help.

    Parameters
    ----------
    position : tuple of int
        The voxel (z, y, x), or (t, z, y, x).
    size : float
        Of the uncertain region around it, as far as a stroke is taken to reach, in `unit`.
    unit : "ml" or "voxels"
        Voxels where no spacing is known.
    distance : float
        From the nearest stroke, in mm, or in voxels where no spacing is known; inf without strokes.
    gain : float
        Doubtful voxels that a stroke there is expected to settle, as a fraction of the mask.
    values : (int, int)
        Label values of the two likeliest classes in the region.
    why : str
        One sentence in plain words.
    """

    position: tuple[int, ...]
    size: float
    unit: Literal["ml", "voxels"]
    distance: float
    gain: float
    values: tuple[int, int]
    why: str


@dataclass(frozen=True)
class Advice:
    """Where to paint next.

    Parameters
    ----------
    spots : tuple of Spot
        Best first; empty where no stroke is expected to help much.
    finding : Finding or None
        Says that no stroke is advised any more.
    """

    spots: tuple[Spot, ...]
    finding: Finding | None = None


def next_spots(
    probabilities: FloatArray,
    mask: BoolArray,
    scribbles: Scribbles,
    geometry: Geometry,
    n: int = 1,
    *,
    small_gain: float = SMALL_GAIN,
) -> Advice:
    """Return the places where a stroke is expected to help most: uncertainty x size x distance from the strokes.

    With the uncertainty u = 1 - margin, opened by a box of `SLIVER` voxels so that thin bands along class borders do
    not count, the distance d from the nearest stroke in mm, and a Gaussian window g of width `REACH` that is 1 at its
    centre, a stroke at x is expected to settle this share of a mask of N voxels:

        gain(x) = 1/N sum_y g(y - x) u(y) d(y) / (d(y) + HALF_DISTANCE)

    Places are taken in falling order, each with what is near to it left out for the next. A large grid is searched
    coarsened, so that a place is found at once.

    Parameters
    ----------
    probabilities : ndarray (K, *grid) float32
        Of the answer, not calibrated: `small_gain` is meant for these. K in the order of the scribbles' class table,
        with or without the classes that have no stroke.
    mask : ndarray (*grid) bool
        Voxels that have an answer.
    scribbles : Scribbles
        Strokes so far; what they leave out is not advised either.
    geometry : Geometry
        Of the last three axes.
    n : int
        Places at most.
    small_gain : float
        Gain, as a fraction of the mask, below which a place is not told.

    Raises
    ------
    GeometryError
        Where probabilities, mask and scribbles lie on different grids.
    SettingsError
        Where K is not the number of classes.
    """
    if probabilities.shape[1:] != mask.shape or tuple(scribbles.shape) != mask.shape:
        raise GeometryError(
            f"Probabilities, mask and scribbles lie on grids of {probabilities.shape[1:]}, {mask.shape} and "
            f"{scribbles.shape} voxels.",
            "Give all three of one answer.",
        )
    classes, labels, n_voxels = _classes(scribbles, len(probabilities)), scribbles.labels(), int(mask.sum())
    found: list[Spot] = []
    for frame in np.ndindex(mask.shape[:-3]):
        if mask[frame].any() and len(classes) > 1:
            box = ndimage.find_objects(mask[frame].astype(np.uint8))[0]
            here = (slice(None), *frame, *box)
            parts = probabilities[here], mask[here[1:]], labels[here[1:]]
            corner = (*frame, *(s.start for s in box))
            found += _in_frame(parts, classes, geometry, corner, n, small_gain * n_voxels, n_voxels)
    best = tuple(sorted(found, key=lambda spot: -spot.gain)[:n])
    return Advice(best, None if best else _settled())


def _in_frame(
    parts: tuple[FloatArray, BoolArray, NDArray[np.uint8]],
    classes: ClassTable,
    geometry: Geometry,
    corner: tuple[int, ...],
    n: int,
    least: float,
    n_voxels: int,
) -> list[Spot]:
    """Return the best places of one frame's box."""
    probabilities, mask, labels = parts
    seen = gain_map(probabilities, mask, labels, geometry.spacing)
    gains, spots = seen.gains.copy(), []
    for _ in range(n):
        cell = tuple(int(i) for i in np.unravel_index(int(gains.argmax()), gains.shape))
        if not gains[cell] >= max(least, np.finfo(float).tiny):
            break
        spots.append(_spot(seen, probabilities, cell, classes, geometry, corner, gains[cell] / n_voxels))
        gains *= seen.away_from(cell)
    return spots


def _spot(
    seen: GainMap,
    probabilities: FloatArray,
    cell: tuple[int, ...],
    classes: ClassTable,
    geometry: Geometry,
    corner: tuple[int, ...],
    gain: float,
) -> Spot:
    """Describe a place: the two classes in question, how large the region is, how far the strokes are."""
    at = seen.finest(cell)
    half = [max(1, round(3 * REACH / d)) for d in seen.spacing]
    near = tuple(slice(max(0, i - h), i + h + 1) for i, h in zip(at, half, strict=True))
    unsure = seen.uncertainty[near] >= REGION_SHARE * seen.uncertainty[at]
    pieces, _ = ndimage.label(unsure, structure=np.ones((3, 3, 3)))
    region = pieces == pieces[tuple(i - s.start for i, s in zip(at, near, strict=True))]
    likely = probabilities[(slice(None), *near)][:, region].mean(axis=1)
    first, second = (classes[int(k)] for k in np.argsort(-likely, kind="stable")[:2])
    measured = geometry.unit == "mm"
    size = float(region.sum()) * (geometry.voxel_volume_ml if measured else 1.0)
    distance = float(seen.distance[cell])
    extent = f"{size:.2g} ml" if measured else f"{size:.0f} voxels"
    away = f"{distance:.0f} {'mm' if measured else 'voxels'} from the nearest stroke"
    away = away if np.isfinite(distance) else "no stroke yet"
    why = f"{_upper(first.name)} or {_lower(second.name)}? {extent}, {away}"
    position = (*corner[:-3], *(i + c for i, c in zip(at, corner[-3:], strict=True)))
    unit: Literal["ml", "voxels"] = "ml" if measured else "voxels"
    return Spot(position, size, unit, distance, float(gain), (first.value, second.value), why)


def _upper(name: str) -> str:
    return name[:1].upper() + name[1:]


def _lower(name: str) -> str:
    """Return a name as it stands inside a sentence; an abbreviation keeps its capitals."""
    return name if name[1:] != name[1:].lower() or any(c.isdigit() for c in name) else name.lower()


def _classes(scribbles: Scribbles, n_classes: int) -> ClassTable:
    """Return the class of each set of probabilities: all of the table, or those with a stroke."""
    if n_classes == len(scribbles.classes):
        return scribbles.classes
    counts = scribbles.counts()
    painted = tuple(tissue for tissue in scribbles.classes if counts[tissue.value])
    if n_classes != len(painted):
        raise SettingsError(
            f"There are probabilities of {n_classes} classes; the table has {len(scribbles.classes)}, of which "
            f"{len(painted)} are painted.",
            "Give the probabilities that these strokes led to.",
        )
    return ClassTable(painted)


def _settled() -> Finding:
    return Finding(
        "no-spot-worth-a-stroke",
        "No further stroke is advised: away from the strokes the answer is sure nearly everywhere.",
        "Look the mask through, and edit by hand what is wrong.",
        "note",
    )
