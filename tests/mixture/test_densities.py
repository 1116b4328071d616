"""Log densities against torch.distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gmmseg.mixture import class_log_densities, log_densities, mean_log_likelihood
from napari_gmmseg.mixture.observations import Voxels
from napari_gmmseg.mixture.quadratic import QuadraticFeatures, log_weights
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.mixture.sweep import Sweeper
from napari_gmmseg.mixture.tensors import CHUNK
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


@pytest.mark.parametrize("n", [1, 7, 64, 16 * 64, 16 * 64 + 5, 40 * 64 + 63])
@pytest.mark.parametrize("full", [False, True])
def test_a_sweep_in_chunks_has_the_sums_of_all_voxels_at_once(n, full, monkeypatch):
    monkeypatch.setitem(CHUNK, "cpu", 64)
    mixture = random_mixture(full=full)
    x = torch.from_numpy(np.random.default_rng(n).normal(0, 3, (3, n)))
    quadratic = QuadraticFeatures(Standardisation(np.zeros(3), np.ones(3)), full=full)
    coefficients = quadratic.coefficients(mixture, log_weights(mixture))
    found = Sweeper(Voxels(x, quadratic), mixture.class_of)(coefficients)
    logits = log_densities(mixture, x, dtype=torch.float64) + torch.from_numpy(log_weights(mixture))[:, None]
    assert found.log_likelihood == pytest.approx(float(torch.logsumexp(logits, 0).sum()), rel=1e-6)
    features = quadratic.fill(x, torch.ones(len(quadratic), n, dtype=torch.float64))
    np.testing.assert_allclose(found.sums, (torch.softmax(logits, 0) @ features.T).numpy(), rtol=1e-4, atol=1e-4)


def test_voxels_far_from_all_but_one_class_cost_no_denormal_numbers_and_change_nothing():
    mixture = Mixture(np.full(2, 0.5), np.array([[-100.0], [100.0]]), np.ones((2, 1, 1)), np.arange(2))
    quadratic = QuadraticFeatures(Standardisation(np.zeros(1), np.ones(1)), full=False)
    x = torch.tensor([[-101.0, -100.0, 99.0, 100.0, 101.0]])
    sums = Sweeper(Voxels(x, quadratic), mixture.class_of)(quadratic.coefficients(mixture, log_weights(mixture))).sums
    np.testing.assert_allclose(sums[:, 0], [2, 3])
    np.testing.assert_allclose(sums[:, 1], [-201, 300])
