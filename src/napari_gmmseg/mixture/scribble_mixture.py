"""A mixture learnt from strokes: several Gaussians a class, by maximum a posteriori EM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.mixture.densities import class_logsumexp
from napari_gmmseg.mixture.kmeans import k_means, nearest
from napari_gmmseg.mixture.moments import m_step
from napari_gmmseg.mixture.quadratic import QuadraticFeatures, log_weights
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.volumes import Mixture

#: Smallest variance of a Gaussian, as a share of the variance over the mask: a standard deviation of 10 %.
FLOOR = 1e-2
#: Labelled voxels for each Gaussian that a class may have.
VOXELS_PER_GAUSSIAN = 8
#: Pseudo-voxels that pull each Gaussian's covariance to that of all strokes around their classes' means.
SHRINKAGE = 4.0
STEPS = 12


@dataclass(frozen=True)
class Evidence:
    """Unlabelled voxels that count beside the strokes.

    Parameters
    ----------
    samples : Tensor (C, N) float
        Intensities.
    log_priors : Tensor (K, N) float
        Log prior of each class at each voxel, such as from geodesic distances.
    weight : float
        What all of them together count for, against 1 for all strokes together.
    """

    samples: Tensor
    log_priors: Tensor
    weight: float


def fit_scribble_mixture(
    samples: Tensor,
    classes: Tensor,
    weights: Tensor,
    scale: Standardisation,
    n_gaussians: tuple[int, ...],
    *,
    evidence: Evidence | None = None,
    seed: int = 0,
) -> Mixture:
    """Fit Gaussians to strokes, with unlabelled voxels as further evidence.

    MAP EM: a labelled voxel belongs to its class and chooses among its Gaussians; an unlabelled one chooses among all,
    by log_priors + log density, and counts for little. Each covariance has an inverse-Wishart prior around the strokes'
    pooled one, so that a dot of few voxels does not make a spike (Bishop 2006, eqs. 9.24-9.26 with pseudo-counts).

    Parameters
    ----------
    samples : Tensor (C, n) float
        Intensities of the labelled voxels.
    classes : Tensor (n,) integer
        Class k of each.
    weights : Tensor (n,) float
        How much each counts.
    scale : Standardisation
        Of the voxels inside the mask.
    n_gaussians : tuple of int
        For each class, the most Gaussians that it may have.
    evidence : Evidence or None
        Unlabelled voxels.
    seed : int
        Of k-means within classes.

    Returns
    -------
    Mixture
        In the image's own unit.
    """
    quadratic = QuadraticFeatures(scale, full=len(samples) > 1)
    labelled = _features(samples, quadratic)
    start = _start(samples, classes, weights, scale, n_gaussians, seed)
    # Weights sum to the number of labelled voxels: what they say against the pseudo-voxels grows as a person paints.
    counts = weights.double() * (len(weights) / float(weights.sum()))
    prior = _pooled_prior(start, quadratic)
    mixture = start
    class_of = torch.from_numpy(np.array(start.class_of))
    far = torch.where(class_of[:, None] == classes[None], 0.0, -torch.inf).double()
    if evidence is not None and evidence.weight > 0:
        others = _features(evidence.samples, quadratic)
        share = evidence.weight * len(weights) / max(others.shape[1], 1)
        spread = evidence.log_priors.double()[class_of]
    for _ in range(STEPS):
        rows = torch.from_numpy(quadratic.coefficients(mixture, log_weights(mixture, within_class=True)))
        sums = (torch.softmax(rows @ labelled + far, 0) * counts) @ labelled.T
        if evidence is not None and evidence.weight > 0:
            sums = sums + share * (torch.softmax(rows @ others + spread, 0) @ others.T)
        mixture = m_step(sums.numpy() + prior, quadratic, mixture, variance_floor=FLOOR)
    return scale.outward(mixture)


def opened(mixture: Mixture, k: int, everything: Mixture) -> Mixture:
    """Return a mixture whose class k is half what its strokes say, half what all voxels look like.

    A few strokes cannot show all that a background holds: where it was not painted, an object's intensity must be
    likelier than that of just any voxel, not than that of the painted background.

    Parameters
    ----------
    mixture : Mixture
        Of the strokes.
    k : int
        The background.
    everything : Mixture
        Gaussians of all voxels.
    """
    own = mixture.class_of == k
    total = float(mixture.mixing_weights[own].sum())
    weights = np.where(own, 0.5 * mixture.mixing_weights, mixture.mixing_weights)
    more = 0.5 * total * everything.mixing_weights / everything.mixing_weights.sum()
    return Mixture(
        np.concatenate([weights, more]),
        np.concatenate([mixture.means, everything.means]),
        np.concatenate([mixture.covariances, everything.covariances]),
        np.concatenate([mixture.class_of, np.full(len(more), k)]),
    )


def class_log_likelihoods(mixture: Mixture, samples: Tensor, scale: Standardisation) -> Tensor:
    """Return the log density of each class (K, N) float32, in nat of standardised intensities.

    Parameters
    ----------
    mixture : Mixture
        In the image's own unit.
    samples : Tensor (C, N) float
        Intensities.
    scale : Standardisation
        Of the voxels inside the mask.
    """
    quadratic = QuadraticFeatures(scale, full=len(samples) > 1)
    rows = quadratic.coefficients(scale.inward(mixture), log_weights(mixture, within_class=True))
    logits = torch.from_numpy(rows).float() @ _features(samples, quadratic, torch.float32)
    return class_logsumexp(logits, mixture.class_of)


def _features(samples: Tensor, quadratic: QuadraticFeatures, dtype: torch.dtype = torch.float64) -> Tensor:
    return quadratic.fill(samples, torch.ones(len(quadratic), samples.shape[1], dtype=dtype))


def _start(
    samples: Tensor,
    classes: Tensor,
    weights: Tensor,
    scale: Standardisation,
    n_gaussians: tuple[int, ...],
    seed: int,
) -> Mixture:
    """Return Gaussians around the k-means centres of each class, in standardised intensities."""
    points = (samples.double().numpy() - scale.centre[:, None]) / scale.scale[:, None]
    counts = weights.double().numpy()
    shares, means, class_of, spreads = [], [], [], []
    for k, most in enumerate(n_gaussians):
        own = classes.numpy() == k
        x, w = points[:, own], counts[own]
        distinct = len(np.unique(x.T, axis=0))
        number = max(1, min(most, distinct, int(own.sum()) // VOXELS_PER_GAUSSIAN))
        centres = k_means(x, w, number, np.random.default_rng(seed))
        index, _ = nearest(x, centres)
        means.append(centres)
        shares.append(np.bincount(index, w, number) / w.sum())
        class_of += [k] * number
        spreads.append(((x - centres[index].T) ** 2 * w).sum(1) / w.sum())
    variance = np.maximum(np.mean(spreads, axis=0), FLOOR)
    weights_of = np.concatenate(shares) / len(n_gaussians)
    return Mixture(weights_of, np.concatenate(means), np.stack([np.diag(variance)] * len(class_of)), np.array(class_of))


def _pooled_prior(start: Mixture, quadratic: QuadraticFeatures) -> NDArray[np.float64]:
    """Return the sums (G, F) of pseudo-voxels: the pooled covariance around each Gaussian's mean at the start."""
    pooled = start.covariances[0]
    columns = [np.ones((len(start.means), 1)), start.means]
    for i, j in quadratic.pairs:
        columns.append((start.means[:, i] * start.means[:, j] + pooled[i, j])[:, None])
    sums: NDArray[np.float64] = SHRINKAGE * np.concatenate(columns, axis=1)
    return sums
