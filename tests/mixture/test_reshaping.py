"""Splitting and merging classes of a mixture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.mixture.posterior import responsibilities
from napari_gmmseg.mixture.reshaping import (
    Reshaped,
    bhattacharyya,
    class_moments,
    merged,
    misfits,
    reshape,
    split,
)
from napari_gmmseg.volumes import Mixture


def mixture_of(means, stds, weights=None, class_of=None) -> Mixture:
    """A diagonal mixture from rows of means and standard deviations."""
    means, stds = np.atleast_2d(np.asarray(means, float)), np.atleast_2d(np.asarray(stds, float))
    means, stds = (x.T if x.shape[0] == 1 else x for x in (means, stds))
    g = len(means)
    weights = np.full(g, 1 / g) if weights is None else np.asarray(weights)
    classes = np.arange(g) if class_of is None else np.asarray(class_of)
    return Mixture(weights, means, np.stack([np.diag(s**2) for s in stds]), classes)


def drawn(mixture: Mixture, n: int = 20000, seed: int = 0) -> torch.Tensor:
    """Samples (C, n) of a mixture."""
    rng = np.random.default_rng(seed)
    which = rng.choice(len(mixture.means), n, p=mixture.mixing_weights)
    rows = mixture.means[which] + rng.standard_normal((n, mixture.n_channels)) * mixture.stds[which]
    return torch.from_numpy(rows.T.astype(np.float32).copy())


THREE = mixture_of([0.0, 5.0, 9.0], [1.0, 1.0, 1.5], [0.2, 0.5, 0.3])
CORRELATED = Mixture(
    np.array([0.4, 0.6]),
    np.array([[0.0, 0.0], [6.0, 4.0]]),
    np.array([[[2.0, 0.9], [0.9, 1.0]], [[1.0, -0.3], [-0.3, 0.5]]]),
    np.arange(2),
)


@pytest.mark.parametrize("mixture", [THREE, CORRELATED], ids=["one channel", "two channels"])
@pytest.mark.parametrize("worst", [0, 1])
def test_halves_have_the_moments_and_the_share_of_the_class_that_was_split(mixture: Mixture, worst: int) -> None:
    after = split(Reshaped.of(mixture), worst, drawn(CORRELATED if mixture is CORRELATED else THREE))
    assert after.mixture.n_classes == mixture.n_classes + 1
    together = Mixture(
        after.mixture.mixing_weights,
        after.mixture.means,
        after.mixture.covariances,
        np.where(after.mixture.class_of == mixture.n_classes, worst, after.mixture.class_of),
    )
    for found, expected in zip(class_moments(together), class_moments(mixture), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_halves_lie_along_the_main_axis() -> None:
    after = split(Reshaped.of(CORRELATED), 0, drawn(CORRELATED)).mixture
    apart = after.class_means()[2] - after.class_means()[0]
    _, axes = np.linalg.eigh(CORRELATED.covariances[0])
    assert abs(apart @ axes[:, -1]) == pytest.approx(np.linalg.norm(apart))


@pytest.mark.parametrize("skew", [1.0, -1.0])
def test_the_half_with_more_voxels_keeps_the_identity(skew: float) -> None:
    rng = np.random.default_rng(0)
    samples = torch.from_numpy((skew * rng.gamma(1.0, 1.0, (1, 20000))).astype(np.float32))
    after = split(Reshaped.of(mixture_of([skew * 1.0, skew * 30], [1.0, 1.0])), 0, samples)
    kept, fresh = after.mixture.class_means()[[0, 2], 0]
    assert after.kept == (0, 1, None)
    assert abs(kept) < abs(fresh)


def test_merging_the_halves_gives_the_class_back() -> None:
    after = merged(split(Reshaped.of(THREE), 1, drawn(THREE)), 1, 3)
    assert after.kept == (0, 1, 2)
    assert after.parents == ((0,), (1,), (2,))
    for found, expected in zip(class_moments(after.mixture), class_moments(THREE), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_merged_class_has_the_moments_of_both() -> None:
    after = merged(Reshaped.of(THREE), 2, 0)
    samples = drawn(THREE, 400_000)[0].numpy()
    labels = np.random.default_rng(0).choice(3, 400_000, p=THREE.mixing_weights)
    own = samples[labels != 1]
    means, covariances, weights = class_moments(after.mixture)
    k = after.kept.index(2)
    assert weights[k] == pytest.approx(0.5)
    assert means[k, 0] == pytest.approx(own.mean(), abs=0.05)
    assert covariances[k, 0, 0] == pytest.approx(own.var(), rel=0.02)
    assert after.parents[k] == (0, 2)


def test_the_survivor_of_a_merge_keeps_its_identity_and_numbers_close_up() -> None:
    after = merged(Reshaped.of(THREE), 2, 0)
    assert after.kept == (1, 2)
    assert after.heirs == (1, 0, 1)
    assert after.mixture.n_classes == 2


def test_classes_of_several_gaussians_are_split_and_merged_as_one() -> None:
    mixture = mixture_of([0.0, 1.0, 6.0], [0.5, 0.5, 1.0], [0.3, 0.3, 0.4], [0, 0, 1])
    after = split(Reshaped.of(mixture), 0, drawn(mixture))
    assert np.bincount(after.mixture.class_of).tolist() == [1, 1, 1]
    back = merged(after, 0, 2)
    for found, expected in zip(class_moments(back.mixture), class_moments(mixture), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_distance_is_that_of_the_integral() -> None:
    a, b = (0.0, 1.0), (2.0, 1.7)
    overlap, _ = quad(lambda x: np.sqrt(norm.pdf(x, *a) * norm.pdf(x, *b)), -20, 20)
    found = bhattacharyya(np.array([[a[0]], [b[0]]]), np.array([[[a[1] ** 2]], [[b[1] ** 2]]]))
    assert found[0, 1] == found[1, 0] == pytest.approx(-np.log(overlap))
    np.testing.assert_allclose(np.diag(found), 0, atol=1e-12)


def test_the_pair_of_least_distance_is_merged() -> None:
    mixture = mixture_of([0.0, 4.0, 5.0, 12.0], [1.0, 1.0, 1.0, 1.0])
    after = reshape(mixture, drawn(mixture), 3)
    assert (0,) in after.parents
    assert (3,) in after.parents
    assert (1, 2) in after.parents


def test_the_larger_class_of_a_pair_keeps_its_identity() -> None:
    mixture = mixture_of([0.0, 4.0, 5.0], [1.0, 1.0, 1.0], [0.4, 0.1, 0.5])
    assert reshape(mixture, drawn(mixture), 2).kept == (0, 2)


def test_a_protected_class_takes_in_the_other_even_where_it_is_smaller() -> None:
    mixture = mixture_of([0.0, 4.0, 5.0], [1.0, 1.0, 1.0], [0.4, 0.1, 0.5])
    assert reshape(mixture, drawn(mixture), 2, protected={1}).kept == (0, 1)


def test_two_protected_classes_are_not_merged_though_they_are_nearest() -> None:
    mixture = mixture_of([0.0, 4.0, 5.0], [1.0, 1.0, 1.0], [0.4, 0.1, 0.5])
    assert set(reshape(mixture, drawn(mixture), 2, protected={1, 2}).kept) == {1, 2}


def test_where_all_are_protected_none_is_merged() -> None:
    with pytest.raises(SettingsError, match="none of them may disappear"):
        reshape(THREE, drawn(THREE), 2, protected={0, 1, 2})


def test_a_class_that_was_split_off_goes_back_though_another_is_nearer() -> None:
    mixture = mixture_of([0.0, 8.0, 5.0], [1.0, 1.0, 1.0])
    assert (1, 2) in reshape(mixture, drawn(mixture), 2).parents
    assert (0, 2) in reshape(mixture, drawn(mixture), 2, origins={2: 0}).parents


def test_a_class_that_was_split_off_but_is_protected_does_not_go_back() -> None:
    mixture = mixture_of([0.0, 8.0, 5.0], [1.0, 1.0, 1.0])
    assert (1, 2) in reshape(mixture, drawn(mixture), 2, origins={2: 0}, protected={0, 2}).parents


def test_the_class_that_its_gaussian_fits_worst_is_split() -> None:
    real = mixture_of([0.0, 10.0, 18.0, 24.0], [1.0, 1.0, 1.0, 1.0])
    fitted = mixture_of([0.0, 10.0, 21.0], [1.0, 1.0, 3.2], [0.25, 0.25, 0.5])
    samples = drawn(real)
    assert int(np.argmax(misfits(fitted, samples))) == 2
    after = reshape(fitted, samples, 4)
    np.testing.assert_allclose(sorted(after.mixture.class_means()[:, 0]), [0, 10, 18, 24], atol=1.5)


def test_the_misfit_is_the_divergence_from_the_class_to_its_gaussian() -> None:
    fitted = mixture_of([0.0, 40.0], [1.0, 1.0])
    samples = drawn(mixture_of([0.0, 40.0], [1.6, 1.0]), 100_000)
    # KL(N(0, s^2) | N(0, 1)) = (s^2 - 1) / 2 - log s, for half of the voxels.
    expected = 0.5 * ((1.6**2 - 1) / 2 - np.log(1.6))
    found = misfits(fitted, samples)
    assert found[0] == pytest.approx(expected, rel=0.08)
    assert found[1] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("n_classes", [2, 3, 5, 7])
def test_any_number_of_classes_is_reached_with_weights_that_sum_to_one(n_classes: int) -> None:
    after = reshape(THREE, drawn(THREE), n_classes)
    assert after.mixture.n_classes == n_classes == len(after.parents) == len(after.kept)
    assert after.mixture.mixing_weights.sum() == pytest.approx(1)
    assert (np.linalg.eigvalsh(after.mixture.covariances) > 0).all()


def test_memberships_of_halves_add_up_to_their_parent_s_and_merged_ones_are_sums() -> None:
    image = drawn(THREE, 400).view(1, 1, 20, 20)
    mask = torch.ones(1, 20, 20, dtype=torch.bool)
    mask[0, :3] = False
    rows = responsibilities(THREE, image.flatten(1)).T.reshape(3, 1, 20, 20) * mask
    up = split(Reshaped.of(THREE), 1, image.flatten(1))
    halves = up.memberships(rows, image, mask)
    torch.testing.assert_close(halves[1] + halves[3], rows[1])
    assert (halves[1] > 0).any()
    assert (halves[3] > 0).any()
    down = merged(Reshaped.of(THREE), 1, 0)
    torch.testing.assert_close(down.memberships(rows, image, mask)[down.kept.index(1)], rows[0] + rows[1])


def test_the_heirs_of_a_split_are_the_halves_that_keep_the_identity() -> None:
    assert split(Reshaped.of(THREE), 1, drawn(THREE)).heirs == (0, 1, 2)
