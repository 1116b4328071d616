"""The penalties against values known by hand."""

from __future__ import annotations

import pytest
import torch

from napari_gmmseg.losses import mean_prior, total_variation


def test_the_mean_prior_sums_squares_over_classes_and_channels_and_averages_over_images():
    reference = torch.zeros(2, 3)
    means = torch.stack([torch.full((2, 3), 1.0), torch.full((2, 3), -3.0)])
    assert float(mean_prior(means, reference)) == pytest.approx((6 * 1 + 6 * 9) / 2)


def test_images_that_err_in_opposite_directions_are_both_pulled():
    reference = torch.zeros(1, 1)
    assert float(mean_prior(torch.tensor([[[1.0]], [[-1.0]]]), reference)) == pytest.approx(1.0)


def half_and_half():
    """Return two classes that meet along one column of a 4 x 6 image."""
    memberships = torch.zeros(1, 2, 4, 6)
    memberships[:, 0, :, :3] = 1.0
    memberships[:, 1, :, 3:] = 1.0
    return memberships


def test_total_variation_counts_the_border_of_two_classes():
    mask = torch.ones(1, 4, 6, dtype=torch.bool)
    # Of five steps along x one goes over the border, in each row and class; none along y does.
    assert float(total_variation(half_and_half(), mask)) == pytest.approx(1 / 5)


def test_total_variation_weighs_each_axis():
    memberships = half_and_half()
    mask = torch.ones(1, 4, 6, dtype=torch.bool)
    assert float(total_variation(memberships, mask, (7.0, 0.5))) == pytest.approx(0.1)
    assert float(total_variation(memberships.transpose(2, 3), mask.transpose(1, 2), (7.0, 0.5))) == pytest.approx(1.4)


def test_total_variation_does_not_step_over_the_edge_of_the_mask():
    mask = torch.ones(1, 4, 6, dtype=torch.bool)
    mask[..., 2] = False
    assert float(total_variation(half_and_half(), mask)) == 0.0


def test_an_axis_of_one_voxel_has_no_variation():
    memberships = half_and_half()
    flat = torch.ones(1, 4, 6, dtype=torch.bool)
    volume = total_variation(memberships[:, :, None], flat[:, None], (1.0, 1.0, 1.0))
    assert float(volume) == float(total_variation(memberships, flat))
