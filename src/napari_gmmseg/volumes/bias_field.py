"""A smooth field by which intensities are too high or too low, one a channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes.geometry import read_only

#: How far the cosines' range goes beyond the box, on either side, as a share of the box: their slope is 0 at its ends.
MARGIN = 0.5

Slices = tuple[slice, ...]


@dataclass(frozen=True)
class BiasField:
    """log b_c(x) = sum_j a_cj prod_axis cos(pi j_axis p_axis): the image is b times what it would be without bias.

    p goes from 0 to 1 over the box and a margin around it. Outside the box, the field is that of the box's nearest
    point. Its mean over the mask is 0 in the log domain: what it was estimated on keeps its scale.

    Parameters
    ----------
    coefficients : ndarray (C, Jz, Jy, Jx) float64
        In nat (log intensity); all 0 for a channel that has no field.
    start, size : (z, y, x)
        First voxel of the box in the volume, and its size in voxels.
    percent : tuple of float
        Of each channel: half the range of the field inside the mask without its outermost hundredths, in percent.
    """

    coefficients: NDArray[np.float64]
    start: tuple[int, int, int]
    size: tuple[int, int, int]
    percent: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficients", read_only(np.asarray(self.coefficients, dtype=np.float64)))

    def waves(self, where: Slices) -> tuple[NDArray[np.float64], ...]:
        """Return the cosines along Z, Y and X: (Z, Jz), (Y, Jy) and (X, Jx) float64.

        Parameters
        ----------
        where : tuple of slice
            Of the volume's last three axes.
        """
        return tuple(
            cosines((np.arange(part.start, part.stop) - first + 0.5) / n, n_waves)
            for part, first, n, n_waves in zip(where, self.start, self.size, self.coefficients.shape[1:], strict=True)
        )

    def factors(self, where: Slices) -> NDArray[np.float32]:
        """Return b, the field as a factor, (C, Z, Y, X) float32 in part of the volume.

        Parameters
        ----------
        where : tuple of slice
            Of the volume's last three axes, with start and stop.
        """
        z, y, x = self.waves(where)
        planes = np.einsum("cijk,zi,yj->czyk", self.coefficients, z, y, optimize=True).astype(np.float32)
        logs = planes @ x.astype(np.float32).T
        result: NDArray[np.float32] = np.exp(logs, out=logs)
        return result

    def whole(self, shape: Sequence[int]) -> NDArray[np.float32]:
        """Return b on a whole grid, (C, Z, Y, X) float32.

        Parameters
        ----------
        shape : sequence of int
            Of the grid; the last three axes count.
        """
        return self.factors(tuple(slice(0, n) for n in shape[-3:]))

    def told(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "coefficients": self.coefficients.tolist(),
            "start": list(self.start),
            "size": list(self.size),
            "percent": list(self.percent),
        }

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> BiasField:
        """Return the field that was told.

        Parameters
        ----------
        told : mapping of str to object
            From `told`.
        """
        z, y, x = (int(n) for n in told["start"])
        depth, height, width = (int(n) for n in told["size"])
        percent = tuple(float(p) for p in told["percent"])
        return cls(np.array(told["coefficients"], dtype=np.float64), (z, y, x), (depth, height, width), percent)


def cosines(places: NDArray[np.float64], n_waves: int) -> NDArray[np.float64]:
    """Return cos(pi j p) for j = 0 ... J - 1.

    Parameters
    ----------
    places : ndarray (n,) float64
        From 0 to 1 over the box; what lies outside counts as its end.
    n_waves : int
        J.

    Returns
    -------
    ndarray (n, J) float64
        From -1 to 1.
    """
    inside = (np.clip(places, 0.0, 1.0) + MARGIN) / (1.0 + 2.0 * MARGIN)
    return np.cos(np.pi * inside[:, None] * np.arange(n_waves))
