"""The share of each tissue in each voxel of a segmentation, slab by slab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes.mixed_voxels import N_BINS, MixedVoxels

#: What fractions are from: intensities of mixed voxels, or the posterior of the classes.
FractionBasis = Literal["mixed voxels", "posterior"]
#: Voxels that are computed at a time.
_SLAB = 1_000_000
#: About so many intensities tell the range.
_SAMPLE = 200_000
#: Share of them beyond each end of the range.
_BEYOND = 1e-3


@dataclass(frozen=True)
class OneChannel:
    """What fractions from the intensities of one channel need.

    Parameters
    ----------
    intensities : callable
        Takes an index of the first axis and returns the intensities (*plane) float32 there, in the image's own unit.
    means : ndarray (K,) float64
        Of the classes as they are labelled, in the same unit; no two alike.
    noise : float
        Standard deviation of the noise, in the same unit.
    """

    intensities: Callable[[slice], NDArray[np.float32]]
    means: NDArray[np.float64]
    noise: float


@dataclass(frozen=True)
class Fractions:
    """Works out the share of each tissue; holds nothing but what it is given.

    Inside the mask it is sum_k w_k E[share | x, class k] of `MixedVoxels` with the posterior w, or w itself. Where the
    label is another than the posterior's (set by hand, or by a clean-up), the voxel is wholly of that label's tissue,
    or of none; shares then sum to 1 wherever there is a label, and are 0 elsewhere.

    Parameters
    ----------
    probabilities : ndarray (K, *grid) float32
        Posterior w of each class, 0 outside the mask.
    mask : ndarray (*grid) bool
        Voxels that were fitted.
    labels : ndarray (*grid) uint8
        The labels.
    values : ndarray (K,) uint8
        Label of each class; 0 for one that is background.
    channel : OneChannel or None
        Intensities and what the model of mixed voxels starts from; None to go by the posterior.
    """

    probabilities: NDArray[np.float32]
    mask: NDArray[np.bool_]
    labels: NDArray[np.uint8]
    values: NDArray[np.uint8]
    channel: OneChannel | None = None

    @property
    def basis(self) -> FractionBasis:
        """What they are from."""
        return "posterior" if self.channel is None else "mixed voxels"

    def maps(self) -> NDArray[np.float32]:
        """Return the shares, (K, *grid) float32."""
        result = np.zeros(self.probabilities.shape, dtype=np.float32)
        table = None if self.channel is None else self._table(self.channel)
        for slab in self._slabs():
            inside, posterior, set_to = self._slab(slab)
            if self.channel is not None and table is not None:
                posterior = table.shares(posterior, self.channel.intensities(slab)[inside])
            for k, value in enumerate(self.values):
                if value:
                    posterior[k][set_to == value] = 1.0
                result[k, slab][inside] = posterior[k]
        return result

    def sums(self) -> NDArray[np.float64]:
        """Return the sum of each tissue's shares over the grid, in voxels: (K,) float64; without making the maps."""
        if self.channel is not None:
            return self._table(self.channel).sums
        total = np.zeros(len(self.values))
        for slab in self._slabs():
            _, posterior, set_to = self._slab(slab)
            total += posterior.sum(axis=1, dtype=np.float64) + self._counts(set_to)
        return total

    def _slabs(self) -> Iterator[slice]:
        """Yield parts of the grid's first axis that hold about `_SLAB` voxels."""
        n = self.mask.shape[0]
        step = max(1, _SLAB * n // max(self.mask.size, 1))
        yield from (slice(begin, min(begin + step, n)) for begin in range(0, n, step))

    def _slab(self, slab: slice) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.uint8]]:
        """Return which voxels count, their posterior (K, n), and their label where that is another, else 0.

        The posterior is 0 where the label is another.
        """
        labels = self.labels[slab]
        inside = self.mask[slab] | (labels != 0)
        posterior = self.probabilities[:, slab][:, inside]
        labels = labels[inside]
        highest, winner = posterior[0].copy(), np.full(labels.shape, self.values[0])
        for value, row in zip(self.values[1:], posterior[1:], strict=True):
            winner[row > highest] = value
            np.maximum(highest, row, out=highest)
        other = labels != winner
        posterior[:, other] = 0.0
        return inside, posterior, np.where(other, labels, 0)

    def _counts(self, set_to: NDArray[np.uint8]) -> NDArray[np.float64]:
        counts = np.bincount(set_to, minlength=256).astype(np.float64)
        counts[0] = 0
        return counts[self.values]

    def _table(self, channel: OneChannel) -> _Table:
        """Return the expected shares by intensity, and their sums."""
        low, high = self._range(channel)
        histogram, counts = np.zeros((len(self.values), N_BINS)), np.zeros(len(self.values))
        for slab in self._slabs():
            inside, posterior, set_to = self._slab(slab)
            bins = _bins(channel.intensities(slab)[inside], low, high)
            histogram += [np.bincount(bins, weights, minlength=N_BINS) for weights in posterior]
            counts += self._counts(set_to)
        centres = low + (np.arange(N_BINS) + 0.5) / N_BINS * (high - low)
        expected = MixedVoxels.of(histogram, centres, channel.means, channel.noise).expected(centres)
        return _Table(low, high, expected, np.einsum("kn,kjn->j", histogram, expected) + counts)

    def _range(self, channel: OneChannel) -> tuple[float, float]:
        """Return the range of intensities, without a few at its ends, and with all means."""
        step = max(1, int(np.count_nonzero(self.mask)) // _SAMPLE)
        seen = np.concatenate([channel.intensities(slab)[self.mask[slab]][::step] for slab in self._slabs()])
        ends = np.quantile(seen[np.isfinite(seen)].astype(np.float64), (_BEYOND, 1 - _BEYOND))
        return min(float(ends[0]), float(channel.means.min())), max(float(ends[1]), float(channel.means.max()))


@dataclass(frozen=True)
class _Table:
    """Expected shares (K, K, N_BINS) by intensity, [k, j] of tissue j in voxels of class k; and sums (K,)."""

    low: float
    high: float
    expected: NDArray[np.float64]
    sums: NDArray[np.float64]

    def shares(self, posterior: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the share of each tissue, (K, n) float32, from posterior (K, n) and intensities (n,)."""
        bins = _bins(x, self.low, self.high)
        result = np.zeros_like(posterior)
        for row, weights in zip(self.expected.astype(np.float32), posterior, strict=True):
            for j in np.flatnonzero(row.any(axis=1)):
                result[j] += weights * row[j][bins]
        return result


def _bins(x: NDArray[np.float32], low: float, high: float) -> NDArray[np.int64]:
    """Return the entry of each intensity; one that is not finite has the first."""
    scaled = np.nan_to_num((x.astype(np.float64) - low) * (N_BINS / (high - low)), nan=0.0)
    bins: NDArray[np.int64] = np.clip(scaled, 0, N_BINS - 1).astype(np.int64)
    return bins
