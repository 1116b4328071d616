"""How far neighbours are trusted and class shares count, from the noise of an image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gmmseg.mixture.noise import noise_ratio, noise_std, size_weight, trust_in_neighbours

RATIOS = np.linspace(0, 1.5, 301)


def test_trust_rises_from_nothing_in_a_clean_image_to_all_in_a_noisy_one() -> None:
    assert [trust_in_neighbours(ratio) for ratio in (0.0, 0.08, 0.12, 0.9, np.inf)] == [0, 0, 1, 1, 1]
    assert trust_in_neighbours(0.10) == pytest.approx(0.5)
    trust = [trust_in_neighbours(ratio) for ratio in RATIOS]
    assert np.diff(trust).min() >= 0
    assert max(np.diff(trust)) < 0.13


def test_class_shares_count_for_nothing_in_a_clean_image() -> None:
    assert size_weight(0.0) == size_weight(0.08) == 0


def test_class_shares_count_in_full_between_twelve_and_fifteen_hundredths() -> None:
    assert size_weight(0.12) == pytest.approx(1)
    assert size_weight(0.15) == pytest.approx(1)
    assert max(size_weight(ratio) for ratio in RATIOS) <= 1


def test_class_shares_rise_with_the_square_of_trust() -> None:
    assert size_weight(0.10) == pytest.approx(0.25)


def test_class_shares_fall_as_one_over_the_ratio_where_classes_overlap_much() -> None:
    assert size_weight(0.30) == pytest.approx(0.5)
    assert size_weight(0.45) == pytest.approx(1 / 3)
    falling = [size_weight(ratio) for ratio in RATIOS if ratio >= 0.15]
    assert np.diff(falling).max() < 0
    assert falling[-1] > 0


def test_no_ratio_makes_a_jump_or_ends_in_no_number() -> None:
    weights = [size_weight(ratio) for ratio in RATIOS]
    assert np.isfinite(weights).all()
    assert np.abs(np.diff(weights)).max() < 0.25
    assert size_weight(np.inf) == 0


@pytest.mark.parametrize(("noise", "clean"), [(0.01, True), (0.3, False)])
def test_an_image_s_noise_decides(noise, clean) -> None:
    rng = np.random.default_rng(0)
    scene = np.repeat(np.repeat(rng.integers(0, 3, (1, 8, 8)), 8, 1), 8, 2)
    image = torch.from_numpy((scene + rng.normal(0, noise, scene.shape)).astype(np.float32))[None]
    std = noise_std(image, torch.ones(scene.shape, dtype=torch.bool), (1.0, 1.0, 1.0))
    ratio = noise_ratio(np.array([[0.0], [1.0], [2.0]]), std)
    assert (trust_in_neighbours(ratio), size_weight(ratio) > 0) == ((0.0, False) if clean else (1.0, True))


def test_what_repeats_in_the_next_slice_is_no_noise_unless_that_is_far_away() -> None:
    """A fine pattern, the same in each slice, under noise of 0.1."""
    generator = torch.Generator().manual_seed(0)
    pattern = torch.randn(1, 1, 24, 24, generator=generator).expand(1, 6, 24, 24)
    image = pattern + 0.1 * torch.randn(1, 6, 24, 24, generator=generator)
    mask = torch.ones(6, 24, 24, dtype=torch.bool)
    near, far = (noise_std(image, mask, (dz, 1.0, 1.0))[0] for dz in (2.0, 2.1))
    assert near == pytest.approx(0.1, rel=0.1)
    assert far == pytest.approx(1.0, rel=0.1)


def test_frames_of_a_series_are_measured_together() -> None:
    image = torch.randn(1, 3, 4, 12, 12, generator=torch.Generator().manual_seed(0))
    found = noise_std(image, torch.ones(3, 4, 12, 12, dtype=torch.bool), (1.0, 1.0, 1.0))
    assert found[0] == pytest.approx(1, rel=0.1)


def test_a_constant_channel_has_no_noise_and_spoils_no_ratio() -> None:
    ratio = noise_ratio(np.array([[0.0, 5.0], [1.0, 5.0]]), np.array([0.3, 0.0]))
    assert ratio == pytest.approx(0.3)
