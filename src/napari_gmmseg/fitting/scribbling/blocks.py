"""Grids of blocks of two voxels along each of the last three axes: half the length, an eighth of the work."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Voxels around blocks with strokes of several classes in which every voxel is walked from.
AROUND = 8


def halved(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return means over the masked voxels of blocks, and in which blocks there are any.

    Parameters
    ----------
    image : ndarray (C, *grid) float32
        Channels.
    mask : ndarray (*grid) bool
        Voxels that count.
    """
    count = block_sums(mask.astype(np.float32))
    total = np.stack([block_sums(channel * mask) for channel in image])
    return (total / np.maximum(count, 1.0)).astype(np.float32), count > 0


def doubled_spacing(spacing: tuple[float, float, float], shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Return the size of blocks.

    Parameters
    ----------
    spacing : (dz, dy, dx)
        Of voxels, in any unit of length.
    shape : tuple of int
        Of the grid; an axis of one voxel has no blocks of two.
    """
    z, y, x = (2 * s if n > 1 else s for s, n in zip(spacing, shape[-3:], strict=True))
    return z, y, x


def blocks_of(kinds: NDArray[np.int16], n_classes: int) -> tuple[NDArray[np.int16], NDArray[np.float32] | None]:
    """Return the class that each block has strokes of, and the shares (K, *blocks) where it has several, else None.

    A block of several classes is -1 in the first: a stroke beside a wider one must not be lost.

    Parameters
    ----------
    kinds : ndarray (*grid) int16
        Class k of each labelled voxel, negative elsewhere.
    n_classes : int
        Number of classes K.
    """
    counts = np.stack([block_sums((kinds == k).astype(np.float32)) for k in range(n_classes)])
    n_here = (counts > 0).sum(0)
    alone = np.where(n_here == 1, counts.argmax(0), -1).astype(np.int16)
    mixed = n_here > 1
    if not mixed.any():
        return alone, None
    return alone, (counts * mixed / np.maximum(counts.sum(0), 1.0)).astype(np.float32)


def around(blocks: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the voxels of a box of blocks, and those around it.

    Parameters
    ----------
    blocks : tuple of slice
        The box, in blocks along the last three axes.
    shape : tuple of int
        Of the grid in voxels.
    """
    n_before = len(shape) - 3
    factors = [1] * n_before + [2 if n > 1 else 1 for n in shape[n_before:]]
    margins = [0] * n_before + [AROUND] * 3
    return tuple(
        slice(max(0, part.start * factor - margin), part.stop * factor + margin)
        for part, factor, margin in zip(blocks, factors, margins, strict=True)
    )


def faces_of(box: tuple[slice, ...], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return 1 on those faces of a box (*box) float32 that do not lie on the grid's border, 0 elsewhere.

    Parameters
    ----------
    box : tuple of slice
        In voxels.
    shape : tuple of int
        Of the grid.
    """
    sizes = [len(range(*part.indices(n))) for part, n in zip(box, shape, strict=True)]
    faces = np.zeros(sizes, dtype=np.float32)
    for axis in range(len(sizes) - 3, len(sizes)):
        along = np.moveaxis(faces, axis, 0)
        if box[axis].start > 0:
            along[0] = 1
        if box[axis].stop < shape[axis]:
            along[-1] = 1
    return faces


def any_of_eight(seeds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which blocks (*blocks) bool hold any of some voxels.

    Parameters
    ----------
    seeds : ndarray (*grid) bool
        The voxels.
    """
    return np.asarray(block_sums(seeds.astype(np.float32)) > 0)


def block_sums(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return sums over blocks of the last three axes; a last block may have one voxel along an axis.

    Parameters
    ----------
    array : ndarray (..., Z, Y, X) float32
        Values.
    """
    for axis in (-3, -2, -1):
        n = array.shape[axis]
        if n > 1:
            array = np.add.reduceat(array, np.arange(0, n, 2), axis=axis)
    return array


def doubled(small: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Bring a map from blocks to voxels (*grid) float32, linearly between the blocks' centres.

    Parameters
    ----------
    small : ndarray (*blocks) float32
        What is not finite counts as the largest that is.
    shape : tuple of int
        Of the grid.
    """
    finite = np.isfinite(small)
    filled = np.where(finite, small, small[finite].max() if finite.any() else 0.0)
    for axis in (-3, -2, -1):
        n = shape[axis]
        if n > 1:
            at = np.clip((np.arange(n) - 0.5) / 2, 0, filled.shape[axis] - 1)
            low = np.floor(at).astype(int)
            high = np.minimum(low + 1, filled.shape[axis] - 1)
            part = (at - low).astype(np.float32).reshape((-1,) + (1,) * (-axis - 1))
            filled = filled.take(low, axis) * (1 - part) + filled.take(high, axis) * part
    return np.ascontiguousarray(filled, dtype=np.float32)
