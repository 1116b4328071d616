"""Squared extrapolation of EM (SQUAREM): fewer sweeps to the same maximum.

Varadhan & Roland, Scandinavian Journal of Statistics 35 (2008) 335-353, scheme S3: from two EM steps r = t1 - t0 and
v = t2 - t1 - r, jump to t0 - 2 a r + a^2 v with a = -|r| / |v|. Parameters are log weights, means and Cholesky factors
with log diagonals, so that a jump always lands on a mixture. Departure: their stabilising EM step is the first step of
the next cycle, and a jump that lost log-likelihood is taken back; so the sequence of accepted steps never falls.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.mixture.quadratic import log_weights
from napari_gmmseg.volumes import Mixture


def to_vector(mixture: Mixture) -> NDArray[np.float64]:
    """Return free parameters (P,) float64 of a mixture in standardised intensities.

    Parameters
    ----------
    mixture : Mixture
        In standardised intensities.
    """
    factors = np.linalg.cholesky(mixture.covariances)
    diagonal = np.einsum("gii->gi", factors)
    diagonal[...] = np.log(diagonal)
    return np.concatenate([log_weights(mixture), mixture.means.ravel(), factors.ravel()])


def from_vector(vector: NDArray[np.float64], like: Mixture) -> Mixture:
    """Return the mixture of free parameters (P,) float64.

    Parameters
    ----------
    vector : ndarray (P,) float64
        Log weights, means, Cholesky factors with log diagonals.
    like : Mixture
        Gives the shapes and classes.
    """
    g, c = like.means.shape
    logits = vector[:g]
    weights = np.exp(logits - logits.max())
    factors = vector[g + g * c :].reshape(g, c, c).copy()
    diagonal = np.einsum("gii->gi", factors)
    diagonal[...] = np.exp(diagonal)
    return replace(
        like,
        mixing_weights=weights / weights.sum(),
        means=vector[g : g + g * c].reshape(g, c),
        covariances=np.einsum("gij,gkj->gik", factors, factors),
    )


def extrapolate(first: Mixture, second: Mixture, third: Mixture, *, longest: float) -> tuple[Mixture, float]:
    """Return the jump from three successive EM iterates, and its step length -a, at least 1.

    Parameters
    ----------
    first, second, third : Mixture
        Iterates in standardised intensities.
    longest : float
        Largest step length.
    """
    t0, t1, t2 = to_vector(first), to_vector(second), to_vector(third)
    r = t1 - t0
    v = t2 - t1 - r
    curvature = float(np.linalg.norm(v))
    length = float(np.linalg.norm(r)) / curvature if curvature > 0 else 1.0
    length = min(max(length, 1.0), longest)
    return from_vector(t0 + 2 * length * r + length**2 * v, first), length
