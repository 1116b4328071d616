"""An image as a table of its intensities and how often each occurs: all that a mixture of one channel needs of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu

from napari_gmmseg.errors import MaskError

#: Bins of what cannot be told apart by two bytes; one is a millionth of the range.
_N_BINS = 1 << 20


def in_own_unit(stored: NDArray[Any], slope: float, inter: float) -> NDArray[np.float32]:
    """Return stored numbers as the intensities that an image in memory has: rounded once, at the end.

    Parameters
    ----------
    stored : ndarray, any shape
        Stored numbers.
    slope, inter : float
        intensity = stored * slope + inter.

    Returns
    -------
    ndarray, the same shape, float32
    """
    with np.errstate(invalid="ignore", over="ignore"):
        if slope == 1 and inter == 0:
            return stored.astype(np.float32)
        scaled: NDArray[np.float32] = (stored.astype(np.float64) * slope + inter).astype(np.float32)
    return scaled


@dataclass(frozen=True)
class Encoding:
    """Which entry of a table a stored number belongs to: the number itself, or a narrow bin of the finite range.

    Where there are bins, the first entry is the background's alone, and the last that of what is not finite.

    Parameters
    ----------
    dtype : numpy dtype
        Of stored numbers.
    slope, inter : float
        intensity = stored * slope + inter.
    low, high : float
        The finite range of stored numbers, where they are binned.
    apart : float
        The intensity of the background, as float32: what differs from it by less than that tells is background, too.
    """

    dtype: np.dtype[Any]
    slope: float
    inter: float
    low: float = 0.0
    high: float = 0.0
    apart: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether each stored number has an entry of its own."""
        return self.dtype.kind in "bui" and self.dtype.itemsize <= 2

    @property
    def size(self) -> int:
        """Number of entries."""
        return 1 << 8 * self.dtype.itemsize if self.exact else _N_BINS + 2

    def entries(self, stored: NDArray[Any]) -> NDArray[np.unsignedinteger[Any]]:
        """Return the entry of each stored number.

        Parameters
        ----------
        stored : ndarray, any shape
            Stored numbers.

        Returns
        -------
        ndarray, the same shape, unsigned integer
            0 ... size - 1.
        """
        if self.exact:
            return stored.view(f"u{self.dtype.itemsize}")
        with np.errstate(invalid="ignore", over="ignore"):
            places = (stored.astype(np.float64) - self.low) * (_N_BINS / max(self.high - self.low, 1e-300))
            found = np.nan_to_num(np.clip(places, 0, _N_BINS - 1)).astype(np.uint32) + np.uint32(1)
        found[in_own_unit(stored, self.slope, self.inter) == np.float32(self.apart)] = 0
        found[~np.isfinite(stored)] = _N_BINS + 1
        return found

    def intensities(self) -> NDArray[np.float64]:
        """Return the intensity of each entry (size,), in its own unit: of bins their middle, NaN of the last."""
        if self.exact:
            return self._numbers().astype(np.float64) * self.slope + self.inter
        middles = self.low + (np.arange(_N_BINS) + 0.5) * ((self.high - self.low) / _N_BINS)
        return np.concatenate([[self.apart], middles * self.slope + self.inter, [np.nan]])

    def background(self) -> NDArray[np.bool_]:
        """Tell of each entry (size,) whether it is the background's: of bins only the first is."""
        if self.exact:
            alike: NDArray[np.bool_] = in_own_unit(self._numbers(), self.slope, self.inter) == np.float32(self.apart)
            return alike
        first: NDArray[np.bool_] = np.arange(self.size) == 0
        return first

    def _numbers(self) -> NDArray[Any]:
        """Return the stored number of each entry, where each has one of its own."""
        return np.arange(self.size, dtype=f"u{self.dtype.itemsize}").view(self.dtype)


def foreground_threshold(intensities: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Return the intensity above which a voxel is foreground, as `masks.foreground` finds it: Otsu's between tails.

    Parameters
    ----------
    intensities : ndarray (V,) float64
        In the image's own unit.
    counts : ndarray (V,) float64
        How often each occurs.

    Raises
    ------
    MaskError
        Where nothing stands out.
    """
    there = counts > 0
    values, occurrences = intensities[there], counts[there]
    order = np.argsort(values, kind="stable")
    values, occurrences = values[order], occurrences[order]
    share = np.cumsum(occurrences) / occurrences.sum()
    low, high = (float(values[min(int(np.searchsorted(share, q)), len(values) - 1)]) for q in (0.01, 0.99))
    if high <= low:
        raise MaskError(
            "No foreground was found: nearly all of the image has one value.",
            "Check that this is the right image, or give a mask (--mask FILE) or none (--mask none).",
        )
    heights, edges = np.histogram(np.clip(values, low, high), bins=256, weights=occurrences)
    return float(threshold_otsu(hist=(heights, (edges[:-1] + edges[1:]) / 2)))
