"""Background that was found is a class as any other for a clean-up: inside the mask, 0 is an answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from benchmarks.outlier_scenes import four_tissues
from tests.fitting.test_cleaning import SLICE, cleaned, segmentation_of

from napari_gmmseg.fitting.cleaning import plan_cleaning, remove_islands
from napari_gmmseg.fitting.solid_labels import SolidLabels
from napari_gmmseg.mixture.islands import find_islands
from napari_gmmseg.session.islands import goes, regions_of, scored_plane
from napari_gmmseg.volumes import Segmentation


def with_background_of(scene: np.ndarray, value: int = 10) -> Segmentation:
    """Return the result of a scene in which one class is background: 0 in the mask, which holds all voxels."""
    result = segmentation_of(scene)
    labels = np.where(result.label_map.labels == value, 0, result.label_map.labels).astype(np.uint8)
    return replace(
        result,
        label_map=replace(result.label_map, labels=labels),
        provenance={**result.provenance, "background": value},
    )


def erased(result: Segmentation, where: tuple) -> Segmentation:
    labels = np.array(result.label_map.labels)
    labels[where] = 0
    return replace(result, label_map=replace(result.label_map, labels=labels))


def test_islands_in_background_and_its_holes_go_as_those_of_any_class():
    scene, _ = four_tissues()
    plain = plan_cleaning(segmentation_of(scene), SLICE, islands=True)
    result = with_background_of(scene)
    planned = plan_cleaning(result, SLICE, islands=True)
    np.testing.assert_array_equal(planned.labels, np.where(plain.labels == 10, 0, plain.labels))
    assert [change.lost for change in planned.changes] == [change.lost for change in plain.changes]
    labels = cleaned(result, islands=True)
    values = np.array([0, *result.label_map.classes.values[1:]])
    assert np.array_equal(values[labels.probabilities.argmax(0)], labels.label_map.labels)


def test_background_that_is_spared_keeps_its_holes():
    scene, areas = four_tissues()
    planned = plan_cleaning(with_background_of(scene), SLICE, islands=True, spared=(10,))
    assert (planned.labels[0][areas["hole"]] == 0).all()
    assert (planned.labels[0][areas["island 7x7"]] == 0).all()


def test_a_speck_in_background_becomes_background_though_it_touches_another_class():
    scene = np.zeros((40, 40), dtype=np.uint8)
    scene[5:15, 5:15] = 2
    scene[15:17, 15:17] = 1
    result = with_background_of(scene)
    assert (plan_cleaning(result, SLICE, islands=True).labels[0, 15:17, 15:17] == 0).all()
    (speck,) = find_islands(SolidLabels.of(result).label_map(result), 9)
    assert (remove_islands(result, [speck]).label_map.labels[0, 15:17, 15:17] == 0).all()


def test_what_was_erased_by_hand_takes_islands_in_but_is_never_one():
    scene = np.zeros((40, 40), dtype=np.uint8)
    scene[10:12, 10:12] = 1
    scene[30:32, 30:32] = 1
    around = erased(segmentation_of(scene), np.s_[0, :20])
    island = segmentation_of(scene).label_map.labels == 20
    labels = np.where(island, 20, around.label_map.labels).astype(np.uint8)
    labels[0, 35, 35] = 0
    result = replace(around, label_map=replace(around.label_map, labels=labels))
    after = plan_cleaning(result, ((1, 3, 3), (1, 9, 9)), islands=True).labels
    assert (after[0, 10:12, 10:12] == 0).all()
    assert (after[0, 30:32, 30:32] == 10).all()
    assert after[0, 35, 35] == 0


def test_what_is_lit_and_what_is_listed_is_what_goes():
    scene, _ = four_tissues()
    result = with_background_of(scene)
    plane = (0, slice(None), slice(None))
    scored = scored_plane(result, plane)
    lit = goes(scored.score(SLICE), scored.solid_labels, regions_of(result, None), plane, SLICE, ()) > 0
    changed = plan_cleaning(result, SLICE, islands=True).labels != result.label_map.labels
    np.testing.assert_array_equal(lit, changed[0])
