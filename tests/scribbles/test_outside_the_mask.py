"""Strokes outside a mask, background there, and voxels that are left out: what a fine-tuning makes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.scribbles.tuning_cases import TINY, drained, image_of, strokes_on, truth_of

from napari_gmmseg.config import FitConfig, PreparationConfig, find_preset, numbered_classes
from napari_gmmseg.errors import GeometryError
from napari_gmmseg.fitting.scribbling import AtOnce, fit_scribbles
from napari_gmmseg.fitting.scribbling.cases import Case, training_cases
from napari_gmmseg.fitting.scribbling.finetuning import finetune
from napari_gmmseg.fitting.scribbling.held_out import hold_out
from napari_gmmseg.fitting.scribbling.semi_supervised import finetune_cases
from napari_gmmseg.fitting.scribbling.situation import Observer
from napari_gmmseg.fitting.scribbling.training_cases import TrainingCase
from napari_gmmseg.preparation import prepare
from napari_gmmseg.quality.calibration import calibrate
from napari_gmmseg.session import SegmentationRequest
from napari_gmmseg.session.advising import calibration_in_steps
from napari_gmmseg.volumes import IGNORED, ClassTable, LabelMap, Scribbles, Stroke, Volume

TRUTH = truth_of()
VOLUME = image_of(TRUTH)
#: Without the right part of the dull disc.
MASK = np.broadcast_to(np.arange(TRUTH.shape[-1]) < 26, TRUTH.shape).copy()
PREPARED = prepare(VOLUME, PreparationConfig(mask="given"), mask=MASK, preset=find_preset("custom"))
CPU = torch.device("cpu")


def inside_and_outside() -> Scribbles:
    """Two strokes a class, and of the dull disc one outside the mask."""
    painted = strokes_on(VOLUME, np.where(MASK, TRUTH, 0), per_class=2)
    return painted.with_strokes([Stroke(2, np.array([(0, 14, x) for x in range(27, 31)]))])


def ground(rows: range, columns: range) -> Stroke:
    return Stroke(1, np.array([(0, y, x) for y in rows for x in columns]))


def with_background_outside() -> Scribbles:
    """Two strokes a class of which one of the background lies inside the mask, and one outside."""
    discs = strokes_on(VOLUME, np.where(MASK, TRUTH, 0), values=(2, 3), background=1)
    return discs.with_strokes([ground(range(2, 5), range(2, 12)), ground(range(26, 29), range(26, 36))])


def test_the_mask_of_a_fine_tuning_is_what_strokes_extended_it_to():
    at_once = drained(fit_scribbles(VOLUME, PREPARED, inside_and_outside()))
    tuned = drained(finetune(VOLUME, PREPARED, inside_and_outside(), TINY))
    assert at_once.mask.sum() > MASK.sum() + 10
    np.testing.assert_array_equal(tuned.mask, at_once.mask)
    told = [[f for f in result.findings if f.code == "mask-extended"] for result in (at_once, tuned)]
    assert len(told[0]) == 1
    assert told[0] == told[1]


def test_the_mask_of_each_of_several_cases_is_extended_too():
    at_once = drained(fit_scribbles(VOLUME, PREPARED, inside_and_outside()))
    cohort = drained(finetune_cases([Case(VOLUME, PREPARED, scribbles=inside_and_outside())], TINY))
    np.testing.assert_array_equal(cohort.segmentations[0].mask, at_once.mask)


def test_background_outside_the_mask_does_not_extend_it():
    tuned = drained(finetune(VOLUME, PREPARED, with_background_outside(), TINY))
    np.testing.assert_array_equal(tuned.mask, MASK)


@pytest.mark.parametrize("seed", range(4))
def test_background_outside_the_mask_alone_is_nothing_to_learn_from_and_is_not_checked(seed):
    tuned = drained(finetune(VOLUME, PREPARED, with_background_outside(), replace(TINY, seed=seed)))
    assert "not-checked" in [finding.code for finding in tuned.findings]
    assert tuned.provenance["held_out_strokes"] == 0


def test_voxels_that_the_answer_to_the_others_does_not_reach_are_not_held_against_it():
    strokes, engine = inside_and_outside(), AtOnce(VOLUME, PREPARED)
    for seed in range(6):
        held = hold_out(strokes, strokes.classes, engine, seed)
        answered = engine.mask(held.kept)
        assert (held.labels >= 0).any()
        assert answered[held.labels >= 0].all()


def test_too_few_strokes_are_told_where_background_outside_the_mask_alone_would_be_left():
    request = SegmentationRequest(
        VOLUME,
        find_preset("custom"),
        mask=LabelMap(MASK.astype(np.uint8), VOLUME.geometry, numbered_classes(1)),
        preparation=PreparationConfig(mask="given"),
        config=FitConfig(n_classes=3),
    )
    many = with_background_outside()
    discs = [np.argwhere(MASK & (value == TRUTH)) for value in (2, 3)]
    thick = [Stroke(value, disc[n::2]) for value, disc in zip((2, 3), discs, strict=True) for n in (0, 1)]
    found = drained(calibration_in_steps(request, many.with_strokes(thick)))
    assert [finding.code for finding in found.findings] == ["too-few-strokes-to-calibrate"]
    assert "Class 1 has one stroke" in found.findings[0].message
    assert found.temperature == 1.0


def test_voxels_without_an_answer_tell_nothing_of_a_calibration():
    strokes = Scribbles(TRUTH.shape, VOLUME.geometry, numbered_classes(2)).with_strokes(
        [Stroke(value, np.argwhere(value == TRUTH)[first::4]) for value in (1, 2) for first in range(4)]
    )
    answered = np.broadcast_to(np.arange(TRUTH.shape[-1]) < 30, TRUTH.shape)
    sure = np.stack([TRUTH == 1, TRUTH == 2]) * np.float32(0.9) + np.float32(0.05)
    found = calibrate(lambda _: sure * answered, strokes)
    assert found.n_voxels == int((answered & np.isin(TRUTH, (1, 2))).sum())


def ignored_disc() -> tuple[Scribbles, np.ndarray]:
    strokes = strokes_on(VOLUME, TRUTH, values=(1, 3))
    where = (TRUTH == 2) & MASK
    return strokes.with_strokes([Stroke(IGNORED, np.argwhere(where))]), where


def test_nothing_is_learnt_from_voxels_that_are_ignored_and_they_are_answered():
    strokes, where = ignored_disc()
    engine = AtOnce(VOLUME, PREPARED)
    blank = TrainingCase.cut(VOLUME, PREPARED, MASK, 2, 1, CPU)
    known = replace(strokes, classes=ClassTable(tuple(c for c in strokes.classes if c.value != 2)))
    case = Observer(PREPARED, known.classes, TINY, engine, blank).look(known).case
    batch = case.batch(range(case.stack.n_pieces), hides_strokes=False)
    there = torch.from_numpy(where[case.crop])
    assert not batch.mask[there].any()
    assert batch.mask[~there].all()
    assert case.mask[there].all()
    tuned = drained(finetune(VOLUME, PREPARED, known, TINY))
    assert tuned.mask[where].all()


def test_nothing_is_learnt_from_ignored_voxels_of_several_cases():
    strokes, where = ignored_disc()
    (learnt,) = training_cases(
        [Case(VOLUME, PREPARED, scribbles=with_ground_and_discs(strokes))], numbered_classes(3), TINY, 1, CPU
    )
    batch = learnt.case.batch([0], hides_strokes=False)
    still = where[learnt.case.crop] & (learnt.case.labels.numpy() < 0)
    assert still.any()
    assert not batch.mask.numpy()[still].any()


def with_ground_and_discs(strokes: Scribbles) -> Scribbles:
    return strokes.with_strokes([Stroke(2, np.array([(0, 14, x) for x in range(23, 26)]))])


def test_strokes_of_one_volume_and_a_series_are_told_apart():
    series = Volume(np.repeat(VOLUME.data[:, None], 2, axis=1), VOLUME.geometry)
    inside = prepare(series, PreparationConfig(mask="none"), preset=find_preset("custom"))
    with pytest.raises(GeometryError, match="one volume, and the image a series of 2"):
        drained(fit_scribbles(series, inside, strokes_on(VOLUME, TRUTH)))
    with pytest.raises(GeometryError, match="one volume, and the image a series of 2"):
        Case(series, inside, scribbles=strokes_on(VOLUME, TRUTH))
