"""Overlap with the label: the soft Dice loss."""

from __future__ import annotations

import torch
from torch import Tensor

#: Added above and below, in voxels: an object of few voxels that is missed costs less than one.
SMOOTH = 1.0


def dice(log_prior: Tensor, target: Tensor, mask: Tensor, *, smooth: float = SMOOTH) -> Tensor:
    """Return one minus the soft Dice coefficient of the classes after the first, which is background.

    1 - (2 sum_x P_k y_k + s) / (sum_x P_k + sum_x y_k + s) for each class that the image shows, divided by the number
    of all classes, then the mean over images: Milletari et al. (2016), "V-Net", with plain sums in the denominator as
    Wan et al. (2023), equation 3, have them. MONAI's `DiceLoss` is the same with `smooth_nr=smooth_dr=s` where every
    class is shown.

    A class that an image does not show costs nothing here, and is left to the cross-entropy. With it, an empty slice
    would cost 1 - s / (sum P + s): with s = 1, 0.9 for nine voxels' worth of probability among 65,536, however sure
    the network is everywhere, so that empty slices would outweigh all others. (On the LGG slices training then fell
    back to predicting nothing.)

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
        0 ... 1; an image without an object contributes 0.
    """
    known = (mask & (target >= 0)).flatten(1)
    probabilities = torch.where(known[:, None], log_prior[:, 1:].flatten(2).exp(), 0.0)
    classes = torch.arange(1, log_prior.shape[1], device=target.device)
    true = (target.flatten(1)[:, None] == classes[None, :, None]) & known[:, None]
    shared = (probabilities * true).sum(2)
    overlap = (2 * shared + smooth) / (probabilities.sum(2) + true.sum(2) + smooth)
    return torch.where(true.any(2), 1 - overlap, 0.0).mean()
