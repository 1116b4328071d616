"""The outlier-region loss: what it removes, what it leaves, and why not the printed formula (Wan et al. 2023)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from benchmarks.outlier_scenes import figure_nine, four_tissues, islands_in_a_volume, square
from torch import Tensor

from napari_gmmseg.losses import (
    OutlierRegionLoss,
    find_outliers,
    outlier_region,
    printed_density_map,
    supervised_outlier_region,
)

Loss = Callable[[Tensor, Tensor], Tensor]


def logits_of(labels: np.ndarray, n_classes: int, margin: float = 3.0) -> Tensor:
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), n_classes)
    return margin * one_hot.movedim(-1, 0)[None].float()


def everywhere(labels: np.ndarray) -> Tensor:
    return torch.ones(1, *labels.shape, dtype=torch.bool)


def descended(loss: Loss, labels: np.ndarray, n_classes: int = 2, steps: int = 150, margin: float = 3.0) -> np.ndarray:
    """Return the labels of free logits after some steps of Adam down a loss."""
    logits, mask = logits_of(labels, n_classes, margin).requires_grad_(), everywhere(labels)
    optimiser = torch.optim.Adam([logits], lr=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        value = loss(logits.log_softmax(1), mask)
        value.backward()
        if not logits.grad.any():
            break
        optimiser.step()
    return logits.detach().argmax(1)[0].numpy()


def test_descent_removes_the_islands_of_figure_nine_and_leaves_the_square_to_the_pixel():
    scene, areas = figure_nine()
    assert np.array_equal(descended(OutlierRegionLoss(inner=7, outer=21), scene), areas["5"])


@pytest.mark.parametrize(("side", "stays"), [(1, 0), (3, 0), (7, 0), (8, 0), (9, 1), (10, 1), (11, 1), (28, 1)])
def test_descent_removes_squares_up_to_the_inner_window_and_no_larger_ones(side, stays):
    scene = square(side)
    assert np.array_equal(descended(OutlierRegionLoss(inner=7, outer=21), scene), scene * stays)


@pytest.mark.parametrize(("side", "stays"), [(2, 0), (3, 0), (4, 1), (5, 1), (7, 1)])
def test_smaller_windows_leave_what_larger_ones_remove(side, stays):
    scene = square(side)
    assert np.array_equal(descended(OutlierRegionLoss(inner=3, outer=9), scene), scene * stays)


def test_islands_among_four_tissues_take_the_class_around_them():
    scene, areas = four_tissues()
    expected = scene.copy()
    for name, tissue in (("island 3x3", 0), ("island 7x7", 0), ("hole", 1)):
        expected[areas[name]] = tissue
    assert np.array_equal(descended(OutlierRegionLoss(inner=7, outer=21), scene, 4), expected)


def test_in_a_volume_small_cubes_go_and_a_large_one_and_a_sheet_stay():
    scene, areas = islands_in_a_volume()
    found = descended(OutlierRegionLoss(inner=7, outer=21), scene, 3, steps=80)
    assert not found[areas["cube 3"]].any()
    assert not found[areas["cube 7"]].any()
    assert (found[areas["cube 28"]] == 2).all()
    # Where the sheet meets two borders of the volume at once, half of what is around it is missing.
    inside = np.zeros_like(areas["sheet"])
    inside[:, 8:-8] = areas["sheet"][:, 8:-8]
    assert (found[inside] == 2).all()
    assert (found[areas["sheet"]] == 2).mean() > 0.95
    rest = ~np.logical_or.reduce(list(areas.values()))
    assert np.array_equal(found[rest], scene[rest])


def printed(log_prior: Tensor, mask: Tensor) -> Tensor:
    return OutlierRegionLoss(inner=7, outer=21, mode="printed")(log_prior, mask)


def test_the_printed_formula_is_lowest_on_islands():
    scene, areas = figure_nine()
    loss = -printed_density_map(torch.from_numpy(scene)[None].double(), 7, 21)[0].numpy()
    values = {name: float(loss[area].mean()) for name, area in areas.items()}
    assert values["5"] == loss[scene == 0].max() == 0
    assert values["5"] > values["2"] > values["3"] > values["4"] > values["1"]


def test_descent_on_the_printed_formula_makes_islands_denser_and_removes_none():
    scene, areas = figure_nine()
    logits = logits_of(scene, 2, 6.0).requires_grad_()
    printed(logits.log_softmax(1), everywhere(scene)).backward()
    towards_white = -logits.grad[0, 1].numpy()
    for name in ("1", "2", "3", "4"):
        assert towards_white[areas[name]].mean() > 0
    after = descended(printed, scene, steps=300, margin=6.0)
    for name in ("1", "2", "3", "4"):
        assert after[areas[name]].all()


def test_a_soft_background_of_a_tenth_switches_the_printed_formula_off():
    scene, _ = figure_nine()
    soft = torch.from_numpy(scene)[None].double() * 0.8 + 0.1
    density = printed_density_map(soft, 7, 21)[0].numpy()
    assert not density[scene == 1].any()


def test_our_gradient_pulls_the_other_way():
    scene, areas = figure_nine()
    logits = logits_of(scene, 2, 1.0).requires_grad_()
    OutlierRegionLoss(inner=7, outer=21)(logits.log_softmax(1), everywhere(scene)).backward()
    towards_white = -logits.grad[0, 1].numpy()
    for name in ("1", "2", "3", "4"):
        assert towards_white[areas[name]].mean() < 0
    assert not towards_white[areas["5"]].any()
    assert not towards_white[scene == 0].any()


def test_the_loss_and_its_gradient_are_bounded_however_sure_the_network_is():
    scene, _ = figure_nine()
    for margin in (0.5, 50.0, 1e4):
        logits = logits_of(scene, 2, margin).requires_grad_()
        value = OutlierRegionLoss(inner=7, outer=21)(logits.log_softmax(1), everywhere(scene))
        value.backward()
        assert 0 < float(value.detach()) <= 69.1
        assert float(logits.grad.abs().sum()) <= 2.0001
    sparse = np.zeros((30, 30), dtype=np.uint8)
    assert float(OutlierRegionLoss()(logits_of(sparse, 2).log_softmax(1), everywhere(sparse))) == 0


def test_the_whole_loss_has_the_gradient_of_the_cross_entropy_with_the_score_held():
    scene, _ = four_tissues()
    one, other = (logits_of(scene, 4).double().requires_grad_() for _ in range(2))
    OutlierRegionLoss(inner=7, outer=21)(one.log_softmax(1), everywhere(scene)).backward()
    held = find_outliers(other.detach().softmax(1), 7, 21)
    outlier_region(other.log_softmax(1), held, everywhere(scene)).backward()
    assert one.grad.any()
    torch.testing.assert_close(one.grad, other.grad)


def test_a_small_region_that_is_true_is_learnt_the_more():
    scene, areas = figure_nine()
    target = torch.from_numpy(scene)[None].long()
    logits = logits_of(scene, 2, 1.0).requires_grad_()
    loss = OutlierRegionLoss(inner=7, outer=21, mode="supervised")
    loss(logits.log_softmax(1), everywhere(scene), target).backward()
    towards_white = -logits.grad[0, 1].numpy()
    assert (towards_white[areas["2"]] > 0).all()
    assert towards_white[areas["2"]].mean() > towards_white[areas["1"]].mean() > 0


def test_with_plain_cross_entropy_each_voxel_has_the_weight_one_plus_its_score():
    scene, _ = figure_nine()
    target = torch.from_numpy(scene)[None].long()
    log_prior = logits_of(scene, 2, 1.0).double().log_softmax(1)
    score = find_outliers(log_prior.exp(), 7, 21).score
    right = log_prior.gather(1, target[:, None])[:, 0]
    expected = -((1 + 0.5 * score) * right).mean()
    plain = -right.mean()
    weighted = supervised_outlier_region(log_prior, score, target, everywhere(scene))
    torch.testing.assert_close(plain + 0.5 * weighted, expected)


def test_voxels_of_known_class_are_left_alone():
    scene, areas = figure_nine()
    target = torch.full((1, 100, 100), -1)
    target[0][torch.from_numpy(areas["2"])] = 1
    loss = OutlierRegionLoss(inner=7, outer=21)
    found = descended(lambda log_prior, mask: loss(log_prior, mask, target), scene)
    assert np.array_equal(found, areas["5"] | areas["2"])


def test_what_a_mode_needs_and_does_not_get_is_told():
    log_prior = logits_of(square(3), 2).log_softmax(1)
    mask = everywhere(square(3))
    with pytest.raises(ValueError, match="labels"):
        OutlierRegionLoss(mode="supervised")(log_prior, mask)
    with pytest.raises(ValueError, match="two classes"):
        OutlierRegionLoss(mode="printed")(torch.zeros(1, 3, 9, 9), mask[:, :9, :9])
