"""Carry label-like arrays from one grid to another by the nearest voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes.geometry import Geometry


def resample_nearest(array: NDArray[Any], from_geometry: Geometry, to_geometry: Geometry) -> NDArray[Any]:
    """Take for each voxel of a grid the value of the voxel of another grid that is nearest to it.

    Parameters
    ----------
    array : ndarray (..., Z, Y, X), any type
        Values on `from_geometry`.
    from_geometry, to_geometry : Geometry
        Both in mm.

    Returns
    -------
    ndarray (..., Z, Y, X)
        On `to_geometry`; 0 outside the array.
    """
    matrix = np.linalg.inv(from_geometry.affine) @ to_geometry.affine
    depth, height, width = to_geometry.shape
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    out = np.zeros((*array.shape[:-3], depth, height, width), dtype=array.dtype)
    for z in range(depth):
        inside = np.ones((height, width), dtype=bool)
        index = []
        for axis in range(3):
            place = matrix[axis, 0] * z + matrix[axis, 1] * rows + matrix[axis, 2] * columns + matrix[axis, 3]
            nearest = np.floor(place + 0.5).astype(np.int64)
            inside &= (nearest >= 0) & (nearest < from_geometry.shape[axis])
            index.append(nearest)
        taken = tuple(i[inside] for i in index)
        out[..., z, :, :][..., inside] = array[(..., *taken)]
    return out
