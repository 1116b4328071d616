from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.io import read_labels, write_labels
from napari_gmmseg.volumes import ClassTable, Geometry, LabelMap, TissueClass
from napari_gmmseg.volumes.edits import ERASED, Edits

SHAPE = (4, 20, 30)
GEOMETRY = Geometry.from_spacing(SHAPE, (2.0, 1.0, 1.0))
FOUR = numbered_classes(4)
THREE = numbered_classes(3)


def result(seed: int, classes: ClassTable = FOUR) -> LabelMap:
    labels = np.random.default_rng(seed).integers(0, len(classes) + 1, SHAPE).astype(np.uint8)
    return LabelMap(labels, GEOMETRY, classes)


def two_hundred(seed: int = 5) -> Edits:
    rng = np.random.default_rng(seed)
    flat = rng.choice(np.prod(SHAPE), 200, replace=False)
    edits = Edits.none(result(0))
    for value in range(5):
        edits = edits.paint(np.stack(np.unravel_index(flat[value::5], SHAPE), axis=-1), value)
    return edits


def at_edits(edits: Edits, label_map: LabelMap) -> np.ndarray:
    return label_map.labels.reshape(-1)[edits.positions]


def test_two_hundred_edited_voxels_survive_reruns_with_more_and_with_fewer_classes() -> None:
    edits = two_hundred()
    assert len(edits) == 200
    for seed, classes in ((1, FOUR), (2, THREE), (3, numbered_classes(6)), (4, FOUR)):
        rerun = result(seed, classes)
        shown = edits.apply(rerun)
        np.testing.assert_array_equal(at_edits(edits, shown), edits.values)
        elsewhere = np.delete(np.arange(rerun.labels.size), edits.positions)
        np.testing.assert_array_equal(shown.labels.reshape(-1)[elsewhere], rerun.labels.reshape(-1)[elsewhere])


def test_two_hundred_edited_voxels_survive_export_after_a_change_of_classes(tmp_path: Path) -> None:
    edits = two_hundred()
    written = write_labels(tmp_path / "mask.nii.gz", edits.apply(result(9, THREE)))
    np.testing.assert_array_equal(at_edits(edits, read_labels(written)), edits.values)


def test_a_class_that_a_rerun_has_lost_keeps_its_name_for_edited_voxels() -> None:
    edits = Edits.none(result(0)).paint(np.array([[1, 2, 3]]), 4)
    shown = edits.apply(result(1, THREE))
    assert shown.classes.values == (1, 2, 3, 4)
    assert shown.classes.by_value(4) == FOUR.by_value(4)
    assert shown.labels[1, 2, 3] == 4


def test_a_lost_class_that_no_edited_voxel_has_stays_lost() -> None:
    edits = Edits.none(result(0)).paint(np.array([[1, 2, 3]]), 2)
    assert edits.apply(result(1, THREE)).classes == THREE


def test_the_last_edit_of_a_voxel_counts() -> None:
    here = np.array([[0, 1, 2], [3, 4, 5]])
    edits = Edits.none(result(0)).paint(here, 1).paint(here[1:], 3).erase(here[:1])
    shown = edits.apply(result(1))
    assert (shown.labels[0, 1, 2], shown.labels[3, 4, 5]) == (0, 3)
    assert len(edits) == 2


def test_a_voxel_that_is_no_longer_edited_follows_the_model_again() -> None:
    here = np.array([[0, 1, 2], [3, 4, 5]])
    edits = Edits.none(result(0)).paint(here, 1).without(here[:1])
    np.testing.assert_array_equal(edits.voxels, here[1:])


def test_edits_do_not_change_the_result_they_are_applied_to() -> None:
    rerun = result(1)
    before = rerun.labels.copy()
    two_hundred().apply(rerun)
    np.testing.assert_array_equal(rerun.labels, before)


def test_what_was_painted_in_the_result_is_found_by_its_difference() -> None:
    before = result(3)
    painted = before.labels.copy()
    painted[2, 4:8, 5:9] = 2
    painted[1, :3] = 0
    after = replace(before, labels=painted)
    edits = Edits.from_difference(before, after)
    assert len(edits) == (painted != before.labels).sum()
    np.testing.assert_array_equal(edits.apply(before).labels, painted)


def test_edits_come_back_from_a_file_with_their_background_and_their_classes(tmp_path: Path) -> None:
    edits = two_hundred()
    back = Edits.from_label_map(read_labels(write_labels(tmp_path / "edits.nii.gz", edits.label_map())))
    np.testing.assert_array_equal(back.positions, edits.positions)
    np.testing.assert_array_equal(back.values, edits.values)
    assert [tissue.name for tissue in back.classes] == [tissue.name for tissue in FOUR]


def test_edits_come_back_from_a_layer() -> None:
    edits = two_hundred()
    layer = edits.layer()
    assert (layer == ERASED).sum() == (edits.values == 0).sum()
    back = Edits.from_layer(layer, result(1))
    np.testing.assert_array_equal(back.positions, edits.positions)
    np.testing.assert_array_equal(back.values, edits.values)


def test_edits_follow_a_class_that_the_person_merged_into_another() -> None:
    edits = Edits.none(result(0)).paint(np.array([[1, 2, 3]]), 4).renamed({4: 2}, THREE)
    shown = edits.apply(result(1, THREE))
    assert shown.labels[1, 2, 3] == 2
    assert shown.classes == THREE


def test_a_class_numbered_as_erased_voxels_are_is_refused_in_a_layer() -> None:
    odd = ClassTable((TissueClass(ERASED, "Odd", "O", (1.0, 0.0, 0.0)),))
    edits = Edits.none(result(0, odd)).paint(np.array([[0, 0, 0]]), ERASED)
    with pytest.raises(SettingsError, match="255"):
        edits.layer()


def test_an_edit_to_a_class_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="no class has: 9"):
        Edits.none(result(0)).paint(np.array([[0, 0, 0]]), 9)


@pytest.mark.parametrize("voxels", [[[4, 0, 0]], [[0, -1, 0]], [[0, 0]]])
def test_an_edit_outside_the_image_is_refused(voxels: list[list[int]]) -> None:
    with pytest.raises(GeometryError, match="leave the grid"):
        Edits.none(result(0)).paint(np.array(voxels), 1)


def test_edits_of_another_image_are_refused() -> None:
    other = Geometry.from_spacing(SHAPE, (3.0, 1.0, 1.0))
    with pytest.raises(GeometryError, match="belong to"):
        two_hundred().apply(replace(result(1), geometry=other))


def test_frames_are_edited_one_by_one() -> None:
    moving = LabelMap(np.ones((2, *SHAPE), dtype=np.uint8), GEOMETRY, FOUR)
    shown = Edits.none(moving).paint(np.array([[1, 2, 3, 4]]), 3).apply(moving)
    assert shown.labels[1, 2, 3, 4] == 3
    assert (shown.labels[0] == 1).all()


@pytest.mark.parametrize("value", [300, -1, 1.5])
def test_what_is_no_label_value_is_refused(value: float) -> None:
    edits = Edits.none(result(1))
    with pytest.raises(SettingsError, match="no label value"):
        edits.paint(np.array([(0, 0, 0)]), value)
    with pytest.raises(SettingsError, match="no label value"):
        replace(edits, positions=np.array([0]), values=[value])
    with pytest.raises(SettingsError, match="no label value"):
        replace(edits, positions=np.array([0]), values=np.array([value]))
