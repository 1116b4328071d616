"""Log densities of Gaussians, in nat, by Cholesky factors: the exact form, for any range of intensities."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_gmmseg.mixture.quadratic import log_weights
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.mixture.tensors import Array, as_tensor, chunk_size
from napari_gmmseg.volumes import Mixture


def log_densities(mixture: Mixture, samples: Tensor | Array, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return log N(x; mean_g, covariance_g) for every Gaussian and voxel.

    -1/2 (C log 2 pi + log det S_g + |L_g^-1 (x - m_g)|^2) with S_g = L_g L_g^T; intensities are centred and scaled by
    the mixture's own mean and spread first, so that float32 keeps its digits far from 0.

    Parameters
    ----------
    mixture : Mixture
        G Gaussians in C channels, in the samples' unit.
    samples : Tensor or ndarray (C, N), any real kind
        Intensities.
    dtype : torch.dtype
        Of the result.

    Returns
    -------
    Tensor (G, N) float
        Log densities in nat, on the samples' device.
    """
    x = as_tensor(samples)
    standardisation = Standardisation.of_mixture(mixture)
    inner = standardisation.inward(mixture)
    c = mixture.n_channels
    factors = np.linalg.cholesky(inner.covariances)
    whitening = np.linalg.inv(factors)
    shifts = np.einsum("gij,gj->gi", whitening, inner.means)
    constants = -0.5 * c * np.log(2 * np.pi) - np.log(np.einsum("gii->gi", factors)).sum(1) - standardisation.log_volume
    rows = torch.from_numpy(whitening.reshape(-1, c)).to(x.device, dtype)
    offsets = torch.from_numpy(shifts.reshape(-1, 1)).to(x.device, dtype)
    constant = torch.from_numpy(constants)[:, None].to(x.device, dtype)
    centre = torch.from_numpy(standardisation.centre)[:, None].to(x.device, dtype)
    scale = torch.from_numpy(standardisation.scale)[:, None].to(x.device, dtype)
    n = x.shape[1]
    result = torch.empty(len(constants), n, dtype=dtype, device=x.device)
    step = chunk_size(x.device)
    for begin in range(0, n, step):
        chunk = x[:, begin : begin + step].to(dtype).sub(centre).div_(scale)
        white = torch.addmm(offsets, rows, chunk, beta=-1.0).square_()
        distances = white.view(len(constants), c, -1).sum(1)
        torch.add(constant, distances, alpha=-0.5, out=result[:, begin : begin + step])
    return result


def class_log_densities(mixture: Mixture, samples: Tensor | Array, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the log density of each class: logsumexp over its Gaussians, weighted within the class.

    Parameters
    ----------
    mixture : Mixture
        G Gaussians in K classes, in the samples' unit.
    samples : Tensor or ndarray (C, N), any real kind
        Intensities.
    dtype : torch.dtype
        Of the result.

    Returns
    -------
    Tensor (K, N) float
        Log densities in nat; class weights are not in them.
    """
    densities = log_densities(mixture, samples, dtype=dtype)
    weights = torch.from_numpy(log_weights(mixture, within_class=True)).to(densities)
    return class_logsumexp(densities.add_(weights[:, None]), mixture.class_of)


def class_logsumexp(logits: Tensor, class_of: Array) -> Tensor:
    """Return logsumexp over the Gaussians of each class.

    Parameters
    ----------
    logits : Tensor (G, N) float
        In nat.
    class_of : ndarray (G,) integer
        The class of each Gaussian.

    Returns
    -------
    Tensor (K, N) float
        In nat; the input itself where each class has one Gaussian, in order.
    """
    n_classes = int(class_of.max()) + 1
    if len(class_of) == n_classes and (class_of == np.arange(n_classes)).all():
        return logits
    if len(class_of) == n_classes:
        # One Gaussian a class in another order, as splits leave them.
        return logits[torch.from_numpy(np.argsort(class_of)).to(logits.device)]
    members = [torch.from_numpy(np.flatnonzero(class_of == k)).to(logits.device) for k in range(n_classes)]
    return torch.stack([torch.logsumexp(logits[index], 0) for index in members])


def mean_log_likelihood(mixture: Mixture, samples: Tensor | Array, *, dtype: torch.dtype = torch.float64) -> float:
    """Return the mean log density of the samples under the mixture, in nat per voxel.

    Parameters
    ----------
    mixture : Mixture
        In the samples' unit.
    samples : Tensor or ndarray (C, N), any real kind
        Intensities.
    dtype : torch.dtype
        Of the arithmetic on chunks; the sum is float64.
    """
    x = as_tensor(samples)
    weights = torch.from_numpy(log_weights(mixture)).to(x.device, dtype)[:, None]
    total = 0.0
    step = 4 * chunk_size(x.device)
    for begin in range(0, x.shape[1], step):
        logits = log_densities(mixture, x[:, begin : begin + step], dtype=dtype).add_(weights)
        total += float(torch.logsumexp(logits, 0).cpu().double().sum())
    return total / x.shape[1]
