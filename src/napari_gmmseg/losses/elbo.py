"""The bound on deepG's likelihood whose gradient may leave out the M-step."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_gmmseg.losses.averages import mean_over_mask


def elbo(log_memberships: Tensor, mixing_weights: Tensor, log_densities: Tensor, mask: Tensor) -> Tensor:
    """Return the negative evidence lower bound (variational free energy) of the mixture, in nat per voxel.

    F = 1/N sum_x sum_k w_k (log w_k - log pi_k - log g_k): Neal and Hinton (1998), equation 7, divided by N. It is at
    least the negative log-likelihood of Schwab et al., equation 2, and equal to it where w are the responsibilities.
    The M-step minimises F in pi, mu and Sigma, so that a detached M-step leaves F's gradient as it is, but for what the
    M-step's safeguards add.

    Parameters
    ----------
    log_memberships : Tensor (B, K, *S) float
        Log of the network's class probabilities w, in nat; finite.
    mixing_weights : Tensor (B, K) float
        pi, from the M-step.
    log_densities : Tensor (B, K, *S) float
        Log densities log g_k(I(x)), in nat.
    mask : Tensor (B, *S) bool
        Voxels that count.

    Returns
    -------
    Tensor, scalar float
        Mean over images of the mean over the mask, in nat.
    """
    # A class without any voxel has the weight 0: its log has to stay finite for the gradient of the others.
    log_weights = mixing_weights.clamp_min(torch.finfo(mixing_weights.dtype).tiny).log()
    joint = log_densities + log_weights.view(*log_weights.shape, *(1,) * (log_densities.ndim - 2))
    return mean_over_mask((log_memberships.exp() * (log_memberships - joint)).sum(1), mask)
