from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.errors import GeometryError
from napari_gmmseg.volumes import IGNORED, UNLABELLED, Geometry, LabelMap, Stroke
from napari_gmmseg.volumes.locks import keep_out_of_locked

LABELS = np.repeat(np.array([0, 1, 2, 3], dtype=np.uint8), 5)[None, None].repeat(6, axis=1)
RESULT = LabelMap(LABELS, Geometry.from_spacing((1, 6, 20), (1.0, 1.0, 1.0)), numbered_classes(3))


def line(value: int, columns: range) -> Stroke:
    return Stroke(value, np.array([[0, 3, x] for x in columns]), id=7, weight=2.0)


def test_a_stroke_loses_what_lies_in_a_locked_class() -> None:
    checked = keep_out_of_locked(line(1, range(5, 15)), RESULT, {2})
    assert checked.accepted is not None
    assert (checked.accepted.id, checked.accepted.weight) == (7, 2.0)
    np.testing.assert_array_equal(checked.accepted.voxels[:, 2], range(5, 10))
    np.testing.assert_array_equal(checked.refused[:, 2], range(10, 15))
    assert checked.finding is not None
    assert checked.finding.message == (
        "5 of the stroke's 10 voxels lie in the region of Class 2, which is locked: the rest was painted."
    )


def test_a_stroke_wholly_in_locked_regions_is_refused_by_their_names() -> None:
    checked = keep_out_of_locked(line(1, range(10, 20)), RESULT, {2, 3})
    assert checked.accepted is None
    assert checked.finding is not None
    assert "Class 2 and Class 3, which are locked: nothing was painted" in checked.finding.message


def test_a_locked_class_is_painted_in_its_own_region() -> None:
    checked = keep_out_of_locked(line(2, range(10, 15)), RESULT, {2})
    assert checked.finding is None
    assert len(checked.refused) == 0


@pytest.mark.parametrize("value", [UNLABELLED, IGNORED])
def test_taking_labels_away_is_never_refused(value: int) -> None:
    stroke = line(value, range(5, 15))
    assert keep_out_of_locked(stroke, RESULT, {1, 2, 3}).accepted is stroke


def test_a_stroke_of_another_grid_is_an_error() -> None:
    with pytest.raises(GeometryError, match="leaves the grid"):
        keep_out_of_locked(line(1, range(15, 25)), RESULT, {2})
