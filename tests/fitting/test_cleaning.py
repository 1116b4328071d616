"""A clean-up without training: islands take the class around them, and it is told beforehand what goes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.outlier_scenes import figure_nine, four_tissues, islands_in_a_volume

from napari_gmmseg import api
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting import cleaning, settling
from napari_gmmseg.fitting.cleaning import (
    clean,
    outlier_map,
    plan_cleaning,
    remove_islands,
    windows_of_length,
)
from napari_gmmseg.io.sample import load_sample
from napari_gmmseg.mixture.islands import find_islands, in_order, islands_of, taken_over
from napari_gmmseg.volumes import ClassTable, Geometry, LabelMap, Mixture, Segmentation, TissueClass

SLICE = ((1, 7, 7), (1, 21, 21))
CUBE = ((7, 7, 7), (21, 21, 21))
COLOUR = (0.5, 0.5, 0.5)


def segmentation_of(scene: np.ndarray, spacing: tuple[float, float, float] | None = (2.0, 1.0, 1.0)) -> Segmentation:
    """Return a result with the label 10 (k + 1) where the scene has k, sure of itself; voxels of 2 x 1 x 1 mm."""
    scene = scene if scene.ndim > 2 else scene[None]
    n_classes = int(scene.max()) + 1
    table = ClassTable(tuple(TissueClass(10 * k + 10, f"Tissue {k}", f"T{k}", COLOUR) for k in range(n_classes)))
    labels = (10 * scene + 10).astype(np.uint8)
    unit = "mm" if spacing else "pixel"
    geometry = Geometry.from_spacing(labels.shape[-3:], spacing or (1.0, 1.0, 1.0), unit=unit)
    probabilities = np.full((n_classes, *labels.shape), 0.1, dtype=np.float32)
    np.put_along_axis(probabilities, scene[None].astype(np.int64), 1 - 0.1 * (n_classes - 1), 0)
    means = np.arange(n_classes, dtype=float)[:, None]
    return Segmentation(
        label_map=LabelMap(labels, geometry, table),
        probabilities=probabilities,
        mask=np.ones(labels.shape, dtype=bool),
        mixture=Mixture(np.full(n_classes, 1 / n_classes), means, np.ones((n_classes, 1, 1)), np.arange(n_classes)),
        method="spatial",
        log_likelihood=0.0,
        steps=1,
    )


def cleaned(segmentation: Segmentation, windows=SLICE, **how) -> Segmentation:
    return clean(segmentation, plan_cleaning(segmentation, windows, **how))


def test_the_islands_of_figure_nine_go_and_the_square_stays_to_the_pixel():
    scene, areas = figure_nine()
    labels = cleaned(segmentation_of(scene)).label_map.labels[0]
    assert np.array_equal(labels == 20, areas["5"])


def test_islands_and_holes_among_four_tissues_take_the_class_around_them():
    scene, areas = four_tissues()
    labels = cleaned(segmentation_of(scene)).label_map.labels[0]
    assert (labels[areas["island 3x3"]] == 10).all()
    assert (labels[areas["island 7x7"]] == 10).all()
    assert (labels[areas["hole"]] == 20).all()
    assert (labels[areas["square"]] == 40).all()


def test_a_volume_is_cleaned_in_three_dimensions():
    scene, areas = islands_in_a_volume()
    labels = cleaned(segmentation_of(scene), CUBE).label_map.labels
    assert not (labels[areas["cube 3"]] == 30).any()
    assert not (labels[areas["cube 7"]] == 30).any()
    assert (labels[areas["cube 28"]] == 30).all()
    assert (labels[areas["sheet"]][8:-8] == 30).mean() > 0.95


def test_what_would_go_is_told_before_it_goes():
    scene, areas = four_tissues()
    segmentation = segmentation_of(scene)
    plan = plan_cleaning(segmentation, SLICE)
    lost = {change.tissue.value: change.lost for change in plan.changes}
    assert lost == {10: 4, 20: 0, 30: 49, 40: 9}
    assert (segmentation.label_map.labels[0][areas["hole"]] == 10).all()
    (told,) = [finding for finding in clean(segmentation, plan).findings if finding.code == "cleaned"]
    assert "Tissue 2 49 voxels (0.10 ml)" in told.message


def test_the_label_stays_the_likeliest_class_and_the_probabilities_add_up_to_one():
    result = cleaned(segmentation_of(figure_nine()[0]))
    values = np.array(result.label_map.classes.values)
    assert np.array_equal(values[result.probabilities.argmax(0)], result.label_map.labels)
    np.testing.assert_allclose(result.probabilities.sum(0), 1, rtol=1e-6)


def test_cleaning_a_clean_result_changes_nothing():
    once = cleaned(segmentation_of(four_tissues()[0]))
    plan = plan_cleaning(once, SLICE)
    assert plan.rounds == 0
    assert np.array_equal(clean(once, plan).label_map.labels, once.label_map.labels)


def test_a_class_can_be_spared():
    scene, areas = four_tissues()
    labels = cleaned(segmentation_of(scene), spared=[40]).label_map.labels[0]
    assert (labels[areas["island 3x3"]] == 40).all()
    assert (labels[areas["island 7x7"]] == 10).all()


def test_thin_tissue_that_would_go_is_warned_about():
    scene = np.zeros((80, 80), dtype=np.uint8)
    scene[:, 39] = 1
    findings = plan_cleaning(segmentation_of(scene), SLICE).findings
    assert [finding.code for finding in findings] == ["cleaning-eats-tissue"]
    assert "100% of Tissue 1" in findings[0].message
    assert not plan_cleaning(segmentation_of(figure_nine()[0]), ((1, 3, 3), (1, 9, 9))).findings


def test_background_outside_the_mask_stays_background():
    scene, _ = figure_nine()
    mask = np.zeros((1, 100, 100), dtype=bool)
    mask[:, :50] = True
    segmentation = segmentation_of(scene)
    masked = replace(
        segmentation, mask=mask, label_map=replace(segmentation.label_map, labels=segmentation.label_map.labels * mask)
    )
    assert np.array_equal(cleaned(masked).label_map.labels > 0, mask)


def test_the_heat_map_of_a_slice_is_that_of_the_volume_there():
    segmentation = segmentation_of(islands_in_a_volume()[0])
    whole = outlier_map(segmentation, CUBE)
    for z in (0, 13, 49, 63):
        assert np.array_equal(outlier_map(segmentation, CUBE, z=z)[0], whole[z])
    assert whole[13, 13, 11] > 0.9


def test_frames_of_a_cine_are_cleaned_each_by_itself():
    scene, areas = figure_nine()
    frames = np.stack([scene, np.zeros_like(scene)])[:, None]
    result = cleaned(segmentation_of(frames))
    assert np.array_equal(result.label_map.labels[0, 0] == 20, areas["5"])
    assert (result.label_map.labels[1] == 10).all()


def test_a_length_in_mm_becomes_windows_of_odd_voxels_along_each_axis():
    label_map = segmentation_of(islands_in_a_volume()[0]).label_map
    assert windows_of_length(label_map, 7.0) == ((3, 7, 7), (11, 21, 21))
    one_slice = segmentation_of(figure_nine()[0]).label_map
    assert windows_of_length(one_slice, 5.0) == ((1, 5, 5), (1, 15, 15))
    assert windows_of_length(one_slice, 0.2) == ((1, 1, 1), (1, 3, 3))


def test_a_length_that_means_nothing_is_refused():
    with pytest.raises(SettingsError, match="above 0"):
        windows_of_length(segmentation_of(figure_nine()[0]).label_map, 0.0)
    with pytest.raises(SettingsError, match="voxel size"):
        windows_of_length(segmentation_of(figure_nine()[0], None).label_map, 5.0)


def test_small_islands_are_listed_largest_first_with_where_to_go():
    scene, areas = four_tissues()
    segmentation = segmentation_of(scene)
    islands = find_islands(segmentation.label_map, 49)
    assert [(island.value, island.voxels) for island in islands] == [(30, 49), (40, 9), (10, 4)]
    for island, name in zip(islands, ("island 7x7", "island 3x3", "hole"), strict=True):
        assert areas[name][island.voxel[1:]]
        assert island.volume_ml == pytest.approx(island.voxels * 0.002)
    assert find_islands(segmentation.label_map, 8) == islands[2:]


def test_of_many_islands_the_largest_are_described_and_all_are_counted():
    scene = np.zeros((1, 60, 60), dtype=int)
    scene[0, 3::6, 3::6] = 1
    scene[0, 3:5, 3:5] = 1
    scene[0, 51, 52] = 1
    label_map = segmentation_of(scene).label_map
    found, count = islands_of(label_map, 20, 9, largest=5)
    assert count == 100
    assert in_order(found) == find_islands(label_map, 9)[:5]
    assert [(i.voxels, i.box) for i in in_order(found)[:2]] == [
        (4, ((0, 1), (3, 5), (3, 5))),
        (2, ((0, 1), (51, 52), (51, 53))),
    ]
    assert islands_of(label_map, 20, 9, largest=0) == ([], 100)
    held = np.zeros(scene.shape, dtype=bool)
    held[0, 3, 4] = True
    assert islands_of(label_map, 20, 9, held=held)[1] == 99


def test_one_island_can_be_removed_and_the_others_kept():
    scene, areas = four_tissues()
    segmentation = segmentation_of(scene)
    largest, *_ = find_islands(segmentation.label_map, 49)
    labels = remove_islands(segmentation, [largest]).label_map.labels[0]
    assert (labels[areas["island 7x7"]] == 10).all()
    assert np.array_equal(labels[~areas["island 7x7"]], segmentation.label_map.labels[0][~areas["island 7x7"]])


def test_an_island_with_only_background_around_it_stays():
    scene, _ = figure_nine()
    segmentation = segmentation_of(scene)
    alone = segmentation.label_map.labels * (segmentation.label_map.labels == 20)
    lonely = replace(segmentation, mask=alone > 0, label_map=replace(segmentation.label_map, labels=alone))
    islands = find_islands(lonely.label_map, 49)
    assert len(islands) == 4
    assert np.array_equal(remove_islands(lonely, islands).label_map.labels, alone)


def test_islands_of_a_size_go_wherever_more_of_their_class_is_near():
    scene = np.zeros((1, 40, 40), dtype=int)
    scene[0, :, 20:] = 1
    scene[0, 10:12, 16:18] = 1
    scene[0, 30, 5] = 1
    result = segmentation_of(scene)
    windows = ((1, 3, 3), (1, 9, 9))
    left = plan_cleaning(result, windows).labels
    assert left[0, 10, 16] == 20
    assert left[0, 30, 5] == 10
    gone = plan_cleaning(result, windows, islands=True)
    assert gone.labels[0, 10, 16] == 10
    assert (gone.labels[0, :, 20:] == 20).all()
    assert [change.lost for change in gone.changes] == [0, 5]


def test_an_island_goes_to_the_class_that_touches_it_most_and_one_in_background_stays():
    labels = np.full((1, 30, 30), 20, dtype=np.uint8)
    labels[0, :, 15:] = 30
    labels[0, 10:12, 14:17] = 10
    labels[0, 20:27, 3:10] = 0
    labels[0, 23, 6] = 10
    places, around = taken_over(labels, 9, 10)
    after = labels.copy()
    after[places] = around
    assert (after[0, 10:12, 14:17] == 30).all()
    assert after[0, 23, 6] == 10
    assert (after != labels).sum() == (labels[0, 10:12, 14:17] == 10).sum()
    assert not taken_over(labels, 5, 10)[1].size
    assert not taken_over(labels, 9, 20)[1].size


def test_what_a_clean_up_leaves_needs_no_second_one_in_a_real_brain():
    brain = api.segment(load_sample(), method="gmm", threads=1)
    windows = windows_of_length(brain.label_map, 14.0)
    assert windows == ((7, 7, 7), (21, 21, 21))
    planned = plan_cleaning(brain, windows, islands=True)
    again = plan_cleaning(clean(brain, planned), windows, islands=True)
    assert planned.rounds > 0
    assert again.rounds == 0
    assert not any(change.lost for change in again.changes)
    # What goes in later rounds is warned about, too.
    assert any(finding.code == "cleaning-eats-tissue" for finding in planned.findings)


def test_a_clean_up_that_does_not_settle_says_so(monkeypatch):
    for module in (cleaning, settling):
        monkeypatch.setattr(module, "MOST_ROUNDS", 1)
    findings = plan_cleaning(segmentation_of(figure_nine()[0]), SLICE, islands=True).findings
    assert findings[-1].code == "cleaning-unsettled"


def test_a_held_voxel_holds_its_island_and_no_larger_region():
    scene = np.zeros((1, 40, 60), dtype=int)
    scene[0, 10:12, 15:17] = 1
    scene[0, 25:27, 15:17] = 1
    scene[0, 18:20, 30:50] = 1
    held = np.zeros(scene.shape, dtype=bool)
    held[0, 10, 15] = held[0, 18, 30] = True
    for windows in (((1, 3, 3), (1, 9, 9)), ((1, 5, 5), (1, 15, 15))):
        planned = plan_cleaning(segmentation_of(scene), windows, held=held, islands=True).labels[0] == 20
        assert planned[10:12, 15:17].all()
        assert not planned[25:27, 15:17].any()
    # The line is larger than an island: of it, the voxel alone is held.
    assert planned[18, 30]
    assert not planned[18:20, 31:50].all()


def test_frames_of_a_cine_lose_their_islands_each_by_itself():
    scene = np.zeros((2, 1, 20, 20), dtype=int)
    scene[0, 0, 5:7, 5:7] = 1
    scene[1, 0, 5:16, 5:16] = 1
    result = segmentation_of(scene)
    planned = plan_cleaning(result, ((1, 3, 3), (1, 9, 9)), islands=True)
    assert not (planned.labels[0] == 20).any()
    assert (planned.labels[1] == 20).sum() == 121
