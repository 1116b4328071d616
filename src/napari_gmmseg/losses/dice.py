"""Overlap with the label: the soft Dice loss."""

from __future__ import annotations

import torch
from torch import Tensor

#: Added above and below, in voxels: a batch without an object costs nothing once nothing is predicted there.
SMOOTH = 1.0


def dice(log_prior: Tensor, target: Tensor, mask: Tensor, *, smooth: float = SMOOTH) -> Tensor:
    """Return one minus the soft Dice coefficient of the classes after the first, which is background.

    1 - (2 sum_x P_k y_k + s) / (sum_x P_k + sum_x y_k + s), mean over classes; sums go over all images of the batch,
    as if they were one. Milletari et al. (2016), "V-Net", with plain sums in the denominator as Wan et al. (2023),
    equation 3, have them. MONAI's `DiceLoss` is the same with `batch=True` and `smooth_nr=smooth_dr=s`.

    Image by image, an empty slice would cost 0.9 for nine voxels' worth of probability among 65,536, however sure the
    network is everywhere, so that empty slices would outweigh all others; and left out, nothing but the cross-entropy
    would speak against islands in them. Together they count by what is predicted in them. A batch without any object
    costs 1 - s / (sum P + s): finite, and a pull towards nothing.

    Parameters
    ----------
    log_prior : Tensor (B, K, *S) float
        Log of the network's class probabilities P, in nat.
    target : Tensor (B, *S) int64
        Class 0 ... K - 1 of each voxel; below 0 where it is not known.
    mask : Tensor (B, *S) bool
        Voxels that count.
    smooth : float
        s, in voxels.

    Returns
    -------
    Tensor, scalar float
        0 ... 1.
    """
    known = (mask & (target >= 0)).flatten(1)
    probabilities = torch.where(known[:, None], log_prior[:, 1:].flatten(2).exp(), 0.0)
    classes = torch.arange(1, log_prior.shape[1], device=target.device)
    true = (target.flatten(1)[:, None] == classes[None, :, None]) & known[:, None]
    shared = (probabilities * true).sum((0, 2))
    total = probabilities.sum((0, 2)) + true.sum((0, 2))
    return (1 - (2 * shared + smooth) / (total + smooth)).mean()
