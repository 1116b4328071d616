"""The metric for noise: regions that are predicted where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.quality import SpuriousIslands, evaluate, spurious_islands
from napari_gmmseg.volumes import ClassTable, Geometry, LabelMap, TissueClass


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Return a prediction and a truth: a square that is found, one that is missed, and two specks of 1 and 6."""
    true = np.zeros((1, 40, 40), dtype=bool)
    true[0, 5:15, 5:15] = True
    true[0, 25:35, 25:35] = True
    predicted = np.zeros_like(true)
    predicted[0, 6:16, 6:16] = True
    predicted[0, 2, 30] = True
    predicted[0, 20:22, 30:33] = True
    return predicted, true


def test_regions_without_a_true_voxel_are_counted_and_measured():
    assert spurious_islands(*scene()) == SpuriousIslands(number=2, voxels=7)


def test_a_perfect_prediction_and_an_empty_one_have_none():
    _, true = scene()
    assert spurious_islands(true, true) == SpuriousIslands(0, 0)
    assert spurious_islands(np.zeros_like(true), true) == SpuriousIslands(0, 0)


def test_where_nothing_is_true_every_region_is_spurious():
    predicted, true = scene()
    assert spurious_islands(predicted, np.zeros_like(true)) == SpuriousIslands(3, 107)


def test_voxels_that_touch_at_a_corner_are_one_region_and_frames_are_apart():
    predicted = np.zeros((2, 1, 5, 5), dtype=bool)
    predicted[0, 0, 1, 1] = predicted[0, 0, 2, 2] = predicted[1, 0, 2, 2] = True
    assert spurious_islands(predicted, np.zeros_like(predicted)) == SpuriousIslands(2, 3)


def test_an_evaluation_tells_them_beside_dice_and_iou():
    predicted, true = scene()
    table = ClassTable((TissueClass(1, "Lesion", "L", (1.0, 0.0, 0.0)),))
    geometry = Geometry.from_spacing((1, 40, 40), (1.0, 1.0, 1.0))
    maps = (LabelMap(part.astype(np.uint8), geometry, table) for part in (predicted, true))
    (lesion,) = evaluate(*maps).classes
    assert (lesion.spurious_islands, lesion.spurious_voxels) == (2, 7)
    assert lesion.dice == pytest.approx(2 * 81 / (107 + 200))
    assert lesion.iou == pytest.approx(81 / (107 + 200 - 81))
