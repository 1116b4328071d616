"""The length of the borders between classes: total variation."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


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
        Voxels that count; what lies outside is not seen.
    weights : sequence of float, or None
        One an axis of S, such as the inverse distance of neighbours; None: 1 each.

    Returns
    -------
    Tensor, scalar float
        Mean over images (1); an axis without pairs, or an image without voxels, contributes 0.
    """
    inside = memberships.masked_fill(~mask[:, None], 0.0)
    total = memberships.new_zeros(())
    for axis, weight in enumerate(weights or (1.0,) * (mask.ndim - 1)):
        n = mask.shape[1 + axis]
        if n < 2 or weight == 0:
            continue
        pairs = mask.narrow(1 + axis, 1, n - 1) & mask.narrow(1 + axis, 0, n - 1)
        steps = (inside.narrow(2 + axis, 1, n - 1) - inside.narrow(2 + axis, 0, n - 1)).abs()
        counts = pairs.flatten(1).sum(1).clamp_min(1) * memberships.shape[1]
        total = total + weight * ((steps * pairs[:, None]).flatten(1).sum(1) / counts).mean()
    return total
