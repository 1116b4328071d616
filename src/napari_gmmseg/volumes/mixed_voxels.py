"""Voxels that hold two tissues: the share of each, from a voxel's intensity and the tissue that most of it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes.geometry import read_only

#: Entries of a table over the range of intensities: with three classes some four hundred from one to the next.
N_BINS = 1024
#: Noise is at least this share of the smallest gap between classes: rounded intensities hide theirs.
LEAST_NOISE = 0.02
#: Rounds in which pure intensities are sought; those of the phantoms then are within a fiftieth of a gap of the end.
_ROUNDS = 20
#: Further from its range than this many standard deviations, an intensity says no more of a class than at that place.
_FARTHEST = 4.0
#: Pseudo-voxels that hold each pure intensity at its start, and each share at that of the round before, as a share of
#: the voxels per class: a class with next to none would follow what its neighbours are mixed with. Its intensity stays
#: near the start; its shares only change slowly.
_HELD = 1e-2
#: So much likelier or less likely may pure intensities make a class than labelled ones, in nat.
_MOST_RATIO = 25.0
#: Pure intensities come no nearer to each other than this share of their gap at the start.
_LEAST_GAP = 0.25

Floats = NDArray[np.float64]

_erfc = np.frompyfunc(math.erfc, 1, 1)


@dataclass(frozen=True)
class MixedVoxels:
    """What one channel's intensity says about the tissues of a voxel whose main tissue is known.

    A voxel of class k holds tissue k wholly, or two tissues: k by at least one half and the class next in intensity,
    every share equally likely; plus normal noise of known standard deviation s (after Santago & Gage 1995). Given its
    intensity x, the expected share of a neighbour j is

    E[t | x, k] = a_kj / p_k(x) mean over t of t N(x; m_k + t (m_j - m_k), s^2),

    with t uniform between 0 and 1/2, the shares a of pure and mixed voxels, and

    p_k(x) = a_k N(x; m_k, s^2) + sum_j a_kj mean over t of N(x; m_k + t (m_j - m_k), s^2).

    The means of classes as they are labelled are not the pure intensities m: a class's voxels are mixed towards its
    neighbours. `of` finds m and a by EM; its M-step for m is the least squares of x on the shares,
    (sum E[f f^T]) m = sum E[f] x. Labels that go by those means part tissues at the wrong midpoints, so the posterior w
    counts as w_k p_k(x) / q_k(x), q being the likelihood with the labelled means: what neighbours said stays.

    Parameters
    ----------
    means : ndarray (K,) float64
        Intensity m of each pure class, in the image's own unit, in any order; no two alike.
    noise : float
        Standard deviation s, in the same unit.
    shares : ndarray (K, 3) float64
        Of each class's voxels, how many are pure, mixed with the next darker and with the next brighter class; rows
        sum to 1.
    """

    means: Floats
    noise: float
    shares: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "means", read_only(self.means))
        object.__setattr__(self, "shares", read_only(self.shares))

    @classmethod
    def of(
        cls, posterior: NDArray[np.floating[Any]], bins: NDArray[np.int64], x: Floats, means: Floats, noise: float
    ) -> MixedVoxels:
        """Return the model that fits voxels of known posterior best.

        Parameters
        ----------
        posterior : ndarray (K, n) float
            Of each class, in some voxels; 0 in all classes where a voxel does not count.
        bins : ndarray (n,) int64
            The voxels' entries of `x`.
        x : ndarray (b,) float64
            Intensities, in the image's own unit.
        means : ndarray (K,) float64
            Of the classes as they are labelled, in the same unit; no two alike.
        noise : float
            Standard deviation of the noise, in the same unit.
        """
        # Deviations from the middle: large offsets would eat the digits of small gaps.
        centre = float(means.mean())
        labelled, deviations = cls.labelled(means - centre, noise), x - centre
        gaps = np.diff(np.sort(means))
        model = labelled
        for _ in range(_ROUNDS):
            weights = reweighed(posterior, model.log_ratios(labelled, deviations)[:, bins])
            histogram = np.stack([np.bincount(bins, row, minlength=len(x)) for row in weights]).astype(np.float64)
            better = model._after(histogram, deviations, labelled.means)
            apart = np.diff(better.means[model.order])
            if not np.isfinite(apart).all() or (apart < _LEAST_GAP * gaps).any():
                break
            model = better
        return cls(model.means + centre, model.noise, model.shares)

    @classmethod
    def labelled(cls, means: Floats, noise: float) -> MixedVoxels:
        """Return the model that labels go by: half of each class pure, and as much mixed with each side.

        Parameters
        ----------
        means : ndarray (K,) float64
            Of the classes, in the image's own unit; no two alike.
        noise : float
            Standard deviation of the noise, in the same unit.
        """
        least = LEAST_NOISE * float(np.diff(np.sort(means)).min())
        return cls(means, max(noise, least), _even_shares(means))

    def log_ratios(self, other: MixedVoxels, x: Floats) -> Floats:
        """Return log p_k(x) - log q_k(x) of each class (K, n), q being another model's; within +-`_MOST_RATIO`.

        Parameters
        ----------
        other : MixedVoxels
            Of the same classes.
        x : ndarray (n,) float64
            Intensities, in the image's own unit.
        """
        return np.clip(self._log_densities(x) - other._log_densities(x), -_MOST_RATIO, _MOST_RATIO)

    def _log_densities(self, x: Floats) -> Floats:
        order, s = self.order, self.noise
        m, result = self.means[order], np.empty((len(order), len(x)))
        for place, k in enumerate(order):
            density = self.shares[k, 0] * _normal((x - m[place]) / s) / s + 1e-12 / s
            for j, share in zip((place - 1, place + 1), self.shares[k, 1:], strict=True):
                if 0 <= j < len(m):
                    density += share * _mixed_moments(x, float(m[place]), float(m[j]), s)[0]
            result[k] = np.log(density)
        return result

    @property
    def order(self) -> NDArray[np.int64]:
        """The classes from dark to bright, (K,) int64."""
        return np.argsort(self.means, kind="stable")

    def expected(self, x: Floats) -> Floats:
        """Return the expected share of each tissue in voxels whose main tissue is known.

        Parameters
        ----------
        x : ndarray (n,) float64
            Intensities, in the image's own unit.

        Returns
        -------
        ndarray (K, K, n) float64
            [k, j] is the share of tissue j in voxels of class k; sums to 1 over j.
        """
        order, n_classes = self.order, len(self.means)
        result = np.zeros((n_classes, n_classes, len(x)))
        for place, k in enumerate(order):
            for j, moments in zip((place - 1, place + 1), self._moments(place, x)[1:], strict=True):
                if 0 <= j < n_classes:
                    result[k, order[j]] = moments[1]
            result[k, k] = 1.0 - result[k].sum(axis=0)
        return result

    def _after(self, histogram: Floats, x: Floats, start: Floats) -> MixedVoxels:
        """Return the model after a round of EM."""
        order, n_classes = self.order, len(self.means)
        held = np.full(n_classes, _HELD * histogram.sum() / n_classes + 1.0)
        # Normal equations of x on the shares, in the order of intensity, held a little at the start; the counts of
        # shares are held a little at this round's.
        squares, products = np.diag(held), held * start[order]
        counts = self.shares[order] * held[:, None]
        for place, k in enumerate(order):
            pure, *sides = (histogram[k] * moments for moments in self._moments(place, x))
            counts[place] += [pure.sum(), *(side[0].sum() for side in sides)]
            squares[place, place] += pure.sum()
            products[place] += pure @ x
            for j, (zeroth, first, second) in zip((place - 1, place + 1), sides, strict=True):
                if 0 <= j < n_classes:
                    both = float((first - second).sum())
                    squares[place, place] += float((zeroth - 2 * first + second).sum())
                    squares[j, j] += float(second.sum())
                    squares[place, j] += both
                    squares[j, place] += both
                    products[place] += float((zeroth - first) @ x)
                    products[j] += float(first @ x)
        means, shares = np.empty(n_classes), np.empty((n_classes, 3))
        means[order] = np.linalg.solve(squares, products)
        shares[order] = counts / counts.sum(axis=1, keepdims=True)
        return MixedVoxels(means, self.noise, shares)

    def _moments(self, place: int, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Return what is known of voxels of a class by intensity: how many are pure (n,), and of both sides (3, n).

        A side's rows are the chance that a voxel is mixed with that neighbour, times 1, its share, its share squared.
        """
        order = self.order
        m, s = self.means[order], self.noise
        own = float(m[place])
        ends = [(m[j] + own) / 2 if 0 <= j < len(m) else own for j in (place - 1, place + 1)]
        near = np.clip(x, ends[0] - _FARTHEST * s, ends[1] + _FARTHEST * s)
        pure, *mixed = self.shares[order[place]]
        parts = [pure * _normal((near - own) / s) / s]
        for j, share in zip((place - 1, place + 1), mixed, strict=True):
            if 0 <= j < len(m):
                parts.append(share * _mixed_moments(near, own, m[j], s))
            else:
                parts.append(np.zeros((3, len(x))))
        total = parts[0] + parts[1][0] + parts[2][0] + 1e-12 / s
        # Where nothing is likely at all, the voxel is pure.
        return (parts[0] + 1e-12 / s) / total, parts[1] / total, parts[2] / total


def reweighed(posterior: NDArray[np.floating[Any]], log_ratios: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return the posterior (K, n) float32 under another likelihood: proportional to w_k exp(log_ratio_k).

    Parameters
    ----------
    posterior : ndarray (K, n) float
        0 in all classes where a voxel does not count.
    log_ratios : ndarray (K, n) float
        Log of the new likelihood over the old one, in nat.
    """
    result = np.asarray(posterior * np.exp(log_ratios), dtype=np.float32)
    result /= np.maximum(result.sum(axis=0), 1e-30)
    return result


def _even_shares(means: Floats) -> Floats:
    """Return shares to begin with: half of a class pure, and as much mixed with each side as with the other."""
    shares = np.tile([0.5, 0.25, 0.25], (len(means), 1))
    shares[np.argmin(means)] = [0.5, 0.0, 0.5]
    shares[np.argmax(means)] = [0.5, 0.5, 0.0]
    return shares


def _mixed_moments(x: Floats, own: float, other: float, s: float) -> Floats:
    """Return means (3, n) of N(x; own + t (other - own), s^2) times 1, t and t^2, over t uniform in 0 ... 1/2."""
    gap = other - own
    y, width = (x - own) / gap, s / abs(gap)
    a, b = -y / width, (0.5 - y) / width
    mass = np.maximum(_below(b) - _below(a), 0.0)
    at_a, at_b = width * _normal(a), width * _normal(b)
    first = np.clip(y * mass + at_a - at_b, 0.0, 0.5 * mass)
    second = np.clip((y**2 + width**2) * mass + y * at_a - (0.5 + y) * at_b, 0.0, 0.5 * first)
    return np.stack((mass, first, second)) * (2 / abs(gap))


def _normal(z: Floats) -> Floats:
    density: Floats = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return density


def _below(z: Floats) -> Floats:
    """Return the standard normal distribution function."""
    return 0.5 * np.asarray(_erfc(-z / math.sqrt(2)), dtype=np.float64)
