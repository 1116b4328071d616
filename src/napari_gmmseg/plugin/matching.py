"""Find a layer's voxels in the file that it was read from: then its true grid is known, whatever the reader did."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.io import read_channels
from napari_gmmseg.io.reading import Axis4
from napari_gmmseg.plugin.snapshots import LayerSnapshot
from napari_gmmseg.volumes import Volume

Axes = tuple[int, int, int]
Flips = tuple[bool, bool, bool]

_ORDERS: tuple[tuple[Axes, Flips], ...] = tuple(
    ((i, j, k), (a, b, c))
    for i, j, k in permutations((0, 1, 2))
    for a, b, c in product((False, True), (False, True), (False, True))
)
#: Voxels compared first, to rule orders of axes out.
_N_PROBES = 500


@dataclass(frozen=True)
class Match:
    """The order in which a layer holds the voxels of a volume.

    Parameters
    ----------
    volume : Volume
        What the file holds.
    axes : tuple of three int
        For each of the volume's axes (Z, Y, X) the layer's spatial axis.
    flips : tuple of three bool
        For each of the volume's axes whether it runs against the layer's.
    """

    volume: Volume
    axes: Axes
    flips: Flips


def match_file(
    layer: LayerSnapshot,
    array: NDArray[Any],
    axis4: Axis4 | None,
    stated: tuple[Axes, Flips],
) -> Match | None:
    """Read a layer's file again and find the order of axes in which both hold the same voxels.

    Parameters
    ----------
    layer : LayerSnapshot
        The layer; its path is read.
    array : ndarray (S0, S1, S2) or (E, S0, S1, S2)
        The layer's voxels, its spatial axes last in its own order.
    axis4 : "time", "channel" or None
        What E is.
    stated : axes, flips
        The order that the layer itself states; tried first, so that it wins where the voxels cannot tell.

    Returns
    -------
    Match or None
        None where there is no such file, it cannot be read here, or holds other voxels.
    """
    if layer.path is None or not layer.path.exists():
        return None
    try:
        (volume,) = read_channels(layer.path, axis4=axis4)
    except GmmsegError:
        # What another reader opened need not be readable here: the layer's own place is used then.
        return None
    data = volume.data[0] if axis4 != "channel" else volume.data
    if data.ndim != array.ndim or data.shape[:-3] != array.shape[:-3]:
        return None
    orders = sorted(_ORDERS, key=lambda order: order != stated)
    probes = _probes(data.shape)
    for axes, flips in orders:
        seen = in_order(array, axes, flips)
        if seen.shape == data.shape and _same(seen[probes], data[probes]) and _same(seen, data):
            return Match(volume, axes, flips)
    return None


def in_order(array: NDArray[Any], axes: Axes, flips: Flips) -> NDArray[Any]:
    """Bring an array with the layer's spatial axes last to the volume's order; a view.

    Parameters
    ----------
    array : ndarray (..., S0, S1, S2)
        In the layer's order.
    axes, flips : tuple
        As in `Match`.
    """
    lead = array.ndim - 3
    moved = array.transpose(*range(lead), *(lead + axis for axis in axes))
    z, y, x = (slice(None, None, -1 if flip else 1) for flip in flips)
    return moved[..., z, y, x]


def _probes(shape: tuple[int, ...]) -> tuple[NDArray[np.intp], ...]:
    rng = np.random.default_rng(0)
    return tuple(rng.integers(0, n, _N_PROBES) for n in shape)


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return bool(np.allclose(np.asarray(a, dtype=np.float32), b, rtol=1e-5, atol=0, equal_nan=True))
