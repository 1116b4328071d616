"""The histogram's result is that of every voxel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gmmseg.mixture import em, initial_mixture, mean_log_likelihood, most_likely_class, run_em
from napari_gmmseg.mixture.histogram import REACH, bin_samples
from napari_gmmseg.mixture.quadratic import QuadraticFeatures
from napari_gmmseg.mixture.standardisation import Standardisation


def binned(x, **settings):
    tensor = torch.from_numpy(x)
    return bin_samples(tensor, QuadraticFeatures(Standardisation.of_samples(tensor), full=False), **settings)


def test_bins_keep_the_voxels_moments(samples):
    x = samples(1)
    bins = binned(x)
    scale, centre = bins.quadratic.standardisation.scale, bins.quadratic.standardisation.centre
    standard = (x[0].astype(np.float64) - centre) / scale
    assert float(bins.counts.sum()) == x.shape[1]
    assert float(bins.counts @ bins.features[1]) == pytest.approx(standard.sum(), abs=1e-6)
    assert float(bins.counts @ bins.features[2]) == pytest.approx((standard**2).sum(), rel=1e-9)


def test_an_outlier_does_not_stretch_the_bins(samples):
    x = samples(1, n=20_000)
    x[0, 3] = 1e4
    bins = binned(x)
    assert float(bins.counts.sum()) == x.shape[1]
    assert float(bins.features[1].max()) > REACH
    body = np.sort(bins.features[1].numpy())[:-1]
    assert np.diff(body).max() < 0.5


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_sample_brains_fit_is_the_exact_one(sample_brain, noise):
    rng = np.random.default_rng(0)
    x = sample_brain + rng.normal(0, noise * sample_brain.max(), sample_brain.shape).astype(np.float32)
    start = initial_mixture(x, (1, 1, 1))
    quick, exact = (
        run_em(em(x, start, tolerance=1e-6, max_steps=1000, route=route, dtype=torch.float64))
        for route in ("histogram", "every-voxel")
    )
    assert abs(quick.steps - exact.steps) <= 2
    assert mean_log_likelihood(quick.mixture, x) == pytest.approx(mean_log_likelihood(exact.mixture, x), abs=1e-5)
    same = most_likely_class(quick.mixture, x) == most_likely_class(exact.mixture, x)
    assert same.float().mean() > 0.999


def test_few_grey_values_are_binned_without_loss():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(m, 8, 3000).round() for m in (40, 90, 140)])[None].astype(np.int16)
    start = initial_mixture(x, (1, 1, 1))
    quick, exact = (
        run_em(em(x, start, tolerance=1e-12, max_steps=5, route=route, dtype=torch.float64))
        for route in ("histogram", "every-voxel")
    )
    np.testing.assert_allclose(quick.mixture.means, exact.mixture.means, rtol=1e-9)
    np.testing.assert_allclose(quick.mixture.covariances, exact.mixture.covariances, rtol=1e-7)
