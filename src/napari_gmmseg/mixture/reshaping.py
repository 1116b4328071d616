"""One class more or fewer, with the rest of a mixture kept: split the worst-fitting class, merge the closest pair."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.mixture.posterior import most_likely_class
from napari_gmmseg.volumes import Mixture

Array = NDArray[np.float64]

#: How far the halves of a split class lie from its mean, in standard deviations along its main axis.
_APART = 0.6
#: Bins, and their reach in standard deviations, of the profile in which a class is compared with its Gaussian.
_BINS, _REACH = 48, 4.0
#: So many voxels are enough to tell which class fits worst.
_ENOUGH = 100_000


@dataclass(frozen=True)
class Reshaped:
    """A mixture with another number of classes.

    Parameters
    ----------
    mixture : Mixture
        In the image's own unit, one Gaussian for each class that was split or merged.
    parents : tuple of tuple of int
        The old classes that each new class comes from: two after a merge, one otherwise.
    kept : tuple of (int or None)
        The old class whose identity each new class keeps; None for one that is new.
    """

    mixture: Mixture
    parents: tuple[tuple[int, ...], ...]
    kept: tuple[int | None, ...]

    @classmethod
    def of(cls, mixture: Mixture) -> Reshaped:
        """Return a mixture as it is.

        Parameters
        ----------
        mixture : Mixture
            In the image's own unit.
        """
        k = mixture.n_classes
        return cls(mixture, tuple((c,) for c in range(k)), tuple(range(k)))

    @property
    def heirs(self) -> tuple[int, ...]:
        """For each old class the new one that keeps its identity, else the one that it became part of."""
        numbers = range(len(self.parents))
        return tuple(
            min((k for k in numbers if c in self.parents[k]), key=lambda k: (self.kept[k] != c, self.kept[k] is None))
            for c in range(1 + max(max(parents) for parents in self.parents))
        )

    def memberships(self, old: Tensor, image: Tensor, mask: Tensor) -> Tensor:
        """Carry memberships over: halves share their parent's by their densities, merged classes add up.

        Parameters
        ----------
        old : Tensor (K, *crop) float32
            0 outside the mask.
        image : Tensor (C, *crop) float32
            Intensities.
        mask : Tensor (*crop) bool
            Voxels that are fitted.

        Returns
        -------
        Tensor (K', *crop) float32
            0 outside the mask.
        """
        from napari_gmmseg.mixture.densities import class_log_densities

        result = torch.stack([old[list(parents)].sum(0) for parents in self.parents])
        flat, voxels = result.flatten(1), mask.flatten().nonzero()[:, 0]
        for parent in {parents[0] for parents in self.parents}:
            halves = [k for k, parents in enumerate(self.parents) if parents == (parent,)]
            if len(halves) > 1:
                densities = class_log_densities(self._only(halves), image.flatten(1).index_select(1, voxels))
                shares = np.bincount(self.mixture.class_of, self.mixture.mixing_weights)[halves]
                weights = torch.from_numpy(np.log(np.maximum(shares, 1e-12))).to(densities)
                rows = torch.softmax(densities + weights[:, None], 0)
                for half, row in zip(halves, rows, strict=True):
                    flat[half].index_copy_(0, voxels, flat[half].index_select(0, voxels) * row)
        return result

    def _only(self, classes: list[int]) -> Mixture:
        """Return the Gaussians of some classes, numbered anew."""
        mixture = self.mixture
        own = np.isin(mixture.class_of, classes)
        weights = mixture.mixing_weights[own]
        numbers = np.searchsorted(classes, mixture.class_of[own])
        return Mixture(weights / max(weights.sum(), 1e-300), mixture.means[own], mixture.covariances[own], numbers)


def reshape(
    mixture: Mixture,
    samples: Tensor,
    n_classes: int,
    *,
    protected: Collection[int] = (),
    origins: Mapping[int, int] | None = None,
) -> Reshaped:
    """Split or merge until a mixture has a number of classes.

    A class goes back to the one that it was split off from; where there is none, the two of least Bhattacharyya
    distance are merged. The distance alone would not undo a split: the upper half of grey matter may lie nearer to
    white matter than to its lower half.

    Parameters
    ----------
    mixture : Mixture
        In the image's own unit.
    samples : Tensor (C, N) float
        Intensities inside the mask, by which the worst-fitting class is found.
    n_classes : int
        Wanted.
    protected : collection of int
        Classes that must not disappear: named or locked ones.
    origins : mapping of int to int
        For classes that were split off, the class that each comes from; the first goes back first.

    Raises
    ------
    SettingsError
        Where only protected classes are left to merge.
    """
    result = Reshaped.of(mixture)
    while result.mixture.n_classes < n_classes:
        result = split(result, int(np.argmax(misfits(result.mixture, samples))), samples)
    while result.mixture.n_classes > n_classes:
        result = _back(result, origins or {}, protected) or _merge(result, frozenset(protected))
    return result


def split(before: Reshaped, worst: int, samples: Tensor) -> Reshaped:
    """Split a class along its main axis; the half with more voxels keeps its identity.

    Parameters
    ----------
    before : Reshaped
        So far.
    worst : int
        The class.
    samples : Tensor (C, N) float
        Intensities inside the mask.
    """
    mixture = before.mixture
    means, covariances, weights = class_moments(mixture)
    values, vectors = np.linalg.eigh(covariances[worst])
    axis, spread = vectors[:, -1], values[-1]
    shift = _APART * np.sqrt(spread) * axis
    halved = covariances[worst] - _APART**2 * spread * np.outer(axis, axis)
    others = mixture.class_of != worst
    k = mixture.n_classes
    new = Mixture(
        np.concatenate([mixture.mixing_weights[others], [weights[worst] / 2] * 2]),
        np.concatenate([mixture.means[others], [means[worst] - shift, means[worst] + shift]]),
        np.concatenate([mixture.covariances[others], [halved, halved]]),
        np.concatenate([mixture.class_of[others], [worst, k]]),
    )
    # The half with more voxels keeps the name.
    lower, upper = (float((most_likely_class(new, samples) == c).sum()) for c in (worst, k))
    if upper > lower:
        swapped = new.class_of.copy()
        swapped[-2:] = k, worst
        new = Mixture(new.mixing_weights, new.means, new.covariances, swapped)
    return Reshaped(new, (*before.parents, before.parents[worst]), (*before.kept, None))


def _back(before: Reshaped, origins: Mapping[int, int], protected: Collection[int]) -> Reshaped | None:
    """Merge the first class that was split off, and may disappear, into the one that it comes from."""
    for old, origin in origins.items():
        if old not in protected and old in before.kept and origin in before.kept:
            return merged(before, before.kept.index(origin), before.kept.index(old))
    return None


def _merge(before: Reshaped, protected: frozenset[int]) -> Reshaped:
    """Merge the pair of classes with the least Bhattacharyya distance of which one may disappear."""
    mixture = before.mixture
    means, covariances, weights = class_moments(mixture)
    safe = [kept is not None and kept in protected for kept in before.kept]
    distances = bhattacharyya(means, covariances)
    pairs = [
        (distances[a, b], a, b)
        for a in range(len(means))
        for b in range(a + 1, len(means))
        if not (safe[a] and safe[b])
    ]
    if not pairs:
        raise SettingsError(
            f"All {len(means)} classes are named or locked: none of them may disappear.",
            "Unlock a class, or say which two shall be merged.",
        )
    _, a, b = min(pairs)
    return merged(before, *((a, b) if safe[a] or (not safe[b] and weights[a] >= weights[b]) else (b, a)))


def merged(before: Reshaped, survivor: int, other: int) -> Reshaped:
    """Merge one class into another.

    Parameters
    ----------
    before : Reshaped
        So far.
    survivor, other : int
        Classes; the first keeps its identity, the second is gone.
    """
    mixture = before.mixture
    means, covariances, weights = class_moments(mixture)
    pair = [survivor, other]
    share = weights[pair] / max(weights[pair].sum(), 1e-300)
    mean = share @ means[pair]
    apart = means[pair] - mean
    covariance = np.einsum("p,pij->ij", share, covariances[pair] + np.einsum("pi,pj->pij", apart, apart))
    rest = ~np.isin(mixture.class_of, pair)
    new_number = np.cumsum([k != other for k in range(mixture.n_classes)]) - 1
    classes = np.concatenate([mixture.class_of[rest], [survivor]])
    new = Mixture(
        np.concatenate([mixture.mixing_weights[rest], [weights[pair].sum()]]),
        np.concatenate([mixture.means[rest], mean[np.newaxis]]),
        np.concatenate([mixture.covariances[rest], covariance[np.newaxis]]),
        new_number[classes],
    )
    parents = list(before.parents)
    parents[survivor] = tuple(sorted({*parents[survivor], *parents[other]}))
    left = [k for k in range(mixture.n_classes) if k != other]
    return Reshaped(new, tuple(parents[k] for k in left), tuple(before.kept[k] for k in left))


def class_moments(mixture: Mixture) -> tuple[Array, Array, Array]:
    """Return mean (K, C), covariance (K, C, C) and share (K,) of each class.

    Parameters
    ----------
    mixture : Mixture
        One or several Gaussians a class.
    """
    k, c = mixture.n_classes, mixture.n_channels
    weights = np.bincount(mixture.class_of, mixture.mixing_weights, minlength=k).astype(np.float64)
    means = mixture.class_means()
    shares = mixture.mixing_weights / np.maximum(weights, 1e-300)[mixture.class_of]
    apart = mixture.means - means[mixture.class_of]
    spread = shares[:, None, None] * (mixture.covariances + np.einsum("gi,gj->gij", apart, apart))
    covariances = np.zeros((k, c, c))
    np.add.at(covariances, mixture.class_of, spread)
    return means, covariances, weights


def misfits(mixture: Mixture, samples: Tensor) -> Array:
    """Return how badly its Gaussian fits each class: (K,), in nat per voxel of the image.

    The Kullback-Leibler divergence between the class's voxels and its Gaussian along the class's main axis, times its
    share (the split criterion of Ueda, Nakano, Ghahramani & Hinton 2000, on one axis and with hard labels).

    Parameters
    ----------
    mixture : Mixture
        In the samples' unit.
    samples : Tensor (C, N) float
        Intensities.
    """
    x = samples[:, :: -(-samples.shape[1] // _ENOUGH)]
    labels = most_likely_class(mixture, x).cpu().numpy()
    values = x.double().cpu().numpy()
    means, covariances, _ = class_moments(mixture)
    edges = np.linspace(-_REACH, _REACH, _BINS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    expected = np.exp(-0.5 * middle**2)
    expected /= expected.sum()
    result = np.zeros(len(means))
    for k, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        own = values[:, labels == k]
        spread, vectors = np.linalg.eigh(covariance)
        if own.shape[1] < _BINS or spread[-1] <= 0:
            continue
        along = (vectors[:, -1] @ (own - mean[:, None])) / np.sqrt(spread[-1])
        found, _ = np.histogram(np.clip(along, -_REACH, _REACH), edges)
        share = found / found.sum()
        seen = share > 0
        divergence = float((share[seen] * np.log(share[seen] / expected[seen])).sum())
        result[k] = divergence * own.shape[1] / values.shape[1]
    return result


def bhattacharyya(means: Array, covariances: Array) -> Array:
    """Return the Bhattacharyya distance (K, K) between classes.

    D = 1/8 d^T S^-1 d + 1/2 log(det S / sqrt(det S_a det S_b)), S = (S_a + S_b) / 2.

    Parameters
    ----------
    means : ndarray (K, C) float64
        Class means.
    covariances : ndarray (K, C, C) float64
        Class covariances.
    """
    mean_covariances = (covariances[:, None] + covariances[None]) / 2
    apart = means[:, None] - means[None]
    solved = np.linalg.solve(mean_covariances, apart[..., None])[..., 0]
    _, logdet = np.linalg.slogdet(covariances)
    _, mean_logdet = np.linalg.slogdet(mean_covariances)
    distances: Array = (apart * solved).sum(-1) / 8 + (mean_logdet - (logdet[:, None] + logdet[None]) / 2) / 2
    return distances
