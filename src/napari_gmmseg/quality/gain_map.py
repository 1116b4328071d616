"""What a stroke at each voxel is expected to settle: uncertainty x size x distance from the strokes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_gmmseg.quality.uncertainty import margin
from napari_gmmseg.volumes import IGNORED, UNLABELLED

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Spacing = tuple[float, float, float]

#: Width (standard deviation) of what a stroke is taken to settle around it, in mm.
REACH = 3.0
#: Distance from the nearest stroke at which half of the doubt counts, in mm.
HALF_DISTANCE = 10.0
#: Uncertain bands thinner than this are slivers along the border of two classes, in voxels.
SLIVER = 2
#: Uncertainty, as a share of the largest nearby, down to which voxels belong to one region and may be a spot.
REGION_SHARE = 0.5
#: A grid of more voxels is coarsened before places are compared.
MOST_VOXELS = 250_000


@dataclass(frozen=True, eq=False)
class GainMap:
    """The expected gain of a stroke, on a grid that is coarse enough to be searched at once.

    Parameters
    ----------
    gains : ndarray (*coarse) float64
        Voxels of the fine grid that a stroke there would settle; 0 where none may be painted.
    distance : ndarray (*coarse) float64
        From the nearest stroke in mm; inf where there is none.
    uncertainty : ndarray (Z, Y, X) float32
        1 - margin, without what is left out; the fine grid.
    steps : tuple of int
        Voxels of the fine grid along each side of a coarse one.
    spacing : (dz, dy, dx)
        Of the fine grid in mm.
    """

    gains: NDArray[np.float64]
    distance: NDArray[np.float64]
    uncertainty: FloatArray
    steps: tuple[int, ...]
    spacing: Spacing

    def finest(self, cell: tuple[int, ...]) -> tuple[int, ...]:
        """Return the most uncertain voxel of the fine grid inside a coarse one.

        Parameters
        ----------
        cell : tuple of int
            Position on the coarse grid.
        """
        block = tuple(slice(i * s, (i + 1) * s) for i, s in zip(cell, self.steps, strict=True))
        part = self.uncertainty[block]
        found = np.unravel_index(int(part.argmax()), part.shape)
        return tuple(int(i) + s.start for i, s in zip(found, block, strict=True))

    def away_from(self, cell: tuple[int, ...]) -> BoolArray:
        """Return the coarse voxels (*coarse) beyond what a stroke at one of them settles.

        Parameters
        ----------
        cell : tuple of int
            Position on the coarse grid.
        """
        squared = np.zeros(self.gains.shape)
        for axis, (at, step, d) in enumerate(zip(cell, self.steps, self.spacing, strict=True)):
            shape = [-1 if a == axis else 1 for a in range(3)]
            squared = squared + ((np.arange(self.gains.shape[axis]) - at).reshape(shape) * step * d) ** 2
        return np.asarray(squared > (3 * REACH) ** 2)


def gain_map(probabilities: FloatArray, mask: BoolArray, labels: NDArray[np.uint8], spacing: Spacing) -> GainMap:
    """Return what a stroke at each voxel is expected to settle, as told at `next_spots`.

    Parameters
    ----------
    probabilities : ndarray (K, Z, Y, X) float32
        Of the classes.
    mask : ndarray (Z, Y, X) bool
        Voxels that have an answer.
    labels : ndarray (Z, Y, X) uint8
        Strokes so far, `UNLABELLED` where there is none.
    spacing : (dz, dy, dx)
        In mm.
    """
    free = mask & (labels == UNLABELLED)
    uncertainty = np.where(free, np.float32(1) - margin(probabilities, mask), np.float32(0))
    steps = _steps(mask.shape, spacing)
    size = tuple(SLIVER if n >= SLIVER else 1 for n in mask.shape)
    thick = ndimage.grey_opening(uncertainty, size=size, mode="constant")
    doubt = _blocks(thick, steps, np.add).astype(np.float64)
    strokes = _blocks((labels != UNLABELLED) & (labels != IGNORED), steps, np.logical_or)
    coarse = tuple(d * s for d, s in zip(spacing, steps, strict=True))
    if strokes.any():
        distance = ndimage.distance_transform_edt(~strokes, sampling=coarse)
        doubt *= distance / (distance + HALF_DISTANCE)
    else:
        distance = np.full(doubt.shape, np.inf)
    widths = [REACH / d if n > 1 else 0.0 for d, n in zip(coarse, doubt.shape, strict=True)]
    settled = ndimage.gaussian_filter(doubt, widths, mode="constant", truncate=3.0)
    settled *= np.prod([_window(width) for width in widths])
    # The middle of two regions is no spot: a stroke is painted where the doubt is.
    peaks = _blocks(thick, steps, np.maximum)
    near = ndimage.maximum_filter(peaks, size=[2 * round(REACH / d) + 1 for d in coarse], mode="constant")
    inside = (peaks > 0) & (peaks >= REGION_SHARE * near)
    return GainMap(np.where(inside, settled, 0.0), distance, uncertainty, steps, spacing)


def _window(width: float) -> float:
    """Return by what to multiply a Gaussian filter, whose window sums to 1, so that its centre is 1."""
    if not width:
        return 1.0
    line = np.zeros(2 * int(3 * width + 1) + 1)
    line[len(line) // 2] = 1
    return float(1 / ndimage.gaussian_filter1d(line, width, mode="constant", truncate=3.0).max())


def _steps(shape: tuple[int, ...], spacing: Spacing) -> tuple[int, ...]:
    """Return by how much each axis is coarsened: the finest axis first, until few enough voxels are left."""
    steps = [1] * len(shape)
    while np.prod([-(-n // s) for n, s in zip(shape, steps, strict=True)]) > MOST_VOXELS:
        wide = [d * s if n > s else np.inf for d, s, n in zip(spacing, steps, shape, strict=True)]
        steps[int(np.argmin(wide))] += 1
    return tuple(steps)


def _blocks(array: NDArray[Any], steps: tuple[int, ...], join: np.ufunc) -> NDArray[Any]:
    """Join the voxels of each block; a last block may be smaller."""
    for axis, step in enumerate(steps):
        if step > 1:
            array = join.reduceat(array, np.arange(0, array.shape[axis], step), axis=axis)
    return array
