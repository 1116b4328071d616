"""The spatially variant mixture: each voxel's own last responsibilities as its weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gmmseg.mixture import class_log_densities, em, initial_mixture, most_likely_class, responsibilities, run_em


def literal_svgmm(x, start, n_steps):
    """Return parameters and weights (N, K) after steps written down as the method's article has them."""
    samples = x.astype(np.float64)
    weights = np.tile(start.mixing_weights, (x.shape[1], 1))
    means, variances = start.means, start.stds**2
    for _ in range(n_steps):
        log_density = -0.5 * ((samples.T[:, None] - means) ** 2 / variances + np.log(2 * np.pi * variances)).sum(2)
        joint = weights * np.exp(log_density)
        weights = joint / joint.sum(1, keepdims=True)
        masses = weights.sum(0)
        means = (weights.T @ samples.T) / masses[:, None]
        variances = (weights.T @ samples.T**2) / masses[:, None] - means**2
    return means, variances, weights


@pytest.mark.parametrize(("n_channels", "route"), [(1, "histogram"), (1, "every-voxel"), (3, "every-voxel")])
def test_steps_are_those_of_the_article(samples, n_channels, route):
    x = samples(n_channels)
    start = initial_mixture(x, (1, 1, 1))
    means, variances, weights = literal_svgmm(x, start, 6)
    result = run_em(
        em(x, start, spatially_variant=True, route=route, max_steps=6, tolerance=1e-15, dtype=torch.float64)
    )
    close = 1e-4 if route == "histogram" else 1e-7
    np.testing.assert_allclose(result.mixture.means, means, rtol=close)
    np.testing.assert_allclose(result.mixture.stds**2, variances, rtol=10 * close)
    assert np.abs(responsibilities(result.posterior, x).numpy() - weights).max() < 2e-3


@pytest.mark.parametrize(("n_channels", "covariance"), [(1, "diagonal"), (3, "diagonal"), (3, "full")])
def test_the_log_likelihood_never_falls(samples, n_channels, covariance):
    x = samples(n_channels)
    start = initial_mixture(x, (1, 1, 1), covariance=covariance)
    steps = em(x, start, spatially_variant=True, covariance=covariance, tolerance=1e-12, max_steps=60)
    assert np.diff([step.log_likelihood for step in steps]).min() > -2e-6


def test_the_first_log_likelihood_is_that_of_the_plain_mixture(samples):
    x = samples(3)
    start = initial_mixture(x, (1, 1, 1))
    first, second = (next(em(x, start, spatially_variant=flag)) for flag in (True, False))
    assert first.log_likelihood == pytest.approx(second.log_likelihood, abs=1e-6)


def test_labels_go_to_zero_or_one_where_the_plain_mixtures_do_not(sample_brain):
    rng = np.random.default_rng(0)
    x = sample_brain + rng.normal(0, 0.05 * sample_brain.max(), sample_brain.shape).astype(np.float32)
    start = initial_mixture(x, (1, 1, 1))
    variant = run_em(em(x, start, spatially_variant=True, tolerance=1e-9, max_steps=30))
    plain = run_em(em(x, start, tolerance=1e-6))
    assert responsibilities(variant.posterior, x).amax(1).mean() > 0.99
    assert responsibilities(plain.posterior, x).amax(1).mean() < 0.97


def test_priors_and_fixed_voxels_are_heeded(samples):
    x = samples(1, n=3000)
    start = initial_mixture(x, (1, 1, 1))
    fixed = np.where(np.arange(3000) < 50, 2, -1)
    priors = np.full((3000, 3), 1 / 3)
    priors[50:100] = [1, 0, 0]
    result = run_em(em(x, start, spatially_variant=True, class_priors=priors, fixed_labels=fixed, max_steps=10))
    weights = responsibilities(result.posterior, x, class_priors=priors, fixed_labels=fixed).numpy()
    assert (weights[:50].argmax(1) == 2).all()
    # A prior of 1e-30 is overruled only by intensities that say so again and again: most voxels stay.
    assert (weights[50:100].argmax(1) == 0).mean() > 0.3
    assert np.isfinite(result.log_likelihood)


def test_the_posterior_of_a_plain_fit_is_the_mixtures(samples):
    x = samples(3)
    result = run_em(em(x, initial_mixture(x, (2, 1, 1)), max_steps=10))
    weights = np.bincount(result.mixture.class_of, result.mixture.mixing_weights)
    logits = class_log_densities(result.mixture, x, dtype=torch.float64) + torch.from_numpy(np.log(weights))[:, None]
    expected = torch.softmax(logits, 0).T.numpy()
    for source in (result.posterior, result.mixture):
        np.testing.assert_allclose(responsibilities(source, x).numpy(), expected, atol=1e-4)
        winners = most_likely_class(source, x).numpy()
        assert (winners == expected.argmax(1)).mean() > 0.9995
