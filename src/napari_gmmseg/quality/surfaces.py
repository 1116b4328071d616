"""Distances between the surfaces of two masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BoolArray = NDArray[np.bool_]


def hausdorff_distance_95(
    first: BoolArray, second: BoolArray, spacing: tuple[float, float, float], *, percentile: float = 95.0
) -> float | None:
    """Return the 95 % Hausdorff distance: the larger of the two directions' 95th percentiles.

    For the surfaces A and B (voxels of a mask with a face neighbour outside of it; along an axis on which the
    grid has one voxel there are no neighbours, so that a slice has an outline)

        HD95 = max( P95 over a in A of min_b |a - b|,  P95 over b in B of min_a |a - b| ),

    as MONAI and the BraTS evaluation have it; others pool both directions before the percentile. With a time axis the
    distances of all frames that hold both masks are pooled within each direction.

    Parameters
    ----------
    first, second : ndarray (Z, Y, X) or (T, Z, Y, X), bool
        The two masks, on one grid.
    spacing : (dz, dy, dx)
        Voxel size in mm; the axes count as orthogonal.
    percentile : float
        0 ... 100; 100 gives the Hausdorff distance itself.

    Returns
    -------
    float or None
        In mm; None where no frame holds both masks.
    """
    there, back = [], []
    for a, b in zip(_frames(first), _frames(second), strict=True):
        if a.any() and b.any():
            box = _joint_box(a, b)
            axes = [axis for axis in range(3) if a.shape[axis] > 1]
            outline_a, outline_b = _surface(a[box], axes), _surface(b[box], axes)
            there.append(ndimage.distance_transform_edt(~outline_b, sampling=spacing)[outline_a])
            back.append(ndimage.distance_transform_edt(~outline_a, sampling=spacing)[outline_b])
    if not there:
        return None
    return max(float(np.percentile(np.concatenate(way), percentile)) for way in (there, back))


def _frames(mask: BoolArray) -> BoolArray:
    """View (Z, Y, X) or (T, Z, Y, X) as (T, Z, Y, X)."""
    return mask.reshape(-1, *mask.shape[-3:])


def _joint_box(first: BoolArray, second: BoolArray) -> tuple[slice, ...]:
    either = (first | second).astype(np.uint8)
    return tuple(ndimage.find_objects(either)[0])


def _surface(mask: BoolArray, axes: list[int]) -> BoolArray:
    """Return the voxels with a neighbour along `axes` outside of the mask; beyond the array all is outside."""
    inner = mask.copy()
    for axis in axes:
        kept, whole = np.swapaxes(inner, axis, 0), np.swapaxes(mask, axis, 0)
        kept[1:] &= whole[:-1]
        kept[:-1] &= whole[1:]
        kept[0] = kept[-1] = False
    return np.asarray(mask & ~inner)
