from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.scribbles.tuning_cases import TINY, drained, image_of, prepared, strokes_on, truth_of

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.scribbling import AtOnce, budget, fit_scribbles
from napari_gmmseg.fitting.scribbling.finetuning import finetune
from napari_gmmseg.fitting.scribbling.held_out import Examination, HeldOut
from napari_gmmseg.fitting.scribbling.plane import Plane
from napari_gmmseg.fitting.scribbling.tuner import Tuner
from napari_gmmseg.volumes import IGNORED, Look, Retune, Scribbles, Stop, Stroke

TRUTH = truth_of()
VOLUME = image_of(TRUTH)
PREPARED = prepared(VOLUME)
STROKES = strokes_on(VOLUME, TRUTH)


def tuned(scribbles=STROKES, config=TINY, **options):
    return drained(finetune(VOLUME, PREPARED, scribbles, config, **options))


@pytest.fixture(scope="module")
def result():
    return tuned()


def test_two_strokes_a_class_give_the_discs(result):
    assert (result.label_map.labels == TRUTH).mean() > 0.97
    assert result.method == "finetuned"
    assert result.steps == TINY.steps


def test_probabilities_sum_to_one_inside_the_mask(result):
    np.testing.assert_allclose(result.probabilities.sum(0)[result.mask], 1, atol=1e-5)
    assert result.prior is not None
    np.testing.assert_allclose(result.prior.sum(0)[result.mask], 1, atol=1e-5)


def test_the_same_seed_and_steps_give_the_same_bits(result):
    again = tuned()
    assert again.probabilities.tobytes() == result.probabilities.tobytes()
    assert all(np.array_equal(a, again.weights.arrays[name]) for name, a in result.weights.arrays.items())


def test_another_seed_gives_another_network(result):
    other = tuned(config=replace(TINY, seed=1))
    assert any(not np.array_equal(a, other.weights.arrays[name]) for name, a in result.weights.arrays.items())


def test_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    tuned(config=replace(TINY, steps=2))
    assert torch.equal(torch.rand(1), expected)


def test_strokes_keep_their_class_even_where_intensities_object():
    wrong = Stroke(2, np.array([[0, 2, 2], [0, 2, 3]]))
    result = tuned(STROKES.with_strokes([wrong]))
    known = STROKES.with_strokes([wrong]).labels()
    np.testing.assert_array_equal(result.label_map.labels[known > 0], known[known > 0])


def test_background_is_zero_in_the_mask():
    result = tuned(strokes_on(VOLUME, TRUTH, background=1))
    assert set(np.unique(result.label_map.labels)) == {0, 2, 3}


def test_a_stop_returns_the_best_so_far():
    steps = finetune(VOLUME, PREPARED, STROKES, replace(TINY, steps=None, seconds=None))
    for _ in range(4):
        report = next(steps)
    assert report.step == 3
    with pytest.raises(StopIteration) as end:
        steps.send(Stop())
    result = end.value.value
    assert result.stopped
    assert result.steps == 3
    assert (result.label_map.labels == TRUTH).mean() > 0.95


def test_a_stop_before_the_first_step_returns_the_answer_at_once():
    steps = finetune(VOLUME, PREPARED, STROKES, TINY)
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(Stop())
    at_once = drained(fit_scribbles(VOLUME, PREPARED, STROKES))
    np.testing.assert_array_equal(end.value.value.label_map.labels, at_once.label_map.labels)
    assert "no-steps" in [finding.code for finding in end.value.value.findings]


def test_the_answer_at_once_stays_where_the_network_is_worse_on_unseen_strokes(monkeypatch):
    def nonsense(self, case):
        wrong = torch.zeros_like(case.nearness)
        wrong[0] = 1.0
        return wrong

    monkeypatch.setattr(Tuner, "prior", nonsense)
    result = tuned()
    at_once = drained(fit_scribbles(VOLUME, PREPARED, STROKES))
    np.testing.assert_array_equal(result.label_map.labels, at_once.label_map.labels)
    assert "no-gain" in [finding.code for finding in result.findings]
    assert result.provenance["network_counts"] is False


@pytest.mark.parametrize(("n_strokes", "words"), [(1, "On 1 stroke that"), (2, "On 2 strokes that")])
def test_strokes_that_told_of_no_gain_are_counted(n_strokes, words):
    held = HeldOut(STROKES, np.array([[[0, 1]]]), np.ones((1, 1, 2), np.float32), n_strokes)
    right = torch.tensor([[[[1.0, 0.0]]], [[[0.0, 1.0]]]])
    examination = Examination(held, (slice(None),) * 3, right)
    examination.take(1 - right)
    finding = examination.finding()
    assert finding is not None
    assert finding.message.startswith(words)


def test_strokes_are_held_out_where_each_class_has_two(result):
    assert result.provenance["held_out_strokes"] == 3
    assert len(result.provenance["held_out_errors"]) > 0


def test_one_stroke_a_class_is_told_not_to_be_checked():
    result = tuned(strokes_on(VOLUME, TRUTH, per_class=1))
    assert result.provenance["held_out_strokes"] == 0
    assert "not-checked" in [finding.code for finding in result.findings]


def test_a_network_of_tissues_that_nothing_checked_leaves_the_answer_at_once_and_can_be_carried():
    strokes = strokes_on(VOLUME, TRUTH, per_class=1)
    result = tuned(strokes)
    at_once = drained(fit_scribbles(VOLUME, PREPARED, strokes))
    np.testing.assert_array_equal(result.probabilities, at_once.probabilities)
    assert result.provenance["network_counts"] is False
    assert result.weights.steps == TINY.steps


def test_an_unchecked_network_counts_against_a_background():
    strokes = strokes_on(VOLUME, TRUTH, per_class=1, background=1)
    assert tuned(strokes).provenance["network_counts"] is True


def test_previews_lie_on_the_whole_grid_and_terms_are_named():
    steps = finetune(VOLUME, PREPARED, STROKES, TINY)
    first = next(steps)
    assert first.preview.shape == TRUTH.shape
    second = steps.send(Look(0))
    assert second.preview is not None
    assert {"loss", "strokes", "smoothness", "first answer", "mixture"} <= set(second.terms)
    steps.close()


def test_an_answer_that_is_there_is_not_computed_again(monkeypatch):
    engine, walks = AtOnce(VOLUME, PREPARED), []
    strokes = strokes_on(VOLUME, TRUTH, per_class=1)
    drained(fit_scribbles(VOLUME, PREPARED, strokes, at_once=engine))
    log_priors = Plane.log_priors
    monkeypatch.setattr(Plane, "log_priors", lambda self, *told: walks.append(told) or log_priors(self, *told))
    tuned(strokes, at_once=engine)
    assert not walks
    heavier = replace(strokes, strokes=(replace(strokes.strokes[0], weight=2.0), *strokes.strokes[1:]))
    tuned(heavier, at_once=engine)
    assert len(walks) == 1


def test_ignored_voxels_teach_nothing():
    ignored = STROKES.with_strokes([Stroke(IGNORED, np.argwhere(TRUTH == 3)[:20])])
    result = tuned(ignored)
    assert np.isfinite(result.probabilities).all()


def test_one_class_alone_is_refused():
    with pytest.raises(SettingsError, match="only"):
        tuned(strokes_on(VOLUME, TRUTH, values=(2,)))


def test_a_volume_is_seen_slice_by_slice_with_neighbours():
    truth = np.repeat(TRUTH, 6, axis=0)
    volume = image_of(truth)
    result = drained(finetune(volume, prepared(volume), strokes_on(volume, truth), TINY))
    assert result.weights.n_looks == 5
    assert (result.label_map.labels == truth).mean() > 0.9


@pytest.fixture
def slow_clock(monkeypatch):
    """A clock that is a tenth of a second on whenever the budget looks at it."""
    told = itertools.count()
    monkeypatch.setattr(budget.time, "perf_counter", lambda: next(told) / 10)


@pytest.mark.usefixtures("slow_clock")
def test_seconds_end_a_training():
    result = tuned(config=replace(TINY, steps=None, seconds=4.0))
    assert 0 < result.steps < 40


def test_a_time_budget_ends_where_more_steps_bring_nothing(monkeypatch):
    monkeypatch.setattr(budget, "ENOUGH", 15)
    assert tuned(config=replace(TINY, steps=None, seconds=3600.0)).steps == 15


@pytest.mark.usefixtures("slow_clock")
def test_too_few_seconds_leave_the_answer_at_once():
    result = tuned(config=replace(TINY, steps=None, seconds=0.1))
    at_once = drained(fit_scribbles(VOLUME, PREPARED, STROKES))
    np.testing.assert_array_equal(result.label_map.labels, at_once.label_map.labels)
    assert result.weights is None


def test_no_strokes_at_all_are_refused():
    with pytest.raises(SettingsError, match="nothing"):
        tuned(Scribbles(VOLUME.grid_shape, VOLUME.geometry, STROKES.classes))


def flecked():
    """The discs, with flecks of the dull class's intensity all over the ground, and strokes on the discs."""
    speckled = np.array(TRUTH)
    for dy, dx in itertools.product(range(2), range(2)):
        here = speckled[0, 2 + dy :: 9, 2 + dx :: 9]
        here[here == 1] = 2
    return image_of(speckled), speckled


def flecks_left(weight):
    """How many voxels of flecks the network believes, and how much of the discs."""
    volume, speckled = flecked()
    learns = replace(TINY, steps=150, width=8, imitation_weight=0.0, smoothness=0.0, mixture_weight=2.0)
    config = replace(learns, outlier_weight=weight, outlier_inner=3, outlier_outer=7, outlier_ramp=0.2)
    result = drained(finetune(volume, prepared(volume), strokes_on(volume, TRUTH), config))
    believed = result.prior.argmax(0) + 1
    flecks = (speckled == 2) & (TRUTH == 1)
    return int((believed[flecks] != 1).sum()), float((believed == TRUTH)[TRUTH > 1].mean())


def test_the_outlier_region_loss_keeps_flecks_out_of_what_is_learnt():
    without, _ = flecks_left(0.0)
    with_it, of_the_discs = flecks_left(10.0)
    assert without > 30
    assert with_it < without / 2
    assert of_the_discs > 0.95


def test_windows_are_changed_between_steps_and_act_at_the_next():
    config = replace(TINY, steps=20, outlier_ramp=0.0)
    steps = finetune(VOLUME, PREPARED, STROKES, config)
    for _ in range(5):
        assert "outlier region" not in next(steps).terms
    report = steps.send(Retune({"outlier_weight": 1.0, "outlier_inner": 3, "outlier_outer": 9}))
    assert "outlier region" in report.terms
    assert report.refused is None
    steps.close()


def test_windows_that_make_no_sense_are_refused_and_the_training_goes_on():
    with pytest.raises(SettingsError, match="smaller"):
        tuned(config=replace(TINY, outlier_weight=1.0, outlier_inner=9, outlier_outer=5))
    steps = finetune(VOLUME, PREPARED, STROKES, TINY)
    for _ in range(3):
        next(steps)
    report = steps.send(Retune({"outlier_weight": 1.0, "outlier_inner": 9, "outlier_outer": 5}))
    assert report.refused is not None
    assert next(steps).step == report.step + 1
    steps.close()
