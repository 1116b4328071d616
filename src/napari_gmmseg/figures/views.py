"""Slices through an image and its labels, turned and enlarged as a person expects to see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_gmmseg.volumes import Geometry

Plane = Literal["axial", "coronal", "sagittal"]
Convention = Literal["radiological", "neurological"]
Box = tuple[slice, slice, slice]

#: Axis of (z, y, x) that each plane is cut across.
AXES: dict[Plane, int] = {"axial": 0, "coronal": 1, "sagittal": 2}
#: Slices thicker than this many pixels make planes across them unreadable.
_THICK = 2.5


@dataclass(frozen=True)
class View:
    """One slice, ready to be drawn.

    Parameters
    ----------
    plane : "axial", "coronal" or "sagittal"
        How it is cut.
    image : ndarray (H, W) float32
        Grey level 0 ... 1; the first row is the top.
    labels : ndarray (H, W) uint8
        Label values; 0 is background.
    left, right : str
        The patient's side at each edge, "R", "L", "A", "P", or "" where it is not known.
    place : str
        Where the slice lies, e.g. "z 12 mm".
    """

    plane: Plane
    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    left: str
    right: str
    place: str


def readable_planes(geometry: Geometry) -> tuple[Plane, ...]:
    """Return the planes in which a grid can be read: one for a slice or thick slices, else all three.

    Parameters
    ----------
    geometry : Geometry
        The grid.
    """
    spacing = geometry.spacing
    thickest = int(np.argmax(spacing))
    others = [spacing[a] for a in range(3) if a != thickest]
    for plane, axis in AXES.items():
        if geometry.shape[axis] == 1 or (axis == thickest and spacing[axis] > _THICK * max(others)):
            return (plane,)
    return ("axial", "coronal", "sagittal")


def bounding_box(labels: NDArray[np.uint8], geometry: Geometry, margin: float) -> Box:
    """Return the box around all labels, or the whole grid where there are none.

    Parameters
    ----------
    labels : ndarray (Z, Y, X) uint8
        0 is background.
    geometry : Geometry
        Its grid.
    margin : float
        Added on each side, in the geometry's unit.
    """
    box = []
    for axis, (n, step) in enumerate(zip(geometry.shape, geometry.spacing, strict=True)):
        held = np.flatnonzero(labels.any(axis=tuple(a for a in range(3) if a != axis)))
        first, last = (int(held[0]), int(held[-1])) if held.size else (0, n - 1)
        more = int(np.ceil(margin / step))
        box.append(slice(max(first - more, 0), min(last + more + 1, n)))
    return box[0], box[1], box[2]


def spread_slices(labels: NDArray[np.uint8], axis: int, n_slices: int) -> list[int]:
    """Return slices that lie evenly over the extent of the labels, without its two ends where there are enough.

    Parameters
    ----------
    labels : ndarray (Z, Y, X) uint8
        0 is background.
    axis : int
        Axis that the slices are cut across.
    n_slices : int
        Number wanted; fewer are returned where there are fewer.
    """
    held = np.flatnonzero(labels.any(axis=tuple(a for a in range(3) if a != axis)))
    if not held.size:
        held = np.arange(labels.shape[axis])
    if held.size <= n_slices:
        return [int(i) for i in held]
    at = (np.arange(n_slices) + 0.75) / (n_slices + 0.5) * (held.size - 1)
    return [int(held[round(float(a))]) for a in at]


def grey_window(image: NDArray[np.float32], labels: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the intensities shown as black and as white.

    Parameters
    ----------
    image : ndarray (Z, Y, X) float32
        Intensities of one channel.
    labels : ndarray (Z, Y, X) uint8
        White is set by what is labelled, so that bright tissue elsewhere does not darken it.
    """
    finite = image[np.isfinite(image)]
    if not finite.size:
        return 0.0, 1.0
    inside = image[(labels > 0) & np.isfinite(image)]
    low = float(np.percentile(finite, 0.5))
    high = float(np.percentile(inside if inside.size else finite, 99.7))
    # A little darker than white, so that colours over bright tissue keep their hue.
    high += 0.15 * (high - low)
    return low, high if high > low else low + 1.0


def cut(
    image: NDArray[np.float32],
    labels: NDArray[np.uint8],
    geometry: Geometry,
    *,
    plane: Plane,
    index: int,
    box: Box,
    pixels_per_unit: float,
    window: tuple[float, float],
    convention: Convention,
) -> View:
    """Return one slice, turned for the eye and enlarged to square screen pixels.

    Parameters
    ----------
    image : ndarray (Z, Y, X) float32
        Intensities of one channel.
    labels : ndarray (Z, Y, X) uint8
        Label values.
    geometry : Geometry
        Grid of both.
    plane : "axial", "coronal" or "sagittal"
        How to cut.
    index : int
        Slice along the plane's axis.
    box : three slices
        What is shown of the grid.
    pixels_per_unit : float
        Screen pixels per mm (or per pixel of the image).
    window : (float, float)
        Intensities shown as black and white.
    convention : "radiological" or "neurological"
        Whether the patient's right is on the left, or on the right, of the picture.
    """
    axis = AXES[plane]
    at: list[slice | int] = list(box)
    at[axis] = index
    picture, values = image[tuple(at)], labels[tuple(at)]
    kept = [a for a in range(3) if a != axis]
    sizes = [max(round(n * geometry.spacing[a] * pixels_per_unit), 1) for n, a in zip(picture.shape, kept, strict=True)]
    low, high = window
    grey = np.clip((np.nan_to_num(picture, nan=low, posinf=high, neginf=low) - low) / (high - low), 0, 1)
    flips, left, right = _orientation(geometry, plane, convention)
    if not geometry.verified:
        # The likely way up, but no letter that somebody could rely on.
        left = right = ""
    turn = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    return View(
        plane=plane,
        image=_enlarged(grey.astype(np.float32), sizes)[turn],
        labels=_enlarged_labels(values, sizes)[turn],
        left=left,
        right=right,
        place=_place(geometry, axis, index),
    )


def _orientation(geometry: Geometry, plane: Plane, convention: Convention) -> tuple[tuple[bool, bool], str, str]:
    """Return whether rows and columns are turned round, and the letters at the left and right edges."""
    if geometry.unit != "mm":
        return (False, False), "", ""
    if plane == "sagittal":
        return (True, True), "A", "P"
    if convention == "radiological":
        return (True, True), "R", "L"
    return (True, False), "L", "R"


def _place(geometry: Geometry, axis: int, index: int) -> str:
    if geometry.unit != "mm":
        return f"slice {index + 1}" if geometry.shape[axis] > 1 else ""
    centre = np.array([(n - 1) / 2 for n in geometry.shape] + [1.0])
    centre[axis] = index
    return f"{'zyx'[axis]} {round(float((geometry.affine @ centre)[axis])):d} mm"


def _enlarged(picture: NDArray[np.float32], sizes: list[int]) -> NDArray[np.float32]:
    """Resample (H, W) to `sizes` by cubic splines, voxel edges on picture edges."""
    factors = [size / n for size, n in zip(sizes, picture.shape, strict=True)]
    order = 3 if min(picture.shape) > 3 else 1
    larger = ndimage.zoom(picture, factors, order=order, mode="nearest", grid_mode=True)
    return np.asarray(np.clip(larger, 0, 1), dtype=np.float32)


def _enlarged_labels(values: NDArray[np.uint8], sizes: list[int]) -> NDArray[np.uint8]:
    """Resample labels (H, W) to `sizes`: each pixel takes the class with the largest share there."""
    factors = [size / n for size, n in zip(sizes, values.shape, strict=True)]
    present = np.unique(values)
    shares = [
        ndimage.zoom((values == v).astype(np.float32), factors, order=1, mode="nearest", grid_mode=True)
        for v in present
    ]
    return np.asarray(present[np.argmax(np.stack(shares), axis=0)], dtype=np.uint8)
