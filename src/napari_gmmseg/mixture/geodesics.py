"""Geodesic distances from strokes: short where intensities stay alike, long across edges."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra


class GeodesicGrid:
    """The voxels of a mask as a graph whose edges cost sqrt(step^2 + (edge_weight * difference)^2).

    Neighbours are all voxels that touch by a face, an edge or a corner; axes before the last three have none.

    Parameters
    ----------
    image : ndarray (C, *grid) float32
        Intensities on a scale of 0 to 1; grid is (Z, Y, X) or (T, Z, Y, X).
    mask : ndarray (*grid) bool
        Voxels through which paths may go.
    spacing : (dz, dy, dx)
        In mm, or in any unit of length.
    edge_weight : float
        Length that a difference of 1 costs, in the unit of the spacing.
    """

    def __init__(
        self,
        image: NDArray[np.float32],
        mask: NDArray[np.bool_],
        spacing: tuple[float, float, float],
        edge_weight: float,
    ) -> None:
        self.shape = mask.shape
        self._node = np.full(mask.shape, -1, dtype=np.int32)
        self._inside = mask
        n = int(mask.sum())
        self._node[mask] = np.arange(n, dtype=np.int32)
        starts, ends, costs = [], [], []
        for step in product((-1, 0, 1), repeat=3):
            if step <= (0, 0, 0) or any(s and size < 2 for s, size in zip(step, mask.shape[-3:], strict=True)):
                continue
            here, there = _shifted(step)
            both = mask[here] & mask[there]
            squared = np.zeros(int(both.sum()), dtype=np.float32)
            for channel in image:
                squared += (channel[here][both] - channel[there][both]) ** 2
            length = float(sum((s * d) ** 2 for s, d in zip(step, spacing, strict=True)))
            starts.append(self._node[here][both])
            ends.append(self._node[there][both])
            costs.append(np.sqrt(length + edge_weight**2 / len(image) * squared))
        edges = (np.concatenate(starts), np.concatenate(ends)) if starts else (np.zeros(0, int), np.zeros(0, int))
        weights = np.concatenate(costs).astype(np.float64) if costs else np.zeros(0)
        self._graph = csr_array((weights, edges), shape=(n, n))

    def distances(self, seeds: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the geodesic distance (*grid) float32 of each voxel from the nearest seed.

        Infinite outside the mask, and where no path leads.

        Parameters
        ----------
        seeds : ndarray (*grid) bool
            Where distance is 0; seeds outside the mask do not count.
        """
        result = np.full(self.shape, np.inf, dtype=np.float32)
        found = self._node[seeds & self._inside]
        if len(found):
            result[self._inside] = dijkstra(self._graph, directed=False, indices=found, min_only=True)
        return result


def _shifted(step: tuple[int, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the part of a grid that has a neighbour one step away, and that neighbour's part."""
    here = tuple(slice(max(0, -s), None if s <= 0 else -s) for s in step)
    there = tuple(slice(max(0, s), None if s >= 0 else s) for s in step)
    return (..., *here), (..., *there)
