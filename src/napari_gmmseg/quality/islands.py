"""Spurious islands: connected regions of a prediction that lie nowhere on what is true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.mixture.islands import connected_regions


@dataclass(frozen=True)
class SpuriousIslands:
    """How much of a prediction is noise, which Dice hardly notices (Wan et al. 2023, section 5, wish for it).

    Parameters
    ----------
    number : int
        Connected regions of the prediction without a voxel of the truth; in 2-D regions of the slice.
    voxels : int
        Voxels of all of them: their area in a slice, their volume in a volume.
    """

    number: int
    voxels: int


def spurious_islands(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> SpuriousIslands:
    """Return number and size of the regions that are predicted where nothing is.

    Parameters
    ----------
    predicted, true : ndarray ([T,] Z, Y, X) bool
        Voxels of one class; regions that touch at a corner are one.
    """
    numbers, count = connected_regions(predicted)
    sizes = np.bincount(numbers.reshape(-1), minlength=count + 1)
    spurious = np.bincount(numbers[true], minlength=count + 1) == 0
    spurious[0] = False
    return SpuriousIslands(int(spurious.sum()), int(sizes[spurious].sum()))
