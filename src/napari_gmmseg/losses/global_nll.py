"""The likelihood of deepG: one set of mixing weights an image."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_gmmseg.losses.averages import mean_log_sum


def global_nll(mixing_weights: Tensor, log_densities: Tensor, mask: Tensor, *, floor: float = 0.0) -> Tensor:
    """Return NLL, the negative log-likelihood of the mixture, in nat per voxel.

    -1/N sum_x log sum_k pi_k g_k(I(x)): Schwab et al., equation 2. The network enters through the M-step's pi, mu and
    Sigma only; where mu and Sigma are detached, each voxel's memberships get the same gradient, and nothing is learnt.

    Parameters
    ----------
    mixing_weights : Tensor (B, K) float
        pi, from the M-step.
    log_densities : Tensor (B, K, *S) float
        Log densities log g_k(I(x)), in nat.
    mask : Tensor (B, *S) bool
        Voxels that count.
    floor : float
        Added to each voxel's density. The published program has 1e-10, which caps the loss of a voxel at 23.03 nat and
        sends no gradient from beyond; the paper has none.

    Returns
    -------
    Tensor, scalar float
        Mean over images of the mean over the mask, in nat.
    """
    # A class without any voxel has the weight 0: its log has to stay finite for the gradient of the others.
    log_weights = mixing_weights.clamp_min(torch.finfo(mixing_weights.dtype).tiny).log()
    axes = (1,) * (log_densities.ndim - 2)
    return -mean_log_sum(log_densities + log_weights.view(*log_weights.shape, *axes), mask, floor)
