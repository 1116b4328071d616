"""Histograms agree with numpy, curves with SciPy, and outlines with what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from napari_gmmseg.session.histograms import (
    class_curves,
    class_ellipses,
    class_stds,
    class_weights,
    count,
    find_axes,
    inside_outline,
)
from napari_gmmseg.volumes import Mixture, Volume

GRID = (3, 40, 50)
EVERYWHERE = np.ones(GRID, dtype=bool)


def volume(n_channels: int = 1, seed: int = 0) -> Volume:
    rng = np.random.default_rng(seed)
    return Volume.from_array(rng.normal(100, 20, (n_channels, *GRID)).astype(np.float32), (1, 1, 1))


def mixture() -> Mixture:
    """Two classes in two channels; the second has two Gaussians."""
    covariances = np.array([[[4.0, 1.0], [1.0, 9.0]], [[1.0, 0.0], [0.0, 1.0]], [[9.0, 0.0], [0.0, 4.0]]])
    means = np.array([[0.0, 10.0], [20.0, 5.0], [30.0, 15.0]])
    return Mixture(np.array([0.4, 0.15, 0.45]), means, covariances, np.array([0, 1, 1]))


def test_counts_are_those_of_numpy() -> None:
    image = volume()
    axes = find_axes(image, EVERYWHERE)
    found = count(image, EVERYWHERE, axes, (0,))
    (axis,) = found.axes
    expected, _ = np.histogram(image.data[0].astype(np.float64), bins=axis.edges)
    assert np.abs(found.counts - expected).sum() <= 4
    assert found.n_voxels == image.data[0].size


def test_joint_counts_are_those_of_numpy() -> None:
    image = volume(2)
    found = count(image, EVERYWHERE, find_axes(image, EVERYWHERE), (0, 1))
    first, second = (image.data[c].reshape(-1).astype(np.float64) for c in (0, 1))
    expected, _, _ = np.histogram2d(first, second, bins=[axis.edges for axis in found.axes])
    assert np.abs(found.counts - expected).sum() <= 8


def test_a_plane_counts_its_own_voxels_within_the_mask() -> None:
    image, inside = volume(), EVERYWHERE.copy()
    inside[1, :, :25] = False
    found = count(image, inside, find_axes(image, inside), (0,), plane=(1,))
    assert found.n_voxels == 40 * 25


def test_an_axis_is_the_same_for_every_slice() -> None:
    image = volume()
    axes = find_axes(image, EVERYWHERE)
    first, second = (count(image, EVERYWHERE, axes, (0,), plane=(z,)) for z in (0, 1))
    assert first.axes == second.axes


def test_few_voxels_are_counted_in_wider_bins() -> None:
    image = volume()
    axes = find_axes(image, EVERYWHERE)
    whole = count(image, EVERYWHERE, axes, (0,))
    few = count(image, EVERYWHERE, axes, (0,), plane=(0, slice(0, 4), slice(0, 4)))
    assert few.axes[0].n_bins < 0.2 * whole.axes[0].n_bins
    assert few.axes[0].low == whole.axes[0].low
    assert few.axes[0].high >= whole.axes[0].high - whole.axes[0].width


def test_whole_numbers_fill_every_bin_alike() -> None:
    levels = np.tile(np.arange(1000, dtype=np.float32), 60)
    image = Volume.from_array(levels.reshape(1, 60, 1000)[0], (1, 1, 1))
    inside = np.ones(image.grid_shape, dtype=bool)
    counts = count(image, inside, find_axes(image, inside), (0,)).counts
    filled = counts[counts > 0]
    assert len(set(filled[1:-1].tolist())) == 1
    assert int(filled.sum()) == 60_000


def test_voxels_that_are_no_numbers_are_left_out() -> None:
    data = np.full((2, 3, 4), 5.0, dtype=np.float32)
    data[0, 0, 0], data[1, 1, 1] = np.nan, 7.0
    image = Volume.from_array(data, (1, 1, 1))
    inside = np.ones((2, 3, 4), dtype=bool)
    found = count(image, inside, find_axes(image, inside), (0,))
    assert (found.n_voxels, int(found.counts.sum())) == (23, 23)


@pytest.mark.parametrize("value", [0.0, 1e-6, 3.0, 1e6])
def test_an_image_of_one_value_has_an_axis_around_it(value: float) -> None:
    image = Volume.from_array(np.full((2, 3, 4), value, dtype=np.float32), (1, 1, 1))
    (axis,) = find_axes(image, np.ones((2, 3, 4), dtype=bool))
    assert axis.low < np.float32(value) < axis.high


def test_an_empty_mask_counts_nothing() -> None:
    image, nowhere = volume(), np.zeros(GRID, dtype=bool)
    found = count(image, nowhere, find_axes(image, nowhere), (0,))
    assert (found.n_voxels, int(found.counts.sum())) == (0, 0)


def test_a_curve_is_the_density_of_its_class() -> None:
    at = np.linspace(-20, 60, 200)
    curves = class_curves(mixture(), 0, at)
    assert curves[0] == pytest.approx(norm(0, 2).pdf(at))
    assert curves[1] == pytest.approx(0.25 * norm(20, 1).pdf(at) + 0.75 * norm(30, 3).pdf(at))


def test_weights_of_classes_are_the_sums_of_their_gaussians() -> None:
    assert class_weights(mixture()) == pytest.approx([0.4, 0.6])


def test_a_width_of_several_gaussians_is_the_root_of_their_mean_variance() -> None:
    assert class_stds(mixture())[1] == pytest.approx([np.sqrt(0.25 * 1 + 0.75 * 9), np.sqrt(0.25 * 1 + 0.75 * 4)])


def test_every_point_of_an_ellipse_is_as_far_as_it_says() -> None:
    outline = class_ellipses(mixture(), (0, 1), (2.0,))[0]
    away = outline[np.isfinite(outline).all(axis=1)] - mixture().means[0]
    squared = np.einsum("ni,ij,nj->n", away, np.linalg.inv(mixture().covariances[0]), away)
    assert squared == pytest.approx(4.0)


def test_a_class_of_two_gaussians_has_an_outline_of_each() -> None:
    outline = class_ellipses(mixture(), (0, 1), (1.0, 2.0))[1]
    assert int(np.isnan(outline[:, 0]).sum()) == 4


def test_a_rectangle_selects_what_lies_between_its_sides() -> None:
    image = volume(2)
    corners = np.array([(90.0, 80.0), (110.0, 80.0), (110.0, 95.0), (90.0, 95.0)])
    chosen = inside_outline(image, EVERYWHERE, (0, 1), corners)
    first, second = image.data
    assert np.array_equal(chosen, (first >= 90) & (first < 110) & (second >= 80) & (second < 95))


def test_a_lasso_selects_what_lies_within_it() -> None:
    image = volume(2)
    chosen = inside_outline(image, EVERYWHERE, (0, 1), np.array([(60.0, 60.0), (140.0, 60.0), (60.0, 140.0)]))
    first, second = image.data
    wanted = (first > 60) & (second > 60) & (first + second < 200)
    near = np.abs(first + second - 200) < 0.5
    assert np.array_equal(chosen[~near], wanted[~near])
    assert wanted.sum() > 100


def test_a_selection_stays_within_the_mask() -> None:
    image, inside = volume(2), EVERYWHERE.copy()
    inside[0] = False
    corners = np.array([(0.0, 0.0), (300.0, 0.0), (300.0, 300.0), (0.0, 300.0)])
    assert np.array_equal(inside_outline(image, inside, (0, 1), corners), inside)


def test_an_outline_without_an_area_selects_nothing() -> None:
    image = volume(2)
    assert not inside_outline(image, EVERYWHERE, (0, 1), np.array([(100.0, 90.0), (100.0, 110.0)])).any()
