"""What a network is trained on: cross-entropy, Dice, outlier regions, and the likelihood of a mixture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from napari_gmmseg.config.training import TrainingConfig
from napari_gmmseg.fitting.deep.outliers import ramp
from napari_gmmseg.fitting.supervised.slices import Batch, SlicedCase
from napari_gmmseg.losses import OutlierRegionLoss, dice, spatially_variant_nll
from napari_gmmseg.losses.averages import mean_over_mask
from napari_gmmseg.mixture.soft_moments import soft_log_densities, soft_moments

#: Share of the training over which the mixture's weight rises.
_MIXTURE_RISE = 0.3


class Objective:
    """The loss of a batch: alpha cross-entropy + beta Dice + gamma outlier regions + lambda mixture.

    Wan et al. (2023), equation 13, with the cross-entropy counted once; for two classes it is their binary one. With
    lambda above 0, the mixture's likelihood after Ma (2022), of which only the abstract is public: ours is
    -mean_x log sum_k P_k N(I; mu_k, var_k) with the moments of each slice under P and the full gradient, risen over the
    first 30 % of the training.

    Parameters
    ----------
    config : TrainingConfig
        Weights and windows.
    class_weights : Tensor (K,) float
        How much each class counts in the cross-entropy.
    """

    def __init__(self, config: TrainingConfig, class_weights: Tensor) -> None:
        self._config, self._class_weights = config, class_weights
        self._outlier = OutlierRegionLoss(inner=config.outlier_inner, outer=config.outlier_outer, mode="supervised")

    def __call__(self, logits: Tensor, batch: Batch, plain: Tensor, share: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, and each of its terms before its weight.

        Parameters
        ----------
        logits : Tensor (B, K, Y, X) float
            The network's answer.
        batch : Batch
            Targets and heads.
        plain : Tensor (B, C, Y, X) float
            The slices' own intensities: mirrored as the batch is, but not changed at random.
        share : float
            Of the training, 0 ... 1.

        Returns
        -------
        Tensor, scalar float
            The sum.
        dict of str to Tensor, scalar float
            "cross-entropy" and "mixture" in nat; "Dice" 0 ... 1; "outlier regions" in nat.
        """
        config = self._config
        log_prior = logits.float().log_softmax(1)
        known = batch.targets >= 0
        terms: dict[str, tuple[float, Tensor]] = {}
        if config.cross_entropy_weight:
            weights = self._class_weights[batch.targets.clamp_min(0)]
            term = balanced_cross_entropy(log_prior, batch.targets, weights, known)
            terms["cross-entropy"] = (config.cross_entropy_weight, term)
        if config.dice_weight:
            terms["Dice"] = (config.dice_weight, dice(log_prior, batch.targets, known))
        risen = ramp(share, config.outlier_ramp)
        if config.outlier_weight * risen:
            term = self._outlier(log_prior, known, batch.targets)
            terms["outlier regions"] = (config.outlier_weight * risen, term)
        if config.mixture_weight:
            term = mixture_nll(log_prior, plain, batch.foreground)
            terms["mixture"] = (config.mixture_weight * mixture_rise(share), term)
        total = torch.stack([weight * term for weight, term in terms.values()]).sum()
        return total, {name: term.detach() for name, (_, term) in terms.items()}


def balanced_cross_entropy(log_prior: Tensor, targets: Tensor, weights: Tensor, known: Tensor) -> Tensor:
    """Return the cross-entropy with weights that also tell slices apart, in nat.

    mean over slices of the mean over known voxels of a(x) CE(y(x), P(x)). Divided by the number of voxels, not by the
    sum of their weights (`partial_cross_entropy`): else a slice with an object would count as much as one without, and
    weights could not balance between them.

    Parameters
    ----------
    log_prior : Tensor (B, K, Y, X) float
        Log of the network's class probabilities, in nat.
    targets : Tensor (B, Y, X) int64
        Class of each voxel; below 0 where it is not known.
    weights : Tensor (B, Y, X) float
        How much each voxel counts; 1 on average over all cases.
    known : Tensor (B, Y, X) bool
        Voxels that count.

    Returns
    -------
    Tensor, scalar float
        In nat.
    """
    right = log_prior.gather(1, targets.clamp_min(0)[:, None])[:, 0]
    return -mean_over_mask(right * weights, known)


def mixture_nll(log_prior: Tensor, images: Tensor, foreground: Tensor) -> Tensor:
    """Return the negative log-likelihood of the intensities under the mixture that the network's answer implies.

    Parameters
    ----------
    log_prior : Tensor (B, K, Y, X) float
        Log of the network's class probabilities, in nat.
    images : Tensor (B, C, Y, X) float
        Standardised intensities (1).
    foreground : Tensor (B, Y, X) bool
        Voxels that count.

    Returns
    -------
    Tensor, scalar float
        Mean over slices, in nat per voxel.
    """
    mixture = soft_moments(images, log_prior.exp(), foreground)
    return spatially_variant_nll(log_prior, soft_log_densities(images, mixture), foreground)


def mixture_rise(share: float) -> float:
    """Return how much of its weight the mixture has: from almost none to all over the first 30 % of the training.

    exp(-5 (1 - t)^2), t from 0 to 1: Laine and Aila (2017), as is usual for terms without labels.

    Parameters
    ----------
    share : float
        Of the training, 0 ... 1.
    """
    return math.exp(-5.0 * (1.0 - min(1.0, share / _MIXTURE_RISE)) ** 2)


def class_weights(cases: Sequence[SlicedCase], n_classes: int, *, balanced: bool) -> Tensor:
    """Return how much each class counts in the cross-entropy; their mean over voxels is 1.

    Parameters
    ----------
    cases : sequence of SlicedCase
        Those that are trained on.
    n_classes : int
        K, background included.
    balanced : bool
        Whether rare classes count more, by one over the root of their share.

    Returns
    -------
    Tensor (K,) float
        Ones where not balanced. A class that no case has counts as the rarest.
    """
    if not balanced:
        return torch.ones(n_classes)
    counts = np.zeros(n_classes)
    for case in cases:
        if case.targets is not None:
            counts += np.bincount(case.targets.reshape(-1), minlength=n_classes)
    shares = np.maximum(counts, counts[counts > 0].min()) / counts.sum()
    weights = shares**-0.5
    return torch.from_numpy(weights / (weights * shares).sum()).float()
