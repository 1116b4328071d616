"""The spatial mixture and its parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gmmseg.config.presets import PRESETS
from napari_gmmseg.mixture import spatial
from napari_gmmseg.mixture.gaussian_classes import GaussianClasses
from napari_gmmseg.mixture.labelling import label_winners
from napari_gmmseg.mixture.naming import contradicting_contrasts, match_classes, order_by_mean
from napari_gmmseg.mixture.neighbours import axis_weights, neighbour_sum
from napari_gmmseg.mixture.noise import noise_ratio, noise_std, trust_in_neighbours
from napari_gmmseg.mixture.partial_volume import N_BINS, PartialVolumeModel
from napari_gmmseg.mixture.spatial import OneChannelClasses, SpatialPrior, mean_field
from napari_gmmseg.volumes import Mixture


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (8.0, 1.2, 1.2)])
@pytest.mark.parametrize("std", [0.02, 0.1, 0.3])
def test_noise_is_measured_to_a_tenth_beside_edges(std, spacing) -> None:
    rng = np.random.default_rng(0)
    scene = np.zeros((16, 64, 64), np.float32)
    scene[:, 10:40, 20:50] = 1
    scene[4:9, 30:60, 5:30] = 2
    image = torch.from_numpy(scene + rng.normal(0, std, scene.shape).astype(np.float32))[None]
    found = noise_std(image, torch.ones(scene.shape, dtype=torch.bool), spacing)
    assert found[0] == pytest.approx(std, rel=0.1)


def test_noise_of_a_few_voxels_is_unknown_and_trusts_no_neighbour() -> None:
    found = noise_std(torch.randn(1, 2, 3, 3), torch.ones(2, 3, 3, dtype=torch.bool), (1.0, 1.0, 1.0))
    assert found[0] == 0
    assert trust_in_neighbours(noise_ratio(np.array([[0.0], [1.0]]), found)) == 0


def test_noise_ratio_of_one_channel_is_noise_over_the_mean_gap() -> None:
    means = np.array([[3.0], [0.0], [1.0]])
    assert noise_ratio(means, np.array([0.3])) == pytest.approx(0.3 / 1.5)
    assert noise_ratio(means * 7 + 5, np.array([2.1])) == pytest.approx(0.3 / 1.5)


def test_a_second_clean_channel_lowers_the_noise_ratio() -> None:
    one = noise_ratio(np.array([[0.0], [1.0]]), np.array([0.3]))
    two = noise_ratio(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0.3, 0.1]))
    assert two < one


def test_neighbours_are_summed_over_faces_and_nothing_wraps() -> None:
    w = torch.zeros(1, 3, 4, 5)
    w[0, 0, 0, 0] = 1
    total = neighbour_sum(w, (0.5, 1.0, 2.0), torch.zeros_like(w), 3.0)
    expected = torch.zeros_like(w)
    expected[0, 1, 0, 0], expected[0, 0, 1, 0], expected[0, 0, 0, 1] = 1.5, 3.0, 6.0
    assert torch.equal(total, expected)


def test_neighbours_never_cross_frames() -> None:
    w = torch.zeros(1, 2, 3, 3, 3)
    w[0, 0] = 1
    assert not neighbour_sum(w, (1.0, 1.0, 1.0), torch.zeros_like(w))[0, 1].any()


def test_far_slices_count_little() -> None:
    z, y, x = axis_weights((8.0, 1.0, 1.0), "mm")
    assert (z, y, x) == pytest.approx((1 / 64, 1, 1))
    assert axis_weights((3.0, 1.5, 1.5), "pixel") == pytest.approx((0.25, 1, 1))


def test_with_little_noise_classes_part_at_the_midpoints() -> None:
    model = PartialVolumeModel(np.array([0.0, 1.0, 3.0]), 1e-3, -1.0, 4.0)
    centres = -1 + (np.arange(N_BINS) + 0.5) / N_BINS * 5
    best = model.table().argmax(0)
    expected = np.searchsorted([0.5, 2.0], centres)
    # Equal shares of mixed voxels over a wider gap are thinner: within noise of a midpoint either may win.
    away = (np.abs(centres - 0.5) > 0.05) & (np.abs(centres - 2.0) > 0.05)
    assert (best[away] == expected[away]).all()


def test_class_densities_integrate_to_one_where_nothing_is_clipped() -> None:
    model = PartialVolumeModel(np.array([0.0, 1.0, 2.0]), 0.08, -1.0, 3.0)
    densities = np.exp(model.table())
    assert densities[1].sum() * 4 / N_BINS == pytest.approx(1, abs=1e-3)


def test_means_stay_rising() -> None:
    model = PartialVolumeModel(np.array([0.0, 1.0, 2.0]), 0.1, -1.0, 3.0).with_means(np.array([1.5, 1.0, 2.0]))
    assert (np.diff(model.means) > 0).all()


def test_winners_are_those_of_argmax() -> None:
    w = torch.rand(5, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    mask = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(1)) > 0.3
    expected = torch.where(mask, w.argmax(0) + 1, 0).to(torch.uint8)
    assert torch.equal(label_winners(w, mask), expected)


def field(image, prior, fixed=None, max_steps=12):
    mask = torch.ones(image.shape[1:], dtype=torch.bool)
    start = Mixture(np.full(2, 0.5), np.array([[0.0], [1.0]]), np.full((2, 1, 1), 0.1), np.arange(2))
    model = OneChannelClasses(image, mask, start, 0.3)
    steps = mean_field(model, mask, prior, 2, fixed_labels=fixed, max_steps=max_steps)
    return list(steps)


def test_neighbours_repair_a_noisy_square() -> None:
    rng = np.random.default_rng(0)
    scene = np.zeros((1, 1, 40, 40), np.float32)
    scene[..., 10:30, 10:30] = 1
    image = torch.from_numpy(scene + rng.normal(0, 0.3, scene.shape).astype(np.float32))
    wrong = []
    for weight in (0.0, 1.0):
        last = field(image, SpatialPrior(weight, (1.0, 1.0, 1.0), 0.0, 1.0))[-1]
        wrong.append(int((last.memberships.argmax(0).numpy() != scene[0]).sum()))
    assert wrong[1] < wrong[0] / 4


@pytest.mark.parametrize(("anchor", "moves"), [(float("inf"), False), (0.0, True)])
def test_fixed_means_stay_and_free_means_move(anchor, moves) -> None:
    image = torch.from_numpy(np.random.default_rng(0).normal(0.7, 0.5, (1, 4, 9, 9)).astype(np.float32))
    last = field(image, SpatialPrior(0.5, (1.0, 1.0, 1.0), 0.0, anchor))[-1]
    assert bool(np.abs(last.mixture.means[:, 0] - [0, 1]).max() > 0.01) is moves


def test_an_anchor_holds_the_means_between_fixed_and_free() -> None:
    image = torch.from_numpy(np.random.default_rng(0).normal(0.7, 0.5, (1, 4, 9, 9)).astype(np.float32))
    shifts = [
        np.abs(field(image, SpatialPrior(0.5, (1.0, 1.0, 1.0), 0.0, a))[-1].mixture.means[:, 0] - [0, 1]).max()
        for a in (0.0, 1.0, 10.0)
    ]
    assert shifts[0] > shifts[1] > shifts[2] > 0


def test_known_voxels_keep_their_class_and_pull_their_neighbours() -> None:
    image = torch.full((1, 1, 9, 9), 0.5)
    image[0, 0, 0, 0], image[0, 0, 8, 8] = 0.0, 1.0
    fixed = torch.full((1, 9, 9), -1)
    fixed[0, 4, 4] = 1
    last = field(image, SpatialPrior(1.0, (1.0, 1.0, 1.0), 0.0, float("inf")), fixed)[-1]
    assert last.memberships[1, 0, 4, 4] == 1
    assert last.memberships[1, 0, 4, 5] > 0.5


def test_gaussians_listed_in_another_order_give_the_same_classes() -> None:
    rng = np.random.default_rng(0)
    values = rng.choice([0.0, 1.0, 4.0, 8.0], (2, 4, 12, 12)) + rng.normal(0, 0.3, (2, 4, 12, 12))
    image, mask = torch.from_numpy(values.astype(np.float32)), torch.ones(4, 12, 12, dtype=torch.bool)
    class_of = np.array([0, 0, 1, 2])
    means = np.array([[0.0, 0.0], [1.0, 1.0], [4.0, 4.0], [8.0, 8.0]])
    found = []
    for order in ([0, 1, 2, 3], [3, 1, 2, 0]):
        start = Mixture(np.full(4, 0.25), means[order], np.tile(np.eye(2), (4, 1, 1)), class_of[order])
        model = GaussianClasses(image, mask, start, "diagonal")
        *_, last = mean_field(model, mask, SpatialPrior(0.3, (1.0, 1.0, 1.0), 0.3, 0.5), 3, max_steps=4)
        found.append((last.memberships, last.mixture.class_means()))
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-5, rtol=0)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-5)


def test_the_same_start_gives_the_same_bits() -> None:
    image = torch.from_numpy(np.random.default_rng(0).normal(0.5, 0.5, (1, 4, 9, 9)).astype(np.float32))
    prior = SpatialPrior(0.5, (1.0, 1.0, 1.0), 0.3, 0.5)
    one, other = (field(image, prior)[-1].memberships.clone() for _ in range(2))
    assert torch.equal(one, other)


@pytest.mark.parametrize("n_neighbours", [6, 26])
@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("shape", [(11, 9, 13), (2, 5, 9, 7), (1, 9, 13)])
def test_portions_make_no_difference(monkeypatch, n_neighbours, n_channels, shape) -> None:
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.normal(0.5, 0.5, (n_channels, *shape)).astype(np.float32))
    mask = torch.from_numpy(rng.random(shape) > 0.2)
    means = np.repeat([[0.0], [1.0]], n_channels, 1)
    start = Mixture(np.full(2, 0.5), means, np.tile(0.1 * np.eye(n_channels), (2, 1, 1)), np.arange(2))
    prior = SpatialPrior(0.5, (0.3, 1.0, 1.0), 0.3, 0.5, n_neighbours, trust=0.8)
    found = []
    for portion in (1, 200, 10**9):
        monkeypatch.setattr(spatial, "PORTION", portion)
        one = n_channels == 1
        model = OneChannelClasses(image, mask, start, 0.3) if one else GaussianClasses(image, mask, start, "diagonal")
        *_, last = mean_field(model, mask, prior, 2, max_steps=5)
        found.append(last)
    assert torch.equal(found[0].memberships, found[1].memberships)
    assert torch.equal(found[0].memberships, found[2].memberships)
    assert found[0].neighbour_weight == found[2].neighbour_weight
    assert not found[0].memberships[:, ~mask].any()
    torch.testing.assert_close(found[0].memberships.sum(0)[mask], torch.ones(int(mask.sum())))


def test_the_weight_of_neighbours_follows_the_image_where_it_may() -> None:
    rng = np.random.default_rng(0)
    scene = np.zeros((8, 40, 40))
    scene[:, 10:30, 10:30] = 1
    blocks = torch.from_numpy((scene + rng.normal(0, 0.3, scene.shape)).astype(np.float32))[None]
    noise = torch.from_numpy(rng.permutation(blocks.numpy().ravel()).reshape(blocks.shape))
    priors = {trust: SpatialPrior(0.5, (1.0, 1.0, 1.0), 0.0, 1.0, trust=trust) for trust in (None, 0.5, 1.0)}
    held, half, whole = (field(blocks, prior)[-1].neighbour_weight for prior in priors.values())
    assert held == 0.5
    assert whole > 0.6
    assert 0.2 < half < 0.7 * whole
    assert field(noise, priors[1.0])[-1].neighbour_weight < 0.5


def test_cardiac_classes_are_matched_over_three_sequences() -> None:
    table = PRESETS["cardiac"].classes
    assert table is not None
    means = np.array([[c.ranks[s] for s in ("bssfp", "lge", "t2")] for c in table], dtype=float)
    order = np.array([2, 0, 3, 1])
    assert (match_classes(means[order], ("bssfp", "lge", "t2"), table) == order).all()


def test_an_unknown_contrast_names_nothing() -> None:
    table = PRESETS["brain-t1"].classes
    assert table is not None
    assert match_classes(np.array([[1.0], [2.0], [3.0]]), ("adc",), table) is None
    assert match_classes(np.array([[1.0], [2.0]]), ("t1",), table) is None


def test_classes_are_ordered_by_their_first_channel() -> None:
    assert order_by_mean(np.array([[3.0, 0], [1.0, 5], [2.0, 1]])).tolist() == [2, 0, 1]


def test_the_first_sure_contrast_names_the_classes_and_others_may_only_doubt() -> None:
    table = PRESETS["brain-multi"].classes
    assert table is not None
    means = np.array([[0.59, 0.39, 0.69], [0.42, 0.43, 0.61], [0.69, 0.32, 0.63]])
    entry = match_classes(means, ("t1", "t2", "pd"), table)
    assert entry is not None
    assert [table[int(e)].abbreviation for e in entry] == ["GM", "CSF", "WM"]
    assert contradicting_contrasts(means, ("t1", "t2", "pd"), table, entry) == ("pd",)
