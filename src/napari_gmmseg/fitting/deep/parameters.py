"""Class means and variances of a deep mixture, batch by batch and at the end."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from napari_gmmseg.config.recipes import Recipe
from napari_gmmseg.fitting.deep.case import Batch, DeepCase
from napari_gmmseg.mixture.reshaping import class_moments
from napari_gmmseg.mixture.soft_moments import Anchor, SoftMixture, soft_log_densities, soft_moments
from napari_gmmseg.volumes import Mixture

#: Pseudo-voxels that hold an anchored class at its start, as a share of N / K.
ANCHOR_STRENGTH = 1.0
_NAMES = ("mixing_weights", "means", "variances")
#: Share of the newest step in the running mean of the mixture's parameters.
_NEWEST = 0.1


class Parameters:
    """Class means and variances that follow the memberships: free, anchored, or held.

    Parameters
    ----------
    case : DeepCase
        The case.
    recipe : Recipe
        Its settings.
    """

    def __init__(self, case: DeepCase, recipe: Recipe) -> None:
        self._case = case
        self.start = case.start() if case.base is not None else None
        strength = {"free": 0.0, "anchored": ANCHOR_STRENGTH, "fixed": math.inf}[recipe.means]
        anchored = self.start is not None and strength > 0
        self._anchor: Anchor | None = replace(self.start, strength=strength) if anchored and self.start else None
        # The published safeguard knows no anchor: where one was asked for, it takes the safeguard's place.
        self._floor = recipe.likelihood_floor if self._anchor is None else 0.0
        self._mean: SoftMixture | None = None
        held = torch.zeros((case.n_classes, 1), dtype=torch.bool, device=case.image.device)
        held[list(case.held)] = True
        self._held = held if case.held else None
        self._fixed = recipe.means == "fixed"

    def update(self, batch: Batch, memberships: Tensor) -> SoftMixture:
        """Return the M-step of one batch, and follow it.

        Parameters
        ----------
        batch : Batch
            Its image and mask.
        memberships : Tensor (B, K, *S) float32
            By which the moments are weighted.
        """
        found = soft_moments(batch.image, memberships, batch.mask, anchor=self._anchor, floor=self._floor)
        found = self._holding(found)
        now = SoftMixture(*(part.detach().mean(0, keepdim=True) for part in _parts(found)))
        old = self._mean
        if old is not None and self._case.stack.n_pieces > 1:
            pairs = zip(_parts(old), _parts(now), strict=True)
            now = SoftMixture(*(torch.lerp(a, b, _NEWEST) for a, b in pairs))
        self._mean = now
        return found

    def current(self, batch: Batch) -> Tensor:
        """Return the class log densities (B, K, *S) of a batch as they are now, but for a constant.

        Parameters
        ----------
        batch : Batch
            With the start's.
        """
        if self._mean is None:
            assert batch.densities is not None
            return batch.densities
        n = len(batch.image)
        here = SoftMixture(*(part.expand(n, *part.shape[1:]) for part in _parts(self._mean)))
        densities = soft_log_densities(batch.image, here)
        return densities if batch.evidence is None else densities + batch.evidence

    def settle(self, memberships: Tensor) -> None:
        """Take the M-step of the whole case.

        Parameters
        ----------
        memberships : Tensor (K, *crop) float32
            0 outside the mask.
        """
        case = self._case
        with torch.no_grad():
            found = soft_moments(
                case.image[None], memberships[None], case.mask[None], anchor=self._anchor, floor=self._floor
            )
            self._mean = self._holding(found)

    def _holding(self, found: SoftMixture) -> SoftMixture:
        """Return a mixture with the locked classes' Gaussians as they were at the start."""
        if self._held is None or self.start is None:
            return found
        means = torch.where(self._held, self.start.means.to(found.means), found.means)
        variances = torch.where(self._held, self.start.variances.to(found.variances), found.variances)
        return SoftMixture(found.mixing_weights, means, variances)

    def running(self) -> dict[str, Tensor]:
        """Return the running mean; empty before the first step."""
        if self._mean is None:
            return {}
        return dict(zip(_NAMES, _parts(self._mean), strict=True))

    def run_on(self, running: dict[str, Tensor]) -> None:
        """Take up the running mean.

        Parameters
        ----------
        running : dict of str to Tensor, of any shape
            From `running`.
        """
        self._mean = SoftMixture(*(running[name] for name in _NAMES)) if running else None

    def mixture(self) -> Mixture:
        """Return the parameters so far, in the image's own unit."""
        if self._case.base is not None and (self._mean is None or self._fixed):
            # What was held has as many Gaussians, and such covariances, as the spatial mixture.
            return self._case.base.mixture
        if self._mean is None:
            k, c = self._case.n_classes, len(self._case.image)
            flat = Mixture(np.full(k, 1 / k), np.zeros((k, c)), np.tile(np.eye(c), (k, 1, 1)), np.arange(k))
            return self._case.standardisation.outward(flat)
        weights, means, variances = (part[0].cpu().double().numpy() for part in _parts(self._mean))
        k = len(weights)
        inner = Mixture(weights / weights.sum(), means, np.stack([np.diag(row) for row in variances]), np.arange(k))
        return self._with_held(self._case.standardisation.outward(inner))

    def _with_held(self, mixture: Mixture) -> Mixture:
        """Return a mixture with the locked classes' Gaussians as they were given, without rounding to float32."""
        case = self._case
        if not case.held or case.base is None:
            return mixture
        given = case.base.mixture
        of_class, spread_of_class, _ = class_moments(given)
        means, covariances = mixture.means.copy(), mixture.covariances.copy()
        for k in case.held:
            own = np.flatnonzero(given.class_of == k)
            alone = len(own) == 1
            means[k] = given.means[own[0]] if alone else of_class[k]
            covariances[k] = (given.covariances[own[0]] if alone else spread_of_class[k]) * np.eye(given.n_channels)
        return Mixture(mixture.mixing_weights, means, covariances, mixture.class_of)

    def log_densities(self) -> Tensor:
        """Return class log densities (K, *crop) under the parameters so far, in the image's own unit."""
        case = self._case
        if self._mean is None:
            assert case.densities is not None
            return case.densities
        with torch.inference_mode():
            densities = soft_log_densities(case.image[None], self._mean)[0]
            densities -= case.standardisation.log_volume
            if case.evidence is not None:
                densities += case.evidence
            return densities.mul_(case.mask)


def _parts(mixture: SoftMixture) -> tuple[Tensor, Tensor, Tensor]:
    return mixture.mixing_weights, mixture.means, mixture.variances
