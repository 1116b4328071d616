"""The M-step of Schwab et al., Algorithms 1 and 2, from memberships that carry a gradient, for a batch of images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_gmmseg.mixture.moments import VARIANCE_FLOOR

#: Voxels below which a class counts as dying, as a share of the voxels in the mask.
LEAST_SHARE = 1e-3
_CHUNK = 1 << 20  # voxels: a slice at once, a volume without a second copy of itself in float64


@dataclass(frozen=True)
class SoftMixture:
    """Gaussian classes with diagonal covariances, one mixture an image.

    Parameters
    ----------
    mixing_weights : Tensor (B, K) float
        Share of each class; sums to 1.
    means : Tensor (B, K, C) float
        In standardised intensity (1).
    variances : Tensor (B, K, C) float
        In standardised intensity squared (1).
    """

    mixing_weights: Tensor
    means: Tensor
    variances: Tensor

    def detached(self) -> SoftMixture:
        """Return the same mixture without its graph."""
        return SoftMixture(self.mixing_weights.detach(), self.means.detach(), self.variances.detach())


@dataclass(frozen=True)
class Anchor:
    """A mixture that the M-step is pulled to, as a conjugate prior of pseudo-voxels.

    Parameters
    ----------
    means : Tensor (K, C) float
        In standardised intensity (1).
    variances : Tensor (K, C) float
        In standardised intensity squared (1).
    mixing_weights : Tensor (K,) float
        Share of each class; sums to 1.
    strength : float
        Pseudo-voxels of each class, as a share of N / K; `math.inf` holds the mixture at the anchor.
    """

    means: Tensor
    variances: Tensor
    mixing_weights: Tensor
    strength: float

    def as_mixture(self, n_images: int, like: Tensor) -> SoftMixture:
        """Return the anchor itself as the mixture of each of B images.

        Parameters
        ----------
        n_images : int
            B.
        like : Tensor, any shape, float
            Its kind and device are taken.
        """
        weights, means, variances = (x.detach().to(like) for x in (self.mixing_weights, self.means, self.variances))
        return SoftMixture(
            weights.expand(n_images, -1), means.expand(n_images, -1, -1), variances.expand(n_images, -1, -1)
        )


def soft_moments(
    image: Tensor, memberships: Tensor, mask: Tensor, *, anchor: Anchor | None = None, floor: float = 0.0
) -> SoftMixture:
    """Return the mixture that maximises the expected log-likelihood of each image, with its gradient.

    The M-step of Schwab et al., Algorithms 1 and 2: with n_k = sum_x w_k, mu_k = sum_x w_k I / n_k, var_k =
    sum_x w_k (I - mu_k)^2 / n_k, pi_k = n_k / N; sums go over the mask of one image, never over several.

    Departures, so that no class can end as 0 / 0 or on one grey value:

    - a_k pseudo-voxels with the anchor's mean and variance join each class: mu_k = (sum w I + a mu_ref) / (n + a) and
      var_k = (sum w (I - mu_k)^2 + a (var_ref + (mu_ref - mu_k)^2)) / (n + a), where a = strength N / K. The mixing
      weights are joined by strength N pseudo-voxels in the anchor's shares.
    - f exp(-n_k / f) more of them, f = N / 1000, hold a class that dies; without an anchor they have the image's mean
      and variance. So n_k never counts as less than f, gradients stay below a constant / f, and a class with 1 % of
      the voxels feels them by less than 1e-5 of itself.
    - `VARIANCE_FLOOR` is added to the variances: unlike a clamp, it leaves each variance its gradient. A held anchor
      (strength inf) comes back as it is.

    Sums are in float64 where the device has it: the variance is a small difference of two of them.

    Parameters
    ----------
    image : Tensor (B, C, *S) float
        Standardised intensities (1), finite everywhere; no gradient goes to it.
    memberships : Tensor (B, K, *S) float
        Class memberships w, finite everywhere.
    mask : Tensor (B, *S) bool
        Voxels that count. An image without any gets the anchor, or equal classes.
    anchor : Anchor or None
        What the classes are pulled to.
    floor : float
        Above 0: the published program's own safeguard in place of the three above, added to each denominator and each
        variance (1e-10 there); the anchor is then not used.

    Returns
    -------
    SoftMixture
        In the image's kind of float.
    """
    if anchor is not None and math.isinf(anchor.strength):
        return anchor.as_mixture(len(image), image)
    c = image.shape[1]
    sums, totals = _sums(image.detach().flatten(2), memberships.flatten(2), mask.flatten(1)[:, None])
    n_voxels = totals[:, 2 * c :].clamp_min(1.0)
    firsts, seconds, masses = sums[..., :c], sums[..., c : 2 * c], sums[..., 2 * c]
    if floor:
        divisors = (masses + floor)[..., None]
        means = firsts / divisors
        variances = (seconds - 2 * means * firsts + means.square() * masses[..., None]) / divisors
        return _narrow(masses / n_voxels, means, variances.clamp_min(0.0) + floor, image.dtype)
    pulled = _Pseudo.of(totals[:, : 2 * c], masses, n_voxels, anchor)
    divisors = (masses + pulled.counts)[..., None]
    counts = pulled.counts[..., None]
    means = (firsts + counts * pulled.means) / divisors
    variances = (seconds + counts * (pulled.variances + pulled.means.square())) / divisors - means.square()
    shares = masses + pulled.shares
    return _narrow(shares / shares.sum(1, keepdim=True), means, variances.clamp_min(0.0) + VARIANCE_FLOOR, image.dtype)


def _sums(image: Tensor, memberships: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Return sums over the mask of I, I^2 and 1, weighted by each class (B, K, 2C + 1) and not (B, 2C + 1)."""
    wide = image.dtype if image.device.type == "mps" else torch.float64
    c = image.shape[1]
    sums = image.new_zeros(len(image), memberships.shape[1], 2 * c + 1, dtype=wide)
    totals = image.new_zeros(len(image), 2 * c + 1, dtype=wide)
    pieces = (torch.split(x, _CHUNK, 2) for x in (image, memberships, inside))
    for intensities, weights, counted in zip(*pieces, strict=True):
        # Written in place: copies of this size cost more time than the arithmetic.
        features = image.new_empty(len(image), 2 * c + 1, counted.shape[2], dtype=wide)
        torch.mul(intensities, counted, out=features[:, :c])
        torch.square(features[:, :c], out=features[:, c : 2 * c])
        features[:, 2 * c :] = counted
        with torch.autocast(image.device.type, enabled=False):
            sums = sums + torch.bmm(weights.to(wide), features.transpose(1, 2))
        totals += features.sum(2)
    return sums, totals


@dataclass(frozen=True)
class _Pseudo:
    """Pseudo-voxels: how many a class (B, K), with which mean and variance, and how many the mixing weights get."""

    counts: Tensor
    shares: Tensor
    means: Tensor
    variances: Tensor

    @classmethod
    def of(cls, totals: Tensor, masses: Tensor, n_voxels: Tensor, anchor: Anchor | None) -> _Pseudo:
        least = LEAST_SHARE * n_voxels
        rescue = least * torch.exp(-masses / least)
        if anchor is None:
            means, seconds = (totals / n_voxels).chunk(2, 1)
            variances = (seconds - means.square()).clamp_min(0.0)
            return cls(rescue, rescue, means[:, None], variances[:, None])
        means, variances, shares = (
            x.detach().to(totals) for x in (anchor.means, anchor.variances, anchor.mixing_weights)
        )
        counts = rescue + anchor.strength * n_voxels / masses.shape[1]
        return cls(counts, rescue + anchor.strength * n_voxels * shares, means, variances)


def _narrow(mixing_weights: Tensor, means: Tensor, variances: Tensor, dtype: torch.dtype) -> SoftMixture:
    return SoftMixture(mixing_weights.to(dtype), means.to(dtype), variances.to(dtype))


def soft_log_densities(image: Tensor, mixture: SoftMixture) -> Tensor:
    """Return log N(I(x); mu_k, var_k) of each class and voxel, with the gradient to the mixture.

    -1/2 sum_c (I_c - mu_kc)^2 / var_kc + log(2 pi var_kc), multiplied out to two products of matrices: no temporary of
    K C N numbers, forward or backward. That costs digits far from 0: below 1e-3 nat for standardised intensities and
    standard deviations above 0.05, which is why the image has to be standardised.

    Parameters
    ----------
    image : Tensor (B, C, *S) float
        Standardised intensities (1), finite everywhere.
    mixture : SoftMixture
        K classes of each of the B images.

    Returns
    -------
    Tensor (B, K, *S) float
        Log densities in nat, in the image's kind of float, also under autocast.
    """
    intensities = image.flatten(2)
    precisions = mixture.variances.reciprocal()
    constants = (mixture.means.square() * precisions + (2 * math.pi * mixture.variances).log()).sum(2, keepdim=True)
    with torch.autocast(image.device.type, enabled=False):
        linear = torch.baddbmm(-0.5 * constants, mixture.means * precisions, intensities)
        result = torch.baddbmm(linear, -0.5 * precisions, intensities.square())
    return result.view(*result.shape[:2], *image.shape[2:])
