"""Intensities as histograms, the Gaussians that lie over them, and the voxels behind a part of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes import Mixture, Segmentation, Volume

#: Index into a volume's grid: one number where a plane cuts an axis, a slice along the axes that it holds; () for all.
Plane: TypeAlias = tuple[int | slice, ...]

_BINS = 256
#: Bins for n voxels: so many times n^(1/3) (n^(1/4) for two channels), so that bins of a small slice are not all noise.
_DENSITY = 4.0
#: Share of voxels beyond each end of the axis, so that a few bright ones do not squeeze all others together.
_BEYOND = 0.1
#: Voxels from which the ends of the axis are taken.
_SAMPLE = 500_000
#: Cells along each side of the box around a lasso: how finely its line is followed.
_LASSO_CELLS = 1024


@dataclass(frozen=True)
class Axis:
    """Bins of one channel.

    Parameters
    ----------
    low, high : float
        Ends, in the image's own unit.
    n_bins : int
        Number of bins B, all of one width.
    """

    low: float
    high: float
    n_bins: int

    @property
    def width(self) -> float:
        """Width of a bin, in the image's own unit."""
        return (self.high - self.low) / self.n_bins

    def coarser(self, most: float) -> Axis:
        """Return an axis with so many bins at most, each made of a whole number of these.

        Parameters
        ----------
        most : float
            Bins.
        """
        share = max(1, int(np.ceil(self.n_bins / max(most, 1.0))))
        n_bins = -(-self.n_bins // share)
        return Axis(self.low, self.low + n_bins * share * self.width, n_bins)

    @property
    def edges(self) -> NDArray[np.float64]:
        """Ends (B + 1,) of the bins."""
        return np.linspace(self.low, self.high, self.n_bins + 1)

    def bins_of(self, values: NDArray[np.float32]) -> NDArray[np.int32]:
        """Return the bin of each value; -1 and B for those below and above.

        Parameters
        ----------
        values : ndarray (N,) float32
            Intensities; one that is no number counts as below.

        Returns
        -------
        ndarray (N,) int32
            Bins.
        """
        places = (values - np.float32(self.low)) * np.float32(1.0 / self.width)
        bins = np.floor(np.clip(places, -1.0, self.n_bins))
        result: NDArray[np.int32] = np.nan_to_num(bins, copy=False, nan=-1.0).astype(np.int32)
        return result


@dataclass(frozen=True)
class Histogram:
    """How often each intensity occurs.

    Parameters
    ----------
    axes : tuple of Axis
        One, or two for a joint histogram.
    counts : ndarray (B,) or (B, B) int64
        Voxels in each bin.
    n_voxels : int
        Voxels counted, with those beyond the ends.
    shares : ndarray (K,) float64 or None
        How much of these voxels each class has, summing to 1; None without a result.
    """

    axes: tuple[Axis, ...]
    counts: NDArray[np.int64]
    n_voxels: int
    shares: NDArray[np.float64] | None = None


def find_axes(volume: Volume, inside: NDArray[np.bool_]) -> tuple[Axis, ...]:
    """Return an axis for each channel, the same for every slice of a volume.

    Parameters
    ----------
    volume : Volume
        The image.
    inside : ndarray (*grid) bool
        Voxels that count.
    """
    return tuple(_axis(channel, inside) for channel in volume.data)


def count(
    volume: Volume,
    inside: NDArray[np.bool_],
    axes: tuple[Axis, ...],
    channels: tuple[int, ...],
    *,
    plane: Plane = (),
    result: Segmentation | None = None,
) -> Histogram:
    """Count the intensities of one channel, or of two together.

    Parameters
    ----------
    volume : Volume
        The image.
    inside : ndarray (*grid) bool
        Voxels that count.
    axes : tuple of Axis
        From `find_axes`; few voxels are counted in wider bins.
    channels : tuple of int
        One or two channels.
    plane : tuple of int or slice
        Index into the grid, such as (z,) for one slice; () for all of it.
    result : Segmentation or None
        Whose classes' shares are wanted.

    Returns
    -------
    Histogram
        Counts (B,) or (B, B).
    """
    here = inside[plane]
    values = [volume.data[(c, *plane)][here] for c in channels]
    finite = np.logical_and.reduce([np.isfinite(v) for v in values])
    n_voxels = int(finite.sum())
    if n_voxels < finite.size:
        values = [v[finite] for v in values]
    most = _DENSITY * max(n_voxels, 1) ** (1.0 / (2 + len(channels)))
    chosen = tuple(axes[c].coarser(most) for c in channels)
    # One bin more at either end takes what lies beyond.
    shape = tuple(a.n_bins + 2 for a in chosen)
    flat = np.zeros(n_voxels, dtype=np.int32)
    for axis, v in zip(chosen, values, strict=True):
        flat = flat * np.int32(axis.n_bins + 2) + axis.bins_of(v) + np.int32(1)
    counts = np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)
    return Histogram(chosen, counts[(slice(1, -1),) * len(chosen)], n_voxels, _shares(result, here, plane))


def class_curves(mixture: Mixture, channel: int, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the density of each class along one channel, as if each class were all there is.

    p(x; k) = sum_g w_g N(x; mu_g, sigma_g^2) over the Gaussians g of class k, whose weights w_g sum to 1 within it
    (Bishop, Pattern Recognition and Machine Learning, 2006, equation 9.7, taken for one class and one channel).

    Parameters
    ----------
    mixture : Mixture
        Parameters.
    channel : int
        Which one.
    at : ndarray (M,) float64
        Intensities, in the image's own unit.

    Returns
    -------
    ndarray (K, M) float64
        Per unit of intensity.
    """
    means, stds = mixture.means[:, channel, None], mixture.stds[:, channel, None]
    each = np.exp(-0.5 * ((at - means) / stds) ** 2) / (stds * np.sqrt(2.0 * np.pi))
    curves = np.zeros((mixture.n_classes, len(at)))
    np.add.at(curves, mixture.class_of, _within(mixture)[:, None] * each)
    return curves


def class_weights(mixture: Mixture) -> NDArray[np.float64]:
    """Return the mixing weight (K,) of each class: the sum of its Gaussians'.

    Parameters
    ----------
    mixture : Mixture
        Parameters.

    Returns
    -------
    ndarray (K,) float64
        Sum to 1.
    """
    weights: NDArray[np.float64] = np.zeros(mixture.n_classes)
    np.add.at(weights, mixture.class_of, mixture.mixing_weights)
    return weights


def class_stds(mixture: Mixture) -> NDArray[np.float64]:
    """Return the standard deviation (K, C) of each class: of several Gaussians the root of their mean variance.

    Parameters
    ----------
    mixture : Mixture
        Parameters.

    Returns
    -------
    ndarray (K, C) float64
        In the image's own unit.
    """
    variances = np.zeros((mixture.n_classes, mixture.n_channels))
    np.add.at(variances, mixture.class_of, _within(mixture)[:, None] * mixture.stds**2)
    return np.sqrt(variances)


def class_ellipses(
    mixture: Mixture, channels: tuple[int, int], n_stds: tuple[float, ...], *, n_points: int = 61
) -> list[NDArray[np.float64]]:
    """Return the outlines of each class in two channels: x = mu_g + s L_g (cos t, sin t), with L_g L_g^T = Sigma_g.

    Parameters
    ----------
    mixture : Mixture
        Parameters.
    channels : (int, int)
        Horizontal and vertical.
    n_stds : tuple of float
        How many standard deviations s away each outline lies.
    n_points : int
        Points of an outline P.

    Returns
    -------
    list of ndarray (n, 2) float64
        For each class its outlines, one after the other, with a row of NaN after each; in the image's own unit.
    """
    turn = np.linspace(0.0, 2.0 * np.pi, n_points)
    circle = np.stack([np.cos(turn), np.sin(turn)])
    pick = np.ix_(range(len(mixture.means)), channels, channels)
    roots = np.linalg.cholesky(mixture.covariances[pick])
    gap = np.full((1, 2), np.nan)
    outlines: list[list[NDArray[np.float64]]] = [[] for _ in range(mixture.n_classes)]
    for g, k in enumerate(mixture.class_of):
        for s in n_stds:
            outlines[k] += [mixture.means[g, list(channels)] + s * (roots[g] @ circle).T, gap]
    return [np.concatenate(lines) if lines else gap for lines in outlines]


def inside_outline(
    volume: Volume, inside: NDArray[np.bool_], channels: tuple[int, int], outline: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return the voxels whose two intensities lie within an outline drawn in the joint histogram.

    Parameters
    ----------
    volume : Volume
        The image.
    inside : ndarray (*grid) bool
        Voxels that count.
    channels : (int, int)
        Horizontal and vertical.
    outline : ndarray (P, 2) float64
        Corners, in the image's own unit; it is closed by itself, and followed to 1/1024 of its extent.

    Returns
    -------
    ndarray (*grid) bool
        Voxels selected.
    """
    from skimage.draw import polygon2mask

    low, high = outline.min(axis=0), outline.max(axis=0)
    chosen = np.array(inside)
    if not (high > low).all():
        return np.zeros_like(chosen)
    shape = (_LASSO_CELLS, _LASSO_CELLS)
    # Cell i holds what lies between i and i + 1, and is within if its middle is.
    cells = polygon2mask(shape, (outline - low) / (high - low) * _LASSO_CELLS - 0.5)
    values = [volume.data[c][inside] for c in channels]
    places = [Axis(float(a), float(b), _LASSO_CELLS).bins_of(v) for a, b, v in zip(low, high, values, strict=True)]
    framed = np.zeros((_LASSO_CELLS + 2, _LASSO_CELLS + 2), dtype=bool)
    framed[1:-1, 1:-1] = cells
    chosen[inside] = framed[places[0] + 1, places[1] + 1]
    return chosen


def _axis(channel: NDArray[np.float32], inside: NDArray[np.bool_]) -> Axis:
    flat = np.flatnonzero(inside)
    sample = channel.reshape(-1)[flat[:: max(1, flat.size // _SAMPLE)]]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return Axis(0.0, 1.0, _BINS)
    low, high = (float(v) for v in np.percentile(sample, (_BEYOND, 100.0 - _BEYOND)))
    margin = 0.05 * (high - low) or 0.5 * max(1.0, abs(low) * 1e-3)
    low, high = low - margin, high + margin
    if not (sample == np.round(sample)).all():
        return Axis(low, high, _BINS)
    # Whole numbers: every bin holds as many of them as the next, or the histogram would look like a comb.
    step = max(1, int(np.ceil((high - low) / _BINS)))
    low = np.floor(low) - 0.5
    n_bins = int(np.ceil((high - low) / step))
    return Axis(float(low), float(low + n_bins * step), n_bins)


def _shares(result: Segmentation | None, here: NDArray[np.bool_], plane: Plane) -> NDArray[np.float64] | None:
    if result is None:
        return None
    sums = np.array([p[plane][here].sum(dtype=np.float64) for p in result.probabilities])
    return sums / sums.sum() if sums.sum() > 0 else None


def _within(mixture: Mixture) -> NDArray[np.float64]:
    """Return the weight (G,) of each Gaussian within its class."""
    whole = class_weights(mixture)[mixture.class_of]
    shared = 1.0 / np.bincount(mixture.class_of)[mixture.class_of]
    return np.where(whole > 0, mixture.mixing_weights / np.where(whole > 0, whole, 1.0), shared)
