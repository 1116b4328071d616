"""What the face neighbours of each voxel say: the field of the mean-field approximation."""

from __future__ import annotations

import numpy as np
from torch import Tensor

AxisWeights = tuple[float, float, float]


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


def neighbour_sum(memberships: Tensor, weights: AxisWeights, out: Tensor, scale: float = 1.0) -> Tensor:
    """Add the weighted sum over the six face neighbours to `out`; nothing comes from outside the image.

    Parameters
    ----------
    memberships : Tensor (K, ..., Z, Y, X) float32
        Class memberships w, 0 outside the mask. Axes before Z, such as time, have no neighbours.
    weights : (wz, wy, wx)
        From `axis_weights`.
    out : Tensor (K, ..., Z, Y, X) float32
        Added to in place, and returned.
    scale : float
        Factor on all weights, such as beta.
    """
    for axis, weight in zip((-3, -2, -1), weights, strict=True):
        n = memberships.shape[axis]
        if n < 2 or weight * scale == 0:
            continue
        out.narrow(axis, 1, n - 1).add_(memberships.narrow(axis, 0, n - 1), alpha=weight * scale)
        out.narrow(axis, 0, n - 1).add_(memberships.narrow(axis, 1, n - 1), alpha=weight * scale)
    return out
