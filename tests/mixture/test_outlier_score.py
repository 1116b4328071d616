"""Which voxels are outliers: figure 9 of Wan et al., borders, masks, excluded classes, anisotropic windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from benchmarks.outlier_scenes import figure_nine, four_tissues, islands_in_a_volume, square
from torch import Tensor

from napari_gmmseg.losses import outlier_score
from napari_gmmseg.mixture.outlier_score import Windows, find_outliers, find_outliers_of_labels


def one_hot(labels: np.ndarray, n_classes: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.from_numpy(labels).long(), n_classes).movedim(-1, 0)[None].float()


def test_figure_nine_has_the_values_and_the_order_of_the_paper():
    scene, areas = figure_nine()
    score = outlier_score(one_hot(scene, 2), 7, 21)[0].numpy()
    found = {name: float(score[area].mean()) for name, area in areas.items()}
    assert found == pytest.approx({"2": 0.92, "3": 0.77, "4": 0.65, "1": 0.40, "5": 0.0}, abs=0.01)
    assert not score[scene == 0].any()


def test_the_largest_area_of_figure_nine_is_darker_within_than_at_its_edges():
    scene, _ = figure_nine()
    area = outlier_score(one_hot(scene, 2), 7, 21)[0, 14:21, 14:21].numpy()
    assert area[3, 3] == pytest.approx(0, abs=1e-4)
    assert area[0, 0] == area.max() == pytest.approx(0.64, abs=0.01)
    for row in area[:4]:
        assert (np.diff(row[:4]) < 0).all()


def test_a_foreground_alone_counts_as_two_classes():
    scene, _ = figure_nine()
    foreground = torch.from_numpy(scene)[None, None].float() * 0.8 + 0.1
    assert torch.equal(outlier_score(foreground, 7, 21), outlier_score(one_hot(scene, 2), 7, 21))


def test_a_soft_background_does_not_hide_an_island():
    scene, _ = figure_nine()
    soft = one_hot(scene, 2) * 0.6 + 0.2
    assert torch.equal(outlier_score(soft, 7, 21), outlier_score(one_hot(scene, 2), 7, 21))


@pytest.mark.parametrize(("side", "is_flagged"), [(2, True), (5, True), (7, True), (8, True), (10, False), (15, False)])
def test_squares_up_to_the_inner_window_are_flagged(side, is_flagged):
    score = outlier_score(one_hot(square(side), 2), 7, 21)
    assert bool(score.any()) == is_flagged


def test_other_windows_flag_other_sizes():
    for side, is_flagged in ((2, True), (3, True), (4, False), (7, False)):
        assert bool(outlier_score(one_hot(square(side), 2), 3, 9).any()) == is_flagged


def test_an_island_in_a_corner_of_the_image_is_as_suspicious_as_one_in_the_middle():
    middle = np.zeros((40, 40), dtype=np.uint8)
    corner = middle.copy()
    middle[18:21, 18:21], corner[:3, :3] = 1, 1
    first, second = (outlier_score(one_hot(scene, 2), 7, 21)[0] for scene in (middle, corner))
    torch.testing.assert_close(first[18:21, 18:21], second[:3, :3])
    assert not second[middle == 1].any()


def test_the_voxels_outside_the_mask_belong_to_no_class():
    scene, _ = figure_nine()
    mask = torch.zeros(1, 100, 100, dtype=torch.bool)
    mask[:, :40, :40] = True
    found = find_outliers(one_hot(scene, 2), 7, 21, mask=mask)
    spoilt = torch.where(mask[:, None], one_hot(scene, 2), 1e30)
    other = find_outliers(spoilt, 7, 21, mask=mask)
    assert torch.equal(found.score, other.score)
    assert torch.equal(found.surround, other.surround)
    assert not found.score[~mask].any()
    assert found.score[0, 14, 14] > 0


def test_where_nothing_else_is_near_there_is_nowhere_to_go():
    mask = torch.zeros(1, 40, 40, dtype=torch.bool)
    mask[:, 10:12, 10:12] = True
    found = find_outliers(one_hot(np.zeros((40, 40), np.uint8), 2), 7, 21, mask=mask)
    assert not found.score.any()
    assert not found.surround.any()


def test_classes_that_are_left_out_are_never_outliers():
    scene, areas = four_tissues()
    score = outlier_score(one_hot(scene, 4), 7, 21, classes={0, 1, 2})[0].numpy()
    assert not score[areas["island 3x3"]].any()
    assert score[areas["island 7x7"]].any()
    assert score[areas["hole"]].all()


def test_among_four_tissues_islands_and_holes_stand_out_and_the_square_does_not():
    scene, areas = four_tissues()
    score = outlier_score(one_hot(scene, 4), 7, 21)[0].numpy()
    means = {name: float(score[area].mean()) for name, area in areas.items()}
    assert means == pytest.approx({"island 3x3": 0.82, "island 7x7": 0.40, "hole": 0.92, "square": 0.0}, abs=0.01)
    assert not score[~np.logical_or.reduce(list(areas.values()))].any()


def test_what_surrounds_an_island_is_the_tissue_around_it():
    scene, areas = four_tissues()
    found = find_outliers(one_hot(scene, 4), 7, 21)
    for name, tissue in (("island 3x3", 0), ("island 7x7", 0), ("hole", 1)):
        rows = found.surround[torch.from_numpy(areas[name]).view(-1)[found.places]]
        assert len(rows) in (areas[name].sum(), 48)
        assert rows[:, tissue].min() == pytest.approx(1)
    torch.testing.assert_close(found.surround.sum(1), torch.ones(len(found.places)))


def test_labels_give_what_their_probabilities_give():
    for scene, n_classes in ((four_tissues()[0], 4), (islands_in_a_volume()[0][:20, :24, :40], 3)):
        of_labels = find_outliers_of_labels(torch.from_numpy(scene + 1)[None], n_classes, 5, 15)
        expected = find_outliers(one_hot(scene, n_classes), 5, 15)
        torch.testing.assert_close(of_labels.score, expected.score)
        torch.testing.assert_close(of_labels.surround, expected.surround)


def test_images_of_a_batch_do_not_see_each_other():
    scenes = [figure_nine()[0], np.zeros((100, 100), np.uint8)]
    both = torch.cat([one_hot(scene, 2) for scene in scenes])
    assert torch.equal(outlier_score(both, 7, 21)[:1], outlier_score(both[:1], 7, 21))


def test_an_axis_of_one_voxel_leaves_a_slice_as_it_is():
    scene = one_hot(figure_nine()[0], 2)
    assert torch.equal(outlier_score(scene[:, :, None], 7, 21)[:, 0], outlier_score(scene, 7, 21))


def test_windows_may_differ_from_axis_to_axis():
    scene = np.zeros((9, 40, 40), dtype=np.uint8)
    scene[3:6, 10:17, 10:17] = 1
    # Slices three times as thick as a voxel is wide: the island is a cube in mm.
    assert outlier_score(one_hot(scene, 2), (3, 7, 7), (7, 21, 21))[0][scene == 1].mean() > 0.3
    assert not outlier_score(one_hot(scene, 2), (1, 3, 3), (3, 9, 9)).any()


def test_the_score_has_no_gradient_and_lies_between_0_and_1():
    generator = torch.Generator().manual_seed(0)
    # One class in fifteen voxels: denser noise would not stand out from itself.
    logits = torch.randn(2, 3, 12, 30, 30, generator=generator).add_(torch.tensor([3.0, 0, 0]).view(3, 1, 1, 1))
    score = outlier_score(logits.requires_grad_().softmax(1), 3, 9)
    assert not score.requires_grad
    assert 0 <= float(score.min()) < float(score.max()) <= 1


@pytest.mark.parametrize(
    ("inner", "outer"), [(6, 21), (7, 20), (7, 7), (9, 7), (-1, 3), ((3, 3, 3), 9), ((3, 9), (9, 7))], ids=str
)
def test_windows_that_make_no_sense_are_refused(inner, outer):
    with pytest.raises(ValueError, match=r"odd|each of"):
        outlier_score(one_hot(square(3), 2), inner, outer)


def test_the_threshold_of_the_paper_is_33_for_a_window_of_7():
    assert Windows((7, 7), (21, 21)).threshold == 33
    assert Windows((3, 3), (9, 9)).threshold == 5
    assert Windows((7, 7, 7), (21, 21, 21)).threshold == 279
