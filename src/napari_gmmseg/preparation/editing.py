"""Edits that need the neighbourhood: fill a region, drop an island, interpolate between edited slices."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.volumes import LabelMap
from napari_gmmseg.volumes.edits import BACKGROUND, Edits

BoolArray = NDArray[np.bool_]


def fill(edits: Edits, label_map: LabelMap, at: tuple[int, ...], value: int, *, plane: int | None = None) -> Edits:
    """Return edits that set the connected region around a voxel to a class.

    The region is made of the voxels that touch by a face and have the label of the voxel pointed at.

    Parameters
    ----------
    edits : Edits
        So far.
    label_map : LabelMap
        The result that is shown, labels (*grid); edits count in it.
    at : tuple of int
        The voxel pointed at, on the grid's axes.
    value : int
        Label value to set; 0 is background.
    plane : int or None
        Axis along which the region may not grow, such as the one that a person looks along; None for all axes.
    """
    labels = edits.apply(label_map).labels
    return edits.paint(np.argwhere(_region(labels, at, plane)), value)


def drop_island(edits: Edits, label_map: LabelMap, at: tuple[int, ...]) -> Edits:
    """Return edits that give a connected region to the class that most of its face neighbours have.

    Background that reaches the border of the image is no island: nobody means all that surrounds a head.

    Parameters
    ----------
    edits : Edits
        So far.
    label_map : LabelMap
        The result that is shown, labels (*grid); edits count in it.
    at : tuple of int
        A voxel of the island, on the grid's axes.

    Raises
    ------
    SettingsError
        Where nothing surrounds the region, or it is background that reaches the border of the image.
    """
    labels = edits.apply(label_map).labels
    island = _region(labels, at, None)
    if labels[at] == BACKGROUND and _reaches_border(island):
        raise SettingsError("This is the background around everything, no island.", "Point at an island.")
    around = labels[_grown(island) & ~island]
    if not len(around):
        raise SettingsError("The region fills the whole image: nothing surrounds it.", "Point at an island.")
    return edits.paint(np.argwhere(island), int(np.bincount(around, minlength=256).argmax()))


def edited_slices(edits: Edits, value: int, axis: int = -3) -> tuple[int, ...]:
    """Return the slices in which voxels were set to a class, rising.

    Parameters
    ----------
    edits : Edits
        What a person set.
    value : int
        Label value.
    axis : int
        Axis across the slices, counted from the end: -3 is z.
    """
    found = edits.voxels[edits.values == value][:, axis]
    return tuple(int(index) for index in np.unique(found))


def interpolate(
    edits: Edits,
    label_map: LabelMap,
    value: int,
    *,
    first: int | None = None,
    last: int | None = None,
    axis: int = -3,
    frame: int | None = None,
) -> Edits:
    """Return edits that continue a class through the slices between those in which it was edited.

    The shape in an edited slice is each connected region of the class that holds an edited voxel. Between two such
    slices a and b the shape is where the interpolated signed distance is negative (shape-based interpolation, Raya and
    Udupa 1990, IEEE TMI 9(1):32-42, with Euclidean distances in mm in place of their city-block ones):

        d(s) = (b - s) / (b - a) d(a) + (s - a) / (b - a) d(b)

    Voxels of the class that touch the shape and lie outside of it go to the nearest other label of their slice.
    Voxels that were edited before stay as they are.

    Parameters
    ----------
    edits : Edits
        So far; at least two slices are edited with the class.
    label_map : LabelMap
        The result that is shown, labels (Z, Y, X) or (T, Z, Y, X); edits count in it.
    value : int
        Label value of the class.
    first, last : int or None
        Slices between which to interpolate; None for the first and the last that are edited.
    axis : int
        Axis across the slices, counted from the end: -3 is z.
    frame : int or None
        Which frame of a result with a time axis.

    Raises
    ------
    SettingsError
        Where fewer than two slices in this range are edited with the class, or none lies between them.
    GeometryError
        Where the result has a time axis, and no frame of it is named.
    """
    if label_map.labels.ndim != 3:
        if frame is None:
            raise GeometryError("Slices are interpolated in one frame.", "Choose one frame of the result.")
        here, shown = _one_frame(edits, label_map, frame)
        later = interpolate(here, shown, value, first=first, last=last, axis=axis)
        before = frame * int(np.prod(shown.labels.shape))
        return edits.merged(replace(edits, positions=later.positions + before, values=later.values))
    found = [
        index
        for index in edited_slices(edits, value, axis)
        if (first is None or index >= first) and (last is None or index <= last)
    ]
    gaps = [(a, b) for a, b in pairwise(found) if b - a > 1]
    if not gaps:
        seen = ", ".join(map(str, found)) or "none"
        raise SettingsError(
            f"There is no slice between two edited ones of this class; edited: {seen}.",
            "Paint the class in two slices with at least one slice between them.",
        )
    labels = np.moveaxis(edits.apply(label_map).labels, axis, 0)
    touched, own = _painted(edits, axis)
    spacing = tuple(s for i, s in enumerate(label_map.geometry.spacing) if i != axis % 3)
    held, wanted = np.zeros(edits.shape, dtype=bool), np.zeros(edits.shape, dtype=np.uint8)
    held_slices, wanted_slices = np.moveaxis(held, axis, 0), np.moveaxis(wanted, axis, 0)
    for a, b in gaps:
        ends = [_signed_distance(_holding(labels[s] == value, own[s] == value), spacing) for s in (a, b)]
        for s in range(a + 1, b):
            share = (s - a) / (b - a)
            shape = (1 - share) * ends[0] + share * ends[1] < 0
            wanted_slices[s] = _replaced(labels[s], shape, value, spacing)
            # The shape is held whole, also where the result has it already: a rerun must not take it away.
            held_slices[s] = (shape | (wanted_slices[s] != labels[s])) & ~touched[s]
    positions = np.flatnonzero(held)
    later = Edits(edits.shape, edits.geometry, edits.classes, positions, wanted.reshape(-1)[positions], edits.source)
    return edits.merged(later)


def _one_frame(edits: Edits, label_map: LabelMap, frame: int) -> tuple[Edits, LabelMap]:
    """Return edits and result of one frame (Z, Y, X)."""
    size = int(np.prod(label_map.labels.shape[1:]))
    here = edits.positions // size == frame
    shape = label_map.labels.shape[1:]
    shown = replace(label_map, labels=label_map.labels[frame])
    return replace(edits, shape=shape, positions=edits.positions[here] % size, values=edits.values[here]), shown


def _region(labels: NDArray[np.uint8], at: tuple[int, ...], plane: int | None) -> BoolArray:
    """Return the connected region (*grid) around a voxel; frames are never connected."""
    if len(at) != labels.ndim or not all(0 <= i < n for i, n in zip(at, labels.shape, strict=True)):
        raise GeometryError(f"{at} leaves the grid of {labels.shape} voxels.", "Point at a voxel of the image.")
    fixed = {axis for axis in range(labels.ndim) if axis < labels.ndim - 3}
    if plane is not None:
        fixed.add(plane % labels.ndim)
    view = tuple(at[axis] if axis in fixed else slice(None) for axis in range(labels.ndim))
    pieces, _ = ndimage.label(labels[view] == labels[at])
    region = np.zeros(labels.shape, dtype=bool)
    region[view] = pieces == pieces[tuple(i for axis, i in enumerate(at) if axis not in fixed)]
    return region


def _reaches_border(region: BoolArray) -> bool:
    """Whether a region (*grid) touches the border along one of the last three axes that is longer than a voxel."""
    long = [axis for axis in (-3, -2, -1) if region.shape[axis] > 1]
    return any(bool(region.take((0, -1), axis=axis).any()) for axis in long)


def _grown(region: BoolArray) -> BoolArray:
    """Return a region (*grid) and its face neighbours along the last three axes."""
    structure = np.zeros((3,) * region.ndim, dtype=bool)
    middle = (slice(1, 2),) * (region.ndim - 3)
    structure[middle] = ndimage.generate_binary_structure(3, 1)
    return np.asarray(ndimage.binary_dilation(region, structure))


def _painted(edits: Edits, axis: int) -> tuple[BoolArray, NDArray[np.int16]]:
    """Return, slices first, which voxels were edited, and to which value; -1 where they were not."""
    values = np.full(edits.shape, -1, dtype=np.int16)
    values.reshape(-1)[edits.positions] = edits.values
    slices = np.moveaxis(values, axis, 0)
    return slices >= 0, slices


def _holding(shape: BoolArray, seeds: BoolArray) -> BoolArray:
    """Return the connected pieces (H, W) of a shape that hold a seed."""
    pieces, n_pieces = ndimage.label(shape)
    wanted = np.zeros(n_pieces + 1, dtype=bool)
    wanted[pieces[seeds]] = True
    wanted[0] = False
    return np.asarray(wanted[pieces])


def _signed_distance(shape: BoolArray, spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the distance (H, W) to the shape's outline, below 0 inside; the outline runs between voxels."""
    half = min(spacing) / 2
    outside = ndimage.distance_transform_edt(~shape, sampling=spacing) - half
    inside = ndimage.distance_transform_edt(shape, sampling=spacing) - half
    return np.asarray(np.where(shape, -inside, outside))


def _replaced(labels: NDArray[np.uint8], shape: BoolArray, value: int, spacing: tuple[float, ...]) -> NDArray[np.uint8]:
    """Return a slice in which a shape has a class, and what touches it and lies outside has it no longer."""
    here = labels == value
    surplus = _holding(here, here & shape) & ~shape
    result = labels.copy()
    if surplus.any():
        donors = ~here & ~shape
        if donors.any():
            nearest = ndimage.distance_transform_edt(
                ~donors, sampling=spacing, return_distances=False, return_indices=True
            )
            result[surplus] = labels[tuple(nearest)][surplus]
        else:
            result[surplus] = BACKGROUND
    result[shape] = value
    return result
