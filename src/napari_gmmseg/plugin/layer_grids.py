"""The order in which a layer holds a volume's voxels, and the ways there and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.io.reading import Axis4
from napari_gmmseg.volumes import Geometry, SourceGrid


@dataclass(frozen=True)
class LayerGrid:
    """A layer's axes as a volume sees them.

    Parameters
    ----------
    grid : SourceGrid
        The layer's spatial axes, in its own order.
    extra : int or None
        Position of the layer's axis that is not spatial.
    axis4 : "time", "channel" or None
        What that axis is.
    """

    grid: SourceGrid
    extra: int | None = None
    axis4: Axis4 | None = None

    @classmethod
    def plain(cls, geometry: Geometry, *, axis4: Axis4 | None = None) -> LayerGrid:
        """Return the grid of a layer that holds a volume as it is, a fourth axis first.

        Parameters
        ----------
        geometry : Geometry
            The volume's.
        axis4 : "time", "channel" or None
            What the fourth axis is.
        """
        grid = SourceGrid(
            shape=geometry.shape,
            affine=geometry.affine,
            axes=(0, 1, 2),
            flips=(False, False, False),
            format="layer",
        )
        return cls(grid, extra=None if axis4 is None else 0, axis4=axis4)

    @property
    def slice_axis(self) -> int | None:
        """The layer's axis along which the volume's slices are counted; None where there is one slice by nature."""
        axis = self.grid.axes[0]
        if axis < 0:
            return None
        return axis + 1 if self.extra is not None and axis >= self.extra else axis

    def to_layer(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Bring labels to the layer's order of axes.

        Parameters
        ----------
        labels : ndarray (Z, Y, X) or (T, Z, Y, X)
            On the volume's grid.

        Returns
        -------
        ndarray
            In the layer's shape, without the channel axis where it has one; a view.
        """
        if labels.ndim == 3:
            return self.grid.to_source(labels)
        in_order = self.grid.to_source(np.moveaxis(labels, 0, -1))
        return np.moveaxis(in_order, -1, self.extra or 0)

    def from_layer(self, array: NDArray[Any]) -> NDArray[Any]:
        """Bring an array in the layer's order to the volume's, the inverse of `to_layer`.

        Parameters
        ----------
        array : ndarray
            As `to_layer` returns it, or without the time axis.

        Returns
        -------
        ndarray (Z, Y, X) or (T, Z, Y, X)
            A view.
        """
        if array.ndim == len(self.grid.shape):
            return self.grid.to_volume(array)
        return np.moveaxis(self.grid.to_volume(np.moveaxis(array, self.extra or 0, -1)), -1, 0)

    def label_axes(self, ndim: int) -> list[int]:
        """Return the axes of the layer that labels have too: all but channels.

        Parameters
        ----------
        ndim : int
            Number of the layer's axes.
        """
        return [axis for axis in range(ndim) if self.axis4 != "channel" or axis != self.extra]
