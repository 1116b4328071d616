from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.scribbles.tuning_cases import TINY, drained, image_of, prepared, strokes_on, truth_of

from napari_gmmseg.config.scribbles import ScribbleConfig
from napari_gmmseg.fitting.scribbling import AtOnce, NetworkSay, fit_scribbles
from napari_gmmseg.fitting.scribbling.finetuning import finetune
from napari_gmmseg.fitting.scribbling.grounds import Grounds
from napari_gmmseg.fitting.scribbling.held_out import Examination
from napari_gmmseg.fitting.scribbling.situation import Observer, Situation
from napari_gmmseg.fitting.scribbling.training_cases import TrainingCase
from napari_gmmseg.fitting.scribbling.tuner import Tuner
from napari_gmmseg.volumes import Stroke


def situation(*, depth: int = 1, background: int | None = None) -> Situation:
    """What strokes on the discs say, before a network is asked."""
    truth = np.repeat(truth_of(), depth, axis=0)
    volume = image_of(truth)
    inside = prepared(volume)
    strokes = strokes_on(volume, truth, background=background)
    blank = TrainingCase.cut(volume, inside, inside.mask, 3, 1, torch.device("cpu"))
    return Observer(inside, strokes.classes, TINY, AtOnce(volume, inside), blank).look(strokes)


def uniform(like: torch.Tensor) -> torch.Tensor:
    return torch.full_like(like, 1 / len(like))


def one_class_everywhere(like: torch.Tensor, k: int) -> torch.Tensor:
    prior = torch.zeros_like(like)
    prior[k] = 1.0
    return prior


def test_a_network_without_a_say_leaves_the_answer_at_once():
    here = situation()
    answer = here.grounds.answer(uniform(here.at_once), 0.0, here.case)
    torch.testing.assert_close(answer, here.at_once)


def test_a_network_that_doubts_takes_away_what_strokes_leave_open():
    here = situation(background=1)
    case = here.case
    doubt = one_class_everywhere(here.at_once, 0)
    open_ = Grounds(torch.zeros_like(here.at_once), background=0)
    answer = open_.answer(doubt, 1.0, case)
    assert (answer.argmax(0)[case.labels < 0] == 0).all()


def test_a_network_that_is_not_sure_takes_nothing_away():
    here = situation(background=1)
    unsure = torch.full_like(here.at_once, 0.2)
    unsure[0] = 0.6
    answer = here.grounds.answer(unsure, 1.0, here.case)
    torch.testing.assert_close(answer, here.grounds.answer(uniform(here.at_once), 1.0, here.case))


def test_a_network_adds_no_object_to_a_background():
    here = situation(background=1)
    share = 1.0
    object_ = one_class_everywhere(here.at_once, 2)
    without = here.grounds.answer(one_class_everywhere(here.at_once, 1), share, here.case)
    answer = here.grounds.answer(object_, share, here.case)
    neutral = here.grounds.answer(uniform(here.at_once), share, here.case)
    assert (answer[0] >= neutral[0] - 1e-5).all()
    assert (without[0] >= neutral[0] - 1e-5).all()


def test_a_network_adds_tissue_where_no_class_is_background():
    here = situation()
    open_ = Grounds(torch.zeros_like(here.at_once))
    answer = open_.answer(one_class_everywhere(here.at_once, 2), 1.0, here.case)
    assert (answer[2][here.case.labels < 0] > 0.9).all()


def test_strokes_keep_their_class_whatever_a_network_says():
    here = situation()
    for k in range(3):
        answer = here.grounds.answer(one_class_everywhere(here.at_once, k), 1.0, here.case)
        known = here.case.labels >= 0
        assert torch.equal(answer.argmax(0)[known], here.case.labels[known])


def test_one_slice_is_answered_as_the_whole_where_there_are_no_others():
    here = situation()
    prior = torch.softmax(torch.randn(here.at_once.shape, generator=torch.Generator().manual_seed(0)), 0)
    whole = here.grounds.answer(prior, 1.0, here.case)
    piece = here.grounds.answer_piece(prior[:, 0][None], 1.0, here.case, 0)
    torch.testing.assert_close(piece[0], whole[:, 0])


@pytest.mark.parametrize("depth", [1, 5])
def test_a_slice_of_a_volume_has_its_own_strokes(depth):
    here = situation(depth=depth)
    middle = here.case.stack.n_pieces // 2
    prior = uniform(here.at_once)[:, middle][None]
    answer = here.grounds.answer_piece(prior, 1.0, here.case, middle)
    known = here.case.labels[middle] >= 0
    assert torch.equal(answer[0].argmax(0)[known], here.case.labels[middle][known])


def test_a_network_that_knows_the_object_mends_a_leak(monkeypatch):
    truth = np.where(truth_of() == 2, 2, 1)
    clean = image_of(truth, seed=3)
    noise = np.random.default_rng(0).normal(0, 30, clean.data.shape)
    volume = replace(clean, data=(clean.data + noise).astype(np.float32))
    inside = prepared(volume)
    strokes = strokes_on(volume, truth, values=(1, 2), per_class=1, background=1)
    at_once = drained(fit_scribbles(volume, inside, strokes)).label_map.labels

    def knowing(self, case):
        prior = torch.full_like(case.nearness, 0.01)
        prior[0] = torch.from_numpy((truth == 1)[case.crop] * 1.0)
        prior[1] = torch.from_numpy((truth == 2)[case.crop] * 1.0)
        return prior

    monkeypatch.setattr(Tuner, "prior", knowing)
    tuned = drained(finetune(volume, inside, strokes, TINY)).label_map.labels
    wrong = [int(((labels == 2) != (truth == 2)).sum()) for labels in (at_once, tuned)]
    assert wrong[1] < wrong[0]


@pytest.mark.parametrize("background", [None, 1])
@pytest.mark.parametrize("depth", [1, 3])
def test_strokes_answered_later_come_to_what_the_fine_tuning_came_to(monkeypatch, background, depth):
    monkeypatch.setattr(Examination, "gained", property(lambda self: True))
    truth = np.repeat(truth_of(), depth, axis=0)
    volume = image_of(truth)
    inside, strokes = prepared(volume), strokes_on(volume, truth, background=background)
    result = drained(finetune(volume, inside, strokes, TINY))
    assert result.provenance["network_counts"]
    engine = AtOnce(volume, inside)
    later = NetworkSay(volume, inside, result.weights).answer(engine, strokes, strokes)
    np.testing.assert_allclose(later.probabilities, result.probabilities, atol=1e-5)
    assert np.abs(later.probabilities - engine.update(strokes).probabilities).max() > 0.01


def test_a_class_that_a_network_does_not_know_stays_as_likely_beside_the_others():
    truth = truth_of()
    volume = image_of(truth)
    inside = prepared(volume)
    known = strokes_on(volume, np.where(truth == 3, 1, truth), values=(1, 2), per_class=1)
    weights = replace(drained(finetune(volume, inside, known, TINY)).weights, say=1.0)
    all_three = known.with_strokes([Stroke(3, np.argwhere(truth == 3)[:30])])
    say, engine = NetworkSay(volume, inside, weights), AtOnce(volume, inside, ScribbleConfig(neighbour_weight=0.0))
    say.warm()
    say._prior = torch.full_like(say._prior, 0.5)
    plain = engine.update(all_three).probabilities
    with_network = say.answer(engine, all_three, all_three).probabilities
    np.testing.assert_allclose(with_network, plain, atol=1e-5)
    say._prior[0], say._prior[1] = 0.9, 0.1
    with_network = say.answer(engine, all_three, all_three).probabilities
    np.testing.assert_allclose(with_network[2], plain[2], atol=1e-5)
    assert (with_network[0] >= plain[0] - 1e-5).all()
    assert with_network[0].sum() > plain[0].sum()
