"""Answers to strokes: on a brain's phantom slice and on an object in a mixed background."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from skimage.segmentation import random_walker

from napari_gmmseg.config import PreparationConfig, find_preset, numbered_classes
from napari_gmmseg.config.scribbles import ScribbleConfig
from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.fitting.scribbling import AtOnce, fit_scribbles
from napari_gmmseg.fitting.scribbling.correcting import correct_mask
from napari_gmmseg.preparation import Prepared, prepare
from napari_gmmseg.volumes import IGNORED, ClassTable, Geometry, LabelMap, Look, Scribbles, Segmentation, Stroke, Volume

SHAPE = (3, 40, 44)


def truth() -> np.ndarray:
    """Rings of three tissues, 0 around them."""
    y, x = np.mgrid[-1:1:40j, -1:1:44j]
    radius = np.sqrt(y**2 + x**2) + 0.1 * np.sin(5 * np.arctan2(y, x))
    plane = np.select([radius < 0.4, radius < 0.65, radius < 0.85], [3, 2, 1], 0)
    return np.repeat(plane[None], 3, 0).astype(np.uint8)


def case(n_channels: int = 1, noise: float = 0.08, shape_of: np.ndarray | None = None) -> tuple[Volume, Prepared]:
    labels = truth() if shape_of is None else shape_of
    rng = np.random.default_rng(3)
    data = np.array([0.0, 0.3, 0.6, 0.9])[labels] + rng.normal(0, noise, (n_channels, *SHAPE))
    volume = Volume(data.astype(np.float32), Geometry.from_spacing(SHAPE, (3.0, 1.0, 1.0)))
    mask = labels > 0
    return volume, prepare(volume, PreparationConfig(mask="given"), mask=mask, preset=find_preset("custom"))


def stroke(value: int, z: int = 1, most: int = 8, seed: int = 0) -> Stroke:
    pixels = np.argwhere(truth()[z] == value)
    centre = pixels[np.random.default_rng(seed + value).integers(len(pixels))]
    near = np.argsort(((pixels - centre) ** 2).sum(1), kind="stable")[:most]
    return Stroke(value, np.insert(pixels[near], 0, z, axis=1))


def scribbles(*strokes: Stroke, background: int | None = None, classes: ClassTable | None = None) -> Scribbles:
    geometry = Geometry.from_spacing(SHAPE, (3.0, 1.0, 1.0))
    empty = Scribbles(SHAPE, geometry, classes or numbered_classes(3), background=background)
    return empty.with_strokes(strokes or [stroke(value) for value in (1, 2, 3)])


def answer(volume: Volume, prepared: Prepared, strokes: Scribbles, **settings: object) -> Segmentation:
    steps = fit_scribbles(volume, prepared, strokes, ScribbleConfig(**settings))
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


def hash_of(labels: np.ndarray) -> str:
    return hashlib.sha256(labels.tobytes()).hexdigest()


def dice(found: np.ndarray, wanted: np.ndarray) -> float:
    pairs = [(found == value, wanted == value) for value in (1, 2, 3)]
    return float(np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in pairs]))


def test_a_few_strokes_find_three_tissues() -> None:
    result = answer(*case(), scribbles())
    assert result.method == "scribbles"
    assert dice(result.label_map.labels, truth()) > 0.9
    assert not result.label_map.labels[truth() == 0].any()


def test_probabilities_sum_to_one_inside_the_mask_and_are_zero_outside() -> None:
    result = answer(*case(), scribbles())
    assert result.probabilities.shape == (3, *SHAPE)
    np.testing.assert_allclose(result.probabilities.sum(0), truth() > 0, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_strokes_keep_their_class_whatever_the_image_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    painted = np.zeros(SHAPE, dtype=np.uint8)
    painted[rng.random(SHAPE) < 0.01] = 1
    painted[rng.random(SHAPE) < 0.01] = 3
    painted[truth() == 0] = 0
    strokes = Scribbles.from_labels(painted, scribbles().geometry, numbered_classes(3))
    labels = answer(*case(), strokes).label_map.labels
    np.testing.assert_array_equal(labels[painted > 0], painted[painted > 0])


def test_several_channels_are_answered() -> None:
    assert dice(answer(*case(n_channels=3), scribbles()).label_map.labels, truth()) > 0.9


def test_the_order_of_classes_does_not_matter() -> None:
    table = numbered_classes(3)
    turned = ClassTable((table[2], table[0], table[1]))
    first, second = (answer(*case(), scribbles(classes=classes)).label_map.labels for classes in (table, turned))
    assert (first != second).mean() < 1e-3


def test_the_same_strokes_give_the_same_bits() -> None:
    first, second = (answer(*case(), scribbles()) for _ in range(2))
    assert first.probabilities.tobytes() == second.probabilities.tobytes()


@pytest.mark.parametrize("place", [None, 1])
def test_a_wrong_stroke_that_is_taken_away_leaves_no_trace(place: int | None) -> None:
    engine = AtOnce(*case())
    good = scribbles()
    before = hash_of(engine.update(good, place).labels)
    wrong = good.with_strokes([Stroke(1, stroke(3, seed=5).voxels)])
    assert hash_of(engine.update(wrong, place).labels) != before
    assert hash_of(engine.update(good, place).labels) == before


def test_only_the_touched_class_has_its_distances_computed_again() -> None:
    engine = AtOnce(*case())
    engine.distances(scribbles())
    plane = engine._plane(None)
    assert plane.n_maps == 3
    engine.distances(scribbles().with_strokes([stroke(2, seed=9)]))
    assert plane.n_maps == 4


def test_the_shown_slice_comes_before_the_volume() -> None:
    steps = fit_scribbles(*case(), scribbles(), look=1)
    report = next(steps)
    assert report.preview is not None
    assert report.preview[1].any()
    assert not report.preview[[0, 2]].any()
    report = steps.send(Look(2))
    assert report.preview is not None
    assert report.preview[2].any()
    assert next(steps).preview.any(axis=(1, 2)).all()  # type: ignore[union-attr]


def test_a_slice_without_strokes_is_answered_from_its_neighbours() -> None:
    labels = AtOnce(*case()).update(scribbles(), 2).labels
    assert dice(labels[0], truth()[2]) > 0.85


def test_ignored_voxels_teach_nothing() -> None:
    everything = Stroke(IGNORED, np.argwhere(np.ones(SHAPE)))
    ignoring = scribbles(everything, *scribbles().strokes)
    found = AtOnce(*case(), ScribbleConfig(evidence=5.0)).update(ignoring).mixture.means
    alone = AtOnce(*case(), ScribbleConfig(evidence=0.0)).update(scribbles()).mixture.means
    moved = AtOnce(*case(), ScribbleConfig(evidence=5.0)).update(scribbles()).mixture.means
    np.testing.assert_allclose(found, alone, rtol=1e-9)
    assert np.abs(moved - alone).max() > 1e-3


def test_a_stroke_outside_the_mask_extends_it_to_what_is_near_and_alike() -> None:
    labels = truth()
    volume, prepared = case(noise=0.01)
    cut = labels.copy()
    cut[:, :, 30:] = 0
    small = replace(prepared, mask=cut > 0)
    outside = np.argwhere((labels == 2) & (cut == 0) & (np.arange(3) == 1)[:, None, None])[:5]
    tries = [[stroke(value, seed=3 * n) for n in range(9)] for value in (1, 2, 3)]
    inside = [next(s for s in some if small.mask[tuple(s.voxels.T)].all()) for some in tries]
    result = answer(volume, small, scribbles(*inside, Stroke(2, outside)), extension=4.0)
    added = result.mask & ~small.mask
    assert (result.label_map.labels[tuple(outside.T)] == 2).all()
    assert added.sum() > len(outside)
    assert (labels[added] == 2).mean() > 0.9
    assert "mask-extended" in {finding.code for finding in result.findings}


def test_background_is_zero_and_takes_what_is_painted() -> None:
    volume, prepared = case()
    whole = replace(prepared, mask=np.ones(SHAPE, dtype=bool))
    result = answer(volume, whole, scribbles(stroke(1), stroke(3), background=1))
    assert set(np.unique(result.label_map.labels)) == {0, 3}
    assert (result.label_map.labels[tuple(stroke(1).voxels.T)] == 0).all()


def test_one_class_alone_is_refused_with_a_hint() -> None:
    with pytest.raises(SettingsError, match="only Class 2") as told:
        answer(*case(), scribbles(stroke(2)))
    assert "at least two classes" in told.value.hint


def test_strokes_of_another_grid_are_refused() -> None:
    other = replace(scribbles(), geometry=Geometry.from_spacing(SHAPE, (1.0, 1.0, 1.0)))
    with pytest.raises(GeometryError, match="another grid"):
        answer(*case(), other)


@pytest.mark.parametrize("n_strokes", [1, 3])
def test_the_answer_is_no_worse_than_the_random_walker(n_strokes: int) -> None:
    volume, prepared = case(noise=0.15)
    strokes = scribbles(*(stroke(value, seed=7 * n) for n in range(n_strokes) for value in (1, 2, 3)))
    ours = AtOnce(volume, prepared).update(strokes, 1).labels[0]
    seeds = strokes.labels()[1].astype(np.int64)
    seeds[truth()[1] == 0] = -1
    unit = volume.data[0, 1].astype(np.float64)
    walks = [random_walker(unit, seeds, beta=beta, mode="bf") for beta in (130, 1000)]
    assert dice(ours, truth()[1]) >= max(dice(np.maximum(walk, 0), truth()[1]) for walk in walks)


def corrected(init: np.ndarray, strokes: Scribbles | None) -> Segmentation:
    volume, prepared = case()
    steps = correct_mask(volume, prepared, LabelMap(init, volume.geometry, numbered_classes(3)), strokes)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


def test_a_finished_mask_without_strokes_comes_back_unchanged() -> None:
    np.testing.assert_array_equal(corrected(truth(), None).label_map.labels, truth())


def test_an_empty_mask_without_strokes_is_refused() -> None:
    with pytest.raises(SettingsError, match="no stroke"):
        corrected(np.zeros_like(truth()), None)


def test_strokes_correct_a_finished_mask_near_them_only() -> None:
    wrong = truth()
    wrong[1, :20][wrong[1, :20] == 2] = 1
    place = np.argwhere((truth() == 2) & (wrong == 1))
    result = corrected(wrong, scribbles(Stroke(2, place[:: max(1, len(place) // 12)]))).label_map.labels
    assert (result[1] != truth()[1]).sum() < 0.5 * (wrong[1] != truth()[1]).sum()
    far = np.s_[:, 34:]
    np.testing.assert_array_equal(result[far], wrong[far])


def small_class() -> np.ndarray:
    """The rings as one class, and 16 voxels of another in it."""
    labels = np.where(truth() > 0, 2, 0).astype(np.uint8)
    labels[1, 18:22, 20:24] = 3
    return labels


def test_a_stroke_beside_a_small_class_of_a_finished_mask_does_not_delete_it() -> None:
    init = small_class()
    beside = np.array([(1, 20, 23)])
    result = corrected(init, scribbles(Stroke(2, beside))).label_map.labels
    assert result[1, 20, 23] == 2
    assert (result[1, 18:22, 20] == 3).all()


def test_strokes_all_over_a_finished_mask_of_one_class_leave_that_class() -> None:
    places = np.argwhere(np.ones(SHAPE)) * (1, 3, 3)
    places = places[(places < SHAPE).all(1)]
    result = corrected(np.ones(SHAPE, np.uint8), scribbles(Stroke(2, places))).label_map.labels
    assert set(np.unique(result)) == {1, 2}


def test_a_class_of_a_finished_mask_goes_where_it_is_painted_over_whole() -> None:
    init = small_class()
    result = corrected(init, scribbles(Stroke(2, np.argwhere(init == 3)))).label_map.labels
    assert not (result == 3).any()
