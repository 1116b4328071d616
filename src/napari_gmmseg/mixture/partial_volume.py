"""One channel with mixed voxels: what a voxel's intensity says about the tissue that most of it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr
from torch import Tensor

from napari_gmmseg.volumes import Mixture

N_BINS = 4096
#: Share of pure voxels of a class; the others are mixed, each share from one half to one as likely as another.
PURE_SHARE = 0.5
#: Noise is at least this share of the gap between classes: rounded intensities hide theirs.
LEAST_NOISE = 0.02


@dataclass(frozen=True)
class PartialVolumeModel:
    """Class likelihoods p_k(x) of one channel in which voxels may hold two tissues.

    A voxel of class k holds tissue k by at least one half: a share `PURE_SHARE` of them wholly, the others mixed with
    the class next in intensity, every share equally likely, plus normal noise of known standard deviation s (after
    Santago & Gage 1995). With m the class means and h the midpoint to a neighbour,

    p_k(x) = a N(x; m_k, s^2) + (1 - a) mean over both sides of |Phi((x - m_k)/s) - Phi((x - h)/s)| / |h - m_k|,

    the missing side of the outermost classes mirrored. With little noise the classes part at the midpoints, where the
    halves are; with much noise the neighbours decide.
    What is darker than the darkest or brighter than the brightest mean is as sure as that mean.

    Parameters
    ----------
    means : ndarray (K,) float64
        Rising, in the image's own unit.
    noise : float
        Standard deviation s in the image's own unit.
    low, high : float
        Range of the intensities that the table covers.
    """

    means: NDArray[np.float64]
    noise: float
    low: float
    high: float

    def bins(self, image: Tensor) -> Tensor:
        """Return the table's entry of each voxel.

        Parameters
        ----------
        image : Tensor (1, ..., Z, Y, X) float32
            Intensities; those that are not finite get entry 0.

        Returns
        -------
        Tensor (..., Z, Y, X) int32
            0 ... `N_BINS` - 1.
        """
        width = (self.high - self.low) / N_BINS
        scaled = torch.nan_to_num((image[0] - self.low) / width, nan=0.0, posinf=N_BINS, neginf=0.0)
        return scaled.clamp_(0, N_BINS - 1).to(torch.int32)

    def table(self) -> NDArray[np.float64]:
        """Return the log densities (K, N_BINS) float64 at the bins' centres, in nat."""
        m = self.means
        centres = self.low + (np.arange(N_BINS) + 0.5) / N_BINS * (self.high - self.low)
        x = np.clip(centres, m[0], m[-1])
        middle = (m[1:] + m[:-1]) / 2
        ends = np.array([2 * m[0] - middle[0], *middle, 2 * m[-1] - middle[-1]])  # the outermost are mirrored
        s = max(self.noise, LEAST_NOISE * float(np.diff(m).min()))
        rows = []
        for k in range(len(m)):
            lower, upper = ends[k], ends[k + 1]
            mixed = (self._uniform(x, lower, m[k], s) + self._uniform(x, m[k], upper, s)) / 2
            pure = np.exp(-0.5 * ((x - m[k]) / s) ** 2) / (s * np.sqrt(2 * np.pi))
            rows.append(np.log(PURE_SHARE * pure + (1 - PURE_SHARE) * mixed + 1e-12 / s))
        return np.stack(rows)

    @staticmethod
    def _uniform(x: NDArray[np.float64], a: float, b: float, s: float) -> NDArray[np.float64]:
        """Return the density of a uniform variable on [a, b] plus normal noise of standard deviation s."""
        result: NDArray[np.float64] = (ndtr((x - a) / s) - ndtr((x - b) / s)) / (b - a)
        return result

    def with_means(self, means: NDArray[np.float64], held: Sequence[int] = ()) -> PartialVolumeModel:
        """Return the model with other means, kept rising and apart.

        Parameters
        ----------
        means : ndarray (K,) float64
            In the image's own unit.
        held : sequence of int
            Classes, themselves rising, whose mean is not moved: the others make room.
        """
        span = max(self.means[-1] - self.means[0], 1e-3 * (self.high - self.low))
        least = 1e-3 * span / max(len(means) - 1, 1)
        steps = least * np.arange(len(means))
        apart = np.asarray(means, dtype=np.float64) - steps
        for k in held:
            apart[:k] = np.minimum(apart[:k], apart[k])
        result = np.maximum.accumulate(apart) + steps
        result[list(held)] = np.asarray(means)[list(held)]
        return replace(self, means=result)

    def mixture(self, weights: NDArray[np.float64], variances: NDArray[np.float64]) -> Mixture:
        """Return the classes as Gaussians: their shares, means, and the spread of their voxels.

        Parameters
        ----------
        weights : ndarray (K,) float64
            Share of each class.
        variances : ndarray (K,) float64
            Of each class's voxels, in the image's own unit, squared.
        """
        k = len(self.means)
        return Mixture(weights, self.means[:, None], variances[:, None, None], np.arange(k))
