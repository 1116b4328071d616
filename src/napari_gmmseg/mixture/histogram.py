"""One channel as a histogram that carries each bin's moments: EM on thousands of bins instead of millions of voxels."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_gmmseg.mixture.observations import Bins
from napari_gmmseg.mixture.quadratic import QuadraticFeatures
from napari_gmmseg.mixture.tensors import chunk_size

N_BINS = 4096
REACH = 8.0  # bins cover this many standard deviations each way; what lies beyond is at most 1 voxel in 64


def bin_samples(
    samples: Tensor,
    quadratic: QuadraticFeatures,
    *,
    weights: Tensor | None = None,
    fixed_labels: Tensor | None = None,
    n_bins: int = N_BINS,
) -> Bins:
    """Return the histogram of one channel, a row of bins for each fixed label.

    Each bin keeps the count and the sums of x and x x of its voxels, so that means and variances of the classes are
    those of the voxels and not of bin centres. Voxels beyond `REACH` standard deviations are kept one by one: by
    Chebyshev's inequality they are few, and a single outlier does not stretch the bins of all others.

    Parameters
    ----------
    samples : Tensor (1, N), any real kind
        Intensities in the image's unit.
    quadratic : QuadraticFeatures
        Of one channel.
    weights : Tensor (N,) float, optional
        How often each voxel counts.
    fixed_labels : Tensor (N,) integer, optional
        Known class k, or -1.
    n_bins : int
        Bins between the outermost voxels within reach.
    """
    centre, scale = float(quadratic.standardisation.centre[0]), float(quadratic.standardisation.scale[0])
    n = samples.shape[1]
    low, high = _range(samples, centre, scale)
    per_unit = n_bins / max(high - low, 1e-12)
    n_rows = 1 if fixed_labels is None else int(fixed_labels.max()) + 2
    moments = torch.zeros(3, n_rows * n_bins, dtype=torch.float64)
    beyond: list[Tensor] = []
    step = 4 * chunk_size(samples.device)
    for begin in range(0, n, step):
        x = samples[0, begin : begin + step].to(torch.float64).cpu().sub(centre).mul_(1.0 / scale)
        weight = None if weights is None else weights[begin : begin + step].to(torch.float64).cpu()
        row = None if fixed_labels is None else fixed_labels[begin : begin + step].to(torch.int64).cpu() + 1
        index = ((x - low) * per_unit).to(torch.int64)
        outside = (x < low) | (x > high)
        if bool(outside.any()):
            label = torch.zeros(int(outside.sum()), dtype=torch.float64) if row is None else row[outside].double()
            count = torch.ones_like(label) if weight is None else weight[outside]
            beyond.append(torch.stack([count, count * x[outside], count * x[outside] ** 2, label]))
            keep = ~outside
            x, index = x[keep], index[keep]
            weight = None if weight is None else weight[keep]
            row = None if row is None else row[keep]
        index.clamp_(0, n_bins - 1)
        if row is not None:
            index.add_(row * n_bins)
        moments += _bin_moments(index, x, weight, n_rows * n_bins)
    return _collect(moments, beyond, n_bins, quadratic, labelled=fixed_labels is not None)


def _range(samples: Tensor, centre: float, scale: float) -> tuple[float, float]:
    lowest, highest = torch.aminmax(samples[0])
    low = max((float(lowest) - centre) / scale, -REACH)
    high = min((float(highest) - centre) / scale, REACH)
    return low, max(high, low)


def _bin_moments(index: Tensor, x: Tensor, weight: Tensor | None, n: int) -> Tensor:
    first = x if weight is None else x * weight
    return torch.stack(
        [
            torch.bincount(index, weight, n).double(),
            torch.bincount(index, first, n),
            torch.bincount(index, first * x, n),
        ]
    )


def _collect(
    moments: Tensor,
    beyond: list[Tensor],
    n_bins: int,
    quadratic: QuadraticFeatures,
    *,
    labelled: bool,
) -> Bins:
    label = torch.arange(moments.shape[1]).div(n_bins, rounding_mode="floor").double()
    table = torch.cat([torch.cat([moments, label[None]]), *beyond], dim=1)
    table = table[:, table[0] > 0]
    counts, labels = table[0], table[3].to(torch.int64) - 1
    # A few thousand bins stay on the processor: on a graphics card, starting the work would take longer than doing it.
    return Bins((table[:3] / counts).contiguous(), counts.contiguous(), quadratic, labels if labelled else None)
