"""Every n-th voxel of an image that is larger than memory, and masks that were found on those."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_gmmseg.preparation.intensities import in_own_unit
from napari_gmmseg.volumes import Geometry, Slabs, Volume, first_sampled

BoolArray = NDArray[np.bool_]

#: Of an image that is sampled: a hundred bytes for each are some gigabytes less than what is to be spared.
MOST_VOXELS = 1 << 23


def sampling_step(shape: tuple[int, ...]) -> int:
    """Return how far apart voxels are sampled, so that they are at most `MOST_VOXELS`.

    Parameters
    ----------
    shape : tuple of int
        Of the image, (Z, Y, X).
    """
    step = 1
    while np.prod([-(-n // step) for n in shape], dtype=np.int64) > MOST_VOXELS:
        step += 1
    return step


def coarse_volume(slabs: Slabs, step: int) -> Volume:
    """Return every `step`-th voxel along each axis as a volume (1, Z, Y, X), in the image's own unit.

    Parameters
    ----------
    slabs : Slabs
        The image.
    step : int
        At least 1.
    """
    data = in_own_unit(slabs.sampled(step).T, slabs.slope, slabs.inter)
    source, fine = slabs.source, slabs.geometry
    # The first voxel that is sampled, counted along the volume's axes.
    first = [first_sampled(size, step) for size in fine.shape]
    offset = [
        (size - 1 - begin) % step if flip else begin
        for size, begin, flip in zip(fine.shape, first, source.flips, strict=True)
    ]
    affine = np.array(fine.affine)
    affine[:3, 3] += affine[:3, :3] @ offset
    affine[:3, :3] *= step
    ordered = np.ascontiguousarray(source.to_volume(data))
    shape = (ordered.shape[0], ordered.shape[1], ordered.shape[2])
    return Volume(
        ordered[np.newaxis],
        Geometry(shape, affine, fine.unit, fine.verified),
        channels=(slabs.contrast,),
        source=source,
        findings=slabs.findings,
    )


@dataclass(frozen=True)
class CoarseMask:
    """A mask of every n-th voxel, which each voxel reads from the nearest one that was sampled.

    Parameters
    ----------
    mask : ndarray (*coarse) bool
        As the source's voxels lie: its axes reversed.
    nearest : tuple of ndarray (n,) int
        For each voxel along each of these axes, the sampled one.
    """

    mask: BoolArray
    nearest: tuple[NDArray[np.int64], ...]

    @classmethod
    def of(cls, mask: BoolArray, slabs: Slabs, step: int, *, grown: int = 0) -> CoarseMask:
        """Bring a mask of the coarse volume to the source's order.

        Parameters
        ----------
        mask : ndarray (Z, Y, X) bool
            Of the coarse volume.
        slabs : Slabs
            The image.
        step : int
            How far apart voxels were sampled; 1: all were, and the mask stays as it is.
        grown : int
            1 to take in what is around it, in 26 directions, -1 to leave out what touches its border.
        """
        if grown and step > 1:
            cube = np.ones((3, 3, 3), dtype=bool)
            change = ndimage.binary_dilation if grown > 0 else ndimage.binary_erosion
            mask = change(mask, cube, border_value=grown < 0)
        lying = np.ascontiguousarray(slabs.source.to_source(mask).T)
        sizes = zip(slabs.source.shape[::-1], lying.shape, strict=True)
        return cls(lying, tuple(np.minimum(np.arange(n) // step, m - 1) for n, m in sizes))

    def layers(self, layers: slice) -> BoolArray:
        """Return the mask (n, *source.shape[1::-1]) of some layers along the source's last axis.

        Parameters
        ----------
        layers : slice
            Which.
        """
        depth, rows, columns = self.nearest
        needed = depth[layers]
        fine = {z: self.mask[z][rows][:, columns] for z in np.unique(needed)}
        return np.stack([fine[z] for z in needed])
