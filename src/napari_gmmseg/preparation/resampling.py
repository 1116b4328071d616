"""Resample images and masks to another grid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError
from napari_gmmseg.volumes import Geometry, Volume
from napari_gmmseg.volumes.resampling import resample_nearest


def resample_volume(volume: Volume, like: Volume) -> Volume:
    """Resample a volume linearly to another's grid.

    Parameters
    ----------
    volume : Volume
        In mm.
    like : Volume
        The grid to go to, in mm, with as many frames.

    Returns
    -------
    Volume
        Data (C, Z, Y, X) or (C, T, Z, Y, X); 0 outside the field of view.

    Raises
    ------
    GeometryError
        Where one of them has no voxel size, or the numbers of frames differ.
    """
    from scipy.ndimage import affine_transform

    _need_mm(volume.geometry, like.geometry)
    if volume.data.shape[1:-3] != like.data.shape[1:-3]:
        raise GeometryError(
            f"One image has {volume.n_frames} frames and the other {like.n_frames}.",
            "Choose one frame of each with --frame N.",
        )
    matrix = np.linalg.inv(volume.geometry.affine) @ like.geometry.affine
    out = np.empty((*volume.data.shape[:-3], *like.geometry.shape), dtype=np.float32)
    for index in np.ndindex(volume.data.shape[:-3]):
        affine_transform(
            volume.data[index], matrix, output_shape=like.geometry.shape, output=out[index], order=1, mode="nearest"
        )
    # A voxel reaches half its size beyond its centre, which matters for thick and for single slices.
    everywhere = np.ones(volume.geometry.shape, dtype=bool)
    out[..., ~resample_nearest(everywhere, volume.geometry, like.geometry)] = 0
    return replace(volume, data=out, geometry=like.geometry, source=like.source)


def resample_mask(mask: NDArray[Any], from_geometry: Geometry, to_geometry: Geometry) -> NDArray[Any]:
    """Resample a mask or label map to another grid by the nearest voxel.

    Parameters
    ----------
    mask : ndarray (Z, Y, X) or (T, Z, Y, X), bool or integer
        On `from_geometry`.
    from_geometry, to_geometry : Geometry
        In mm.

    Returns
    -------
    ndarray (Z, Y, X) or (T, Z, Y, X), as `mask`
        On `to_geometry`; 0 outside.

    Raises
    ------
    GeometryError
        Where one grid has no voxel size.
    """
    _need_mm(from_geometry, to_geometry)
    return resample_nearest(mask, from_geometry, to_geometry)


def _need_mm(*geometries: Geometry) -> None:
    if any(g.unit != "mm" for g in geometries):
        raise GeometryError(
            "An image without voxel size cannot be resampled: " + "; ".join(g.describe() for g in geometries) + ".",
            "Give its spacing (--spacing DZ DY DX).",
        )
