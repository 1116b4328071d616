"""What an EM step sums over: chunks of features, with weights, class priors and fixed labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from napari_gmmseg.mixture.quadratic import QuadraticFeatures
from napari_gmmseg.mixture.tensors import chunk_size

PRIOR_FLOOR = 1e-30  # a class that an atlas rules out stays possible, barely: log 0 would poison whole voxels


@dataclass(frozen=True)
class Chunk:
    """Voxels or bins that are worked on at once.

    Parameters
    ----------
    features : Tensor (F, n) float
        Quadratic features.
    weights : Tensor (n,) float or None
        How often each counts; None: once.
    class_priors : Tensor (n, K) float or None
        Prior probability of each class.
    fixed_labels : Tensor (n,) integer or None
        Known class k, or -1.
    """

    features: Tensor
    weights: Tensor | None = None
    class_priors: Tensor | None = None
    fixed_labels: Tensor | None = None


class Observations(Protocol):
    """Anything that can be gone through in chunks, again and again."""

    quadratic: QuadraticFeatures
    total_weight: float

    def chunks(self) -> Iterator[Chunk]:
        """Yield the chunks; a chunk's tensors are valid until the next is asked for."""
        ...


class Voxels:
    """Every voxel as one observation; features are made anew in each sweep, so that memory stays small.

    Parameters
    ----------
    samples : Tensor (C, N), any real kind
        Intensities in the image's unit.
    quadratic : QuadraticFeatures
        How to make features.
    weights : Tensor (N,) float, optional
        How often each voxel counts.
    class_priors : Tensor (N, K) float, optional
        Prior probability of each class.
    fixed_labels : Tensor (N,) integer, optional
        Known class k, or -1.
    dtype : torch.dtype
        Of the features: float32, or float64 for the last digits.
    """

    def __init__(
        self,
        samples: Tensor,
        quadratic: QuadraticFeatures,
        *,
        weights: Tensor | None = None,
        class_priors: Tensor | None = None,
        fixed_labels: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.samples = samples
        self.quadratic = quadratic
        self.weights = weights
        self.class_priors = class_priors
        self.fixed_labels = fixed_labels
        self.dtype = dtype
        self.total_weight = float(samples.shape[1] if weights is None else weights.sum(dtype=torch.float64))

    def every(self, stride: int) -> Voxels:
        """Return a systematic subset: the middle voxel of each run of `stride` voxels.

        Parameters
        ----------
        stride : int
            One voxel in so many is kept.
        """

        def thin(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[stride // 2 :: stride].contiguous()

        return Voxels(
            self.samples[:, stride // 2 :: stride].contiguous(),
            self.quadratic,
            weights=thin(self.weights),
            class_priors=thin(self.class_priors),
            fixed_labels=thin(self.fixed_labels),
            dtype=self.dtype,
        )

    def chunks(self) -> Iterator[Chunk]:
        """Yield chunks of at most `chunk_size` voxels."""
        n = self.samples.shape[1]
        step = min(n, chunk_size(self.samples.device))
        buffer = torch.ones(len(self.quadratic), step, dtype=self.dtype, device=self.samples.device)
        for begin in range(0, n, step):
            end = min(begin + step, n)
            features = self.quadratic.fill(self.samples[:, begin:end], buffer[:, : end - begin])
            yield Chunk(
                features,
                None if self.weights is None else self.weights[begin:end].to(self.dtype),
                None if self.class_priors is None else self.class_priors[begin:end].to(self.dtype),
                None if self.fixed_labels is None else self.fixed_labels[begin:end],
            )


class Bins:
    """Groups of nearly equal voxels, each with its mean features and its count: one chunk, kept.

    A group enters with the mean of its voxels' log densities and with its exact moments, which is EM under the
    constraint that voxels of one group share their responsibilities; the log-likelihood is therefore a lower bound,
    lower by less than the square of the bin width over the class's standard deviation.

    Parameters
    ----------
    features : Tensor (F, B) float64
        Mean features of each group.
    counts : Tensor (B,) float64
        Voxels, or their weight, in each group.
    fixed_labels : Tensor (B,) integer, optional
        Known class k of the group, or -1.
    quadratic : QuadraticFeatures
        How the features were made.
    """

    def __init__(
        self, features: Tensor, counts: Tensor, quadratic: QuadraticFeatures, fixed_labels: Tensor | None = None
    ) -> None:
        self.features = features
        self.counts = counts
        self.quadratic = quadratic
        self.fixed_labels = fixed_labels
        self.total_weight = float(counts.sum())

    def chunks(self) -> Iterator[Chunk]:
        """Yield all bins at once."""
        yield Chunk(self.features, self.counts, None, self.fixed_labels)
