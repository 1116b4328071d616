"""Log densities against torch.distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gmmseg.mixture import class_log_densities, log_densities, mean_log_likelihood
from napari_gmmseg.mixture.quadratic import QuadraticFeatures, log_weights
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.mixture.sweep import log_product
from napari_gmmseg.volumes import Mixture


def random_mixture(g=4, c=3, *, full=True, offset=0.0):
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(g, c, c)) + 2 * np.eye(c)
    covariances = roots @ roots.transpose(0, 2, 1)
    if not full:
        covariances = covariances * np.eye(c)
    return Mixture(rng.dirichlet(np.ones(g)), offset + 4 * rng.normal(size=(g, c)), covariances, np.arange(g) // 2)


def reference(mixture, x):
    normal = torch.distributions.MultivariateNormal(
        torch.from_numpy(mixture.means.copy()), torch.from_numpy(mixture.covariances.copy())
    )
    return normal.log_prob(torch.as_tensor(x.T.copy(), dtype=torch.float64)[:, None]).T


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_log_densities_are_those_of_torch_distributions(full, dtype, close):
    mixture = random_mixture(full=full)
    x = 5 * np.random.default_rng(1).normal(size=(3, 500))
    torch.testing.assert_close(
        log_densities(mixture, x, dtype=dtype).double(), reference(mixture, x), rtol=close, atol=close
    )


def test_a_large_offset_costs_float32_no_digits():
    mixture = random_mixture(offset=1e5)
    x = (1e5 + 5 * np.random.default_rng(1).normal(size=(3, 500))).astype(np.float32)
    torch.testing.assert_close(log_densities(mixture, x).double(), reference(mixture, x), rtol=1e-4, atol=1e-2)


def test_a_class_is_the_weighted_sum_of_its_gaussians():
    mixture = random_mixture()
    x = 5 * np.random.default_rng(1).normal(size=(3, 200))
    weights = mixture.mixing_weights / np.bincount(mixture.class_of, mixture.mixing_weights)[mixture.class_of]
    joint = weights[:, None] * reference(mixture, x).exp().numpy()
    expected = np.log(np.stack([joint[:2].sum(0), joint[2:].sum(0)]))
    np.testing.assert_allclose(class_log_densities(mixture, x, dtype=torch.float64).numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("full", [True, False])
def test_coefficients_times_features_are_the_log_densities(full):
    mixture = random_mixture(full=full)
    x = torch.from_numpy(5 * np.random.default_rng(1).normal(size=(3, 300)))
    standardisation = Standardisation.of_mixture(mixture)
    quadratic = QuadraticFeatures(standardisation, full=full)
    features = quadratic.fill(x, torch.ones(len(quadratic), 300, dtype=torch.float64))
    inner = standardisation.inward(mixture)
    rows = torch.from_numpy(quadratic.coefficients(inner, log_weights(inner)))
    weights = torch.from_numpy(np.log(mixture.mixing_weights))[:, None]
    expected = reference(mixture, x.numpy()) + weights + standardisation.log_volume
    torch.testing.assert_close(rows @ features, expected, rtol=1e-9, atol=1e-9)


def test_the_mean_log_likelihood_is_that_of_a_mixture_distribution():
    mixture = random_mixture()
    x = 5 * np.random.default_rng(1).normal(size=(3, 400))
    joint = reference(mixture, x) + torch.from_numpy(np.log(mixture.mixing_weights))[:, None]
    assert mean_log_likelihood(mixture, x) == pytest.approx(float(joint.logsumexp(0).mean()), abs=1e-10)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 333, 4096, 5000])
def test_one_logarithm_for_sixteen_voxels_is_the_sum_of_all(n):
    totals = 1 + 127 * torch.rand(n, generator=torch.Generator().manual_seed(n))
    expected = totals.double().log().sum()
    assert float(log_product(totals.clone())) == pytest.approx(float(expected), rel=1e-6)
