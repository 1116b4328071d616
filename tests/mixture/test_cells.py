"""Cells of a joint histogram stand in for voxels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gmmseg.mixture.cells import bin_cells
from napari_gmmseg.mixture.quadratic import QuadraticFeatures
from napari_gmmseg.mixture.standardisation import Standardisation


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_cells_keep_counts_means_and_nearly_the_second_moments(samples, n_channels, weighted):
    x = torch.from_numpy(samples(n_channels, n=20_000))
    weights = torch.rand(20_000, generator=torch.Generator().manual_seed(0)) if weighted else None
    quadratic = QuadraticFeatures(Standardisation.of_samples(x, weights), full=True)
    cells = bin_cells(x, quadratic, weights=weights)
    exact = quadratic.fill(x, torch.ones(len(quadratic), 20_000, dtype=torch.float64))
    count = torch.ones(20_000, dtype=torch.float64) if weights is None else weights.double()
    means, expected = cells.features @ cells.counts / cells.counts.sum(), exact @ count / count.sum()
    assert float(cells.counts.sum()) == pytest.approx(float(count.sum()), rel=1e-6)
    torch.testing.assert_close(means[: 1 + n_channels], expected[: 1 + n_channels], rtol=0, atol=1e-5)
    torch.testing.assert_close(means, expected, rtol=0, atol=0.02)


def test_an_outlier_joins_the_outermost_cell(samples):
    x = torch.from_numpy(samples(3, n=5000))
    x[:, 7] = torch.tensor([1e4, -1e4, 1e4])
    cells = bin_cells(x, QuadraticFeatures(Standardisation.of_samples(x), full=True))
    assert float(cells.counts.sum()) == 5000
    assert np.isfinite(cells.features.numpy()).all()
