"""Learning from strokes: cross-entropy where the class is known, and nowhere else."""

from __future__ import annotations

import torch
from torch import Tensor

#: Below this sum of weights, an image has no labels.
_NO_WEIGHT = 1e-12


def partial_cross_entropy(log_prior: Tensor, labels: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
    """Return the weighted cross-entropy to known classes, in nat per labelled voxel.

    -sum_x a(x) log Pi_y(x)(x) / sum_x a(x) over the labelled voxels: Tang et al. (2018), "Normalized cut loss for
    weakly-supervised CNN segmentation", the first term of equation 3. The weights a are ours: with 1 / sqrt(length) for
    the voxels of a stroke, a long stroke does not outvote a dot.

    Parameters
    ----------
    log_prior : Tensor (B, K, *S) float
        Log of the network's class probabilities Pi, in nat; finite.
    labels : Tensor (B, *S) int64
        Known class 0 ... K - 1 of a voxel, or -1.
    weights : Tensor (B, *S) float
        How much each labelled voxel counts, >= 0.
    mask : Tensor (B, *S) bool
        Voxels that count.

    Returns
    -------
    Tensor, scalar float
        Mean over images of the weighted mean over the labelled voxels, in nat; an image without any contributes 0.
    """
    known = mask & (labels >= 0)
    counted = torch.where(known, weights, 0.0)
    totals = counted.flatten(1).sum(1)
    shares = torch.where(totals > _NO_WEIGHT, 1.0 / totals.clamp_min(_NO_WEIGHT), 0.0) / len(mask)
    chosen = log_prior.gather(1, labels.clamp_min(0)[:, None])[:, 0]
    # What is not known may be anything, also infinite: it is left out, not multiplied by 0.
    return -(torch.where(known, chosen, 0.0) * counted * shares.view(-1, *(1,) * (mask.ndim - 1))).sum()
