from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.scribbles.tuning_cases import TINY, drained, image_of, labels_on, prepared, strokes_on, truth_of

from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.fitting.scribbling.carrying import carry
from napari_gmmseg.fitting.scribbling.cases import Case
from napari_gmmseg.fitting.scribbling.finetuning import Finetuning, finetune
from napari_gmmseg.fitting.scribbling.semi_supervised import finetune_cases
from napari_gmmseg.volumes import Stop, Volume

TRUTHS = [truth_of(shift=shift) for shift in (0, 1, 2)]
# Another gain each: what is carried has to be matched in intensity.
VOLUMES = [image_of(truth, seed, gain) for seed, (truth, gain) in enumerate(zip(TRUTHS, (100, 37, 800), strict=True))]
PREPARED = [prepared(volume) for volume in VOLUMES]
LONGER = replace(TINY, steps=60)


@pytest.fixture(scope="module")
def first():
    return drained(finetune(VOLUMES[0], PREPARED[0], strokes_on(VOLUMES[0], TRUTHS[0]), LONGER))


@pytest.fixture(scope="module")
def cohort():
    cases = [
        Case(VOLUMES[0], PREPARED[0], labels=labels_on(VOLUMES[0], TRUTHS[0])),
        Case(VOLUMES[1], PREPARED[1], scribbles=strokes_on(VOLUMES[1], TRUTHS[1])),
        Case(VOLUMES[2], PREPARED[2]),
    ]
    return drained(finetune_cases(cases, replace(TINY, steps=150)))


def test_a_carried_model_answers_the_next_image_without_strokes(first):
    answer = carry(first.weights, VOLUMES[1], PREPARED[1], TINY)
    assert (answer.label_map.labels == TRUTHS[1]).mean() > 0.95
    assert answer.method == "carried"
    np.testing.assert_allclose(answer.probabilities.sum(0)[answer.mask], 1, atol=1e-5)


def test_the_carried_gaussians_are_those_of_the_next_image(first):
    answer = carry(first.weights, VOLUMES[2], PREPARED[2], TINY)
    np.testing.assert_allclose(answer.mixture.class_means()[:, 0], [160, 480, 800], rtol=0.1)


def test_a_carried_model_needs_strokes_of_one_class_only(first):
    strokes = strokes_on(VOLUMES[1], TRUTHS[1], values=(3,))
    result = drained(finetune(VOLUMES[1], PREPARED[1], strokes, TINY, weights=first.weights))
    assert (result.label_map.labels == TRUTHS[1]).mean() > 0.95
    assert result.weights.cases == 2


def test_a_carried_model_keeps_a_class_that_is_not_painted(first):
    strokes = strokes_on(VOLUMES[1], TRUTHS[1], values=(1, 3))
    result = drained(finetune(VOLUMES[1], PREPARED[1], strokes, TINY, weights=first.weights))
    assert ((result.label_map.labels == 2) & (TRUTHS[1] == 2)).sum() > 0.7 * (TRUTHS[1] == 2).sum()


def test_a_frozen_encoder_stays_and_the_rest_learns(first):
    config = replace(TINY, encoder="frozen")
    strokes = strokes_on(VOLUMES[1], TRUTHS[1])
    after = drained(finetune(VOLUMES[1], PREPARED[1], strokes, config, weights=first.weights)).weights
    same = {name: np.array_equal(array, after.arrays[name]) for name, array in first.weights.arrays.items()}
    assert all(kept for name, kept in same.items() if name.startswith("down."))
    assert not any(kept for name, kept in same.items() if name.startswith("head."))


def test_a_slow_encoder_moves_less_than_a_trained_one(first):
    strokes = strokes_on(VOLUMES[1], TRUTHS[1])
    moved = []
    for encoder in ("slow", "trained"):
        config = replace(TINY, encoder=encoder)
        after = drained(finetune(VOLUMES[1], PREPARED[1], strokes, config, weights=first.weights)).weights
        name = "down.0.0.weight"
        moved.append(np.abs(after.arrays[name] - first.weights.arrays[name]).mean())
    assert 0 < moved[0] < 0.5 * moved[1]


def test_an_earlier_case_is_learnt_again(first):
    strokes = strokes_on(VOLUMES[1], TRUTHS[1])
    earlier = [Case(VOLUMES[0], PREPARED[0], labels=labels_on(VOLUMES[0], TRUTHS[0]))]
    with_replay = drained(finetune(VOLUMES[1], PREPARED[1], strokes, TINY, weights=first.weights, earlier=earlier))
    assert with_replay.provenance["earlier_cases"] == 1
    again = carry(with_replay.weights, VOLUMES[0], PREPARED[0], TINY)
    assert (again.label_map.labels == TRUTHS[0]).mean() > 0.95


def test_where_the_mask_of_an_earlier_case_is_0_background_is_known():
    strokes = strokes_on(VOLUMES[1], TRUTHS[1], background=1)
    mask = labels_on(VOLUMES[0], np.where(TRUTHS[0] == 1, 0, TRUTHS[0]))
    earlier = [Case(VOLUMES[0], PREPARED[0], labels=mask)]
    run = Finetuning(VOLUMES[1], PREPARED[1], strokes, TINY, None, earlier, None, None)
    run.begin()
    known = run._tuner._cases[1].labels.numpy()
    np.testing.assert_array_equal(np.bincount(known.ravel()[known.ravel() >= 0]), np.bincount(TRUTHS[0].ravel())[1:])


def test_a_model_of_other_channels_is_refused(first):
    two = Volume.from_array(np.repeat(VOLUMES[1].data, 2, axis=0), (1.0, 1.0, 1.0), ("t1", "t2"))
    with pytest.raises(SettingsError, match="channels"):
        carry(first.weights, two, prepared(two), TINY)


def test_classes_that_the_model_does_not_know_are_refused(first):
    two = strokes_on(VOLUMES[0], TRUTHS[0], values=(1, 3))
    known = drained(finetune(VOLUMES[0], PREPARED[0], two, replace(TINY, steps=1))).weights
    with pytest.raises(SettingsError, match="knows"):
        drained(finetune(VOLUMES[1], PREPARED[1], strokes_on(VOLUMES[1], TRUTHS[1]), TINY, weights=known))


def test_one_training_serves_a_labelled_a_painted_and_an_untouched_case(cohort):
    found = [(one.label_map.labels == truth).mean() for one, truth in zip(cohort.segmentations, TRUTHS, strict=True)]
    assert found[0] == 1.0
    assert found[1] > 0.97
    assert found[2] > 0.95
    assert cohort.weights.cases == 3


def test_strokes_of_a_case_among_several_are_kept(cohort):
    known = strokes_on(VOLUMES[1], TRUTHS[1]).labels()
    labels = cohort.segmentations[1].label_map.labels
    np.testing.assert_array_equal(labels[known > 0], known[known > 0])


def test_several_cases_can_be_stopped():
    steps = finetune_cases([Case(VOLUMES[0], PREPARED[0], scribbles=strokes_on(VOLUMES[0], TRUTHS[0]))], LONGER)
    next(steps)
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(Stop())
    assert end.value.value.weights.steps == 1
    assert end.value.value.segmentations[0].stopped


def test_cases_without_any_knowledge_are_refused():
    with pytest.raises(SettingsError):
        drained(finetune_cases([Case(VOLUMES[0], PREPARED[0])], TINY))


def test_a_mask_of_another_grid_is_refused():
    truth = truth_of((1, 30, 36))
    mask = labels_on(image_of(truth), truth)
    with pytest.raises(GeometryError):
        Case(VOLUMES[0], PREPARED[0], labels=mask)


def mean_dice(labels: np.ndarray, truth: np.ndarray) -> float:
    pairs = [(labels == value, truth == value) for value in (1, 2, 3)]
    return float(np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in pairs]))


def test_the_second_case_needs_no_more_than_a_stroke_for_the_dice_of_the_first(first):
    target = mean_dice(first.label_map.labels, TRUTHS[0])
    strokes = strokes_on(VOLUMES[1], TRUTHS[1], per_class=1, values=(3,))
    untouched = carry(first.weights, VOLUMES[1], PREPARED[1], TINY)
    corrected = drained(finetune(VOLUMES[1], PREPARED[1], strokes, TINY, weights=first.weights))
    assert max(mean_dice(r.label_map.labels, TRUTHS[1]) for r in (untouched, corrected)) >= target
