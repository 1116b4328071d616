"""Learning the answer of another model before one's own: the warm start."""

from __future__ import annotations

from torch import Tensor

from napari_gmmseg.losses.averages import mean_over_mask


def imitation(log_prior: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the cross-entropy of the network's class probabilities to given ones, in nat per voxel.

    -1/N sum_x sum_k q_k(x) log Pi_k(x): distillation with temperature 1, Hinton, Vinyals and Dean (2015), section 2.
    Its least value is the entropy of q, not 0.

    Parameters
    ----------
    log_prior : Tensor (B, K, *S) float
        Log of the network's class probabilities Pi, in nat; finite.
    target : Tensor (B, K, *S) float
        Class probabilities q to imitate, such as the spatial mixture's.
    mask : Tensor (B, *S) bool
        Voxels that count.

    Returns
    -------
    Tensor, scalar float
        Mean over images of the mean over the mask, in nat.
    """
    return -mean_over_mask((target * log_prior).sum(1), mask)
