"""Regions too small to be believed go to the classes around them: the outlier-region loss, in three readings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from napari_gmmseg.losses.averages import mean_over_mask, shares_of_mask
from napari_gmmseg.mixture.outlier_score import (
    SMOOTH,
    Outliers,
    Window,
    Windows,
    find_outliers,
    outlier_score,
)
from napari_gmmseg.mixture.window_sums import window_sums

Mode = Literal["surrounding", "supervised", "printed"]

#: Least probability in a logarithm: the loss of a voxel is at most 69 nat, and probabilities above it send a gradient.
LEAST_PROBABILITY = 1e-30
#: Of the printed form, whose paper leaves the number open.
PRINTED_SMOOTH = 1.0


def outlier_region(log_prior: Tensor, outliers: Outliers, mask: Tensor) -> Tensor:
    """Return the cross-entropy of outliers to the classes that surround them, in nat per voxel.

    1/N sum_x a(x) CE(q(x), P(x)), with the score a and the surrounding classes q of
    `napari_gmmseg.mixture.outlier_score`, both held. Ours in place of equation 12 of Wan et al. (2023), which descends
    the wrong way (`printed_density_map`). The gradient with respect to a voxel's logits is a (P - q) / N: of the size
    of the likelihood's, (P - r) / N, so that the same weight fits all sizes. (A mean over outliers alone would let the
    last few of them turn the whole network.)

    Parameters
    ----------
    log_prior : Tensor (B, K, *S) float
        Log of the network's class probabilities P, in nat.
    outliers : Outliers
        Of what the network predicts.
    mask : Tensor (B, *S) bool
        Voxels that count.

    Returns
    -------
    Tensor, scalar float
        Mean over images, in nat; 0 ... 69.
    """
    places = outliers.places
    n_voxels = mask[0].numel()
    rows = log_prior.flatten(2)[places // n_voxels, :, places % n_voxels]
    shares = shares_of_mask(mask, log_prior.dtype).reshape(-1)[places] * outliers.score.reshape(-1)[places]
    return -((outliers.surround.detach() * _floored(rows)).sum(1) * shares.detach()).sum()


def supervised_outlier_region(log_prior: Tensor, score: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the cross-entropy to the label, each voxel weighted by its score, in nat per voxel.

    mean_x a(x) CE(y(x), P(x)). With alpha times the plain cross-entropy and gamma times this, each voxel has the weight
    alpha + gamma a: equation 13 of Wan et al. (2023) with its cross-entropy counted once, not twice. It never pulls
    against the label: a small region that is true is learnt the more.

    Parameters
    ----------
    log_prior : Tensor (B, K, *S) float
        Log of the network's class probabilities P, in nat.
    score : Tensor (B, *S) float
        Of what the network predicts, held.
    target : Tensor (B, *S) int64
        Class 0 ... K - 1 of each voxel; below 0 where it is not known, and nothing is learnt.
    mask : Tensor (B, *S) bool
        Voxels that count.

    Returns
    -------
    Tensor, scalar float
        Mean over images of the mean over the known voxels of the mask, in nat.
    """
    known = mask & (target >= 0)
    right = _floored(log_prior).gather(1, target.clamp_min(0)[:, None])[:, 0]
    return -mean_over_mask(right * score.detach(), known)


def printed_density_map(foreground: Tensor, inner: Window, outer: Window, *, smooth: float = PRINTED_SMOOTH) -> Tensor:
    """Return DensityMap X of Wan et al. (2023), equations 4 to 11 as they are printed, with soft counts and gradients.

    Only what contradicts itself is settled: Ceil is taken upwards, and MaskWhite and MaskBlack each look at their own
    colour. Subtracted from a loss as in equation 12 it is lowest on islands, and descent makes them denser: a test and
    docs/explanation/outlier.md show it, and why this is not what we train with.

    Parameters
    ----------
    foreground : Tensor (B, *S) float
        X, the probability of the foreground, 0 ... 1.
    inner, outer : int or sequence of int
        i and j: odd voxels, for all axes (those of one voxel excepted) or for each.
    smooth : float
        Added above and below.

    Returns
    -------
    Tensor (B, *S) float
        Density, 0 or more, without an upper bound.

    Raises
    ------
    ValueError
        Where windows are even, not within each other, or not one for each axis.
    """
    windows = Windows.of(inner, outer, foreground.shape[1:])
    white, black = foreground, 1 - foreground
    white_inside, black_inside = (window_sums(colour, windows.inner) for colour in (white, black))
    white_ring = window_sums(white, windows.outer) - white_inside
    black_ring = window_sums(black, windows.outer) - black_inside
    density_white = (white_inside + smooth) / (black_ring + smooth) * (white_ring <= windows.threshold)
    density_black = (black_inside + smooth) / (white_ring + smooth) * (black_ring <= windows.threshold)
    return torch.where(foreground.detach() > 0.5, density_white, density_black)


@dataclass(frozen=True, kw_only=True)
class OutlierRegionLoss:
    """The outlier-region loss of Wan et al. (2023), section 3.4.3, for K classes, in 2-D and 3-D.

    Parameters
    ----------
    inner, outer : int or tuple of int
        i and j: odd voxels, for all axes (those of one voxel excepted) or for each. Regions up to i x i are outliers.
    mode : "surrounding", "supervised" or "printed"
        surrounding: `outlier_region`, without labels; supervised: `supervised_outlier_region`; printed: minus the mean
        of `printed_density_map`, for the record.
    classes : frozenset of int or None
        Classes whose voxels may be outliers; None: all. Thin tissue, such as CSF in 2-D, is best left out.
    smooth : float or None
        Of the density; None: as the mode needs it.

    Examples
    --------
    >>> loss = OutlierRegionLoss(inner=7, outer=21)
    >>> logits = torch.zeros(1, 2, 32, 32)
    >>> float(loss(logits.log_softmax(1), torch.ones(1, 32, 32, dtype=torch.bool)))
    0.0
    """

    inner: int | tuple[int, ...] = 7
    outer: int | tuple[int, ...] = 21
    mode: Mode = "surrounding"
    classes: frozenset[int] | None = None
    smooth: float | None = None

    def __call__(self, log_prior: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        log_prior : Tensor (B, K, *S) float
            Log of the network's class probabilities, in nat; the printed form takes K = 2, the second is its white.
        mask : Tensor (B, *S) bool
            Voxels that count.
        target : Tensor (B, *S) int64 or None
            Class of each voxel, below 0 where it is not known. The supervised mode needs it; in the others, voxels of
            known class are left alone.

        Returns
        -------
        Tensor, scalar float
            Mean over images, in nat (printed: minus a density).

        Raises
        ------
        ValueError
            Where the supervised mode has no target, the printed one has not two classes, or windows do not fit.
        """
        unknown = mask if target is None else mask & (target < 0)
        if self.mode == "printed":
            if log_prior.shape[1] != 2:
                raise ValueError(f"The printed form knows two classes; seen: {log_prior.shape[1]}.")
            white = log_prior[:, 1].exp() * mask
            smooth = PRINTED_SMOOTH if self.smooth is None else self.smooth
            return -mean_over_mask(printed_density_map(white, self.inner, self.outer, smooth=smooth), unknown)
        smooth = SMOOTH if self.smooth is None else self.smooth
        if self.mode == "supervised":
            if target is None:
                raise ValueError("The supervised mode needs labels; seen: none.")
            score = outlier_score(log_prior, self.inner, self.outer, mask=mask, classes=self.classes, smooth=smooth)
            return supervised_outlier_region(log_prior, score, target, mask)
        found = find_outliers(log_prior, self.inner, self.outer, mask=mask, classes=self.classes, smooth=smooth)
        return outlier_region(log_prior, found, unknown)


def _floored(log_prior: Tensor) -> Tensor:
    return log_prior.clamp_min(torch.log(log_prior.new_tensor(LEAST_PROBABILITY)))
