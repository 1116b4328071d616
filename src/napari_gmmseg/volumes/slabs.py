"""An image that is larger than memory: read slab by slab, never as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes.findings import Finding
from napari_gmmseg.volumes.geometry import Geometry, SourceGrid


def first_sampled(size: int, step: int) -> int:
    """Return the first voxel along an axis that is sampled: in the middle of a step, or the last of a thinner axis.

    Parameters
    ----------
    size : int
        Voxels along the axis.
    step : int
        How far apart voxels are sampled.
    """
    return min(step // 2, size - 1)


class Slabs(Protocol):
    """One channel of three axes, in layers along the last axis of its source."""

    @property
    def source(self) -> SourceGrid:
        """The grid that it lies on."""
        ...

    @property
    def geometry(self) -> Geometry:
        """The grid in the order of a volume."""
        ...

    @property
    def contrast(self) -> str:
        """Contrast as the source tells it, or ""."""
        ...

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Doubts about the source."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored numbers, in the machine's byte order."""
        ...

    @property
    def slope(self) -> float:
        """What stored numbers are multiplied with."""
        ...

    @property
    def inter(self) -> float:
        """What is added then: intensity = stored * slope + inter."""
        ...

    @property
    def n_slabs(self) -> int:
        """How many slabs a pass has."""
        ...

    def read(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield layers along the source's last axis, and their numbers as they lie: (n, *source.shape[1::-1])."""
        ...

    def sampled(self, step: int) -> NDArray[Any]:
        """Return every `step`-th stored number along each axis, from `first_sampled` on, as they lie: axes reversed.

        Parameters
        ----------
        step : int
            At least 1.

        Returns
        -------
        ndarray (Z, Y, X) of the coarse grid, in the source's order reversed
        """
        ...
