"""What the neighbours of each voxel say: the field of the mean-field approximation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
from torch import Tensor

AxisWeights = tuple[float, float, float]

#: Weight of a neighbour across an edge against one across a face, at equal spacing: 1 / distance^2.
EDGE = 0.5


def axis_weights(spacing: tuple[float, float, float], unit: str) -> AxisWeights:
    """Return how much a neighbour along z, y and x counts against one at 1 mm.

    A weight is 1 / distance^2 in mm. Where no voxel size is known, it is relative to the nearest neighbour.

    Parameters
    ----------
    spacing : (dz, dy, dx)
        In `unit`.
    unit : "mm" or "pixel"
        Unit of the spacing.
    """
    sizes = np.asarray(spacing, dtype=np.float64)
    if unit != "mm":
        sizes = sizes / sizes.min()
    z, y, x = 1.0 / np.maximum(sizes, 0.5) ** 2
    return float(z), float(y), float(x)


def neighbour_weights(
    weights: AxisWeights, sizes: tuple[int, int, int], n_neighbours: int
) -> dict[tuple[int, int, int], float]:
    """Return the weight of each neighbour by its shift along Z, Y and X, without those that have none.

    6 neighbours share a face with the voxel. 26 share a face, an edge or a corner: a face weighs as its axis does, an
    edge half and a corner a quarter of that at equal spacing, near to 1 / distance^2; all are scaled so that their sum
    is that of the six.

    Parameters
    ----------
    weights : (wz, wy, wx)
        From `axis_weights`.
    sizes : (Z, Y, X)
        Of the grid: along an axis of one voxel there are no neighbours.
    n_neighbours : int
        6 or 26.
    """
    steps, scale = _kernel(weights, sizes) if n_neighbours == 26 else (_present(weights, sizes), 1.0)
    result = {}
    for z, y, x in product((-1, 0, 1), repeat=3):
        moved = [step for step, shift in zip(steps, (z, y, x), strict=True) if shift]
        if moved and all(moved) and (n_neighbours == 26 or len(moved) == 1):
            result[z, y, x] = scale * math.prod(moved)
    return result


def _present(weights: AxisWeights, sizes: Sequence[int]) -> AxisWeights:
    z, y, x = (w if n > 1 else 0.0 for w, n in zip(weights, sizes, strict=True))
    return z, y, x


def _kernel(weights: AxisWeights, sizes: Sequence[int]) -> tuple[AxisWeights, float]:
    """Return (s_z, s_y, s_x) of the separable kernel, and the factor that makes its sum that of six neighbours."""
    present = _present(weights, sizes)
    greatest = max(present)
    if greatest == 0:
        return present, 1.0
    z, y, x = (EDGE * weight / greatest for weight in present)
    return (z, y, x), 2 * sum(present) / ((1 + 2 * z) * (1 + 2 * y) * (1 + 2 * x) - 1)


def neighbour_sum(
    memberships: Tensor,
    weights: AxisWeights,
    out: Tensor,
    scale: float = 1.0,
    *,
    n_neighbours: int = 6,
    planes: tuple[int, int] | None = None,
) -> Tensor:
    """Add the weighted sum over the neighbours to `out`, as `neighbour_weights` has it; nothing comes from outside.

    The kernel of 26 is separable, (s_z, 1, s_z) x (s_y, 1, s_y) x (s_x, 1, s_x) less its middle: it costs six
    additions and not 26.

    Parameters
    ----------
    memberships : Tensor (K, ..., Z, Y, X) float32
        Class memberships w, 0 outside the mask. Axes before Z, such as time, have no neighbours.
    weights : (wz, wy, wx)
        From `axis_weights`.
    out : Tensor (K, ..., P, Y, X) float32
        Added to in place, and returned; P planes of Z.
    scale : float
        Factor on all weights, such as beta.
    n_neighbours : int
        6 or 26.
    planes : (int, int) or None
        The first plane of Z in `out` and the one after the last; None for all. Each is the same in any portion.
    """
    sizes = memberships.shape[-3:]
    z, y, x = _present(weights, sizes)
    first, last = planes or (0, sizes[0])
    if scale == 0 or z + y + x == 0:
        return out
    for row, sums in zip(memberships, out, strict=True):
        if n_neighbours == 6:
            _add_planes(row, sums, (first, last), (0, sizes[0]), scale * z)
            _add_along(row.narrow(-3, first, last - first), sums, (scale * y, scale * x))
        else:
            kernel, factor = _kernel(weights, sizes)
            _add_box(row, sums, (first, last), kernel, scale * factor)
    return out


def _add_along(row: Tensor, sums: Tensor, weights: tuple[float, float]) -> None:
    """Add the neighbours along Y and X of a row (..., P, Y, X) to sums, which is not the row itself."""
    for axis, weight in zip((-2, -1), weights, strict=True):
        if weight == 0:
            continue
        n = row.shape[axis] - 1
        sums.narrow(axis, 1, n).add_(row.narrow(axis, 0, n), alpha=weight)
        sums.narrow(axis, 0, n).add_(row.narrow(axis, 1, n), alpha=weight)


def _add_planes(row: Tensor, sums: Tensor, wanted: tuple[int, int], held: tuple[int, int], weight: float) -> None:
    """Add to the wanted planes of Z those below and above; the row holds planes from `held`, as many as are needed."""
    first, last = wanted
    for shift in (-1, 1):
        low, high = max(first, held[0] - shift), min(last, held[1] - shift)
        if weight != 0 and high > low:
            other = row.narrow(-3, low + shift - held[0], high - low)
            sums.narrow(-3, low - first, high - low).add_(other, alpha=weight)


def _add_box(row: Tensor, sums: Tensor, planes: tuple[int, int], kernel: AxisWeights, scale: float) -> None:
    """Add the 26 neighbours to some planes of one class."""
    z, y, x = kernel
    first, last = planes
    held = max(first - 1, 0), min(last + 1, row.shape[-3])
    box = row.narrow(-3, held[0], held[1] - held[0]).clone()
    for axis, weight in ((-1, (0.0, x)), (-2, (y, 0.0))):
        if row.shape[axis] > 1:
            box_before = box.clone()
            _add_along(box_before, box, weight)
    own = box.narrow(-3, first - held[0], last - first)
    sums.add_(own, alpha=scale).sub_(row.narrow(-3, first, last - first), alpha=scale)
    _add_planes(box, sums, planes, held, scale * z)
