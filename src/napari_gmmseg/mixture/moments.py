"""The M-step: mixing weights, means and covariances from sums over voxels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.mixture.quadratic import QuadraticFeatures
from napari_gmmseg.volumes import Mixture

#: Smallest variance of a class, as a share of the channel's variance over all voxels: a standard deviation of 2 %.
#: Rounded intensities would otherwise draw a class onto one grey value, where its likelihood has no bound.
VARIANCE_FLOOR = 4e-4
LEAST_MASS = 1e-3  # voxels; with less, a mean is a quotient of rounding errors


def m_step(
    sums: NDArray[np.float64],
    quadratic: QuadraticFeatures,
    previous: Mixture,
    *,
    variance_floor: float = VARIANCE_FLOOR,
) -> Mixture:
    """Return the mixture that maximises the expected log-likelihood, its covariances bounded from below.

    Covariances are clipped, not raised: of all matrices whose eigenvalues are at least the floor, the likeliest has
    the moment matrix's own eigenvectors and eigenvalues max(value, floor). So the log-likelihood cannot fall, as it can
    where a constant is added to the diagonal (scikit-learn's `reg_covar`).

    A Gaussian that lost its voxels keeps its mean and covariance, with the little weight that is left.

    Parameters
    ----------
    sums : ndarray (G, F) float64
        Responsibilities times quadratic features, summed over voxels.
    quadratic : QuadraticFeatures
        What the features mean.
    previous : Mixture
        In standardised intensities; the source of what the sums do not say.
    variance_floor : float
        Smallest variance, in standardised intensities squared (1).
    """
    c = quadratic.n_channels
    masses = np.maximum(sums[:, 0], 0.0)
    alive = masses > LEAST_MASS
    divisors = np.where(alive, masses, 1.0)
    means = sums[:, 1 : 1 + c] / divisors[:, None]
    covariances = np.zeros((len(sums), c, c))
    for column, (i, j) in enumerate(quadratic.pairs, start=1 + c):
        value = sums[:, column] / divisors - means[:, i] * means[:, j]
        covariances[:, i, j] = covariances[:, j, i] = value
    covariances[~alive] = np.eye(c)
    covariances = floored(covariances, variance_floor, full=quadratic.full and c > 1)
    total = masses.sum()
    return Mixture(
        mixing_weights=masses / total if total > 0 else previous.mixing_weights,
        means=np.where(alive[:, None], means, previous.means),
        covariances=np.where(alive[:, None, None], covariances, previous.covariances),
        class_of=previous.class_of,
    )


def floored(covariances: NDArray[np.float64], floor: float, *, full: bool) -> NDArray[np.float64]:
    """Return covariances (G, C, C) float64 with eigenvalues of at least `floor`.

    Parameters
    ----------
    covariances : ndarray (G, C, C) float64
        Symmetric; diagonal unless `full`.
    floor : float
        Smallest eigenvalue, in the covariances' unit.
    full : bool
        Whether off-diagonal elements may be other than 0.
    """
    if not full:
        diagonal = np.einsum("gii->gi", covariances)
        result = np.zeros_like(covariances)
        np.einsum("gii->gi", result)[...] = np.maximum(diagonal, floor)
        return result
    values, vectors = np.linalg.eigh(covariances)
    if values.min() >= floor:
        return covariances
    clipped = np.einsum("gij,gj,gkj->gik", vectors, np.maximum(values, floor), vectors)
    return np.where((values.min(1) >= floor)[:, None, None], covariances, clipped)
