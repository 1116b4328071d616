"""One plane, scored as in the volume, for windows that change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.outlier_scenes import islands_in_a_volume
from tests.fitting.test_cleaning import segmentation_of

from napari_gmmseg.errors import GeometryError
from napari_gmmseg.fitting.cleaning import outlier_map, plan_cleaning
from napari_gmmseg.fitting.plane_cleaning import ScoredPlane
from napari_gmmseg.mixture.islands import find_islands
from napari_gmmseg.mixture.outlier_score import surrounding_labels
from napari_gmmseg.mixture.tensors import as_tensor

WINDOWS = [((3, 3, 3), (9, 9, 9)), ((1, 7, 7), (1, 21, 21)), ((3, 5, 7), (5, 15, 21)), ((7, 7, 7), (45, 45, 45))]


def noisy_volume() -> np.ndarray:
    """Blobs of four classes with specks in them, smaller than most windows along one axis."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 4, (3, 5, 5)).repeat(4, 0).repeat(6, 1).repeat(6, 2)
    specks = rng.random(coarse.shape) < 0.05
    return np.where(specks, rng.integers(0, 4, coarse.shape), coarse)


@pytest.mark.parametrize("spared", [(), (10,)])
def test_declared_background_is_scored_and_cleaned_as_in_the_volume(spared):
    from tests.fitting.test_background_islands import with_background_of

    result = with_background_of(noisy_volume())
    scored = ScoredPlane(result, (5, slice(None), slice(None)))
    whole = outlier_map(result, WINDOWS[0], spared=spared)[5]
    np.testing.assert_array_equal(scored.score(WINDOWS[0], spared=spared), whole)
    np.testing.assert_array_equal(whole, outlier_map(segmentation_of(noisy_volume()), WINDOWS[0], spared=spared)[5])
    assert set(np.unique(scored.cleaned(WINDOWS[0], spared=spared))) <= {0, 20, 30, 40}


@pytest.fixture(scope="module")
def blobs():
    result = segmentation_of(noisy_volume())
    mask = np.array(result.mask)
    mask[:, :4] = False
    return replace(result, mask=mask)


@pytest.mark.parametrize("windows", WINDOWS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_plane_has_the_score_that_it_has_in_the_volume(blobs, windows, axis):
    whole = outlier_map(blobs, windows)
    for place in (0, 5, whole.shape[axis] - 1):
        plane = tuple(place if a == axis else slice(None) for a in range(3))
        np.testing.assert_array_equal(ScoredPlane(blobs, plane).score(windows), whole[plane])


def test_windows_may_change_in_any_order_on_one_plane(blobs):
    scored = ScoredPlane(blobs, (5, slice(None), slice(None)))
    for windows in (*WINDOWS, *WINDOWS[::-1]):
        np.testing.assert_array_equal(scored.score(windows), outlier_map(blobs, windows)[5])


def test_classes_can_be_spared(blobs):
    scored = ScoredPlane(blobs, (5, slice(None), slice(None)))
    score = scored.score(WINDOWS[0], spared=(20,))
    assert not score[blobs.label_map.labels[5] == 20].any()
    np.testing.assert_array_equal(score, outlier_map(blobs, WINDOWS[0], spared=(20,))[5])


def test_one_round_of_a_clean_up_is_that_of_the_volume(blobs):
    score, around = surrounding_labels(
        as_tensor(((blobs.label_map.labels // 10) * blobs.mask).astype(np.uint8))[None], 4, *WINDOWS[0]
    )
    expected = np.where(score[0].numpy() > 0, 10 * around[0].numpy(), blobs.label_map.labels)[5]
    np.testing.assert_array_equal(ScoredPlane(blobs, (5, slice(None), slice(None))).cleaned(WINDOWS[0]), expected)


def test_a_frame_of_a_cine_is_scored_by_itself():
    frames = np.stack([noisy_volume(), np.zeros_like(noisy_volume())])
    result = segmentation_of(frames)
    plane = (0, 5, slice(None), slice(None))
    whole = outlier_map(result, WINDOWS[0])
    np.testing.assert_array_equal(ScoredPlane(result, plane).score(WINDOWS[0]), whole[plane])


@pytest.mark.parametrize("plane", [(), (slice(None),) * 3, (1, 2, slice(None))])
def test_what_is_no_plane_is_refused(blobs, plane):
    with pytest.raises(GeometryError, match="no plane"):
        ScoredPlane(blobs, plane)


def test_voxels_that_are_held_stay_and_the_others_go():
    scene = segmentation_of(islands_in_a_volume()[0])
    windows = ((7, 7, 7), (21, 21, 21))
    goes = plan_cleaning(scene, windows).labels != scene.label_map.labels
    held = np.zeros(goes.shape, dtype=bool)
    island = find_islands(scene.label_map, 343)[0]
    held[island.voxel] = True
    planned = plan_cleaning(scene, windows, held=held)
    assert (planned.labels == scene.label_map.labels)[held].all()
    assert (planned.labels != scene.label_map.labels).sum() == goes.sum() - island.voxels


def test_cropping_to_the_mask_changes_no_label(blobs):
    from napari_gmmseg.fitting.cleaning import numbered_classes_of

    numbers, solid, _ = numbered_classes_of(blobs, ())
    labels = as_tensor(np.array(numbers))
    for _ in range(20):
        score, around = surrounding_labels(labels, 4, *WINDOWS[0])
        if not bool((score > 0).any()):
            break
        labels = around.where(score > 0, labels)
    expected = np.where(blobs.mask, solid.masked_values[labels[0].numpy()], blobs.label_map.labels)
    np.testing.assert_array_equal(plan_cleaning(blobs, WINDOWS[0]).labels, expected)
