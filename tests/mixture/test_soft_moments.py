"""The M-step with a gradient, against the article's sums, and at its ends: dead classes, masks, anchors."""

from __future__ import annotations

import math

import pytest
import torch

from napari_gmmseg.mixture import VARIANCE_FLOOR
from napari_gmmseg.mixture.soft_moments import LEAST_SHARE, Anchor, SoftMixture, soft_log_densities, soft_moments

K, C = 3, 2
SIZE = (17, 23)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


@pytest.fixture
def scene(generator):
    """Two images with C channels, memberships of K classes, and a mask."""

    def make(size=SIZE, dtype=torch.float64, n_images=2):
        image = torch.randn(n_images, C, *size, generator=generator, dtype=dtype)
        memberships = torch.randn(n_images, K, *size, generator=generator, dtype=dtype).mul_(2).softmax(1)
        mask = torch.rand(n_images, *size, generator=generator) > 0.3
        return image, memberships, mask

    return make


@pytest.fixture
def anchor(generator):
    def make(strength):
        means = torch.randn(K, C, generator=generator, dtype=torch.float64)
        return Anchor(means, torch.rand_like(means) + 0.1, torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), strength)

    return make


def literal_m_step(image, memberships, mask):
    """Return pi (K,), mu and var (K, C) of one image by the sums of Algorithm 2, with one loop a class and channel."""
    inside = image[:, mask]
    weights = memberships[:, mask]
    means, variances = torch.zeros(K, C).double(), torch.zeros(K, C).double()
    for k in range(K):
        for c in range(C):
            means[k, c] = (weights[k] * inside[c]).sum() / weights[k].sum()
            variances[k, c] = (weights[k] * (inside[c] - means[k, c]) ** 2).sum() / weights[k].sum()
    return weights.mean(1), means, variances


def held_equal(mixture, other, tolerance=1e-12):
    for name in ("mixing_weights", "means", "variances"):
        torch.testing.assert_close(getattr(mixture, name), getattr(other, name), rtol=tolerance, atol=tolerance)


def test_moments_are_those_of_the_article_with_the_floor_added_to_the_variances(scene):
    image, memberships, mask = scene()
    found = soft_moments(image, memberships, mask)
    for b in range(2):
        shares, means, variances = literal_m_step(image[b], memberships[b], mask[b])
        torch.testing.assert_close(found.mixing_weights[b], shares)
        torch.testing.assert_close(found.means[b], means)
        torch.testing.assert_close(found.variances[b], variances + VARIANCE_FLOOR)


def test_the_published_safeguard_stands_in_each_denominator_and_variance(scene):
    image, memberships, mask = scene(n_images=1)
    floor = 0.5
    found = soft_moments(image, memberships, mask, floor=floor)
    inside, weights = image[0][:, mask[0]], memberships[0][:, mask[0]]
    divisors = weights.sum(1)[:, None] + floor
    means = weights @ inside.T / divisors
    spread = (weights[:, None] * (inside - means[..., None]) ** 2).sum(2) / divisors
    torch.testing.assert_close(found.means[0], means)
    torch.testing.assert_close(found.variances[0], spread + floor)
    torch.testing.assert_close(found.mixing_weights[0], weights.mean(1))


def test_an_image_knows_nothing_of_the_others_in_its_batch(scene):
    image, memberships, mask = scene()
    both = soft_moments(image, memberships, mask)
    for b in range(2):
        one = soft_moments(image[b : b + 1], memberships[b : b + 1], mask[b : b + 1])
        held_equal(one, SoftMixture(*(x[b : b + 1] for x in (both.mixing_weights, both.means, both.variances))))


def test_volumes_and_their_flattened_voxels_have_the_same_moments(scene):
    image, memberships, mask = scene(size=(4, 5, 6))
    flat = soft_moments(image.flatten(2), memberships.flatten(2), mask.flatten(1))
    held_equal(soft_moments(image, memberships, mask), flat)


def test_a_large_volume_is_summed_piece_by_piece(scene, monkeypatch):
    image, memberships, mask = scene()
    memberships = without_last_class(memberships)
    at_once = soft_moments(image, memberships, mask)
    monkeypatch.setattr("napari_gmmseg.mixture.soft_moments._CHUNK", 100)
    held_equal(soft_moments(image, memberships, mask), at_once)


def test_what_lies_outside_the_mask_is_neither_seen_nor_given_a_gradient(scene):
    image, memberships, mask = scene()
    spoilt = memberships.masked_fill(~mask[:, None], 7.0).requires_grad_()
    found = soft_moments(image.masked_fill(~mask[:, None], -1e9), spoilt, mask)
    held_equal(soft_moments(image, memberships, mask), found)
    (found.means.sum() + found.variances.sum() + found.mixing_weights.square().sum()).backward()
    assert torch.equal(spoilt.grad.ne(0).any(1), mask)


@pytest.mark.parametrize("kind", ["free", "anchored", "published"])
def test_the_gradient_is_that_of_the_moments(scene, anchor, kind):
    image, memberships, mask = scene(size=(3, 4))
    options = {"free": {}, "anchored": {"anchor": anchor(0.7)}, "published": {"floor": 1e-3}}[kind]

    def moments(memberships):
        found = soft_moments(image, memberships, mask, **options)
        return found.mixing_weights, found.means, found.variances

    assert torch.autograd.gradcheck(moments, (memberships.requires_grad_(),))


def test_an_anchor_counts_as_voxels_with_its_mean_and_variance(scene, anchor):
    image, memberships, mask = scene(n_images=1)
    prior = anchor(0.8)
    found = soft_moments(image, memberships, mask, anchor=prior)
    inside, weights = image[0][:, mask[0]], memberships[0][:, mask[0]]
    n = 0.8 * inside.shape[1] / K
    for k in range(K):
        # Two voxels at one standard deviation to either side have the anchor's mean and variance.
        pair = torch.stack([prior.means[k] - prior.variances[k].sqrt(), prior.means[k] + prior.variances[k].sqrt()], 1)
        joined = torch.cat([inside, pair], 1)
        counts = torch.cat([weights[k], torch.tensor([n / 2, n / 2], dtype=torch.float64)])
        mean = (joined * counts).sum(1) / counts.sum()
        variance = (joined - mean[:, None]).square().mul(counts).sum(1) / counts.sum()
        torch.testing.assert_close(found.means[0, k], mean, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(found.variances[0, k], variance + VARIANCE_FLOOR, rtol=1e-9, atol=1e-9)
    shares = (weights.mean(1) + 0.8 * prior.mixing_weights) / 1.8
    torch.testing.assert_close(found.mixing_weights[0], shares)


def test_an_infinite_strength_holds_the_mixture_at_the_anchor(scene, anchor):
    image, memberships, mask = scene()
    prior = anchor(math.inf)
    found = soft_moments(image, memberships.requires_grad_(), mask, anchor=prior)
    held_equal(found, prior.as_mixture(2, image), 0)
    assert not found.means.requires_grad


def test_a_strong_anchor_comes_near_to_a_held_one(scene, anchor):
    image, memberships, mask = scene()
    prior = anchor(1e7)
    found = soft_moments(image, memberships, mask, anchor=prior)
    torch.testing.assert_close(found.means, prior.means.expand(2, -1, -1), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.mixing_weights, prior.mixing_weights.expand(2, -1), rtol=0, atol=1e-5)


def without_last_class(memberships):
    """Return memberships of which the last class has nothing."""
    rest = memberships[:, :-1]
    return torch.cat([rest / rest.sum(1, keepdim=True), torch.zeros_like(memberships[:, -1:])], 1)


def test_a_dead_class_has_the_image_s_mean_and_variance(scene):
    image, memberships, mask = scene(n_images=1)
    found = soft_moments(image, without_last_class(memberships), mask)
    inside = image[0][:, mask[0]]
    torch.testing.assert_close(found.means[0, -1], inside.mean(1))
    torch.testing.assert_close(found.variances[0, -1], inside.var(1, correction=0) + VARIANCE_FLOOR)


def test_a_dead_class_goes_back_to_its_anchor(scene, anchor):
    image, memberships, mask = scene(n_images=1)
    prior = anchor(0.0)
    found = soft_moments(image, without_last_class(memberships), mask, anchor=prior)
    torch.testing.assert_close(found.means[0, -1], prior.means[-1])
    torch.testing.assert_close(found.variances[0, -1], prior.variances[-1] + VARIANCE_FLOOR)


@pytest.mark.parametrize("anchored", [True, False])
def test_a_dead_class_keeps_a_thousandth_of_the_mixing_weights(scene, anchor, anchored):
    image, memberships, mask = scene(n_images=1)
    found = soft_moments(image, without_last_class(memberships), mask, anchor=anchor(0.0) if anchored else None)
    assert float(found.mixing_weights[0, -1]) == pytest.approx(LEAST_SHARE / (1 + LEAST_SHARE))
    assert float(found.mixing_weights.sum()) == pytest.approx(1.0)


def test_the_gradient_of_a_dead_class_is_bounded(scene):
    image, memberships, mask = scene()
    dead = without_last_class(memberships).requires_grad_()
    found = soft_moments(image, dead, mask)
    (found.means.sum() + found.variances.sum() + found.mixing_weights.log().sum()).backward()
    n = mask.flatten(1).sum(1).min()
    farthest = image.abs().max()
    assert dead.grad.isfinite().all()
    assert dead.grad.abs().max() <= C * (2 * farthest + (2 * farthest) ** 2 + 1) / (LEAST_SHARE * n)


def test_a_class_with_one_percent_of_the_voxels_does_not_feel_the_rescue(scene):
    image, _, _ = scene(size=(100, 100), n_images=1)
    memberships = torch.zeros(1, K, 100, 100).double()
    memberships[:, 0] = 1.0
    memberships[:, :, 0] = torch.tensor([0.0, 1.0, 0.0])[:, None]
    image[:, :, 0] += 5.0
    found = soft_moments(image, memberships, torch.ones(1, 100, 100, dtype=torch.bool))
    torch.testing.assert_close(found.means[0, 1], image[0, :, 0].mean(1), rtol=1e-5, atol=0)


def test_an_image_without_voxels_stays_finite(scene):
    image, memberships, mask = scene()
    mask[1] = False
    found = soft_moments(image, memberships.requires_grad_(), mask)
    (found.means.sum() + found.variances.log().sum() + found.mixing_weights.log().sum()).backward()
    assert memberships.grad.isfinite().all()
    torch.testing.assert_close(found.mixing_weights[1], torch.full((K,), 1 / K).double())


def test_a_constant_channel_has_the_floor_as_its_variance(scene):
    image, memberships, mask = scene(dtype=torch.float32)
    image[:, 0] = 1.7
    found = soft_moments(image, memberships, mask)
    torch.testing.assert_close(found.variances[..., 0], torch.full((2, K), VARIANCE_FLOOR))
    assert torch.isfinite(soft_log_densities(image, found)).all()


def test_single_precision_loses_no_variance_far_from_zero(scene):
    image, memberships, mask = scene(size=(200, 200))
    image = image * 0.02 + 8.0
    fine = soft_moments(image, memberships, mask)
    coarse = soft_moments(image.float(), memberships.float(), mask)
    assert coarse.variances.dtype is torch.float32
    torch.testing.assert_close(coarse.variances.double(), fine.variances, rtol=1e-4, atol=0)


def test_log_densities_are_those_of_torch_distributions(scene):
    image, memberships, mask = scene(size=(3, 4, 5))
    mixture = soft_moments(image, memberships, mask)
    normal = torch.distributions.Normal(
        mixture.means[..., None, None, None], mixture.variances.sqrt()[..., None, None, None]
    )
    expected = normal.log_prob(image[:, None]).sum(2)
    torch.testing.assert_close(soft_log_densities(image, mixture), expected)


def test_single_precision_keeps_log_densities_to_a_thousandth_nat(scene, generator):
    image, _, _ = scene(dtype=torch.float32)
    image.clamp_(-4, 4)
    means = 6 * torch.rand(2, K, C, generator=generator) - 3
    mixture = SoftMixture(torch.full((2, K), 1 / K), means, torch.full((2, K, C), 0.05**2))
    exact = soft_log_densities(image.double(), SoftMixture(*(x.double() for x in vars(mixture).values())))
    torch.testing.assert_close(soft_log_densities(image, mixture).double(), exact, rtol=1e-6, atol=1e-3)


def test_the_gradient_of_log_densities_is_right(scene):
    image, memberships, mask = scene(size=(3, 4))
    found = soft_moments(image, memberships, mask)

    def densities(means, variances):
        return soft_log_densities(image, SoftMixture(found.mixing_weights, means, variances))

    assert torch.autograd.gradcheck(densities, (found.means.requires_grad_(), found.variances.requires_grad_()))


def test_autocast_does_not_coarsen_the_mixture_or_its_densities(scene):
    image, memberships, mask = scene(dtype=torch.float32)
    found = soft_moments(image, memberships, mask)
    with torch.autocast("cpu", torch.bfloat16):
        again = soft_moments(image, memberships, mask)
        held_equal(again, found, 0)
        assert torch.equal(soft_log_densities(image, again), soft_log_densities(image, found))
    assert found.means.dtype is torch.float32


def test_a_detached_mixture_has_no_graph(scene):
    image, memberships, mask = scene()
    found = soft_moments(image, memberships.requires_grad_(), mask)
    assert found.means.requires_grad
    assert not any(x.requires_grad for x in vars(found.detached()).values())
