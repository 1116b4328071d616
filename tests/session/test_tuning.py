"""A network fine-tuned in a session: one act, stopped, cancelled, undone; and carried to the next image."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.session.scribble_making import BRIGHT, DARK, await_answer, halves_request, mask_hash, stroke

from napari_gmmseg.fitting.scribbling.at_once import AtOnce
from napari_gmmseg.fitting.scribbling.plane import Plane
from napari_gmmseg.session import JobState, SegmentationRequest, Session


@pytest.fixture
def painted() -> Generator[Session]:
    session = Session()
    session.open(halves_request())
    session.scribble(stroke(DARK, 2))
    session.scribble(stroke(BRIGHT, 13))
    await_answer(session)
    yield session
    session.close()


def await_first_step(session: Session) -> None:
    for _ in range(2000):
        session.poll()
        progress = session.tuning_progress
        if progress is not None and progress.report.step > 0:
            return
        threading.Event().wait(0.005)
    raise AssertionError("never took a step")


def test_a_fine_tuning_is_one_act_and_brings_a_network(painted):
    painted.finetune(steps=3)
    assert painted.tuning is not None
    assert painted.can_undo == "Fine-tune 3 steps"
    await_answer(painted)
    assert painted.result.method == "finetuned"
    assert painted.situation.weights is not None
    assert painted.can_undo == "Fine-tune 3 steps"


def test_undo_crosses_a_fine_tuning_to_the_last_bit(painted):
    before = mask_hash(painted)
    painted.finetune(steps=3)
    await_answer(painted)
    after = mask_hash(painted)
    painted.undo()
    assert mask_hash(painted) == before
    assert painted.situation.weights is None
    painted.redo()
    assert mask_hash(painted) == after
    assert painted.situation.weights is not None


def test_a_wrong_stroke_is_undone_after_a_fine_tuning_too(painted):
    before = mask_hash(painted)
    painted.scribble(stroke(BRIGHT, 4))
    await_answer(painted)
    painted.finetune(steps=3)
    await_answer(painted)
    painted.undo()
    painted.undo()
    await_answer(painted)
    assert mask_hash(painted) == before


def test_a_stroke_after_a_fine_tuning_is_undone_to_its_mask(painted):
    painted.finetune(steps=3)
    await_answer(painted)
    tuned = mask_hash(painted)
    painted.scribble(stroke(BRIGHT, 4))
    await_answer(painted)
    painted.undo()
    await_answer(painted)
    assert mask_hash(painted) == tuned


def test_edited_voxels_outlast_a_fine_tuning(painted):
    voxels = np.array([(0, 1, 1), (2, 2, 14)])
    painted.edit(voxels[:1], BRIGHT)
    painted.edit(voxels[1:], DARK)
    painted.finetune(steps=3)
    await_answer(painted)
    assert painted.result.label_map.labels[tuple(voxels.T)].tolist() == [BRIGHT, DARK]


def test_stop_keeps_the_best_so_far(painted):
    painted.finetune(None)
    await_first_step(painted)
    painted.stop_tuning()
    await_answer(painted)
    assert painted.result.method == "finetuned"
    assert painted.result.stopped


def test_a_fine_tuning_without_a_step_changes_nothing_and_says_so(painted):
    before, could = painted.situation, painted.can_undo
    told = []
    painted.refused.connect(told.append)
    painted.finetune(seconds=1e-9)
    await_answer(painted)
    assert [finding.code for finding in told] == ["no-step"]
    assert painted.situation.result is before.result
    assert painted.can_undo == could


def test_cancel_and_undo_while_it_is_on_leave_everything_as_before(painted):
    before, could = mask_hash(painted), painted.can_undo
    for end in (painted.cancel_tuning, painted.undo):
        painted.finetune(None)
        await_first_step(painted)
        end()
        assert painted.tuning is None
        assert mask_hash(painted) == before
    assert painted.can_undo == could


def test_a_pause_holds_it_and_resume_goes_on(painted):
    painted.finetune(None)
    await_first_step(painted)
    painted.pause_tuning()
    for _ in range(2000):
        painted.poll()
        if painted.tuning.state is JobState.PAUSED:
            break
        threading.Event().wait(0.005)
    assert painted.tuning.state is JobState.PAUSED
    painted.resume_tuning()
    painted.stop_tuning()
    await_answer(painted)
    assert painted.result.method == "finetuned"


def test_strokes_painted_meanwhile_are_answered_when_it_has_ended(painted):
    painted.finetune(None)
    await_first_step(painted)
    painted.scribble(stroke(BRIGHT, 9))
    assert not painted.answering
    painted.stop_tuning()
    await_answer(painted)
    assert painted.situation.answered
    assert len(painted.scribbles.strokes) == 3


def test_nothing_painted_is_refused(painted):
    refused = []
    painted.refused.connect(refused.append)
    painted.clear_scribbles()
    painted.finetune(steps=3)
    assert painted.tuning is None
    assert len(refused) == 1


def test_a_model_is_carried_to_the_next_image_and_can_be_rejected(painted):
    painted.finetune(steps=3)
    await_answer(painted)
    painted.open(halves_request())
    assert painted.carried is not None
    assert painted.result is None
    painted.try_carried()
    await_answer(painted)
    assert painted.result is not None
    assert painted.carried_on_trial
    painted.reject_carried()
    assert painted.result is None
    assert painted.carried is None
    assert not painted.carried_on_trial


def test_an_accepted_model_stays_with_its_result(painted):
    painted.finetune(steps=3)
    await_answer(painted)
    painted.open(halves_request())
    painted.try_carried()
    await_answer(painted)
    painted.accept_carried()
    assert painted.result is not None
    assert not painted.carried_on_trial
    assert painted.situation.weights is not None


def confused(session: Session, request: SegmentationRequest) -> np.ndarray:
    """Return where a network that counts differs from the answer to the same strokes without it."""
    plain = Session()
    plain.open(request)
    for painted_stroke in session.scribbles.strokes:
        plain.scribble(painted_stroke)
    await_answer(plain)
    differing = plain.result.label_map.labels != session.result.label_map.labels
    plain.close()
    return differing


def heard(session: Session) -> None:
    """Have the fine-tuned network count, as if strokes that it had not seen had told that it is better."""
    result = session._now.result
    counts = replace(result, provenance={**result.provenance, "network_counts": True})
    session._put(replace(session._now, result=counts, weights=replace(session.situation.weights, say=1.0)))


def opinionated(session: Session, region: tuple[slice, ...]) -> None:
    """Have the fine-tuned network say that a region is bright, whatever is to be seen there."""
    heard(session)
    say = session._answering._case.say(session.situation.weights)
    say.warm()
    say._prior[(slice(None), *region)] = torch.tensor([0.01, 0.99]).reshape(2, 1, 1, 1)


def doubtful_request(region: tuple[slice, ...]) -> SegmentationRequest:
    """The two halves, with a region that the strokes' mixture takes for dark by a little: 2 nat."""
    request = halves_request()
    image = request.volume.data.copy()
    image[(0, *region)] = 46.2
    return replace(request, volume=replace(request.volume, data=image))


def test_a_stroke_after_a_fine_tuning_is_answered_with_the_network(painted):
    region = (slice(0, 3), slice(9, 12), slice(0, 3))
    request = doubtful_request(region)
    painted.open(request)
    painted.scribble(stroke(DARK, 2))
    painted.scribble(stroke(BRIGHT, 13))
    await_answer(painted)
    painted.finetune(steps=3)
    await_answer(painted)
    opinionated(painted, region)
    slices = []
    painted.slice_answered.connect(slices.append)
    painted.look(1)
    painted.scribble(stroke(BRIGHT, 12))
    await_answer(painted)
    assert painted.result.provenance["network_counts"]
    assert (painted.result.label_map.labels[region] == BRIGHT).all()
    assert (slices[-1].labels[0][region[1:]] == BRIGHT).all()
    assert confused(painted, request)[region].all()
    painted.scribble(stroke(DARK, 1, rows=(9, 12)))
    await_answer(painted)
    # Strokes count more than a network that contradicts them.
    assert (painted.result.label_map.labels[1, 9:12, 1] == DARK).all()


def test_a_stroke_that_says_nothing_new_changes_next_to_nothing_after_a_fine_tuning(painted):
    painted.declare_background(DARK)
    painted.finetune(steps=30)
    await_answer(painted)
    tuned = painted.result
    assert tuned.provenance["network_counts"]
    painted.scribble(stroke(DARK, 2, rows=(4, 6)))
    await_answer(painted)
    assert painted.result.provenance["network_counts"]
    inside = tuned.mask
    assert np.abs(painted.result.probabilities - tuned.probabilities)[:, inside].mean() < 0.02
    assert (painted.result.label_map.labels != tuned.label_map.labels)[inside].mean() < 0.01


def test_a_network_that_was_no_better_has_no_say_in_later_answers(painted):
    painted.finetune(steps=3)
    await_answer(painted)
    result = painted.result
    told = {**result.provenance, "network_counts": False}
    painted._put(replace(painted._now, result=replace(result, provenance=told), model=None))
    painted.scribble(stroke(BRIGHT, 12))
    await_answer(painted)
    assert not painted.result.provenance.get("network_counts")
    assert not confused(painted, halves_request()).any()


def test_a_class_that_the_network_does_not_know_is_answered_beside_it(painted):
    painted.finetune(steps=3)
    await_answer(painted)
    heard(painted)
    painted.add_class()
    third = painted.scribbles.classes.values[-1]
    painted.scribble(stroke(third, 8))
    await_answer(painted)
    assert painted.result.provenance["network_counts"]
    assert painted.result.label_map.classes.values == (DARK, BRIGHT, third)
    assert (painted.result.label_map.labels[1, 3:8, 8] == third).all()
    told = []
    painted.refused.connect(told.append)
    painted.finetune(steps=3)
    await_answer(painted)
    assert "begins anew" in told[0].message
    assert painted.situation.weights.classes.values == (DARK, BRIGHT, third)


def test_a_stroke_on_a_carried_result_keeps_what_the_model_says_elsewhere(painted):
    painted.finetune(steps=60)
    await_answer(painted)
    painted.open(halves_request())
    painted.try_carried()
    await_answer(painted)
    painted.accept_carried()
    carried = painted.result
    painted.scribble(stroke(DARK, 2))
    await_answer(painted)
    assert painted.result.provenance["network_counts"]
    assert (painted.result.label_map.labels != carried.label_map.labels).mean() < 0.02


def test_a_fine_tuning_takes_the_answer_that_is_there_and_comes_to_the_same(painted, monkeypatch):
    walks = []
    log_priors = Plane.log_priors

    def counted(self, *arguments):
        walks.append(threading.current_thread().name)
        return log_priors(self, *arguments)

    monkeypatch.setattr(Plane, "log_priors", counted)
    painted.finetune(steps=5)
    await_answer(painted)
    first = painted.result
    assert not walks
    painted.undo()
    # As where the engine was lost: it is answered again inside the fine-tuning.
    painted._answering._case.ready()[3]._newest = None
    painted.finetune(steps=5)
    await_answer(painted)
    assert walks
    assert np.array_equal(first.label_map.labels, painted.result.label_map.labels)
    np.testing.assert_allclose(first.probabilities, painted.result.probabilities, atol=1e-6)


def test_a_carried_model_brings_its_background(painted):
    painted.declare_background(DARK)
    painted.finetune(steps=3)
    await_answer(painted)
    painted.open(halves_request())
    painted.try_carried()
    await_answer(painted)
    painted.accept_carried()
    assert painted.scribbles.background == DARK
    painted.scribble(stroke(BRIGHT, 12))
    await_answer(painted)
    assert set(np.unique(painted.result.label_map.labels)) == {0, BRIGHT}


def test_strokes_painted_before_a_carried_model_is_tried_hold_in_its_answer(painted):
    painted.finetune(steps=3)
    await_answer(painted)
    painted.open(halves_request())
    swapped = [stroke(BRIGHT, 2), stroke(DARK, 13)]
    for each in swapped:
        painted.scribble(each)
    await_answer(painted)
    painted.try_carried()
    await_answer(painted)
    labels = painted.result.label_map.labels
    assert all((labels[tuple(each.voxels.T)] == each.value).all() for each in swapped)


def test_a_cancelled_fine_tuning_and_the_next_answer_do_not_share_an_engine(painted, monkeypatch):
    inside, free = threading.Event(), threading.Event()
    held, both = [], []
    update = AtOnce.update

    def slow(self, *arguments, **options):
        if "fine-tuning" in threading.current_thread().name:
            held.append(self)
            inside.set()
            free.wait(10)
        elif self in held and not free.is_set():
            both.append(threading.current_thread().name)
        return update(self, *arguments, **options)

    monkeypatch.setattr(AtOnce, "update", slow)
    painted.finetune(None)
    assert inside.wait(10)
    painted.cancel_tuning()
    painted.scribble(stroke(DARK, 4))
    for _ in range(20):
        painted.poll()
        threading.Event().wait(0.01)
    assert painted.answering
    free.set()
    await_answer(painted)
    assert both == []
    assert painted.situation.answered
