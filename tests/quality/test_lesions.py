"""Figures of labelled objects, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.quality.lesions import lesion_scores


def volume(*boxes: tuple[int, int, int, int, int]) -> np.ndarray:
    labels = np.zeros((4, 20, 20), np.uint8)
    for z, y0, x0, y1, x1 in boxes:
        labels[z, y0:y1, x0:x1] = 1
    return labels


def test_volumes_and_slices_are_judged_by_themselves():
    true = volume((1, 2, 2, 6, 6), (2, 2, 2, 6, 6))
    predicted = volume((1, 2, 2, 6, 6), (2, 2, 2, 6, 4), (3, 10, 10, 12, 12))
    scores = lesion_scores([(predicted, true)], (1,))
    assert scores.dice == pytest.approx(2 * 24 / (28 + 32))
    assert scores.iou == pytest.approx(24 / 36)
    # Empty and left empty, right, half found, something where nothing is.
    assert scores.slice_dice == pytest.approx((1 + 1 + 2 * 8 / 24 + 0) / 4)
    assert scores.slice_iou == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert (scores.islands, scores.island_voxels, scores.slices) == (25, 100, 4)


def test_cases_count_alike_whatever_their_size():
    right, wrong = volume((1, 2, 2, 12, 12)), volume((1, 2, 2, 4, 4))
    scores = lesion_scores([(right, right), (volume(), wrong)], (1,))
    assert scores.dice == 0.5
    assert scores.as_dict()["slices"] == 8


def test_a_region_that_touches_the_truth_in_another_slice_is_an_island_in_its_own():
    scores = lesion_scores([(volume((1, 2, 2, 6, 6), (2, 2, 2, 6, 6)), volume((1, 2, 2, 6, 6)))], (1,))
    assert scores.islands == 25


def test_there_has_to_be_a_case():
    with pytest.raises(ValueError, match="no case"):
        lesion_scores([], (1,))
