"""Several channels as cells of a joint histogram: a small stand-in for all voxels, whatever their order."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_gmmseg.mixture.observations import Bins
from napari_gmmseg.mixture.quadratic import QuadraticFeatures

MOST_CHANNELS = 4  # with more, cells are either too coarse or as many as voxels
MOST_CELLS = 1 << 16
REACH = 4.0  # cells cover this many standard deviations each way; the outermost take what lies beyond
AT_ONCE = 1 << 17  # voxels; each batch costs a pass over all cells


def bin_cells(samples: Tensor, quadratic: QuadraticFeatures, *, weights: Tensor | None = None) -> Bins:
    """Return the cells that hold voxels, with their counts and mean intensities.

    A cell's mean is its voxels' own; its second moments are the squares of the means and, on the diagonal, a twelfth of
    the squared cell width (Sheppard's correction). EM on cells is biased by their width over the classes' standard
    deviations: good for a start, which sweeps over voxels then correct.

    Parameters
    ----------
    samples : Tensor (C, N), any real kind
        Intensities in the image's unit; C at most `MOST_CHANNELS`.
    quadratic : QuadraticFeatures
        What features to make.
    weights : Tensor (N,) float, optional
        How often each voxel counts.
    """
    c, n = samples.shape
    per_axis = int(MOST_CELLS ** (1 / c) + 1e-9)
    n_cells = per_axis**c
    width = 2 * REACH / per_axis
    standardisation = quadratic.standardisation
    sums = torch.zeros(1 + c, n_cells, dtype=torch.float64)
    for begin in range(0, n, AT_ONCE):
        batch = samples[:, begin : begin + AT_ONCE].cpu()
        weight = None if weights is None else weights[begin : begin + AT_ONCE].cpu().double()
        cell = torch.zeros(batch.shape[1])
        rows = []
        for channel in range(c):
            row = batch[channel].to(torch.float32).sub(float(standardisation.centre[channel]))
            row.mul_(1.0 / float(standardisation.scale[channel]))
            rows.append(row)
            place = row.add(REACH).mul_(1.0 / width).floor_().clamp_(0, per_axis - 1)
            cell.mul_(per_axis).add_(place)
        index = cell.to(torch.int64)
        sums[0] += torch.bincount(index, weight, n_cells)
        for channel, row in enumerate(rows):
            value = row.double() if weight is None else row.double().mul_(weight)
            sums[1 + channel] += torch.bincount(index, value, n_cells)
    sums = sums[:, sums[0] > 0]
    counts = sums[0].clone()
    features = torch.ones(len(quadratic), sums.shape[1], dtype=torch.float64)
    torch.div(sums[1:], counts, out=features[1 : 1 + c])
    for column, (i, j) in enumerate(quadratic.pairs, start=1 + c):
        torch.mul(features[1 + i], features[1 + j], out=features[column])
        if i == j:
            features[column] += width**2 / 12
    return Bins(features, counts, quadratic)
