"""Means over the voxels of a mask: what the losses have in common."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def mean_over_mask(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over images of the mean over each image's mask.

    Parameters
    ----------
    values : Tensor (B, *S) float
        One finite value a voxel; those outside the mask do not count and get the gradient 0.
    mask : Tensor (B, *S) bool
        Voxels that count. An image without any contributes 0.

    Returns
    -------
    Tensor, scalar float
        In the values' unit.
    """
    return (values * shares_of_mask(mask, values.dtype)).sum()


def shares_of_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what each voxel counts in the mean over images of the mean over each image's mask.

    Parameters
    ----------
    mask : Tensor (B, *S) bool
        Voxels, or pairs of them, that count.
    dtype : torch.dtype
        Of the result.

    Returns
    -------
    Tensor (B, *S) float
        0 outside the mask, 1 / (B N_b) inside that of image b; an image without any voxel has zeros.
    """
    counts = mask.flatten(1).sum(1).clamp_min(1) * len(mask)
    return mask * counts.to(dtype).reciprocal().view(-1, *(1,) * (mask.ndim - 1))


def mean_log_sum(joint: Tensor, mask: Tensor, floor: float = 0.0) -> Tensor:
    """Return the mean over the mask of log(sum_k exp(joint_k) + floor), as `mean_over_mask` takes it.

    Parameters
    ----------
    joint : Tensor (B, K, *S) float
        Log weights plus log densities, finite, in nat.
    mask : Tensor (B, *S) bool
        Voxels that count.
    floor : float
        Added to each voxel's density.

    Returns
    -------
    Tensor, scalar float
        In nat.
    """
    # torch.logsumexp takes the exponentials once more in its backward step, which is most of what a loss costs.
    highest = joint.detach().amax(1, keepdim=True)
    log_sum = (joint - highest).exp().sum(1).log() + highest.squeeze(1)
    if floor:
        log_sum = torch.logaddexp(log_sum, log_sum.new_tensor(math.log(floor)))
    return mean_over_mask(log_sum, mask)
