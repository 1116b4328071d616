"""Where EM starts: quantiles, k-means++, or given means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import norm
from torch import Tensor

from napari_gmmseg.config.fit import Covariance, Initialisation
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.mixture.cells import MOST_CHANNELS, bin_cells
from napari_gmmseg.mixture.histogram import bin_samples
from napari_gmmseg.mixture.kmeans import k_means, nearest
from napari_gmmseg.mixture.moments import VARIANCE_FLOOR, floored, m_step
from napari_gmmseg.mixture.observations import Voxels
from napari_gmmseg.mixture.quadratic import QuadraticFeatures
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.mixture.tensors import Array, as_tensor
from napari_gmmseg.mixture.validation import check_fixed_labels, check_samples
from napari_gmmseg.volumes import Mixture

#: Of the voxels, so many at each end may be of no tissue.
FEW = 1e-3
MOST_POINTS = 20_000  # of several channels; enough for means to within 1 % of a standard deviation


def initial_mixture(
    samples: Tensor | Array,
    gaussians_per_class: Sequence[int],
    *,
    initialisation: Initialisation = "k-means++",
    means: Sequence[Sequence[float]] | Array | None = None,
    covariance: Covariance = "diagonal",
    weights: Tensor | Array | None = None,
    fixed_labels: Tensor | Array | None = None,
    seed: int = 0,
    variance_floor: float = VARIANCE_FLOOR,
) -> Mixture:
    """Return a mixture to start EM from.

    Voxels are grouped by quantiles of the first channel, by k-means, or by the nearest given mean, and each group's
    moments make a class. One channel is grouped as a histogram, up to four as cells of a joint one, more as a
    systematic subset of at most `MOST_POINTS` voxels. Classes are ordered by their mean in the first channel; where
    voxels are fixed, by their nearness to the fixed voxels' means. A class of several Gaussians is cut along its
    longest axis.

    Parameters
    ----------
    samples : Tensor or ndarray (C, N), any real kind
        Intensities of the voxels inside the mask, finite.
    gaussians_per_class : sequence of int (K,)
        Number of Gaussians of each class.
    initialisation : "quantiles" or "k-means++"
        How to group; ignored where means are given.
    means : array (G, C) or (K, C), optional
        Start means in the image's unit, one for each Gaussian or each class; kept as they are.
    covariance : "diagonal" or "full"
        Of the result.
    weights : Tensor or ndarray (N,) float, optional
        How often each voxel counts.
    fixed_labels : Tensor or ndarray (N,) integer, optional
        Known class k of a voxel, or -1.
    seed : int
        Of k-means++.
    variance_floor : float
        Smallest variance, as a share of each channel's variance over all voxels.

    Raises
    ------
    InputError
        If a sample is NaN or infinite.
    SettingsError
        If there are fewer voxels or distinct intensities than classes, or the given means have another shape.
    """
    x = as_tensor(samples)
    n_classes = len(gaussians_per_class)
    w, fixed = (None if extra is None else as_tensor(extra).to(x.device) for extra in (weights, fixed_labels))
    check_samples(x, sum(gaussians_per_class), weights=w, fixed_labels=fixed)
    check_fixed_labels(fixed, n_classes)
    quadratic = QuadraticFeatures(Standardisation.of_samples(x, w), full=covariance == "full" and len(x) > 1)
    features, counts = _points(x, quadratic, w)
    points = features[1 : 1 + len(x)]
    given = None if means is None else _given_means(means, gaussians_per_class, quadratic)
    if given is not None:
        group, _ = nearest(points, given)
    elif initialisation == "quantiles":
        group = _quantile_groups(points[0], counts, n_classes)
    else:
        points = _nearer(points, counts)
        centres = k_means(points, counts, n_classes, np.random.default_rng(seed))
        if fixed is not None:
            centres = centres[_match(centres, x, fixed, quadratic.standardisation)]
        group, _ = nearest(points, centres)
    n_groups = n_classes if given is None else len(given)
    mixture = _group_moments(group, n_groups, features, counts, quadratic, floor=variance_floor)
    if given is not None:
        mixture = replace(mixture, means=given)
    if n_groups == sum(gaussians_per_class):
        mixture = replace(mixture, class_of=np.repeat(np.arange(n_classes), gaussians_per_class))
    else:
        mixture = _split(mixture, gaussians_per_class, variance_floor, full=quadratic.full)
    return quadratic.standardisation.outward(mixture)


def initial_mixtures(
    samples: Tensor | Array,
    gaussians_per_class: Sequence[int],
    n_starts: int,
    *,
    seed: int = 0,
    covariance: Covariance = "diagonal",
    weights: Tensor | Array | None = None,
    fixed_labels: Tensor | Array | None = None,
) -> tuple[Mixture, ...]:
    """Return several starts for `em`: k-means++ first, then quantiles, then k-means++ with other seeds.

    Parameters
    ----------
    samples : Tensor or ndarray (C, N), any real kind
        Intensities of the voxels inside the mask, finite.
    gaussians_per_class : sequence of int (K,)
        Number of Gaussians of each class.
    n_starts : int
        How many.
    seed : int
        Of the first k-means++; the others count on from it.
    covariance : "diagonal" or "full"
        Of the results.
    weights : Tensor or ndarray (N,) float, optional
        How often each voxel counts.
    fixed_labels : Tensor or ndarray (N,) integer, optional
        Known class k of a voxel, or -1.
    """
    kinds: list[Initialisation] = ["k-means++", "quantiles"]
    return tuple(
        initial_mixture(
            samples,
            gaussians_per_class,
            initialisation=kinds[index] if index < len(kinds) and fixed_labels is None else "k-means++",
            covariance=covariance,
            weights=weights,
            fixed_labels=fixed_labels,
            seed=seed + index,
        )
        for index in range(n_starts)
    )


def _points(
    x: Tensor, quadratic: QuadraticFeatures, weights: Tensor | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return features (F, n) and counts (n,) of what is grouped."""
    if len(x) == 1:
        bins = bin_samples(x, quadratic, weights=weights)
        return bins.features.cpu().numpy(), bins.counts.cpu().numpy()
    if x.shape[1] > MOST_POINTS and len(x) <= MOST_CHANNELS:
        cells = bin_cells(x, quadratic, weights=weights)
        return cells.features.numpy(), cells.counts.numpy()
    stride = max(1, -(-x.shape[1] // MOST_POINTS))
    voxels = Voxels(x, quadratic, weights=weights, dtype=torch.float64)
    subset = voxels.every(stride) if stride > 1 else voxels
    chunks = [(chunk.features.cpu().double().numpy().copy(), chunk.weights) for chunk in subset.chunks()]
    features = np.concatenate([each for each, _ in chunks], axis=1)
    counts = np.ones(features.shape[1])
    if weights is not None:
        counts = np.concatenate([each.cpu().double().numpy() for _, each in chunks if each is not None])
    # Sorted by intensity, so that what is drawn does not depend on the order of voxels.
    order = np.lexsort(features[len(x) : 0 : -1])
    order = order[counts[order] > 0]
    return features[:, order], counts[order]


def _nearer(points: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points (C, n) with those few brought nearer that lie far outside of all others: metal, air, spikes.

    k-means would make them centres, however few they are.
    """
    result = points.copy()
    for row in result:
        order = np.argsort(row, kind="stable")
        mass = np.cumsum(counts[order])
        low, high = (row[order[np.searchsorted(mass, share * mass[-1])]] for share in (FEW, 1 - FEW))
        if high > low:
            np.clip(row, low - (high - low), high + (high - low), out=row)
    return result


def _given_means(
    means: Sequence[Sequence[float]] | Array, gaussians_per_class: Sequence[int], quadratic: QuadraticFeatures
) -> NDArray[np.float64]:
    array = np.asarray(means, dtype=np.float64)
    n_classes, n_gaussians = len(gaussians_per_class), sum(gaussians_per_class)
    if array.ndim != 2 or array.shape[1] != quadratic.n_channels or len(array) not in (n_classes, n_gaussians):
        raise SettingsError(
            f"Start means of shape {array.shape} were given.",
            f"Give {n_gaussians} means of {quadratic.n_channels} intensities each.",
        )
    return (array - quadratic.standardisation.centre) / quadratic.standardisation.scale


def _quantile_groups(first: NDArray[np.float64], counts: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    values, inverse = np.unique(first, return_inverse=True)
    if len(values) < k:
        raise SettingsError(
            f"The voxels have only {len(values)} intensities that can be told apart, for {k} classes.",
            "Ask for fewer classes, or look for voxels of extreme intensity in the mask.",
        )
    masses = np.bincount(inverse, counts)
    middle = (np.cumsum(masses) - masses / 2) / masses.sum()
    cuts = np.searchsorted(middle, np.arange(k) / k)
    for index in range(1, k):  # each group gets at least one value, also where one value holds most voxels
        cuts[index] = min(max(cuts[index], cuts[index - 1] + 1), len(values) - k + index)
    group: NDArray[np.int64] = np.searchsorted(cuts, np.arange(len(values)), side="right") - 1
    return group[inverse]


def _match(
    centres: NDArray[np.float64], x: Tensor, fixed: Tensor, standardisation: Standardisation
) -> NDArray[np.int64]:
    """Return the order of centres that puts each nearest to its class's fixed voxels."""
    costs = np.zeros((len(centres), len(centres)))
    for k in range(len(centres)):
        chosen = x[:, fixed == k]
        if chosen.shape[1]:
            mean = (chosen.double().mean(1).cpu().numpy() - standardisation.centre) / standardisation.scale
            costs[k] = ((centres - mean) ** 2).sum(1)
    order: NDArray[np.int64] = linear_sum_assignment(costs)[1]
    return order


def _group_moments(
    group: NDArray[np.int64],
    n_groups: int,
    features: NDArray[np.float64],
    counts: NDArray[np.float64],
    quadratic: QuadraticFeatures,
    *,
    floor: float,
) -> Mixture:
    sums = np.stack([np.bincount(group, counts * row, n_groups).astype(np.float64) for row in features], axis=1)
    c = quadratic.n_channels
    blank = Mixture(
        np.full(n_groups, 1 / n_groups),
        np.zeros((n_groups, c)),
        np.tile(np.eye(c), (n_groups, 1, 1)),
        np.arange(n_groups),
    )
    mixture = m_step(sums, quadratic, blank, variance_floor=floor)
    weights = np.maximum(mixture.mixing_weights, 1e-6)  # a given mean without voxels of its own may still win some
    return replace(mixture, mixing_weights=weights / weights.sum())


def _split(mixture: Mixture, gaussians_per_class: Sequence[int], floor: float, *, full: bool) -> Mixture:
    """Cut each class's Gaussian into equal shares along its longest axis."""
    weights, means, covariances = [], [], []
    for k, n in enumerate(gaussians_per_class):
        values, vectors = np.linalg.eigh(mixture.covariances[k])
        axis = vectors[:, -1] * np.sign(vectors[np.abs(vectors[:, -1]).argmax(), -1])
        offsets = norm.ppf((np.arange(n) + 0.5) / n) * np.sqrt(values[-1])
        # What the means' spread explains is taken from the covariance, so that the class keeps its own.
        left = mixture.covariances[k] - np.outer(axis, axis) * np.mean(offsets**2)
        left = left if full else np.diag(np.diag(left))
        weights += [mixture.mixing_weights[k] / n] * n
        means += [mixture.means[k] + offset * axis for offset in offsets]
        covariances += [floored(left[None], floor, full=full)[0]] * n
    return Mixture(
        np.array(weights),
        np.array(means),
        np.array(covariances),
        np.repeat(np.arange(len(mixture.means)), gaussians_per_class),
    )
