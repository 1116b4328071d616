"""Which voxels are fitted: what differs from a constant background, or the foreground, cut by box and disc.

An array here has the grid's shape, (Z, Y, X) or (T, Z, Y, X); only the last three axes are space, and neither
neighbourhoods nor components cross frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_gmmseg.config import Box, Disc
from napari_gmmseg.errors import MaskError, SettingsError

BoolArray = NDArray[np.bool_]

#: A border that holds one exact value at this share of its voxels is a background with that value.
_MODE_SHARE = 0.5
#: Share of background on the faces around an object, above which the background counts as masked.
_EMPTY_FACES = 0.75
#: A box whose faces are darker than this part of the bright intensities is noise around a head, not an object.
_DARK_FACES = 0.2
#: More lonely voxels than this share is noise with zeros in it, not a masked background.
_LONELY_SHARE = 0.1


@dataclass(frozen=True)
class AutoMask:
    """An automatic mask and where it came from.

    Parameters
    ----------
    mask : ndarray (Z, Y, X) or (T, Z, Y, X), bool
        Voxels to fit.
    masked_background : bool
        True where the background was masked already (one constant value), False where the mask is the foreground.
    background : tuple of float
        The constant value in each channel; empty for a foreground.
    """

    mask: BoolArray
    masked_background: bool
    background: tuple[float, ...] = ()


def automatic_mask(data: NDArray[np.float32], finite: BoolArray) -> AutoMask:
    """Return what is not background where the background is one constant value (as a rule zero), else the foreground.

    The background value of a channel is the value that at least half of the grid's border voxels share exactly, and
    zero where there is none. A voxel is background where every channel has its background value or is not finite, or
    where one channel has it and is connected to the border through voxels that have it too (a smaller field of view).
    Voxels with the background value in all channels stay out even inside the brain.

    That background counts as masked if, around the bounding box of the rest, at least 3/4 of the faces are background
    (median over the axes), or if the object is a box (full faces that are not dark) in an empty border; and if not
    more than a tenth of the rest are lonely voxels (fewer than a third of the face neighbours in the mask), which is
    noise with zeros in it. So zeros that a scanner padded around a noisy head are not taken for a skull-stripped brain.

    Parameters
    ----------
    data : ndarray (C, Z, Y, X) or (C, T, Z, Y, X), float32
        Intensities in the image's own unit.
    finite : ndarray (Z, Y, X) or (T, Z, Y, X), bool
        Voxels that are finite in every channel.

    Raises
    ------
    MaskError
        Where no foreground is found.
    """
    values = tuple(_background_value(channel) for channel in data)
    object_ = _not_background(data, values) & finite
    if object_.any() and _is_masked(data[0], object_):
        return AutoMask(object_, masked_background=True, background=values)
    return AutoMask(foreground(data, finite), masked_background=False)


def imaged_box(data: NDArray[np.float32], finite: BoolArray) -> tuple[slice, ...]:
    """Return the smallest slices that hold all that is not constant background.

    Parameters
    ----------
    data : ndarray (C, Z, Y, X) or (C, T, Z, Y, X), float32
        Intensities in the image's own unit.
    finite : ndarray (Z, Y, X) or (T, Z, Y, X), bool
        Voxels that are finite in every channel.
    """
    shown = _not_background(data, tuple(_background_value(channel) for channel in data)) & finite
    return bounding_box(shown if shown.any() else finite)


def foreground(data: NDArray[np.float32], finite: BoolArray) -> BoolArray:
    """Return the largest bright component, holes filled: Otsu's threshold on the channels' mean after scaling each.

    Parameters
    ----------
    data : ndarray (C, Z, Y, X) or (C, T, Z, Y, X), float32
        Intensities in the image's own unit.
    finite : ndarray (Z, Y, X) or (T, Z, Y, X), bool
        Voxels that are finite in every channel.

    Returns
    -------
    ndarray (Z, Y, X) or (T, Z, Y, X), bool
        The foreground, frame by frame.

    Raises
    ------
    MaskError
        Where nothing stands out.
    """
    score = np.zeros(finite.shape, dtype=np.float32)
    for channel in data:
        inside = channel[finite]
        low, high = (float(v) for v in np.percentile(inside, (1, 99))) if inside.size else (0.0, 0.0)
        if high > low:
            score += np.where(finite, np.clip((channel - low) / (high - low), 0, 1), 0).astype(np.float32)
    inside = score[finite]
    if not inside.size or float(inside.min()) == float(inside.max()):
        raise MaskError(
            "No foreground was found: the image is the same everywhere.",
            "Check that this is the right image, or give a mask (--mask FILE) or none (--mask none).",
        )
    bright = (score > threshold_otsu(inside)) & finite
    found = np.stack([_fill_holes(_largest_component(frame)) for frame in _frames(bright)]).reshape(finite.shape)
    return found & finite


def box_mask(box: Box, shape: tuple[int, ...]) -> BoolArray:
    """Return a box as a mask that broadcasts over frames.

    Parameters
    ----------
    box : Box
        Start (inclusive) and stop (exclusive) in voxels (z, y, x).
    shape : tuple of int
        Shape of the grid; the last three are (Z, Y, X).

    Returns
    -------
    ndarray (Z, Y, X), bool
        True inside.

    Raises
    ------
    SettingsError
        Where the box is empty or lies outside of the grid.
    """
    check_box(box, shape)
    mask = np.zeros(shape[-3:], dtype=bool)
    mask[tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))] = True
    return mask


def check_box(box: Box, shape: tuple[int, ...]) -> None:
    """Refuse a box that is empty or lies outside of the grid.

    Parameters
    ----------
    box : Box
        Start (inclusive) and stop (exclusive) in voxels (z, y, x).
    shape : tuple of int
        Shape of the grid; the last three are (Z, Y, X).

    Raises
    ------
    SettingsError
        Where it is.
    """
    size = shape[-3:]
    if any(not 0 <= a < b <= n for a, b, n in zip(box.start, box.stop, size, strict=True)):
        raise SettingsError(
            f"The box from {box.start} to {box.stop} does not lie inside the grid {size} (z, y, x).",
            "Give start and stop in voxels, each start below its stop, and each stop at most the size.",
        )


def disc_mask(disc: Disc, shape: tuple[int, ...]) -> BoolArray:
    """Return a disc, the same in every slice, as a mask that broadcasts over slices and frames.

    Parameters
    ----------
    disc : Disc
        Centre (y, x) and radius in voxels.
    shape : tuple of int
        Shape of the grid; the last two are (Y, X).

    Returns
    -------
    ndarray (1, Y, X), bool
        True inside.

    Raises
    ------
    SettingsError
        Where the disc holds no voxel of the grid.
    """
    y, x = np.ogrid[: shape[-2], : shape[-1]]
    mask = (y - disc.centre[0]) ** 2 + (x - disc.centre[1]) ** 2 <= disc.radius**2
    if not mask.any():
        raise SettingsError(
            f"The disc at {disc.centre} with radius {disc.radius:g} holds no voxel of a slice of {shape[-2:]} (y, x).",
            "Give the centre (y, x) and the radius in voxels.",
        )
    return np.asarray(mask[np.newaxis])


def bounding_box(mask: BoolArray) -> tuple[slice, ...]:
    """Return the smallest slices that hold every true voxel of a non-empty mask.

    Parameters
    ----------
    mask : ndarray, any shape, bool
        A mask with at least one true voxel.
    """
    found = []
    for axis in range(mask.ndim):
        other = tuple(a for a in range(mask.ndim) if a != axis)
        where = np.flatnonzero(mask.any(axis=other))
        found.append(slice(int(where[0]), int(where[-1]) + 1))
    return tuple(found)


def _frames(array: BoolArray) -> BoolArray:
    """View (Z, Y, X) or (T, Z, Y, X) as (T, Z, Y, X)."""
    return array.reshape(-1, *array.shape[-3:])


def _faces(array: NDArray[np.generic], axis: int) -> NDArray[np.generic]:
    """Return the first and the last layer along one axis, as one flat array."""
    return np.concatenate([array.take(0, axis=axis).reshape(-1), array.take(-1, axis=axis).reshape(-1)])


def _space_axes(shape: tuple[int, ...]) -> list[int]:
    """Return the spatial axes (negative) along which there is more than one voxel."""
    return [axis for axis in (-3, -2, -1) if shape[axis] > 1] or [-1]


def _background_value(channel: NDArray[np.float32]) -> float:
    border = np.concatenate([_faces(channel, axis) for axis in _space_axes(channel.shape)])
    border = border[np.isfinite(border)]
    if not border.size:
        return 0.0
    values, counts = np.unique(border, return_counts=True)
    most = int(counts.argmax())
    return float(values[most]) if counts[most] >= _MODE_SHARE * border.size else 0.0


def _not_background(data: NDArray[np.float32], values: tuple[float, ...]) -> BoolArray:
    empty = [(channel == value) | ~np.isfinite(channel) for channel, value in zip(data, values, strict=True)]
    everywhere = np.logical_and.reduce(empty)
    background = everywhere.copy()
    for one in empty:
        if (one != everywhere).any():
            background |= _touching_border(one)
    return np.asarray(~background)


def _touching_border(mask: BoolArray) -> BoolArray:
    """Keep the components that reach the grid's border, frame by frame."""
    kept = np.zeros_like(mask)
    for frame, out in zip(_frames(mask), _frames(kept), strict=True):
        labels, n = ndimage.label(frame)
        border = np.zeros(n + 1, dtype=bool)
        for axis in _space_axes(frame.shape):
            border[_faces(labels, axis)] = True
        border[0] = False
        out[...] = border[labels]
    return kept


def _is_masked(first: NDArray[np.float32], object_: BoolArray) -> bool:
    box = bounding_box(object_)
    inside = object_[box]
    axes = _space_axes(inside.shape)
    empty_faces = float(np.median([1 - _faces(inside, axis).mean() for axis in axes]))
    if empty_faces < _EMPTY_FACES and not _is_bright_box(first, object_, box):
        return False
    return _lonely_share(inside) <= _LONELY_SHARE


def _is_bright_box(first: NDArray[np.float32], object_: BoolArray, box: tuple[slice, ...]) -> bool:
    """Whether the object fills its bounding box to the faces, as tissue does and noise does not, in an empty border."""
    axes = _space_axes(object_.shape)
    if float(np.median([1 - _faces(object_, axis).mean() for axis in axes])) < _EMPTY_FACES:
        return False
    shown, where = first[box], object_[box]
    faces = np.concatenate([_faces(shown, axis)[_faces(where, axis).astype(bool)] for axis in _space_axes(shown.shape)])
    bright = np.percentile(np.abs(shown[where]), 95)
    return bool(np.median(np.abs(faces)) >= _DARK_FACES * bright) if faces.size else True


def _lonely_share(mask: BoolArray) -> float:
    """Share of the mask's voxels with fewer than a third of their face neighbours in the mask."""
    axes = _space_axes(mask.shape)
    neighbours = np.zeros(mask.shape, dtype=np.uint8)
    for axis in axes:
        step = np.swapaxes(neighbours, axis, -1)
        there = np.swapaxes(mask, axis, -1)
        step[..., 1:] += there[..., :-1]
        step[..., :-1] += there[..., 1:]
    return float((neighbours[mask] * 3 < 2 * len(axes)).mean())


def _largest_component(frame: BoolArray) -> BoolArray:
    labels, n = ndimage.label(frame)
    if n <= 1:
        return frame
    sizes = np.bincount(labels.reshape(-1))
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())


def _fill_holes(frame: BoolArray) -> BoolArray:
    """Fill what does not reach the border; quicker than ndimage.binary_fill_holes on volumes."""
    return np.asarray(~_touching_border(~frame))
