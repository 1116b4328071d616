"""The share of each tissue in each voxel of a segmentation, slab by slab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes.mixed_voxels import N_BINS, MixedVoxels, reweighed

#: What fractions are from: intensities of mixed voxels, or the posterior of the classes.
FractionBasis = Literal["mixed voxels", "posterior"]
#: Voxels that are computed at a time, while which Python may hold all threads.
_SLAB = 250_000
#: About so many voxels tell the range of intensities and the model.
_SAMPLE = 50_000
#: From fewer voxels no spread is told.
_FEWEST = 100
#: Median of |x| for a standard normal x.
_MEDIAN_OF_NORMAL = 0.6744897501960817
#: Share of them beyond each end of the range.
_BEYOND = 1e-3


_Floats32 = NDArray[np.float32]


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

    Inside the mask it is sum_k w_k E[share | x, class k] of `MixedVoxels` with its posterior w, or w itself. Where
    the label is another than the posterior's (set by hand, or by a clean-up), the voxel is wholly of that label's
    tissue, or of none; shares then sum to 1 wherever there is a label, and are 0 elsewhere.

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
        for slab, inside, shares in self._shares():
            for k, row in enumerate(shares):
                result[k, slab][inside] = row
        return result

    def sums(self) -> NDArray[np.float64]:
        """Return the sum of each tissue's shares over the grid, in voxels: (K,) float64; without making the maps."""
        total = np.zeros(len(self.values))
        for _, _, shares in self._shares():
            total += shares.sum(axis=1, dtype=np.float64)
        return total

    def _shares(self) -> Iterator[tuple[slice, NDArray[np.bool_], NDArray[np.float32]]]:
        """Yield parts of the grid, with those of their voxels that count and their shares (K, n)."""
        table = None if self.channel is None else self._table(self.channel)
        for slab in self._slabs():
            inside, shares, set_to = self._slab(slab)
            if self.channel is not None and table is not None:
                shares = table.shares(shares, self.channel.intensities(slab)[inside])
            for k, value in enumerate(self.values):
                if value:
                    shares[k][set_to == value] = 1.0
            yield slab, inside, shares

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
        # What was painted outside the mask has no posterior.
        other = (labels != winner) | ~self.mask[slab][inside]
        posterior[:, other] = 0.0
        return inside, posterior, np.where(other, labels, 0)

    def _table(self, channel: OneChannel) -> _Table:
        """Return the expected shares by intensity, from some of the voxels."""
        step = max(1, int(np.count_nonzero(self.mask)) // _SAMPLE)
        some = [self._every(step, slab, channel) for slab in self._slabs()]
        x = np.concatenate([seen for seen, _, _ in some]).astype(np.float64)
        posterior = np.concatenate([weights for _, weights, _ in some], axis=1)
        spread = max(channel.noise, self._least_spread(x, np.concatenate([cores for _, _, cores in some])))
        ends = np.quantile(x[np.isfinite(x)], (_BEYOND, 1 - _BEYOND))
        low, high = min(float(ends[0]), channel.means.min()), max(float(ends[1]), channel.means.max())
        centres = low + (np.arange(N_BINS) + 0.5) / N_BINS * (high - low)
        model = MixedVoxels.of(posterior, _bins(x, low, high), centres, channel.means, spread)
        ratios = model.log_ratios(MixedVoxels.labelled(channel.means, spread), centres)
        return _Table(low, high, model.expected(centres).astype(np.float32), ratios.astype(np.float32))

    def _every(self, step: int, slab: slice, channel: OneChannel) -> tuple[_Floats32, _Floats32, NDArray[np.uint8]]:
        """Return intensities (n,), posterior (K, n) and `_cores` (n,) of every so many voxels of a slab."""
        inside, posterior, _ = self._slab(slab)
        return channel.intensities(slab)[inside][::step], posterior[:, ::step], self._cores(slab)[inside][::step]

    def _cores(self, slab: slice) -> NDArray[np.uint8]:
        """Return the label of voxels whose face neighbours have the same, 0 of others."""
        labels = self.labels[slab]
        result = labels.copy()
        for axis in (-3, -2, -1):
            cut = labels.ndim + axis == 0
            at = np.arange(slab.start, slab.stop) if cut else np.arange(labels.shape[axis])
            last = self.labels.shape[axis] - 1
            for step in (-1, 1):
                near = np.take(self.labels if cut else labels, np.clip(at + step, 0, last), axis=axis)
                result[near != labels] = 0
        return result

    def _least_spread(self, x: NDArray[np.float64], cores: NDArray[np.uint8]) -> float:
        """Return the standard deviation of the most even tissue in the middle of its regions, in the image's unit.

        A tissue is not of one intensity, as noise alone would have it: its darker parts would count as mixed voxels.
        """
        spreads = [np.inf]
        for value in self.values[self.values > 0]:
            own = x[cores == value]
            if len(own) >= _FEWEST:
                spreads.append(float(np.median(np.abs(own - np.median(own)))) / _MEDIAN_OF_NORMAL)
        return min(spreads) if np.isfinite(min(spreads)) else 0.0


@dataclass(frozen=True)
class _Table:
    """By intensity: expected shares (K, K, N_BINS), [k, j] of j in class k, and log likelihood ratios (K, N_BINS)."""

    low: float
    high: float
    expected: NDArray[np.float32]
    ratios: NDArray[np.float32]

    def shares(self, posterior: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the share of each tissue, (K, n) float32, from posterior (K, n) and intensities (n,)."""
        bins = _bins(x, self.low, self.high)
        posterior = reweighed(posterior, self.ratios[:, bins])
        result = np.zeros_like(posterior)
        for row, weights in zip(self.expected, posterior, strict=True):
            for j in np.flatnonzero(row.any(axis=1)):
                result[j] += weights * row[j][bins]
        return result


def _bins(x: NDArray[np.floating[Any]], low: float, high: float) -> NDArray[np.int64]:
    """Return the entry of each intensity; one that is not finite has the first."""
    scaled = np.nan_to_num((x.astype(np.float64) - low) * (N_BINS / (high - low)), nan=0.0)
    bins: NDArray[np.int64] = np.clip(scaled, 0, N_BINS - 1).astype(np.int64)
    return bins
