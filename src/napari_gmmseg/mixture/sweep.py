"""One pass over all voxels: responsibilities, log-likelihood and sufficient statistics together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.mixture.observations import PRIOR_FLOOR, Chunk, Observations

BARRED = -1e30  # log probability of a class that a fixed label rules out; finite, so that differences stay numbers


@dataclass(frozen=True)
class Statistics:
    """What the M-step needs.

    Parameters
    ----------
    sums : ndarray (G, F) float64
        Sum over voxels of weight times responsibility times features.
    log_likelihood : float
        Sum over voxels of weight times log density of the standardised intensities, in nat.
    """

    sums: NDArray[np.float64]
    log_likelihood: float


class Sweeper:
    """Goes through observations for one set of coefficients after another, on buffers of its own.

    Per chunk of n voxels: log densities l = W phi (one matrix product), l - max, exp, sum, and the statistics
    r phi^T (another). Products run in the features' precision, sums over chunks in float64: float32 sums over a million
    voxels lose .01 nat.

    Parameters
    ----------
    observations : Observations
        What to go through.
    class_of : ndarray (G,) int64
        The class of each Gaussian.
    """

    def __init__(self, observations: Observations, class_of: NDArray[np.int64]) -> None:
        self.observations = observations
        self.class_of = torch.from_numpy(np.array(class_of))
        self._buffers: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, coefficients: NDArray[np.float64]) -> Statistics:
        """Return the statistics under log densities `coefficients` (G, F) float64 times features."""
        sums = np.zeros(coefficients.shape)
        log_likelihood = 0.0
        lost = np.zeros(coefficients.shape)
        rows: Tensor | None = None
        for chunk in self.observations.chunks():
            if rows is None:
                rows = torch.from_numpy(coefficients).to(chunk.features)
                lost = coefficients - rows.cpu().double().numpy()
                self.class_of = self.class_of.to(chunk.features.device)
            chunk_sums, chunk_likelihood = self._chunk(chunk, rows)
            sums += chunk_sums
            log_likelihood += chunk_likelihood
        # Rounded coefficients err alike in all voxels; the sums are the log-likelihood's gradient in them.
        return Statistics(sums, log_likelihood + float((lost * sums).sum()))

    def _chunk(self, chunk: Chunk, rows: Tensor) -> tuple[NDArray[np.float64], float]:
        n = chunk.features.shape[1]
        if n not in self._buffers:
            self._buffers[n] = (chunk.features.new_empty(len(rows), n), chunk.features.new_empty(2, n))
        logits, (highest, total) = self._buffers[n]
        torch.mm(rows, chunk.features, out=logits)
        add_evidence(logits, chunk, self.class_of)
        torch.amax(logits, 0, out=highest)
        logits.sub_(highest).exp_()
        torch.sum(logits, 0, out=total)
        if chunk.weights is None:
            logits.div_(total)
            likelihood = highest.sum(dtype=torch.float64) + log_product(total)
        else:
            logits.mul_(chunk.weights / total)
            likelihood = torch.dot(highest.add_(total.log_()).double(), chunk.weights.double())
        sums = torch.mm(logits, chunk.features.T)
        return sums.cpu().double().numpy(), float(likelihood)


def add_evidence(logits: Tensor, chunk: Chunk, class_of: Tensor) -> None:
    """Add log class priors to log densities in place, and bar what fixed labels rule out.

    Parameters
    ----------
    logits : Tensor (G, n) float
        Log density of each Gaussian, in nat.
    chunk : Chunk
        Its priors (n, K) and fixed labels (n,).
    class_of : Tensor (G,) int64
        The class of each Gaussian.
    """
    if chunk.class_priors is not None:
        logits.add_(chunk.class_priors.T.clamp_min(PRIOR_FLOOR).log_()[class_of])
    if chunk.fixed_labels is not None:
        labels = chunk.fixed_labels.to(torch.int64)
        logits.masked_fill_((labels >= 0) & (labels != class_of[:, None]), BARRED)


def log_product(totals: Tensor) -> Tensor:
    """Return the sum of log totals in nat, with one logarithm for 16 voxels.

    Parameters
    ----------
    totals : Tensor (n,) float
        Values from 1 to the number of Gaussians, at most 128: products of 16 stay below float32's largest number.
        Overwritten.
    """
    n = totals.shape[0]
    head = n // 16
    if head == 0:
        return totals.log_().sum(dtype=torch.float64)
    rest = totals[16 * head :].log().sum(dtype=torch.float64)
    width = 8 * head
    while width >= head:
        totals[:width].mul_(totals[width : 2 * width])
        if width == head:
            break
        width //= 2
    return totals[:head].log_().sum(dtype=torch.float64) + rest
