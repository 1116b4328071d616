"""Properties of expectation maximisation, whichever way it goes through the voxels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_gmmseg.errors import InputError, SettingsError
from napari_gmmseg.mixture import em, initial_mixture, mean_log_likelihood, most_likely_class, responsibilities, run_em
from napari_gmmseg.volumes import Mixture

ONES = (1, 1, 1)
KINDS = [(1, "diagonal", "every-voxel"), (1, "diagonal", "histogram"), (3, "diagonal", "every-voxel")]
KINDS += [(3, "full", "every-voxel"), (3, "diagonal", "coarse-to-fine"), (3, "full", "coarse-to-fine")]


def codes(result):
    return {finding.code for finding in result.findings}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("floor", [1e-6, 0.05])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_log_likelihood_never_falls(samples, kind, floor, seed):
    n_channels, covariance, route = kind
    x = samples(n_channels, seed=seed)
    start = initial_mixture(x, (2, 1, 1), initialisation="quantiles", covariance=covariance)
    steps = list(
        em(
            x,
            start,
            covariance=covariance,
            route=route,
            variance_floor=floor,
            tolerance=1e-9,
            max_steps=60,
            dtype=torch.float64,
        )
    )
    for level in {step.level for step in steps}:
        likelihoods = [step.log_likelihood for step in steps if step.level == level]
        assert len(likelihoods) > 1
        assert np.diff(likelihoods).min() > -1e-12


def test_the_log_likelihood_in_float32_falls_by_rounding_only(samples):
    x = samples(3)
    steps = list(em(x, initial_mixture(x, ONES), route="every-voxel", tolerance=1e-12, max_steps=80))
    assert np.diff([step.log_likelihood for step in steps]).min() > -1e-7


@pytest.mark.parametrize(("n_channels", "covariance"), [(1, "diagonal"), (3, "diagonal"), (3, "full")])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-6), (torch.float32, 1e-4)])
def test_steps_are_those_of_scikit_learn(samples, n_channels, covariance, dtype, close):
    mixture = pytest.importorskip("sklearn.mixture")
    x = samples(n_channels)
    start = initial_mixture(x, ONES, initialisation="quantiles", covariance=covariance)
    precisions = np.linalg.inv(start.covariances)
    model = mixture.GaussianMixture(
        3,
        covariance_type="full" if covariance == "full" else "diag",
        reg_covar=0,
        tol=0,
        max_iter=5,
        weights_init=start.mixing_weights,
        means_init=start.means,
        precisions_init=precisions if covariance == "full" else np.einsum("gii->gi", precisions),
    )
    with pytest.warns(UserWarning, match="did not converge"):
        model.fit(x.T.astype(np.float64))
    ours = run_em(em(x, start, covariance=covariance, route="every-voxel", tolerance=1e-15, max_steps=5, dtype=dtype))
    np.testing.assert_allclose(ours.mixture.means, model.means_, rtol=close)
    np.testing.assert_allclose(ours.mixture.mixing_weights, model.weights_, rtol=close)
    theirs = model.covariances_ if covariance == "full" else np.stack([np.diag(v) for v in model.covariances_])
    np.testing.assert_allclose(ours.mixture.covariances, theirs, rtol=close, atol=close * theirs.max())
    assert ours.log_likelihood == pytest.approx(model.lower_bound_, abs=close)


@pytest.mark.parametrize("route", ["every-voxel", "histogram"])
def test_the_order_of_voxels_does_not_matter(samples, route):
    x = samples(1)
    shuffled = x[:, np.random.default_rng(3).permutation(x.shape[1])]
    results = []
    for each in (x, shuffled):
        start = initial_mixture(each, ONES)
        results.append(run_em(em(each, start, route=route, tolerance=1e-7, max_steps=400, dtype=torch.float64)))
    np.testing.assert_allclose(results[0].mixture.means, results[1].mixture.means, rtol=1e-4)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_order_of_classes_does_not_matter(samples, n_channels):
    x = samples(n_channels)
    start = initial_mixture(x, ONES)
    order = np.array([2, 0, 1])
    other = Mixture(start.mixing_weights[order], start.means[order], start.covariances[order], np.arange(3))
    first, second = (run_em(em(x, one, max_steps=20, dtype=torch.float64)) for one in (start, other))
    np.testing.assert_allclose(first.mixture.means[order], second.mixture.means, rtol=1e-9)
    np.testing.assert_allclose(first.mixture.mixing_weights[order], second.mixture.mixing_weights, rtol=1e-9)


@pytest.mark.parametrize(("n_channels", "route"), [(1, "histogram"), (1, "every-voxel"), (3, "every-voxel")])
def test_a_weight_of_three_is_three_equal_voxels(samples, n_channels, route):
    x = samples(n_channels, n=1000)
    weights = np.random.default_rng(0).integers(0, 4, 1000)
    repeated = np.repeat(x, weights, axis=1)
    start = initial_mixture(repeated, ONES)
    weighted = run_em(em(x, start, weights=weights, route=route, max_steps=10, tolerance=1e-12, dtype=torch.float64))
    plain = run_em(em(repeated, start, route=route, max_steps=10, tolerance=1e-12, dtype=torch.float64))
    np.testing.assert_allclose(weighted.mixture.means, plain.mixture.means, rtol=1e-5)
    assert weighted.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-6)


@pytest.mark.parametrize(("n_channels", "covariance"), [(1, "diagonal"), (3, "diagonal"), (3, "full")])
def test_intensities_times_ten_plus_an_offset_give_the_same_labels(samples, n_channels, covariance):
    x = samples(n_channels)
    labels, likelihoods = [], []
    for each in (x, 10 * x + 1000):
        start = initial_mixture(each, ONES, covariance=covariance)
        result = run_em(em(each, start, covariance=covariance, tolerance=1e-6))
        labels.append(most_likely_class(result.mixture, each))
        likelihoods.append(result.log_likelihood)
    assert (labels[0] == labels[1]).float().mean() > 0.9995
    assert likelihoods[0] - likelihoods[1] == pytest.approx(n_channels * np.log(10), abs=1e-4)


def test_priors_that_are_certain_decide_the_classes(samples):
    x = samples(1, n=900)
    classes = np.arange(900) % 3
    result = run_em(em(x, initial_mixture(x, ONES), class_priors=np.eye(3, dtype=np.float32)[classes]))
    expected = [x[0, classes == k].mean() for k in range(3)]
    np.testing.assert_allclose(result.mixture.means[:, 0], expected, rtol=1e-5)
    assert (responsibilities(result.mixture, x, class_priors=np.eye(3)[classes]).argmax(1).numpy() == classes).all()


def test_a_first_step_under_equal_priors_is_that_of_equal_weights(samples):
    x = samples(3)
    start = replace(initial_mixture(x, ONES), mixing_weights=np.full(3, 1 / 3))
    plain = run_em(em(x, start, max_steps=1, route="every-voxel"))
    priors = np.full((x.shape[1], 3), 1 / 3)
    prior = run_em(em(x, start, class_priors=priors, max_steps=1))
    np.testing.assert_allclose(prior.mixture.means, plain.mixture.means, rtol=1e-6)
    assert prior.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-6)


@pytest.mark.parametrize("route", ["histogram", "every-voxel"])
def test_fixed_voxels_stay_in_their_class_and_pull_its_mean(samples, route):
    x = samples(1)
    fixed = np.full(x.shape[1], -1, dtype=np.int8)
    bright = np.flatnonzero(x[0] > 55)
    fixed[bright] = 0  # against their intensity
    start = initial_mixture(x, ONES)
    free = run_em(em(x, start, route=route, max_steps=3))
    held = run_em(em(x, start, fixed_labels=fixed, route=route, max_steps=3))
    assert held.mixture.means[0, 0] > free.mixture.means[0, 0] + 1
    assert (most_likely_class(held.mixture, x, fixed_labels=fixed).numpy()[bright] == 0).all()
    probabilities = responsibilities(held.mixture, x, fixed_labels=fixed).numpy()
    assert (probabilities[bright, 0] == 1).all()


def test_routes_agree_where_voxels_are_fixed_and_weighted(samples):
    x = samples(1)
    rng = np.random.default_rng(5)
    fixed = np.where(rng.random(x.shape[1]) < 0.1, np.digitize(x[0], [20, 40]), -1)
    weights = rng.random(x.shape[1])
    start = initial_mixture(x, (2, 1, 1))
    binned, exact = (
        run_em(em(x, start, fixed_labels=fixed, weights=weights, route=route, max_steps=8, tolerance=1e-12))
        for route in ("histogram", "every-voxel")
    )
    np.testing.assert_allclose(binned.mixture.means, exact.mixture.means, rtol=1e-4)
    assert binned.log_likelihood == pytest.approx(exact.log_likelihood, abs=1e-4)


def test_two_gaussians_fit_a_class_of_two_peaks():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(m, 2, 2000) for m in (0, 15, 100)])[None].astype(np.float32)
    start = initial_mixture(x, (2, 1), means=[[0], [15], [100]])
    two = run_em(em(x, start, tolerance=1e-7))
    one = run_em(em(x, initial_mixture(x, (1, 1)), tolerance=1e-7))
    assert two.mixture.class_of.tolist() == [0, 0, 1]
    assert two.log_likelihood > one.log_likelihood + 0.4
    np.testing.assert_allclose(two.mixture.means[:, 0], [0, 15, 100], atol=0.3)
    assert (most_likely_class(two.mixture, x).numpy() == np.repeat([0, 0, 1], 2000)).all()


def test_a_constant_channel_is_a_finding_and_changes_nothing(samples):
    x = samples(1)
    with_constant = np.concatenate([x, np.full_like(x, 7)])
    result = run_em(em(with_constant, initial_mixture(with_constant, ONES), tolerance=1e-6, max_steps=300))
    alone = run_em(em(x, initial_mixture(x, ONES), tolerance=1e-6, max_steps=300))
    assert "constant-channel" in codes(result)
    same = most_likely_class(result.mixture, with_constant) == most_likely_class(alone.mixture, x)
    assert same.float().mean() > 0.999


@pytest.mark.parametrize("route", ["histogram", "every-voxel"])
def test_a_class_without_voxels_is_a_finding_and_never_nan(samples, route):
    x = samples(1)
    start = initial_mixture(x, ONES)
    start = replace(
        start, means=np.array([[10.0], [30.0], [1e6]]), covariances=np.broadcast_to(np.eye(1), (3, 1, 1)) * 40
    )
    result = run_em(em(x, start, route=route))
    assert "empty-class" in codes(result)
    assert np.isfinite(result.mixture.means).all()
    assert np.isfinite(result.mixture.covariances).all()
    assert result.mixture.mixing_weights[2] < 1e-6
    assert set(np.unique(most_likely_class(result.mixture, x))) == {0, 1}


def test_a_class_of_one_voxel_keeps_it_at_the_variance_floor(samples):
    x = samples(1, n=2000)
    x[0, 77] = 1000.0
    result = run_em(em(x, initial_mixture(x, ONES, means=[[10], [40], [1000]]), tolerance=1e-8))
    assert "class-on-variance-floor" in codes(result)
    assert np.flatnonzero(most_likely_class(result.mixture, x).numpy() == 2).tolist() == [77]
    assert result.mixture.stds[2, 0] == pytest.approx(0.02 * x.std(), rel=1e-3)


def test_rounded_grey_values_do_not_swallow_a_class():
    rng = np.random.default_rng(0)
    x = np.concatenate([np.zeros(500), rng.normal(100, 20, 3000).round()])[None].astype(np.uint8)
    result = run_em(em(x, initial_mixture(x, (1, 1)), tolerance=1e-8))
    assert np.isfinite(result.log_likelihood)
    np.testing.assert_allclose(result.mixture.mixing_weights, [1 / 7, 6 / 7], atol=1e-3)


def test_more_classes_than_voxels_is_refused():
    with pytest.raises(SettingsError, match="2 voxels for 3"):
        initial_mixture(np.array([[1.0, 2.0]]), ONES)


@pytest.mark.parametrize("kind", ["k-means++", "quantiles"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_more_classes_than_distinct_values_is_refused(kind, n_channels):
    x = np.tile(np.array([1.0, 2.0, 1.0, 2.0, 2.0, 1.0], dtype=np.float32), (n_channels, 1))
    with pytest.raises(SettingsError, match="2 intensities"):
        initial_mixture(x, ONES, initialisation=kind)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(samples, value):
    x = samples(1)
    start = initial_mixture(x, ONES)
    x[0, 5] = value
    with pytest.raises(InputError, match="NaN"):
        run_em(em(x, start))
    with pytest.raises(InputError, match="NaN"):
        initial_mixture(x, ONES)


def test_an_image_without_weight_is_refused(samples):
    x = samples(1)
    with pytest.raises(InputError, match="No voxel has weight"):
        run_em(em(x, initial_mixture(x, ONES), weights=np.zeros(x.shape[1])))


@pytest.mark.parametrize("n_channels", [1, 3])
def test_one_class_is_the_datas_own_mean_and_spread(samples, n_channels):
    x = samples(n_channels)
    result = run_em(em(x, initial_mixture(x, (1,)), dtype=torch.float64))
    np.testing.assert_allclose(result.mixture.means[0], x.mean(1, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(result.mixture.stds[0], x.std(1, dtype=np.float64), rtol=1e-6)
    assert result.mixture.mixing_weights.tolist() == [1.0]


def test_what_does_not_fit_together_is_refused(samples):
    x = samples(1)
    start = initial_mixture(x, ONES)
    for wrong in (
        {"weights": np.ones(5)},
        {"weights": -np.ones(x.shape[1])},
        {"class_priors": np.ones((x.shape[1], 2))},
        {"fixed_labels": np.full(x.shape[1], 3)},
        {"fixed_labels": np.zeros(x.shape[1])},
        {"route": "histogram", "class_priors": np.ones((x.shape[1], 3))},
    ):
        with pytest.raises(SettingsError):
            run_em(em(x, start, **wrong))
    with pytest.raises(SettingsError, match="channels"):
        run_em(em(samples(3), start))
    with pytest.raises(SettingsError, match="No start"):
        run_em(em(x, []))


@pytest.mark.parametrize(("n_channels", "route"), [(1, "histogram"), (3, "coarse-to-fine"), (3, "every-voxel")])
def test_the_same_seed_gives_the_same_bits(samples, n_channels, route):
    x = samples(n_channels)
    runs = [run_em(em(x, initial_mixture(x, ONES, seed=4), route=route)) for _ in range(3)]
    for run in runs[1:]:
        assert run.mixture.means.tobytes() == runs[0].mixture.means.tobytes()
        assert run.mixture.covariances.tobytes() == runs[0].mixture.covariances.tobytes()


def test_two_threads_give_the_labels_of_one(samples, threads):
    x = samples(3, n=120_000)
    labels = []
    for n in (1, 2):
        threads(n)
        result = run_em(em(x, initial_mixture(x, ONES), route="coarse-to-fine"))
        labels.append(most_likely_class(result.mixture, x))
    assert (labels[0] == labels[1]).float().mean() > 0.9999


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_coarse_to_fine_ends_where_every_voxel_does(samples, covariance):
    x = samples(3, n=80_000)
    start = initial_mixture(x, ONES, initialisation="quantiles", covariance=covariance)
    quick = run_em(em(x, start, covariance=covariance, route="coarse-to-fine", tolerance=1e-6))
    slow = run_em(em(x, start, covariance=covariance, route="every-voxel", tolerance=1e-9, max_steps=2000))
    assert quick.converged
    same = most_likely_class(quick.mixture, x) == most_likely_class(slow.mixture, x)
    assert same.float().mean() > 0.999
    assert mean_log_likelihood(quick.mixture, x) == pytest.approx(mean_log_likelihood(slow.mixture, x), abs=1e-6)


def test_the_likeliest_of_several_starts_is_kept(samples):
    x = samples(1)
    good = initial_mixture(x, ONES)
    bad = replace(good, means=np.array([[1e5], [1.1e5], [30.0]]))
    alone = run_em(em(x, good, tolerance=1e-6))
    steps = em(x, [bad, good], tolerance=1e-6)
    seen = set()
    try:
        while True:
            seen.add(next(steps).start)
    except StopIteration as stop:
        both = stop.value
    assert seen == {0, 1}
    assert both.log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-9)


def test_a_fit_can_be_left_after_any_step(samples):
    x = samples(1)
    steps = em(x, initial_mixture(x, ONES), tolerance=1e-12)
    numbers = [next(steps).step for _ in range(3)]
    steps.close()
    assert numbers == [1, 2, 3]
    with pytest.raises(StopIteration):
        next(steps)


def test_too_few_steps_are_said_to_be_too_few(samples):
    x = samples(1)
    result = run_em(em(x, initial_mixture(x, ONES), max_steps=2, tolerance=1e-9))
    assert not result.converged
    assert "not-converged" in codes(result)


@pytest.mark.parametrize("route", ["histogram", "every-voxel", "coarse-to-fine"])
def test_what_is_given_is_not_written_to(samples, route):
    given = {
        "weights": np.random.default_rng(0).random(6000),
        "fixed_labels": np.where(np.arange(6000) < 9, np.arange(6000) // 3, -1),
    }
    x = samples(1).astype(np.float64)
    before = {key: value.copy() for key, value in given.items()} | {"x": x.copy()}
    start = initial_mixture(x, ONES, **given)
    run_em(em(x, start, route=route, dtype=torch.float64, max_steps=4, **given))
    for key, value in (given | {"x": x}).items():
        np.testing.assert_array_equal(value, before[key])


def test_integers_and_read_only_arrays_are_taken_as_they_are(samples):
    x = samples(1).round() + 50
    start = initial_mixture(x, ONES)
    expected = run_em(em(x, start, max_steps=5)).mixture.means
    for kind in (np.int16, np.uint16, ">i2", np.float64):
        other = x.astype(kind)
        other.flags.writeable = False
        np.testing.assert_allclose(run_em(em(other, start, max_steps=5)).mixture.means, expected, rtol=1e-6)
