"""Where EM starts."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.mixture import em, initial_mixture, initial_mixtures, most_likely_class, run_em

ONES = (1, 1, 1)


def test_k_means_finds_the_means_of_separate_groups():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(m, 1, (2, 500)) for m in (50, 0, 20)], axis=1).astype(np.float32)
    start = initial_mixture(x, ONES)
    np.testing.assert_allclose(start.means, [[0, 0], [20, 20], [50, 50]], atol=0.2)
    np.testing.assert_allclose(start.stds, 1, atol=0.15)
    np.testing.assert_allclose(start.mixing_weights, 1 / 3, atol=1e-6)


def test_k_means_is_as_tight_as_scikit_learns(samples):
    cluster = pytest.importorskip("sklearn.cluster")
    for n_channels in (1, 3):
        x = samples(n_channels)
        standard = ((x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)).T
        theirs = cluster.KMeans(3, n_init=5, random_state=0).fit(standard)
        start = initial_mixture(x, ONES)
        centres = (start.means - x.mean(1)) / x.std(1)
        ours = ((standard[:, None] - centres) ** 2).sum(2).min(1).sum()
        assert ours < theirs.inertia_ * 1.001


@pytest.mark.parametrize("kind", ["k-means++", "quantiles"])
def test_one_channels_start_does_not_depend_on_the_order_of_voxels(samples, kind):
    x = samples(1)
    first, second = (initial_mixture(each, ONES, initialisation=kind) for each in (x, x[:, ::-1]))
    np.testing.assert_allclose(first.means, second.means, rtol=1e-9)


@pytest.mark.parametrize("kind", ["k-means++", "quantiles"])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_start_follows_scale_and_offset(samples, kind, n_channels):
    x = samples(n_channels)
    first, second = (initial_mixture(each, ONES, initialisation=kind) for each in (x, 10 * x + 500))
    np.testing.assert_allclose(10 * first.means + 500, second.means, rtol=1e-4)


def test_quantile_groups_hold_equal_shares(samples):
    start = initial_mixture(samples(1), (1, 1, 1, 1), initialisation="quantiles")
    np.testing.assert_allclose(start.mixing_weights, 0.25, atol=0.01)
    assert (np.diff(start.means[:, 0]) > 0).all()


@pytest.mark.parametrize("common", [0, 1, 3])
def test_quantiles_part_values_even_where_one_holds_most_voxels(common):
    x = np.concatenate([np.full(1000, common), np.arange(4)])[None].astype(np.float32)
    start = initial_mixture(x, (1, 1, 1, 1), initialisation="quantiles")
    np.testing.assert_allclose(start.means[:, 0], [0, 1, 2, 3], atol=1e-5)


def test_given_means_are_kept(samples):
    x = samples(1)
    start = initial_mixture(x, ONES, means=[[12.0], [33.0], [51.0]])
    np.testing.assert_allclose(start.means[:, 0], [12, 33, 51])
    with pytest.raises(SettingsError, match="means of shape"):
        initial_mixture(x, ONES, means=[[12.0], [33.0]])


def test_a_class_of_two_gaussians_keeps_its_mean_and_spread(samples):
    x = samples(3)
    whole = initial_mixture(x, ONES, covariance="full")
    parts = initial_mixture(x, (1, 2, 1), covariance="full")
    assert parts.class_of.tolist() == [0, 1, 1, 2]
    np.testing.assert_allclose(parts.class_means(), whole.means, rtol=1e-6)
    deviation = parts.means[1:3] - whole.means[1]
    spread = parts.covariances[1:3].mean(0) + deviation.T @ deviation / 2
    np.testing.assert_allclose(spread, whole.covariances[1], rtol=1e-3, atol=0.05)


def test_a_class_starts_where_its_fixed_voxels_are(samples):
    x = samples(1)
    fixed = np.full(x.shape[1], -1)
    fixed[x[0] > 52] = 0
    start = initial_mixture(x, ONES, fixed_labels=fixed)
    assert start.means[0, 0] == start.means[:, 0].max()


def test_weights_of_zero_leave_voxels_out(samples):
    x = samples(3, n=2000)
    x[:, :200] = 5000
    weights = np.ones(2000)
    weights[:200] = 0
    np.testing.assert_allclose(
        initial_mixture(x, ONES, weights=weights).means, initial_mixture(x[:, 200:], ONES).means, rtol=0.02
    )


def test_several_starts_are_seeded_and_different(samples):
    x = samples(3)
    starts = initial_mixtures(x, (1, 1, 1, 1), 3, seed=7)
    again = initial_mixtures(x, (1, 1, 1, 1), 3, seed=7)
    assert [one.means.tobytes() for one in starts] == [one.means.tobytes() for one in again]
    assert not np.allclose(starts[0].means, starts[1].means)


@pytest.mark.parametrize("n", [5_000, 60_000])
@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_three_channel_labels_do_not_depend_on_the_order_of_voxels(samples, covariance, n):
    x = samples(3, n=n)
    order = np.random.default_rng(2).permutation(n)
    labels = []
    for each in (x, np.ascontiguousarray(x[:, order])):
        start = initial_mixture(each, ONES, covariance=covariance)
        result = run_em(em(each, start, covariance=covariance, route="coarse-to-fine"))
        labels.append(most_likely_class(result.mixture, each).numpy())
    assert (labels[0][order] == labels[1]).mean() > 0.9995
