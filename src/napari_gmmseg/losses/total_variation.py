"""The length of the borders between classes: total variation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from napari_gmmseg.losses.averages import shares_of_mask


def total_variation(memberships: Tensor, mask: Tensor, weights: Sequence[float] | None = None) -> Tensor:
    """Return the anisotropic total variation of the class maps.

    sum_axes weight_axis mean |w_k(x + e_axis) - w_k(x)|, the mean over classes and over the pairs of neighbours that
    both lie in the mask: Rudin, Osher and Fatemi (1992) in its anisotropic, discrete form, as the regulariser r(Pi)
    that Schwab et al., section 3, leave open.

    Parameters
    ----------
    memberships : Tensor (B, K, *S) float
        Class probabilities.
    mask : Tensor (B, *S) bool
        Voxels that count.
    weights : sequence of float, or None
        One an axis of S, such as the inverse distance of neighbours; None: 1 each.

    Returns
    -------
    Tensor, scalar float
        Mean over images (1); an axis without pairs, or an image without voxels, contributes 0.
    """
    # The sum of |differences| is the product of the class maps with its own gradient: one pass makes both.
    return (memberships * _gradient(memberships.detach(), mask, weights or (1.0,) * (mask.ndim - 1))).sum()


def _gradient(memberships: Tensor, mask: Tensor, weights: Sequence[float]) -> Tensor:
    gradient = torch.zeros_like(memberships)
    for axis, weight in enumerate(weights):
        n = mask.shape[1 + axis]
        if n < 2 or weight == 0:
            continue
        pairs = mask.narrow(1 + axis, 1, n - 1) & mask.narrow(1 + axis, 0, n - 1)
        shares = shares_of_mask(pairs, memberships.dtype) * (weight / memberships.shape[1])
        steps = memberships.narrow(2 + axis, 1, n - 1) - memberships.narrow(2 + axis, 0, n - 1)
        steps.sign_().mul_(shares[:, None])
        gradient.narrow(2 + axis, 1, n - 1).add_(steps)
        gradient.narrow(2 + axis, 0, n - 1).sub_(steps)
    return gradient
