"""What deep mixtures are for: the claims of Schwab et al. on one noisy slice, and where their recipe meets them."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import ndimage

from napari_gmmseg.io.sample import load_sample, load_sample_labels

SEEDS = range(5)
#: From random weights, with the gradient through free means: what the weight of the mean prior acts on.
UNTIED = {"method": "deepsvg", "warm_steps": 0, "means": "free", "gradient": "full"}


def islands(labels, n_classes):
    """Number of connected pieces of one class in a slice, smaller than 7 x 7 voxels."""
    count = 0
    for k in range(1, n_classes + 1):
        pieces, _ = ndimage.label(labels[0] == k)
        count += int((np.bincount(pieces.ravel())[1:] < 49).sum())
    return count


def renumbered(labels, truth, dice, n_classes):
    """Mean Dice with the classes numbered as suits the truth best."""
    orders = permutations(range(1, n_classes + 1))
    return max(dice(np.array([0, *order])[labels], truth, n_classes) for order in orders)


@pytest.fixture(scope="module")
def runs():
    """What was run before, by its settings."""
    return {}


@pytest.fixture
def on_slice(noisy_slice, segment, dice, runs):
    """Segment the noisy slice: the result, its Dice, islands and negative log-likelihood."""
    image, truth = noisy_slice

    def run(**settings):
        key = tuple(sorted(settings.items()))
        if key not in runs:
            runs[key] = segment(image, truth > 0, spacing=None, **settings)
        labels = runs[key].label_map.labels
        return runs[key], dice(labels, truth), islands(labels, 3), -runs[key].log_likelihood

    return run


@pytest.fixture
def heart():
    """A slice of the sample heart with more noise, in three sequences; labels of its four tissues."""
    volume, truth = load_sample("heart"), np.array(load_sample_labels("heart").labels)
    image = volume.data[:, 3:4].copy()
    tops = volume.data[:, truth > 0].max(1).reshape(3, 1, 1, 1)
    image += (0.15 * tops * np.random.default_rng(0).standard_normal(image.shape)).astype(np.float32)
    how = {"spacing": volume.geometry.spacing, "channels": volume.channels, "preset": "cardiac", "n_classes": 4}
    return image, truth[3:4], how


@pytest.mark.parametrize(("method", "gain", "seeds"), [("deepg", 0.2, 2), ("deepsvg", 0.2, 5), ("blindspot", 0.25, 5)])
def test_masks_are_smoother_and_better_than_svgmm_s_at_a_higher_nll(on_slice, method, gain, seeds) -> None:
    _, least, most_islands, nll = on_slice(method="svgmm")
    for seed in range(seeds):
        _, found, rest, higher = on_slice(method=method, seed=seed)
        assert found > least + gain
        assert rest < most_islands / 5
        assert higher > nll + 0.2


def test_the_published_recipe_with_a_narrow_network_is_smoother_at_a_higher_nll_on_a_heart(heart, segment) -> None:
    """Its Dice is below that of SVGMM here, as with the whole network on slices of brains: that is not claimed."""
    image, truth, how = heart
    plain = segment(image, truth > 0, method="svgmm", **how)
    narrow = {"method": "deepsvg", "recipe": "paper", "width": 4, "depth": 3}
    for seed in range(3):
        result = segment(image, truth > 0, seed=seed, **narrow, **how)
        assert islands(result.label_map.labels, 4) < islands(plain.label_map.labels, 4) / 2
        assert result.log_likelihood < plain.log_likelihood - 0.3


def test_the_mean_prior_lifts_dice_and_keeps_the_order_of_the_classes(on_slice, noisy_slice, dice) -> None:
    """In our schedule of steps; the paper's stops some networks of few channels at their second step, as they stand."""
    truth = noisy_slice[1]
    with_prior, without = [], []
    for seed in SEEDS:
        result, found, _, _ = on_slice(**UNTIED, mean_weight=10.0, seed=seed)
        assert (np.diff(result.mixture.class_means()[:, 0]) > 0).all()
        assert found == renumbered(result.label_map.labels, truth, dice, 3)
        with_prior.append(found)
        plain, _, _, _ = on_slice(**UNTIED, mean_weight=0.0, seed=seed)
        without.append(renumbered(plain.label_map.labels, truth, dice, 3))
    assert np.mean(with_prior) > np.mean(without) + 0.2


def test_three_sequences_are_worth_more_than_the_best_of_them_alone(heart, segment, dice) -> None:
    image, truth, how = heart
    together = segment(image, truth > 0, method="deepsvg", **how).label_map.labels
    alone = []
    for c in range(3):
        only = {**how, "channels": how["channels"][c : c + 1]}
        labels = segment(image[c], truth > 0, method="deepsvg", **only).label_map.labels
        alone.append(renumbered(labels, truth, dice, 4))
    assert dice(together, truth, 4) > max(alone) + 0.2


def test_the_blind_spot_prior_is_ahead_of_the_spatial_mixture_on_a_noisy_slice(on_slice) -> None:
    _, spatial, _, _ = on_slice(method="spatial")
    assert np.mean([on_slice(method="blindspot", seed=seed)[1] for seed in range(2)]) > spatial + 0.02


def test_the_blind_spot_prior_is_ahead_of_the_spatial_mixture_on_a_noisy_heart(heart, segment, dice) -> None:
    image, truth, how = heart
    found = {
        method: dice(segment(image, truth > 0, method=method, **how).label_map.labels, truth, 4)
        for method in ("spatial", "blindspot")
    }
    # Ahead, and no longer by .02: the spatial mixture has caught up here (commit d3cddf8).
    assert found["blindspot"] > found["spatial"]
