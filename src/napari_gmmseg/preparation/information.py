"""How much an image tells of the tissues that a displaced atlas expects: mutual information, with its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_gmmseg.volumes import AtlasPrior

FloatArray = NDArray[np.float64]
#: Grey levels that are told apart.
_N_BINS = 32
#: Share of the intensities that is beyond the first and the last grey level, in %.
_TAILS = (0.5, 99.5)
#: A count that keeps the logarithm of an empty cell finite.
_FLOOR = 1e-8
#: Width of a Gaussian's half height in standard deviations.
_WIDTH = 2.355


@dataclass(frozen=True)
class Samples:
    """Places in an image, the grey level at each, and the atlas that is laid over them.

    Parameters
    ----------
    places : ndarray (N, 4), float64
        World (z, y, x, 1) in mm.
    levels : ndarray (N,), int
        Grey level of each.
    maps : ndarray (Z, Y, X, K), float32
        The atlas, smoothed.
    to_voxels : ndarray (4, 4), float64
        World of the atlas, in mm, to its voxels.
    """

    places: FloatArray
    levels: NDArray[np.int64]
    maps: NDArray[np.float32]
    to_voxels: FloatArray

    def expected(self, matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what the atlas expects at each place, and how that changes with the place.

        Parameters
        ----------
        matrix : ndarray (4, 4), float64
            World of the image to world of the atlas.

        Returns
        -------
        weights : ndarray (N, K), float64
            Probability of each tissue, 1.
        slopes : ndarray (N, 3, K), float64
            Its gradient by the atlas's voxels.
        """
        return _interpolate(self.maps, self.places @ (self.to_voxels @ matrix)[:3].T)

    def information(self, matrix: FloatArray) -> tuple[float, FloatArray]:
        """Return the mutual information of grey levels and tissues (those of the atlas, and what is no brain).

        I = sum_kb p(k, b) log p(k, b) / (p(k) p(b)), with the soft joint histogram p of the atlas's probabilities, as
        in D'Agostino, Maes, Vandermeulen, Suetens (WBIR 2003). Grey levels stay where they are and the atlas moves, so
        that dI/dp(k, b) = log p(k, b) / (p(k) p(b)) up to a constant is all that its gradient needs.

        Parameters
        ----------
        matrix : ndarray (4, 4), float64
            World of the image to world of the atlas.

        Returns
        -------
        information : float
            In nat.
        gradient : ndarray (3, 4), float64
            By the elements of the matrix.
        """
        weights, slopes = self.expected(matrix)
        whole = np.concatenate([weights, 1 - weights.sum(axis=1, keepdims=True)], axis=1)
        joint = self._joint(np.maximum(whole, 0))
        ratio = np.log(joint / joint.sum(axis=1, keepdims=True) / joint.sum(axis=0, keepdims=True))
        gain = (ratio[:-1] - ratio[-1:]).T[self.levels] / len(self.levels)
        by_voxel = np.einsum("nak,nk->na", slopes, gain)
        return float((joint * ratio).sum()), self.to_voxels[:3, :3].T @ (by_voxel.T @ self.places)

    def told_inside(self, matrix: FloatArray) -> float:
        """Return which share of the tissues' entropy inside the brain the grey levels tell, 0 ... 1.

        Parameters
        ----------
        matrix : ndarray (4, 4), float64
            World of the image to world of the atlas.
        """
        weights, _ = self.expected(matrix)
        if weights.sum() < 1:
            return 0.0
        joint = self._joint(weights)
        tissues = joint.sum(axis=1, keepdims=True)
        information = (joint * np.log(joint / tissues / joint.sum(axis=0, keepdims=True))).sum()
        return float(information / -(tissues * np.log(tissues)).sum())

    def _joint(self, weights: FloatArray) -> FloatArray:
        """Return the joint histogram of tissues and grey levels, (K, B), of sum 1."""
        counts = [np.bincount(self.levels, weights[:, k], _N_BINS) for k in range(weights.shape[1])]
        joint: FloatArray = np.stack(counts) / weights.sum() + _FLOOR
        return joint


def sample(
    image: NDArray[np.float32], affine: FloatArray, inside: NDArray[np.bool_], atlas: AtlasPrior, step: float
) -> Samples:
    """Take samples of an image and smooth the atlas, for places this far apart.

    Parameters
    ----------
    image : ndarray (Z, Y, X), float32
        Intensities, finite.
    affine : ndarray (4, 4), float64
        Voxel (z, y, x, 1) to world, in mm.
    inside : ndarray (Z, Y, X), bool
        Where samples may lie; not empty.
    atlas : AtlasPrior
        The average brain.
    step : float
        Distance of samples, and width of what the atlas is smoothed with, in mm.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    # Half of a step's width: the image is read at places a step apart, and must not alias.
    blurred = ndimage.gaussian_filter(image, np.where(spacing < step, 0.7 * step / spacing / _WIDTH, 0))
    every = np.maximum(1, np.rint(step / spacing)).astype(int)
    first = np.minimum(every // 2, (np.array(image.shape) - 1) // 2)
    chosen = tuple(slice(int(start), None, int(n)) for start, n in zip(first, every, strict=True))
    if not inside[chosen].any():
        every, first, chosen = np.ones(3, dtype=int), np.zeros(3, dtype=int), (slice(None),) * 3
    where = np.argwhere(inside[chosen]) * every + first
    values = blurred[chosen][inside[chosen]]
    low, high = np.percentile(values, _TAILS)
    levels = np.clip((values - low) / max(high - low, 1e-12) * _N_BINS, 0, _N_BINS - 1).astype(np.int64)
    places = np.concatenate([where @ affine[:3, :3].T + affine[:3, 3], np.ones((len(where), 1))], axis=1)
    of_atlas = atlas.geometry.affine
    width = step / np.linalg.norm(of_atlas[:3, :3], axis=0) / _WIDTH
    maps = np.stack([ndimage.gaussian_filter(tissue, width) for tissue in atlas.maps], axis=-1)
    return Samples(places, levels, maps, np.asarray(np.linalg.inv(of_atlas), np.float64))


def _interpolate(maps: NDArray[np.float32], points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return values (N, K) and gradients (N, 3, K) of maps (Z, Y, X, K) at voxels (N, 3); flat beyond the border."""
    shape = np.array(maps.shape[:3])
    flat = maps.reshape(-1, maps.shape[3])
    within = np.clip(points, 0, shape - 1.001)
    floor = within.astype(np.int64)
    z, y, x = np.moveaxis((within - floor)[:, :, np.newaxis], 1, 0)
    strides = (shape[1] * shape[2], shape[2], 1)
    first = floor @ np.array(strides)
    corners = [[[flat[first + a * strides[0] + b * strides[1] + c] for c in (0, 1)] for b in (0, 1)] for a in (0, 1)]
    along = [[one + (two - one) * x for one, two in plane] for plane in corners]
    by_x = [[two - one for one, two in plane] for plane in corners]
    rows = [one + (two - one) * y for one, two in along]
    by_y = [two - one for one, two in along]
    by_x_rows = [one + (two - one) * y for one, two in by_x]
    values = rows[0] + (rows[1] - rows[0]) * z
    slopes = np.stack(
        [
            rows[1] - rows[0],
            by_y[0] + (by_y[1] - by_y[0]) * z,
            by_x_rows[0] + (by_x_rows[1] - by_x_rows[0]) * z,
        ],
        axis=1,
    )
    slopes[within != points] = 0
    return values, slopes
