"""Gaussians as polynomials: every log density is a row of coefficients times the features [1, x, x x].

The same features, summed with the responsibilities, are the sufficient statistics of the M-step; so the features are
made once a chunk and both halves of an EM step are one small matrix product each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.volumes import Mixture

LOG_ZERO = -1e4  # log weight of a Gaussian without mass: finite, so that 0 times it stays 0


@dataclass(frozen=True)
class QuadraticFeatures:
    """The features [1, x_1..x_C, products] of C standardised channels.

    Parameters
    ----------
    standardisation : Standardisation
        Takes intensities to x.
    full : bool
        All products x_i x_j with i <= j (full covariance), or squares only (diagonal).
    """

    standardisation: Standardisation
    full: bool

    @property
    def n_channels(self) -> int:
        """Number of channels C."""
        return len(self.standardisation.centre)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Channel pairs (i, j) of the products, in the order of their rows."""
        channels = range(self.n_channels)
        return [(i, j) for i in channels for j in (range(i, self.n_channels) if self.full else [i])]

    def __len__(self) -> int:
        """Return the number F of features."""
        return 1 + self.n_channels + len(self.pairs)

    def fill(self, samples: Tensor, out: Tensor) -> Tensor:
        """Write the features of samples into a buffer, and return it.

        Parameters
        ----------
        samples : Tensor (C, n), any real kind
            Intensities in the image's unit.
        out : Tensor (F, n) float
            The buffer; its first row must hold ones.
        """
        c = self.n_channels
        x = out[1 : 1 + c]
        centre = torch.from_numpy(self.standardisation.centre[:, None]).to(out)
        per_unit = torch.from_numpy(1.0 / self.standardisation.scale[:, None]).to(out)
        # Few calls over many rows: each costs as much as a thousand voxels.
        if samples.dtype == out.dtype:
            torch.sub(samples, centre, out=x)
        else:
            x.copy_(samples).sub_(centre)
        x.mul_(per_unit)
        if not self.full:
            torch.mul(x, x, out=out[1 + c :])
            return out
        first = 1 + c
        for i in range(c):
            torch.mul(x[i], x[i:], out=out[first : first + c - i])
            first += c - i
        return out

    def coefficients(self, mixture: Mixture, log_weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return rows (G, F) float64 that take features to log weight + log Gaussian density, in nat.

        Parameters
        ----------
        mixture : Mixture
            In standardised intensities.
        log_weights : ndarray (G,) float64
            Added to each Gaussian's log density.
        """
        c = self.n_channels
        precisions = np.linalg.inv(mixture.covariances)
        log_determinants = np.linalg.slogdet(mixture.covariances)[1]
        linear = np.einsum("gij,gj->gi", precisions, mixture.means)
        constant = log_weights - 0.5 * (
            c * np.log(2 * np.pi) + log_determinants + np.einsum("gi,gi->g", linear, mixture.means)
        )
        i, j = np.array(self.pairs).T
        products = np.where(i == j, -0.5, -1.0) * precisions[:, i, j]
        return np.concatenate([constant[:, None], linear, products], axis=1)


def log_weights(mixture: Mixture, *, within_class: bool = False) -> NDArray[np.float64]:
    """Return the log mixing weights (G,), finite also for Gaussians without mass.

    Parameters
    ----------
    mixture : Mixture
        Of any unit.
    within_class : bool
        Weights that sum to 1 in each class instead of over all.
    """
    weights = np.asarray(mixture.mixing_weights)
    if within_class:
        totals = np.bincount(mixture.class_of, weights=weights, minlength=mixture.n_classes)[mixture.class_of]
        sizes = np.bincount(mixture.class_of, minlength=mixture.n_classes)[mixture.class_of]
        weights = np.where(totals > 0, weights / np.where(totals > 0, totals, 1.0), 1.0 / sizes)
    return np.where(weights > 0, np.log(np.where(weights > 0, weights, 1.0)), LOG_ZERO)
