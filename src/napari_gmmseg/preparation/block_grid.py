"""Coarser and finer grids of one image: blocks of voxels gathered, or voxels divided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class BlockGrid:
    """A grid with voxels of about one size: along each axis, blocks of voxels or parts of one.

    Parameters
    ----------
    every : ndarray (3,), int
        Voxels of the image that make one of its own, along each axis.
    parts : ndarray (3,), int
        Parts that a voxel of the image is divided into; 1 where voxels are gathered.
    affine : ndarray (4, 4), float64
        Its voxels to world, in mm.
    source : tuple of int
        Shape of the image, (Z, Y, X).
    """

    every: NDArray[np.int64]
    parts: NDArray[np.int64]
    affine: FloatArray
    source: tuple[int, ...]

    @classmethod
    def of(cls, affine: FloatArray, shape: tuple[int, ...], size: float, *, divide: bool = False) -> BlockGrid:
        """Return the grid of an image.

        Parameters
        ----------
        affine : ndarray (4, 4), float64
            Voxels of the image to world, in mm.
        shape : tuple of int
            Of the image, (Z, Y, X).
        size : float
            Of a voxel, in mm, as near as whole numbers of voxels allow.
        divide : bool
            Whether larger voxels are divided; else they stay.
        """
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        every = np.maximum(1, np.rint(size / spacing)).astype(np.int64)
        parts = np.maximum(1, np.rint(spacing / size)).astype(np.int64) if divide else np.ones(3, dtype=np.int64)
        scale = every / parts
        own = affine.copy()
        own[:3, 3] += affine[:3, :3] @ ((scale - 1) / 2)
        own[:3, :3] = affine[:3, :3] * scale
        return cls(every, parts, own, shape)

    @property
    def spacing(self) -> FloatArray:
        """Voxel size in mm."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), np.float64)

    def take(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return an image on this grid: means of blocks (the last repeat its last voxels), or linear between voxels.

        Parameters
        ----------
        image : ndarray (Z, Y, X), float32
            On its own grid.
        """
        fill = [(0, int(-n % k)) for n, k in zip(image.shape, self.every, strict=True)]
        padded = np.pad(image, fill, mode="edge")
        means: NDArray[np.float32] = _blocks(padded, self.every).mean(axis=(1, 3, 5), dtype=np.float32)
        return means if (self.parts == 1).all() else _scaled(means, 1 / self.parts, tuple(means.shape * self.parts))

    def give(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a mask of this grid on the image's: half of a voxel's parts, or linear between blocks.

        Parameters
        ----------
        mask : ndarray (Z, Y, X), bool
            On this grid.
        """
        share = _blocks(mask, self.parts).mean(axis=(1, 3, 5), dtype=np.float32)
        if (self.every > 1).any():
            share = _scaled(share, 1 / self.every, self.source)
        return np.asarray(share >= 0.5)

    def read(self, array: NDArray[np.float32], of: BlockGrid, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return an array of another grid of the same image on this one, linear between voxels.

        Parameters
        ----------
        array : ndarray (Z, Y, X), float32
            On the other grid.
        of : BlockGrid
            The other grid.
        shape : tuple of int
            Of this grid, (Z, Y, X).
        """
        there = np.linalg.inv(of.affine) @ self.affine
        # One image, one orientation: only scale and shift are left.
        return _moved(array, np.diag(there[:3, :3]), there[:3, 3], shape)


def _blocks(array: NDArray[np.generic], every: NDArray[np.int64]) -> NDArray[np.generic]:
    """View an array as blocks, (Z, k, Y, k, X, k)."""
    return array.reshape([size for n, k in zip(array.shape, every, strict=True) for size in (n // int(k), int(k))])


def _scaled(array: NDArray[np.float32], scale: FloatArray, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return _moved(array, scale, (scale - 1) / 2, shape)


def _moved(
    array: NDArray[np.float32], scale: FloatArray, shift: FloatArray, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    moved: NDArray[np.float32] = ndimage.affine_transform(
        array, scale, shift, output_shape=shape, output=np.float32, order=1, mode="nearest"
    )
    return moved
