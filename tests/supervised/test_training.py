"""Training on labels: it learns, keeps the best, goes on to the same bits, and counts what it leaves out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_gmmseg.errors import InputError, ResourceError, SettingsError
from napari_gmmseg.fitting.supervised import learner, predict, train
from napari_gmmseg.fitting.supervised.learner import Learner
from napari_gmmseg.fitting.supervised.splitting import split
from napari_gmmseg.volumes import CaseSet, ClassTable, Stop, Volume

from .labelled_cases import CHANNELS, CLASSES, case, case_set, config, followed


def same_weights(first, second):
    return first.arrays.keys() == second.arrays.keys() and all(
        np.array_equal(first.arrays[name], second.arrays[name]) for name in first.arrays
    )


def curve(model):
    return [dict(told) for told in model.history]


def codes(model):
    return {finding.code for finding in model.findings}


@pytest.fixture(scope="module")
def trained():
    return followed(case_set(5), config(epochs=40, learning_rate=3e-3))


def test_it_learns_to_find_what_was_labelled_in_a_patient_that_it_has_not_seen(trained):
    model, _ = trained
    unseen = case(77)
    found = predict(model, Volume.from_array(unseen.image, channels=CHANNELS))
    labels = found.label_map.labels
    assert set(np.unique(labels)) <= {0, 2}
    assert 2 * ((labels == 2) & (unseen.labels == 2)).sum() / ((labels == 2).sum() + (unseen.labels == 2).sum()) > 0.8
    assert found.probabilities.shape == (2, 4, 32, 32)
    np.testing.assert_allclose(found.probabilities.sum(0), 1, atol=1e-5)


def test_the_best_epoch_on_the_validation_part_is_kept(trained):
    model, reports = trained
    scores = [told["validation Dice"] for told in model.history]
    best = model.provenance["best_epoch"]
    assert scores[best - 1] == max(scores)
    assert scores.index(max(scores)) == best - 1
    assert max(scores) > 0.8
    kept = next(r.state for r in reports if r.state is not None and len(r.state.meta["history"]) == best)
    assert all(np.array_equal(kept.arrays[f"network/{name}"], array) for name, array in model.arrays.items())


def test_the_same_seed_gives_the_same_network_and_another_seed_another():
    first, second, other = (followed(case_set(), config(seed=seed))[0] for seed in (1, 1, 2))
    assert same_weights(first, second)
    assert curve(first) == curve(second)
    assert not same_weights(first, other)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "plateau"])
def test_a_training_that_was_killed_goes_on_to_the_same_curve(schedule):
    settings = config(epochs=4, schedule=schedule, outlier_ramp=0.2, mixture_weight=0.01, balance="slices")
    whole, _ = followed(case_set(), settings)
    steps, state, n = train(case_set(), settings), None, 0
    # Killed in the middle of the third epoch: only what was reported is left.
    for report in steps:
        state = report.state or state
        n += report.state is not None
        if n == 2 and report.state is None:
            break
    steps.close()
    assert state is not None
    gone_on, reports = followed(case_set(), settings, state=state)
    assert curve(gone_on) == curve(whole)
    assert same_weights(gone_on, whole)
    assert reports[0].step == 2 * (reports[0].n_steps // 4)


@pytest.mark.parametrize(
    ("settings", "cases", "words"),
    [
        ({"seed": 5}, case_set(), "seed 0"),
        ({}, case_set(3), "other cases"),
        ({}, CaseSet((*case_set(3).cases, case(9)), CLASSES), "other cases"),
        ({}, CaseSet(tuple(replace(c, channels=("t1", "t2")) for c in case_set().cases), CLASSES), "other cases, chan"),
        ({}, replace(case_set(), classes=ClassTable((replace(CLASSES.classes[0], name="Core"),))), "or classes"),
    ],
    ids=["settings", "fewer", "others", "channels", "classes"],
)
def test_a_state_of_another_training_is_refused(settings, cases, words):
    _, reports = followed(case_set(), config(epochs=1))
    with pytest.raises(SettingsError, match=words) as caught:
        followed(cases, config(epochs=1, **settings), state=reports[-1].state)
    assert "remove the file" in str(caught.value.hint)


def test_it_ends_early_once_validation_stands_still():
    model, _ = followed(case_set(), config(epochs=60, patience=2, learning_rate=1e-6))
    assert len(model.history) == 3
    assert model.provenance["best_epoch"] == 1


def test_a_person_can_end_it_and_the_best_so_far_is_kept():
    model, reports = followed(case_set(), config(epochs=50), commands={12: Stop()})
    assert len(reports) == 12
    assert 0 < len(model.history) < 50
    assert "stopped-early" in codes(model)
    with pytest.raises(SettingsError, match="before its first epoch"):
        followed(case_set(), config(epochs=50), commands={2: Stop()})


def spoilt(monkeypatch, epoch, at_end):
    """Have the weights turn to no numbers in an epoch: in its last step, or so that the next step shows it."""
    step = Learner._step

    def spoiling(self, *given):
        terms = step(self, *given)
        last = self._in_epoch == self.steps_per_epoch - 1
        if len(self.history) == epoch - 1 and last == at_end:
            with torch.no_grad():
                next(iter(self.network.parameters())).fill_(float("nan"))
        return terms

    monkeypatch.setattr(Learner, "_step", spoiling)


@pytest.mark.parametrize("share", [0.0, 0.25])
@pytest.mark.parametrize("at_end", [False, True])
def test_a_training_that_turns_to_no_numbers_ends_with_the_best_epoch_before(monkeypatch, share, at_end):
    spoilt(monkeypatch, 3, at_end)
    model, reports = followed(case_set(4), config(epochs=5, validation_share=share, batch_slices=2))
    assert len(model.history) == 2
    assert model.provenance["best_epoch"] <= 2
    assert all(np.isfinite(array).all() for array in model.arrays.values())
    assert sum(report.state is not None for report in reports) == 2
    (told,) = [finding for finding in model.findings if finding.code == "diverged"]
    assert "In epoch 3" in told.message
    assert "smaller --learning-rate than 0.0" in told.hint


def test_a_training_without_any_epoch_of_numbers_is_an_error(monkeypatch):
    spoilt(monkeypatch, 1, True)
    with pytest.raises(SettingsError, match="In epoch 1") as caught:
        followed(case_set(4), config(epochs=2))
    assert "--learning-rate" in str(caught.value.hint)


def test_amounts_that_are_no_numbers_are_told_with_their_case_and_in_a_prediction():
    ages = ("30", "50", "45y", "60")
    cases = CaseSet(tuple(case(n, attributes={"age": age}) for n, age in enumerate(ages)), CLASSES)
    model, _ = followed(cases, config(epochs=1))
    (told,) = [finding for finding in model.findings if finding.code == "misread-attributes"]
    assert "age of case-2 is '45y'" in told.message
    volume = Volume.from_array(cases.cases[0].image.astype(np.float32), (1, 1, 1), channels=CHANNELS)
    found = {finding.code: finding for finding in predict(model, volume, {"age": "45y"}, threads=1).findings}
    assert "age is '45y'" in found["misread-attribute"].message
    assert "missing-attributes" not in found


@pytest.mark.parametrize(
    ("schedule", "history", "expected"),
    [
        ("constant", [0.1, 0.1], [1.0, 1.0, 1.0]),
        ("cosine", [0.1, 0.1], [1.0, 0.01 + 0.99 * 0.75, 0.01 + 0.99 * 0.25]),
        ("plateau", [0.5, 0.4, 0.4, 0.6, 0.2], [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]),
    ],
)
def test_the_learning_rate_follows_its_schedule(schedule, history, expected):
    settings = config(epochs=3, schedule=schedule, learning_rate=1.0, patience=8)
    held = Learner(split(case_set().cases, settings), CLASSES, settings, None)
    rates = []
    for told in [*history, 0.0]:
        rates.append(held._rate())
        held.history.append({"validation Dice": told})
    assert rates == pytest.approx(expected)


def test_slices_with_an_object_can_be_drawn_as_often_as_those_without():
    settings = config(balance="slices")
    parts = split(
        (*case_set(2).cases, *(replace(case(s), labels=np.zeros((4, 32, 32), np.uint8)) for s in (5, 6))), settings
    )
    held = Learner(parts, CLASSES, settings, None)
    drawn = [c.shown(z) for seed in range(40) for c, z in held._order(np.random.default_rng(seed))]
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.06)
    plain = Learner(parts, CLASSES, config(), None)._order(np.random.default_rng(0))
    assert len(set(plain)) == len(plain)


def test_epochs_without_any_object_are_told_and_do_no_harm():
    empty = tuple(replace(c, labels=np.zeros((4, 32, 32), np.uint8)) for c in case_set().cases)
    model, _ = followed(CaseSet(empty, CLASSES), config(epochs=2, outlier_ramp=0.0))
    assert "no-object" in codes(model)
    assert all(np.isfinite(array).all() for array in model.arrays.values())
    assert all(np.isfinite(list(told.values())).all() for told in model.history)


def test_cases_without_labels_are_left_out_and_counted_or_learnt_from_by_the_mixture():
    cases = CaseSet((*case_set(3).cases, case(8, labelled=False, part="train"), case(9, part="validation")), CLASSES)
    cases = replace(cases, cases=tuple(replace(c, part=c.part or "train") for c in cases.cases))
    model, reports = followed(cases, config(epochs=1))
    assert "without-labels" in codes(model)
    with_mixture, longer = followed(cases, config(epochs=1, mixture_weight=0.1))
    assert "without-labels" not in codes(with_mixture)
    assert longer[0].n_steps > reports[0].n_steps
    assert "mixture" in with_mixture.history[0]


def test_without_a_validation_part_the_last_epoch_is_kept_and_that_is_told():
    model, _ = followed(case_set(2), config(validation_share=0.0, epochs=2))
    assert model.provenance["best_epoch"] == 2
    assert "no-validation" in codes(model)


@pytest.mark.parametrize("settings", [{"slices": 3}, {"precision": "bfloat16"}, {"batch_slices": 1}, {"flip": 0.5}])
def test_it_trains_and_predicts_with(settings):
    model, _ = followed(case_set(3), config(epochs=1, **settings))
    found = predict(model, Volume.from_array(case(5, size=37).image, channels=CHANNELS))
    assert found.label_map.labels.shape == (4, 37, 37)
    assert np.isfinite(found.probabilities).all()


def test_cases_of_several_sizes_are_learnt_from_together():
    cases = CaseSet((case(0), case(1, size=41), case(2, size=20)), CLASSES)
    model, _ = followed(cases, config(epochs=1, batch_slices=8))
    assert np.isfinite(model.history[0]["loss"])


def test_where_memory_runs_out_an_error_says_how_to_go_on(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(learner.Learner, "_step", full)
    with pytest.raises(ResourceError) as caught:
        followed(case_set(), config())
    assert "--batch-slices" in caught.value.hint


def test_labels_that_no_class_has_are_refused():
    odd = replace(case(1), labels=np.full((4, 32, 32), 7, np.uint8))
    with pytest.raises(InputError, match=r"case-1 holds the label 7"):
        followed(CaseSet((odd, case(2)), CLASSES), config())


@pytest.mark.parametrize(
    ("channels", "words"), [(("t1",), "2 channels"), (("flair", "t2"), "'flair' in place of 't1'"), (("", ""), None)]
)
def test_an_image_with_other_channels_is_refused(trained, channels, words):
    volume = Volume.from_array(case(3).image[: len(channels)], channels=channels)
    if words is None:
        assert predict(trained[0], volume).method == "trained"
        return
    with pytest.raises(InputError, match=words):
        predict(trained[0], volume)


def test_channels_that_are_all_named_may_come_in_any_order(trained):
    image = case(3).image
    right = predict(trained[0], Volume.from_array(image, channels=CHANNELS), threads=1)
    turned = predict(trained[0], Volume.from_array(image[::-1], channels=CHANNELS[::-1]), threads=1)
    np.testing.assert_array_equal(turned.label_map.labels, right.label_map.labels)
    np.testing.assert_array_equal(turned.probabilities, right.probabilities)
    np.testing.assert_array_equal(turned.mixture.means, right.mixture.means)


def test_weights_that_do_not_fit_their_network_are_refused(trained):
    model = trained[0]
    fewer = replace(model, arrays={name: a for name, a in model.arrays.items() if name != "head.bias"})
    with pytest.raises(SettingsError, match="do not fit"):
        predict(fewer, Volume.from_array(case(3).image, channels=CHANNELS))


def test_an_attribute_on_which_the_label_depends_helps_and_a_shuffled_one_does_not():
    kinds = ["core", "whole"]
    n = 12

    def cases(told):
        return CaseSet(
            tuple(
                case(
                    seed,
                    inner=seed % 2 == 0,
                    attributes={"RNASeqCluster": told[seed]},
                    part="validation" if seed >= 8 else "train",
                )
                for seed in range(n)
            ),
            CLASSES,
        )

    right = [kinds[seed % 2] for seed in range(n)]
    # Half of each kind are told the other one.
    wrong = [kinds[(seed // 2) % 2] for seed in range(n)]
    settings = config(epochs=25, learning_rate=3e-3, position=False, patience=None)
    best = {
        name: max(told["validation Dice"] for told in followed(cases(told), settings)[0].history)
        for name, told in (("right", right), ("shuffled", wrong), ("none", [""] * n))
    }
    assert best["right"] > best["none"] + 0.05
    assert best["shuffled"] < best["none"] + 0.05
