"""The likelihood of deepSVG: each voxel has mixing weights of its own."""

from __future__ import annotations

from torch import Tensor

from napari_gmmseg.losses.averages import mean_log_sum


def spatially_variant_nll(log_prior: Tensor, log_densities: Tensor, mask: Tensor, *, floor: float = 0.0) -> Tensor:
    """Return NLL_V, the negative log-likelihood of the spatially variant mixture, in nat per voxel.

    -1/N sum_x log sum_k Pi_k(x) g_k(I(x)): Schwab et al., section 2.1. With the densities held, its gradient with
    respect to the logits of Pi is (Pi - r) / N, r the responsibilities: a generalised EM step.

    Parameters
    ----------
    log_prior : Tensor (B, K, *S) float
        Log of the network's class probabilities Pi, in nat.
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
    return -mean_log_sum(log_prior + log_densities, mask, floor)
