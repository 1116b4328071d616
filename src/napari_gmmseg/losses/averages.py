"""Means over the voxels of a mask: what the losses have in common."""

from __future__ import annotations

from torch import Tensor


def mean_over_mask(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over images of the mean over each image's mask.

    Parameters
    ----------
    values : Tensor (B, *S) float
        One value a voxel; what lies outside the mask is not seen and gets the gradient 0.
    mask : Tensor (B, *S) bool
        Voxels that count. An image without any contributes 0.

    Returns
    -------
    Tensor, scalar float
        In the values' unit.
    """
    counts = mask.flatten(1).sum(1).clamp_min(1)
    sums = values.masked_fill(~mask, 0.0).flatten(1).sum(1)
    return (sums / counts).mean()
