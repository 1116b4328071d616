"""The likelihoods against sums written out, and against each other."""

from __future__ import annotations

import math

import pytest
import torch

from napari_gmmseg.losses import elbo, global_nll, imitation, spatially_variant_nll

K = 3
SIZE = (6, 7)


@pytest.fixture
def scene():
    """Log prior, log densities (1, K, *S), mixing weights (1, K) and a mask."""
    generator = torch.Generator().manual_seed(2)
    log_prior = torch.randn(1, K, *SIZE, generator=generator, dtype=torch.float64).log_softmax(1)
    log_densities = 3 * torch.randn(1, K, *SIZE, generator=generator, dtype=torch.float64)
    mixing_weights = torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.float64)
    mask = torch.rand(1, *SIZE, generator=generator) > 0.4
    return log_prior, log_densities, mixing_weights, mask


def test_the_spatially_variant_likelihood_is_that_of_the_article(scene):
    log_prior, log_densities, _, mask = scene
    total = 0.0
    for y, x in mask[0].nonzero().tolist():
        total += math.log(sum(math.exp(log_prior[0, k, y, x] + log_densities[0, k, y, x]) for k in range(K)))
    expected = -total / int(mask.sum())
    assert float(spatially_variant_nll(log_prior, log_densities, mask)) == pytest.approx(expected, rel=1e-12)


def test_a_prior_that_is_the_same_everywhere_gives_the_global_likelihood(scene):
    _, log_densities, mixing_weights, mask = scene
    log_prior = mixing_weights.log()[..., None, None].expand_as(log_densities)
    torch.testing.assert_close(
        spatially_variant_nll(log_prior, log_densities, mask), global_nll(mixing_weights, log_densities, mask)
    )


@pytest.mark.parametrize("form", ["global", "spatially variant"])
def test_the_published_floor_caps_what_a_voxel_costs(scene, form):
    log_prior, log_densities, mixing_weights, mask = scene
    far = torch.full_like(log_densities, -1e4).requires_grad_()
    if form == "global":
        loss = global_nll(mixing_weights, far, mask, floor=1e-10)
    else:
        loss = spatially_variant_nll(log_prior, far, mask, floor=1e-10)
    assert float(loss.detach()) == pytest.approx(23.0259, abs=1e-4)
    loss.backward()
    assert not far.grad.any()


def test_the_floor_is_added_to_the_density(scene):
    log_prior, log_densities, _, mask = scene
    density = (log_prior + log_densities).exp().sum(1)[mask]
    expected = -(density + 0.3).log().mean()
    torch.testing.assert_close(spatially_variant_nll(log_prior, log_densities, mask, floor=0.3), expected)


def test_the_bound_is_above_the_likelihood_and_touches_it_at_the_responsibilities(scene):
    log_prior, log_densities, mixing_weights, mask = scene
    nll = global_nll(mixing_weights, log_densities, mask)
    assert elbo(log_prior, mixing_weights, log_densities, mask) > nll + 0.1
    responsibilities = (log_densities + mixing_weights.log()[..., None, None]).log_softmax(1)
    torch.testing.assert_close(elbo(responsibilities, mixing_weights, log_densities, mask), nll)


def test_imitation_is_least_where_the_probabilities_agree(scene):
    log_prior, log_densities, _, mask = scene
    target = log_densities.softmax(1)
    entropy = -(target * target.log()).sum(1)[mask].mean()
    torch.testing.assert_close(imitation(target.log(), target, mask), entropy)
    assert imitation(log_prior, target, mask) > entropy + 0.1


def test_imitation_of_hard_labels_is_torch_s_cross_entropy(scene):
    log_prior, log_densities, _, mask = scene
    labels = log_densities.argmax(1)
    target = torch.nn.functional.one_hot(labels, K).movedim(-1, 1).to(log_prior)
    expected = torch.nn.functional.cross_entropy(log_prior.movedim(1, -1)[mask], labels[mask])
    torch.testing.assert_close(imitation(log_prior, target, mask), expected)
