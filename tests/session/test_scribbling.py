"""Strokes in a session: answered by themselves, undone whole, refused where a class is locked."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest
from tests.session.scribble_making import BRIGHT, DARK, SHAPE, await_answer, halves_request, mask_hash, stroke

from napari_gmmseg.session import Session
from napari_gmmseg.session.answering import SliceAnswer
from napari_gmmseg.volumes import IGNORED, UNLABELLED, Finding, Stroke


@pytest.fixture
def painted() -> Generator[Session]:
    """A session with the answer to a stroke in each half."""
    session = Session()
    session.open(halves_request())
    session.scribble(stroke(DARK, 2))
    session.scribble(stroke(BRIGHT, 13))
    await_answer(session)
    yield session
    session.close()


def test_two_strokes_are_answered_by_themselves(painted):
    labels = painted.result.label_map.labels
    assert (labels[..., :6] == DARK).mean() > 0.95
    assert (labels[..., 10:] == BRIGHT).mean() > 0.95


def test_each_stroke_is_one_entry_of_undo_with_its_class_s_name(painted):
    assert painted.can_undo == "Paint Class 2"
    painted.undo()
    assert painted.can_undo == "Paint Class 1"


def test_one_class_alone_is_not_answered_and_is_told():
    session = Session()
    session.open(halves_request())
    session.scribble(stroke(DARK, 2))
    session.poll()
    assert not session.answering
    assert session.result is None
    assert session.unpainted == (BRIGHT,)
    session.close()


def test_a_wrong_stroke_is_undone_to_the_last_bit(painted):
    before, strokes = mask_hash(painted), painted.scribbles
    painted.scribble(stroke(BRIGHT, 4))
    await_answer(painted)
    assert mask_hash(painted) != before
    painted.undo()
    await_answer(painted)
    assert mask_hash(painted) == before
    assert painted.scribbles == strokes


def test_redo_brings_the_same_answer_back(painted):
    painted.scribble(stroke(BRIGHT, 4))
    await_answer(painted)
    after = mask_hash(painted)
    painted.undo()
    painted.redo()
    await_answer(painted)
    assert mask_hash(painted) == after


def test_undo_before_the_answer_came_still_has_the_earlier_strokes_answered(painted):
    painted.scribble(stroke(BRIGHT, 9))
    painted.scribble(stroke(BRIGHT, 4))
    painted.undo()
    await_answer(painted)
    undone = mask_hash(painted)
    direct = Session()
    direct.open(halves_request())
    for one in (stroke(DARK, 2), stroke(BRIGHT, 13), stroke(BRIGHT, 9)):
        direct.scribble(one)
    await_answer(direct)
    assert undone == mask_hash(direct)
    direct.close()


def test_the_shown_slice_is_answered_before_the_volume_and_is_the_same_grid(painted):
    seen: list[SliceAnswer] = []
    painted.slice_answered.connect(seen.append)
    painted.look(2)
    painted.scribble(stroke(BRIGHT, 9, z=2))
    await_answer(painted)
    assert [answer.slice_index for answer in seen] == [2]
    assert seen[0].labels.shape == (1, *SHAPE[1:])


def test_only_the_newest_strokes_are_answered(painted):
    answered = []
    painted.changed.connect(lambda what: answered.append(what) if what == "result" else None)
    for x in (9, 10, 11):
        painted.scribble(stroke(BRIGHT, x))
    await_answer(painted)
    assert answered == ["result"]
    assert len(painted.scribbles.strokes) == 5


def test_a_stroke_in_a_locked_region_is_refused_politely_and_the_rest_is_painted(painted):
    refused: list[Finding] = []
    painted.refused.connect(refused.append)
    painted.lock(DARK, True)
    painted.scribble(Stroke(BRIGHT, np.array([(1, 5, 3), (1, 5, 14)])))
    assert [f.code for f in refused] == ["locked-region"]
    assert painted.scribbles.strokes[-1].voxels.tolist() == [[1, 5, 14]]


def test_a_stroke_outside_the_image_is_refused_and_changes_nothing(painted):
    refused: list[Finding] = []
    painted.refused.connect(refused.append)
    before = painted.scribbles
    painted.scribble(Stroke(BRIGHT, np.array([(1, 5, 99)])))
    assert len(refused) == 1
    assert painted.scribbles == before


def test_erasing_all_strokes_of_a_class_leaves_it_unpainted(painted):
    painted.scribble(Stroke(UNLABELLED, stroke(BRIGHT, 13).voxels))
    assert painted.unpainted == (BRIGHT,)


def test_too_few_strokes_left_show_what_was_there_before_any(painted):
    painted.scribble(Stroke(UNLABELLED, stroke(BRIGHT, 13).voxels))
    await_answer(painted)
    assert painted.result is None
    painted.undo()
    await_answer(painted)
    assert painted.result is not None


def test_strokes_painted_before_a_class_came_are_merged_into_it():
    session = Session()
    session.open(halves_request())
    session.scribble(stroke(DARK, 2))
    session.scribble(stroke(BRIGHT, 13))
    await_answer(session)
    session.split(BRIGHT)
    await_answer(session)
    (new,) = set(session.classes.values) - {DARK, BRIGHT}
    assert new not in session.scribbles.classes.values or not session.scribbles.counts()[new]
    session.merge(new, BRIGHT)
    await_answer(session)
    assert {each.value for each in session.scribbles.strokes} == {DARK, new}
    assert set(session.result.label_map.classes.values) == {DARK, new}
    session.close()


def test_ignored_voxels_count_for_no_class(painted):
    before = painted.scribbles.counts()
    painted.scribble(Stroke(IGNORED, np.array([(0, 0, 0)])))
    assert painted.scribbles.counts() == before


def test_the_declared_background_is_nought_in_the_mask(painted):
    painted.declare_background(DARK)
    await_answer(painted)
    assert set(np.unique(painted.result.label_map.labels)) == {0, BRIGHT}


def test_strokes_get_numbers_that_none_had_before_and_a_time(painted):
    painted.undo()
    painted.scribble(stroke(BRIGHT, 12))
    ids = [s.id for s in painted.scribbles.strokes]
    assert len(set(ids)) == 2
    assert ids[-1] > 2
    assert painted.scribbles.strokes[-1].time > 0


def test_clearing_takes_all_strokes_and_leaves_the_mask(painted):
    before = mask_hash(painted)
    painted.clear_scribbles()
    await_answer(painted)
    assert painted.scribbles.strokes == ()
    assert mask_hash(painted) == before


def test_another_image_begins_without_strokes(painted):
    painted.open(halves_request())
    assert painted.scribbles.strokes == ()
