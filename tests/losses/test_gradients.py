"""What the gradient of each likelihood says, with the M-step in the graph and without."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_gmmseg.losses import elbo, global_nll, spatially_variant_nll
from napari_gmmseg.mixture.soft_moments import SoftMixture, soft_log_densities, soft_moments
from napari_gmmseg.networks import UNet

K = 3
SIZE = (48, 40)


@pytest.fixture
def image():
    """Three nested squares with noise, standardised: (1, 1, *S)."""
    means = torch.zeros(SIZE)
    means[6:42, 6:34] = 1.0
    means[16:32, 14:26] = 2.0
    noisy = means + 0.3 * torch.randn(SIZE, generator=torch.Generator().manual_seed(8))
    return ((noisy - noisy.mean()) / noisy.std())[None, None]


@pytest.fixture
def mask():
    inside = torch.ones(1, *SIZE, dtype=torch.bool)
    inside[:, :3] = False
    return inside


def random_logits(dtype=torch.float32):
    generator = torch.Generator().manual_seed(4)
    return torch.randn(1, K, *SIZE, generator=generator, dtype=dtype).requires_grad_()


def mixture_of(image: Tensor, memberships: Tensor, mask: Tensor, *, detached: bool) -> SoftMixture:
    found = soft_moments(image, memberships, mask)
    return SoftMixture(found.mixing_weights, found.means.detach(), found.variances.detach()) if detached else found


def deepsvg(image: Tensor, logits: Tensor, mask: Tensor, *, detached: bool) -> Tensor:
    log_prior = logits.log_softmax(1)
    found = mixture_of(image, log_prior.exp(), mask, detached=detached)
    return spatially_variant_nll(log_prior, soft_log_densities(image, found), mask)


def deepg(image: Tensor, logits: Tensor, mask: Tensor, *, detached: bool) -> Tensor:
    found = mixture_of(image, logits.softmax(1), mask, detached=detached)
    return global_nll(found.mixing_weights, soft_log_densities(image, found), mask)


def test_a_detached_deepsvg_step_leads_from_the_prior_to_the_responsibilities(image, mask):
    logits = random_logits()
    (gradient,) = torch.autograd.grad(deepsvg(image, logits, mask, detached=True), logits)
    log_prior = logits.detach().log_softmax(1)
    densities = soft_log_densities(image, mixture_of(image, log_prior.exp(), mask, detached=True))
    responsibilities = (log_prior + densities).softmax(1)
    expected = (log_prior.exp() - responsibilities) / mask.sum() * mask[:, None]
    assert (gradient - expected).abs().max() <= 2e-7
    assert expected.abs().max() > 2e-5


def test_a_detached_deepg_step_says_the_same_to_each_voxel(image, mask):
    memberships = random_logits().detach().softmax(1).requires_grad_()
    found = mixture_of(image, memberships, mask, detached=True)
    loss = global_nll(found.mixing_weights, soft_log_densities(image, found), mask)
    (gradient,) = torch.autograd.grad(loss, memberships)
    inside = gradient[:, :, mask[0]]
    assert torch.equal(inside, inside[:, :, :1].expand_as(inside))


def test_a_full_deepg_step_tells_voxels_apart(image, mask):
    logits = random_logits()
    (gradient,) = torch.autograd.grad(deepg(image, logits, mask, detached=False), logits)
    assert gradient[:, :, mask[0]].std() > 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_at_a_random_start_the_detached_deepsvg_step_of_a_network_goes_where_the_full_one_goes(image, mask, seed):
    network = UNet(1, K, width=8, depth=3, published=True, generator=torch.Generator().manual_seed(seed))
    flat = [
        torch.cat(
            [
                g.flatten()
                for g in torch.autograd.grad(
                    deepsvg(image, network(image), mask, detached=detached), list(network.parameters())
                )
            ]
        )
        for detached in (False, True)
    ]
    assert torch.cosine_similarity(*flat, dim=0) > 0.9


@pytest.mark.parametrize("loss", [deepsvg, deepg])
@pytest.mark.parametrize("detached", [True, False])
def test_equal_memberships_are_a_stationary_point(image, mask, loss, detached):
    logits = torch.zeros(1, K, *SIZE, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(image.double(), logits, mask, detached=detached), logits)
    assert gradient.abs().max() < 1e-12


def test_the_bound_has_the_same_gradient_with_and_without_the_m_step(image, mask):
    image, logits = image.double(), random_logits(torch.float64)

    def bound(found: SoftMixture) -> Tensor:
        return elbo(logits.log_softmax(1), found.mixing_weights, soft_log_densities(image, found), mask)

    # The published safeguard, made small: ours add to the variances, which are then not quite the bound's minimum.
    found = soft_moments(image, logits.softmax(1), mask, floor=1e-14)
    (full,) = torch.autograd.grad(bound(found), logits)
    (held,) = torch.autograd.grad(bound(found.detached()), logits)
    torch.testing.assert_close(held, full, rtol=0, atol=1e-12)
    assert full.abs().max() > 1e-5
