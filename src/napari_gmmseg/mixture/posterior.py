"""From a fitted mixture to class probabilities and labels of voxels, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.mixture.densities import class_logsumexp
from napari_gmmseg.mixture.observations import Voxels
from napari_gmmseg.mixture.quadratic import QuadraticFeatures, log_weights
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.mixture.sweep import add_evidence
from napari_gmmseg.mixture.tensors import Array, as_tensor, empty
from napari_gmmseg.volumes import Mixture


@dataclass(frozen=True)
class Posterior:
    """Unnormalised log probabilities of the Gaussians as polynomials of the intensities.

    A mixture's posterior is one; so is that of the spatially variant mixture after any number of steps, see `em`.

    Parameters
    ----------
    coefficients : ndarray (G, F) float64
        Rows that take quadratic features to log probabilities, in nat.
    quadratic : QuadraticFeatures
        What the features mean.
    class_of : ndarray (G,) int64
        The class of each Gaussian.
    """

    coefficients: NDArray[np.float64]
    quadratic: QuadraticFeatures
    class_of: NDArray[np.int64]

    @classmethod
    def of_mixture(cls, mixture: Mixture, *, within_class: bool = False) -> Posterior:
        """Return the posterior of a mixture of the image's unit; weights within classes where priors replace them.

        Parameters
        ----------
        mixture : Mixture
            In the image's own unit.
        within_class : bool
            Whether weights count within a class only, because priors give those of the classes.
        """
        standardisation = Standardisation.of_mixture(mixture)
        quadratic = QuadraticFeatures(standardisation, full=mixture.n_channels > 1)
        weights = log_weights(mixture, within_class=within_class)
        return cls(quadratic.coefficients(standardisation.inward(mixture), weights), quadratic, mixture.class_of)

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return int(self.class_of.max()) + 1


def responsibilities(
    source: Mixture | Posterior,
    samples: Tensor | Array,
    *,
    class_priors: Tensor | Array | None = None,
    fixed_labels: Tensor | Array | None = None,
) -> Tensor:
    """Return the probability of each class at each voxel.

    r_k(x) = A_k(x) p_k(x) / sum_j A_j(x) p_j(x), p_k the sum over the class's Gaussians; A is the class weights
    unless priors are given.

    Parameters
    ----------
    source : Mixture or Posterior
        What was fitted; `EMResult.posterior` for the spatially variant mixture.
    samples : Tensor or ndarray (C, N), any real kind
        Intensities in the mixture's unit.
    class_priors : Tensor or ndarray (N, K) float, optional
        Prior probability of each class at each voxel.
    fixed_labels : Tensor or ndarray (N,) integer, optional
        Known class k, or -1.

    Returns
    -------
    Tensor (N, K) float32
        Rows sum to 1. Its transpose (K, N) is contiguous.
    """
    x = as_tensor(samples)
    posterior = _posterior(source, class_priors)
    result = empty((posterior.n_classes, x.shape[1]), torch.float32, x.device)
    begin = 0
    for logits in _class_logits(posterior, x, class_priors, fixed_labels):
        end = begin + logits.shape[1]
        torch.softmax(logits, 0, out=result[:, begin:end])
        begin = end
    return result.T


def most_likely_class(
    source: Mixture | Posterior,
    samples: Tensor | Array,
    *,
    class_priors: Tensor | Array | None = None,
    fixed_labels: Tensor | Array | None = None,
) -> Tensor:
    """Return the class of highest probability at each voxel.

    Parameters
    ----------
    source : Mixture or Posterior
        What was fitted; `EMResult.posterior` for the spatially variant mixture.
    samples : Tensor or ndarray (C, N), any real kind
        Intensities in the mixture's unit.
    class_priors : Tensor or ndarray (N, K) float, optional
        Prior probability of each class at each voxel.
    fixed_labels : Tensor or ndarray (N,) integer, optional
        Known class k, or -1.

    Returns
    -------
    Tensor (N,) uint8
        From 0 to K - 1.
    """
    x = as_tensor(samples)
    posterior = _posterior(source, class_priors)
    result = empty((x.shape[1],), torch.uint8, x.device)
    begin = 0
    for logits in _class_logits(posterior, x, class_priors, fixed_labels):
        end = begin + logits.shape[1]
        # A running maximum: argmax over the leading axis takes twenty times as long on a processor.
        highest, labels = logits[0].clone(), result[begin:end].zero_()
        for k in range(1, posterior.n_classes):
            labels.masked_fill_(logits[k] > highest, k)
            torch.maximum(highest, logits[k], out=highest)
        begin = end
    return result


def _posterior(source: Mixture | Posterior, class_priors: Tensor | Array | None) -> Posterior:
    if isinstance(source, Posterior):
        return source
    return Posterior.of_mixture(source, within_class=class_priors is not None)


def _class_logits(
    posterior: Posterior, x: Tensor, class_priors: Tensor | Array | None, fixed_labels: Tensor | Array | None
) -> Iterator[Tensor]:
    voxels = Voxels(
        x,
        posterior.quadratic,
        class_priors=None if class_priors is None else as_tensor(class_priors).to(x.device),
        fixed_labels=None if fixed_labels is None else as_tensor(fixed_labels).to(x.device),
    )
    class_of = torch.from_numpy(np.array(posterior.class_of)).to(x.device)
    rows = torch.from_numpy(np.array(posterior.coefficients)).to(x.device, torch.float32)
    for chunk in voxels.chunks():
        logits = rows @ chunk.features
        add_evidence(logits, chunk, class_of)
        yield class_logsumexp(logits, posterior.class_of)
