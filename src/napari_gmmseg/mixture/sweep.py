"""One pass over all voxels: responsibilities, log-likelihood and sufficient statistics together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.mixture.observations import PRIOR_FLOOR, Chunk, Observations

RUN = 16  # chunks of which one logarithm is taken
LEAST = -80.0  # of log densities under the largest: below -87 the exponential is denormal, and twenty times as slow
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
    voxels lose .01 nat. Of the log-likelihood, maxima of `RUN` chunks are summed and totals multiplied place by place
    before one logarithm is taken; totals lie from 1 to the number of Gaussians, at most 128, so that products of 16
    stay below float32's largest number.

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
        run: _Run | None = None
        lost = np.zeros(coefficients.shape)
        for chunk in self.observations.chunks():
            if run is None:
                rows = torch.from_numpy(coefficients).to(chunk.features)
                lost = coefficients - rows.cpu().double().numpy()
                self.class_of = self.class_of.to(chunk.features.device)
                run = _Run(rows, chunk.features)
            self._chunk(chunk, rows, run)
        if run is None:
            return Statistics(np.zeros(coefficients.shape), 0.0)
        sums, log_likelihood = run.finished()
        # Rounded coefficients err alike in all voxels; the sums are the log-likelihood's gradient in them.
        return Statistics(sums, log_likelihood + float((lost * sums).sum()))

    def _chunk(self, chunk: Chunk, rows: Tensor, run: _Run) -> None:
        n = chunk.features.shape[1]
        if n not in self._buffers:
            self._buffers[n] = (chunk.features.new_empty(len(rows), n), chunk.features.new_empty(2, n))
        logits, (highest, total) = self._buffers[n]
        torch.mm(rows, chunk.features, out=logits)
        add_evidence(logits, chunk, self.class_of)
        torch.amax(logits, 0, out=highest)
        logits.sub_(highest).clamp_min_(LEAST).exp_()
        torch.sum(logits, 0, out=total)
        if chunk.weights is None:
            run.count(highest, total)
            logits.mul_(total.reciprocal_())
        else:
            logits.mul_(chunk.weights / total)
            run.likelihood += torch.dot(highest.add_(total.log_()).double(), chunk.weights.double())
        run.sums += torch.mm(logits, chunk.features.T)


class _Run:
    """The sums of one sweep, in float64 on the voxels' device."""

    def __init__(self, rows: Tensor, features: Tensor) -> None:
        self.sums = torch.zeros(rows.shape, dtype=torch.float64, device=rows.device)
        self.likelihood = torch.zeros((), dtype=torch.float64, device=rows.device)
        self._highest = torch.zeros_like(features[0])
        self._product = torch.ones_like(features[0])
        self._counted = 0

    def count(self, highest: Tensor, total: Tensor) -> None:
        """Take in a chunk's largest log densities (n,), and the sums (n,) of densities over the largest."""
        n = len(total)
        self._highest[:n] += highest
        self._product[:n] *= total
        self._counted += 1
        if self._counted == RUN:
            self._close()

    def finished(self) -> tuple[NDArray[np.float64], float]:
        """Return the sums (G, F), and the log-likelihood in nat."""
        self._close()
        return self.sums.cpu().numpy(), float(self.likelihood)

    def _close(self) -> None:
        if self._counted:
            self.likelihood += self._highest.add_(self._product.log_()).sum(dtype=torch.float64)
            self._highest.zero_()
            self._product.fill_(1)
        self._counted = 0


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
