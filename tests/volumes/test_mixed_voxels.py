"""The share of each tissue in mixed voxels of one channel, against sums over all that may be in a voxel."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.volumes.mixed_voxels import MixedVoxels, reweighed

MEANS = np.array([10.0, 60.0, 100.0])
SHARES = np.array([[0.3, 0.0, 0.7], [0.5, 0.2, 0.3], [0.6, 0.4, 0.0]])


def by_sums(model: MixedVoxels, x: np.ndarray) -> np.ndarray:
    """Expected shares [k, j] by adding up 20 000 shares between 0 and 1/2."""
    order = model.order
    t = (np.arange(20_000) + 0.5) / 40_000
    result = np.zeros((3, 3, len(x)))
    for place, k in enumerate(order):
        m, s = model.means[order], model.noise
        weights = {k: model.shares[k, 0] * np.exp(-0.5 * ((x - m[place]) / s) ** 2)}
        total, expected = weights[k].copy(), {}
        for j, share in zip((place - 1, place + 1), model.shares[k, 1:], strict=True):
            if 0 <= j < 3:
                likely = np.exp(-0.5 * ((x[:, None] - m[place] - t * (m[j] - m[place])) / s) ** 2)
                total += share * likely.mean(axis=1)
                expected[order[j]] = share * (t * likely).mean(axis=1)
        for j, value in expected.items():
            result[k, j] = value / total
        result[k, k] = 1 - result[k].sum(axis=0)
    return result


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("noise", [2.0, 8.0, 40.0])
def test_expected_shares_are_those_of_all_mixtures_added_up(order: tuple[int, ...], noise: float) -> None:
    by_class = list(order)
    model = MixedVoxels(MEANS[by_class], noise, SHARES[by_class])
    x = np.linspace(10 - noise, 100 + noise, 31)
    found, expected = model.expected(x), by_sums(model, x)
    for k in range(3):
        # Where a class is as good as impossible, the nearest intensity that it has speaks for it.
        possible = np.abs(x - model.means[k]) < 25
        np.testing.assert_allclose(found[k][:, possible], expected[k][:, possible], atol=1e-6)


def test_without_noise_the_share_is_how_far_the_intensity_is_on_the_way() -> None:
    model = MixedVoxels(MEANS, 0.01, SHARES)
    grey = model.expected(np.array([45.0, 60.0, 80.0]))[1]
    np.testing.assert_allclose(grey.T, [[0.3, 0.7, 0.0], [0.0, 1.0, 0.0], [0.0, 0.5, 0.5]], atol=2e-3)


def drawn(means: np.ndarray, noise: float, n: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    """Class and intensity of voxels of which half are mixed, with the shares of both sides alike."""
    rng = np.random.default_rng(5)
    order = np.argsort(means)
    place = rng.integers(0, 3, n)
    side = np.where(place == 0, 1, np.where(place == 2, -1, rng.choice([-1, 1], n)))
    share = np.where(rng.random(n) < 0.5, 0.0, rng.uniform(0, 0.5, n))
    m = means[order]
    x = (1 - share) * m[place] + share * m[place + side] + rng.normal(0, noise, n)
    return order[place], x


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_pure_intensities_are_found_though_voxels_are_mixed(order: tuple[int, ...], offset: float) -> None:
    means = MEANS[list(order)] + offset
    classes, x = drawn(means, 3.0)
    centres = np.linspace(x.min(), x.max(), 1024)
    bins = np.rint((x - x.min()) / (x.max() - x.min()) * 1023).astype(int)
    posterior = np.stack([classes == k for k in range(3)]).astype(np.float32)
    as_labelled = np.array([x[classes == k].mean() for k in range(3)])
    assert np.abs(as_labelled - means).max() > 5
    model = MixedVoxels.of(posterior, bins, centres, as_labelled, 3.0)
    np.testing.assert_allclose(model.means, means, atol=1.0)
    np.testing.assert_allclose(model.shares[:, 0], 0.5, atol=0.12)


def test_labels_by_the_wrong_midpoint_are_mended() -> None:
    """Half a voxel of each tissue is the right midpoint, wherever the means of labelled classes lie."""
    rng = np.random.default_rng(2)
    share = np.concatenate([np.zeros(30_000), np.ones(30_000), rng.uniform(0, 1, 60_000)])
    x = 10 + 90 * share + rng.normal(0, 2, share.size)
    centres = np.linspace(x.min(), x.max(), 1024)
    bins = np.rint((x - x.min()) / np.ptp(x) * 1023).astype(int)
    classes = (x > 75).astype(int)
    means = np.array([x[classes == k].mean() for k in (0, 1)])
    # As a mixture has it: sure of what is far from where it parts the classes.
    posterior = np.stack([1 / (1 + np.exp((x - 75) / 3)), 1 / (1 + np.exp((75 - x) / 3))])
    model = MixedVoxels.of(posterior, bins, centres, means, 2.0)
    ratios = model.log_ratios(MixedVoxels.labelled(means, 2.0), centres)
    shares = np.einsum("kn,kjn->jn", reweighed(posterior, ratios[:, bins]), model.expected(centres)[:, :, bins])
    plain = np.einsum("kn,kjn->jn", posterior, MixedVoxels.labelled(means, 2.0).expected(centres)[:, :, bins])
    off, off_plain = (abs(found[1].mean() - share.mean()) for found in (shares, plain))
    assert off < 0.5 * off_plain
    np.testing.assert_allclose(model.means, [10, 100], atol=6)


def test_a_class_without_voxels_keeps_its_intensity_and_breaks_nothing() -> None:
    x = np.linspace(0, 120, 256)
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 2, 20_000)
    bins = np.rint(rng.normal(np.array([12.0, 60.0])[classes], 3) / 120 * 255).astype(int).clip(0, 255)
    posterior = np.stack([classes == k for k in range(3)]).astype(np.float32)
    model = MixedVoxels.of(posterior, bins, x, MEANS, 3.0)
    assert np.isfinite(model.means).all()
    assert (np.diff(model.means) > 0).all()
    assert model.means[2] == pytest.approx(100, abs=15)
    np.testing.assert_allclose(model.expected(x).sum(axis=1), 1)
