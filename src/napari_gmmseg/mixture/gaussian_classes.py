"""Class likelihoods of several channels for the spatial mixture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from napari_gmmseg.config.fit import Covariance
from napari_gmmseg.mixture.densities import class_log_densities
from napari_gmmseg.mixture.moments import m_step
from napari_gmmseg.mixture.observations import Voxels
from napari_gmmseg.mixture.quadratic import QuadraticFeatures, log_weights
from napari_gmmseg.mixture.spatial import LEAST_SHARE, Evidence
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.mixture.sweep import Sweeper
from napari_gmmseg.volumes import Mixture


class GaussianClasses:
    """Gaussian likelihoods of C channels, one or several Gaussians a class.

    Parameters
    ----------
    image : Tensor (C, ..., Z, Y, X) float32
        Intensities.
    mask : Tensor (..., Z, Y, X) bool
        Voxels that are fitted.
    start : Mixture
        In the image's own unit.
    covariance : "diagonal" or "full"
        Channels independent within a Gaussian, or correlated.
    held : sequence of int
        Classes whose means and covariances stay at the start.
    """

    def __init__(
        self, image: Tensor, mask: Tensor, start: Mixture, covariance: Covariance, *, held: Sequence[int] = ()
    ) -> None:
        self._held = list(held)
        # Voxels lie plane by plane, so that those of a few planes of Z follow one another.
        self._by_plane = mask.movedim(-3, 0)
        self._begins = [0, *self._by_plane.flatten(1).sum(1).cumsum(0).tolist()]
        self._samples = image.movedim(-3, 1)[:, self._by_plane].contiguous()
        order = np.argsort(start.class_of, kind="stable")
        start = Mixture(
            start.mixing_weights[order], start.means[order], start.covariances[order], start.class_of[order]
        )
        self._start = self._mixture = start
        full = covariance == "full" and len(image) > 1
        self._quadratic = QuadraticFeatures(Standardisation.of_samples(self._samples), full=full)

    def log_densities(self, size_weight: float) -> Evidence:
        """Return what sets logits (K, ..., P, Y, X) to log p_k(x) + size_weight * log pi_k in planes of Z.

        Parameters
        ----------
        size_weight : float
            Power of the class shares.
        """
        shares = np.bincount(self._mixture.class_of, self._mixture.mixing_weights)
        sizes = size_weight * np.log(np.maximum(shares, LEAST_SHARE))
        densities = class_log_densities(self._mixture, self._samples)

        def fill(logits: Tensor, first: int, last: int) -> None:
            inside = self._by_plane[first:last]
            here = slice(self._begins[first], self._begins[last])
            for out, row, size in zip(logits, densities, sizes, strict=True):
                out.zero_().movedim(-3, 0)[inside] = row[here].to(torch.float32) + float(size)

        return fill

    def update(self, memberships: Tensor, anchor: float) -> float:
        """Re-estimate from memberships; return the largest shift of a mean, as a share of the means' range.

        Parameters
        ----------
        memberships : Tensor (K, ..., Z, Y, X) float32
            Posterior of each class, 0 outside the mask.
        anchor : float
            See `SpatialPrior`.
        """
        before = self._mixture
        if np.isfinite(anchor):
            inside = torch.stack([row.movedim(-3, 0)[self._by_plane] for row in memberships])
            fitted = self._maximised(inside)
            held = anchor / fitted.n_classes / max(len(fitted.class_of) / fitted.n_classes, 1.0)
            share = (fitted.mixing_weights / (fitted.mixing_weights + held))[:, None] if held else 1.0
            means, covariances = share * fitted.means + (1 - share) * self._start.means, fitted.covariances.copy()
            still = np.isin(fitted.class_of, self._held)
            means[still], covariances[still] = before.means[still], before.covariances[still]
            self._mixture = replace(fitted, means=means, covariances=covariances)
        span = np.maximum(np.ptp(before.means, axis=0), 1e-30)
        return float((np.abs(self._mixture.means - before.means) / span).max())

    def _maximised(self, inside: Tensor) -> Mixture:
        """Return the mixture after one M-step with class memberships (K, N) as priors that are already posteriors."""
        total = inside.cpu().double().sum(1).numpy()
        inner = self._quadratic.standardisation.inward(self._mixture)
        parts = []
        for k in range(len(inside)):
            chosen = inner.class_of == k
            weights = inner.mixing_weights[chosen]
            own = Mixture(
                weights / weights.sum(),
                inner.means[chosen],
                inner.covariances[chosen],
                np.zeros(int(chosen.sum()), dtype=np.int64),
            )
            if total[k] >= len(weights) + 1:
                sweeper = Sweeper(Voxels(self._samples, self._quadratic, weights=inside[k]), own.class_of)
                statistics = sweeper(self._quadratic.coefficients(own, log_weights(own)))
                own = m_step(statistics.sums, self._quadratic, own)
            parts.append((max(float(total[k]), 1e-3), own))
        size = sum(weight for weight, _ in parts)
        maximised = Mixture(
            np.concatenate([weight / size * own.mixing_weights for weight, own in parts]),
            np.concatenate([own.means for _, own in parts]),
            np.concatenate([own.covariances for _, own in parts]),
            np.concatenate([np.full(len(own.means), k) for k, (_, own) in enumerate(parts)]),
        )
        return self._quadratic.standardisation.outward(maximised)

    def mixture(self) -> Mixture:
        """Return the parameters."""
        return self._mixture
