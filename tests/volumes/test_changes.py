"""What a refinement changed, class by class."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_gmmseg.config import find_preset, numbered_classes
from napari_gmmseg.errors import GeometryError
from napari_gmmseg.volumes import ClassChange, Geometry, LabelMap, class_changes

BRAIN = find_preset("brain-t1").classes


def labels(values: list[int], classes=BRAIN) -> LabelMap:
    array = np.array(values, dtype=np.uint8).reshape(1, 1, -1)
    assert classes is not None
    return LabelMap(array, Geometry.from_spacing(array.shape, (1.0, 1.0, 1.0)), classes)


def test_each_class_has_what_it_had_has_won_and_has_lost() -> None:
    csf, gm, wm = class_changes(labels([0, 1, 1, 2, 2, 2, 3, 3]), labels([0, 1, 2, 2, 2, 3, 3, 1]))
    assert csf == ClassChange(csf.tissue, 2, 2, 1, 1)
    assert gm == ClassChange(gm.tissue, 3, 3, 1, 1)
    assert wm == ClassChange(wm.tissue, 2, 2, 1, 1)
    assert [change.tissue.abbreviation for change in (csf, gm, wm)] == ["CSF", "GM", "WM"]


def test_nothing_changed_where_nothing_was_refined() -> None:
    same = labels([0, 1, 2, 3])
    for change in class_changes(same, same):
        assert (change.gained, change.lost, change.percent) == (0, 0, 0.0)


def test_percent_counts_from_what_was_there_before() -> None:
    csf, gm, _ = class_changes(labels([1, 1, 1, 1, 2, 2]), labels([1, 1, 1, 2, 2, 2]))
    assert csf.percent == -25.0
    assert gm.percent == 50.0


def test_a_class_that_was_empty_has_no_percent() -> None:
    _, _, wm = class_changes(labels([1, 1, 2]), labels([1, 3, 2]))
    assert (wm.voxels_before, wm.voxels_after) == (0, 1)
    assert math.isnan(wm.percent)


def test_a_class_that_is_no_longer_there_lost_all() -> None:
    csf, _, _ = class_changes(labels([1, 1, 2]), labels([2, 2, 2]))
    assert (csf.voxels_after, csf.lost, csf.percent) == (0, 2, -100.0)


def test_background_that_changed_counts_for_the_class_that_won_it() -> None:
    csf, *_ = class_changes(labels([0, 0, 1]), labels([1, 0, 1]))
    assert (csf.voxels_before, csf.voxels_after, csf.gained) == (1, 2, 1)


@pytest.mark.parametrize("seed", range(3))
def test_the_balance_of_each_class_holds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = (labels(rng.integers(0, 6, 200).tolist(), numbered_classes(5)) for _ in range(2))
    changes = class_changes(before, after)
    for change in changes:
        assert change.voxels_before + change.gained - change.lost == change.voxels_after
        assert change.voxels_before == before.counts()[change.tissue.value]
        assert change.voxels_after == after.counts()[change.tissue.value]


def test_time_series_are_compared_frame_by_frame() -> None:
    geometry = Geometry.from_spacing((1, 1, 2), (1.0, 1.0, 1.0))
    frames = [np.array([[1, 2], [2, 2]]), np.array([[2, 1], [2, 2]])]
    before, after = (
        LabelMap(frame.reshape(2, 1, 1, 2).astype(np.uint8), geometry, numbered_classes(2)) for frame in frames
    )
    first, second = class_changes(before, after)
    assert (first.gained, first.lost, second.gained, second.lost) == (1, 1, 1, 1)


def test_labels_of_two_grids_are_refused() -> None:
    with pytest.raises(GeometryError, match=r"\(1, 1, 2\) and \(1, 1, 3\)"):
        class_changes(labels([1, 2]), labels([1, 2, 3]))
