"""Intensities in units of their own spread, so that one set of floors and float32 fits every image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.errors import InputError
from napari_gmmseg.mixture.tensors import chunk_size
from napari_gmmseg.volumes import Mixture


@dataclass(frozen=True)
class Standardisation:
    """x' = (x - centre) / scale in each channel.

    Parameters
    ----------
    centre, scale : ndarray (C,) float64
        In the image's own unit; every scale is above 0. The centre is rounded to float32, so that it is one and the
        same number wherever it is subtracted.
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", np.asarray(self.centre, dtype=np.float32).astype(np.float64))

    def inward(self, mixture: Mixture) -> Mixture:
        """Return a mixture of the image's unit in standardised intensities.

        Parameters
        ----------
        mixture : Mixture
            In the image's unit.
        """
        return replace(
            mixture,
            means=(mixture.means - self.centre) / self.scale,
            covariances=mixture.covariances / np.outer(self.scale, self.scale),
        )

    def outward(self, mixture: Mixture) -> Mixture:
        """Return a mixture of standardised intensities in the image's unit.

        Parameters
        ----------
        mixture : Mixture
            In standardised intensities.
        """
        return replace(
            mixture,
            means=mixture.means * self.scale + self.centre,
            covariances=mixture.covariances * np.outer(self.scale, self.scale),
        )

    @property
    def log_volume(self) -> float:
        """Nat a voxel that a log-likelihood loses on the way to the image's own unit."""
        return float(np.log(self.scale).sum())

    @classmethod
    def of_mixture(cls, mixture: Mixture) -> Standardisation:
        """Return the mean and standard deviation that a mixture implies.

        Parameters
        ----------
        mixture : Mixture
            In the image's unit.
        """
        weights = mixture.mixing_weights / mixture.mixing_weights.sum()
        centre = weights @ mixture.means
        variance = weights @ ((mixture.means - centre) ** 2 + mixture.stds**2)
        return cls(centre, np.sqrt(np.where(variance > 0, variance, 1.0)))

    @classmethod
    def of_samples(cls, samples: Tensor, weights: Tensor | None = None) -> Standardisation:
        """Return the mean and standard deviation of the samples; the scale of a constant channel is 1.

        Parameters
        ----------
        samples : Tensor (C, N), any real kind
            Intensities in the image's unit.
        weights : Tensor (N,) float, optional
            How often each voxel counts.

        Raises
        ------
        InputError
            If a sample is NaN or infinite, or no voxel has weight.
        """
        if samples.device.type == "mps":
            # Apple's card has no float64.
            samples, weights = samples.cpu(), None if weights is None else weights.cpu()
        n_channels, n_voxels = samples.shape
        # Deviations from a voxel's value: squares of large offsets would eat the digits of a small spread.
        origin = samples[:, n_voxels // 2].to(torch.float64)[:, None] if n_voxels else torch.zeros(n_channels, 1)
        sums = np.zeros((2, n_channels))
        total = 0.0
        step = 4 * chunk_size(samples.device)
        for begin in range(0, n_voxels, step):
            chunk = samples[:, begin : begin + step].to(torch.float64) - origin
            weighted = chunk
            if weights is not None:
                weight = weights[begin : begin + step].to(torch.float64)
                total += float(weight.sum())
                weighted = chunk * weight
            sums[0] += weighted.sum(1).cpu().numpy()
            sums[1] += (
                weighted.mul_(chunk).sum(1).cpu().numpy()
                if weights is not None
                else chunk.square_().sum(1).cpu().numpy()
            )
        total = total if weights is not None else float(n_voxels)
        if not np.isfinite(sums).all():
            raise InputError("The intensities hold NaN or infinite values.", "Leave these voxels out of the mask.")
        if total <= 0:
            raise InputError("No voxel has weight.", "Enlarge the mask, or give some voxels a weight above 0.")
        deviation = sums[0] / total
        variance = sums[1] / total - deviation**2
        centre = origin[:, 0].cpu().numpy() + deviation
        tiny = np.spacing(np.maximum(np.abs(centre), 1e-30).astype(np.float32)).astype(np.float64) ** 2
        return cls(centre, np.sqrt(np.where(variance > tiny, variance, 1.0)))
