"""Voxels set by hand: they win over every later answer, fit and number of classes, and undo takes them back."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import pytest
from tests.session.gates import rest
from tests.session.scribble_making import BRIGHT, DARK, SHAPE, await_answer, halves_request, mask_hash, stroke

from napari_gmmseg.session import Session


@pytest.fixture
def fitted() -> Generator[Session]:
    """A session with the result of a real fit in two classes."""
    session = Session()
    session.open(halves_request())
    session.run()
    rest(session)
    yield session
    session.close()


def some_voxels(n: int = 40) -> np.ndarray:
    rng = np.random.default_rng(5)
    flat = rng.choice(int(np.prod(SHAPE)), n, replace=False)
    return np.stack(np.unravel_index(flat, SHAPE), axis=-1)


def edit_wrongly(session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Set voxels to the class that they have not, and return where and to what."""
    voxels = some_voxels()
    wrong = np.where(session.result.label_map.labels[tuple(voxels.T)] == DARK, BRIGHT, DARK)
    for value in (DARK, BRIGHT):
        session.edit(voxels[wrong == value], value)
    return voxels, wrong


def at(session: Session, voxels: np.ndarray) -> list[int]:
    return session.result.label_map.labels[tuple(voxels.T)].tolist()


def test_an_edit_is_in_the_result_and_no_other_voxel_moves(fitted):
    before = fitted.result.label_map.labels.copy()
    voxels, wrong = edit_wrongly(fitted)
    assert at(fitted, voxels) == wrong.tolist()
    changed = fitted.result.label_map.labels != before
    assert changed.sum() == len(voxels)


def test_edits_outlast_another_number_of_classes_and_back(fitted):
    voxels, wrong = edit_wrongly(fitted)
    for k in (3, 4, 2):
        fitted.retune(n_classes=k)
        rest(fitted)
        assert len(np.unique(fitted.result.label_map.labels)) >= 2
        assert at(fitted, voxels) == wrong.tolist()


def test_edits_outlast_a_new_run(fitted):
    voxels, wrong = edit_wrongly(fitted)
    fitted.run()
    rest(fitted)
    assert at(fitted, voxels) == wrong.tolist()


def test_edits_outlast_answers_to_strokes(fitted):
    voxels, wrong = edit_wrongly(fitted)
    fitted.scribble(stroke(DARK, 2))
    fitted.scribble(stroke(BRIGHT, 13))
    await_answer(fitted)
    assert fitted.result.method == "scribbles"
    assert at(fitted, voxels) == wrong.tolist()


def test_undo_of_an_edit_puts_the_mask_back_to_the_last_bit(fitted):
    before = mask_hash(fitted)
    edit_wrongly(fitted)
    after = mask_hash(fitted)
    fitted.undo()
    fitted.undo()
    assert mask_hash(fitted) == before
    fitted.redo()
    fitted.redo()
    assert mask_hash(fitted) == after


def test_voxels_that_are_given_back_follow_the_model_again(fitted):
    before = mask_hash(fitted)
    voxels, _ = edit_wrongly(fitted)
    fitted.give_back(voxels)
    assert mask_hash(fitted) == before
    assert fitted.edits is None


def test_after_a_rename_voxels_that_are_given_back_keep_the_new_name(fitted):
    voxels, _ = edit_wrongly(fitted)
    fitted.rename(BRIGHT, "Lesion")
    fitted.clear_edits()
    assert [c.name for c in fitted.result.label_map.classes][1] == "Lesion"
    assert len(voxels)


def test_edits_of_a_merged_class_become_the_other(fitted):
    fitted.retune(n_classes=3)
    rest(fitted)
    third = fitted.result.label_map.classes.values[-1]
    voxels = some_voxels()
    fitted.edit(voxels, third)
    fitted.merge(DARK, third)
    rest(fitted)
    assert at(fitted, voxels) == [DARK] * len(voxels)


def test_a_class_that_only_edits_have_stays_with_a_map_and_a_gaussian(fitted):
    fitted.retune(n_classes=3)
    rest(fitted)
    third = fitted.result.label_map.classes.values[-1]
    voxels = some_voxels()
    fitted.edit(voxels, third)
    for value, x in ((v, 2 + 5 * i) for i, v in enumerate(v for v in fitted.classes.values if v != third)):
        fitted.scribble(stroke(value, x))
    await_answer(fitted)
    result = fitted.result
    k = len(result.label_map.classes)
    assert third in result.label_map.classes.values
    assert at(fitted, voxels) == [third] * len(voxels)
    assert len(result.probabilities) == k == result.mixture.n_classes


def test_an_edit_without_a_result_is_refused():
    session = Session()
    refused = []
    session.refused.connect(refused.append)
    session.open(halves_request())
    session.edit(some_voxels(), DARK)
    assert len(refused) == 1
    assert session.edits is None
    session.close()


def test_an_edit_to_what_is_no_label_value_is_refused_and_changes_nothing(fitted):
    refused, before = [], mask_hash(fitted)
    fitted.refused.connect(refused.append)
    fitted.edit(some_voxels(3), 300)
    assert [finding.code for finding in refused] == ["refused"]
    assert "300" in refused[0].message
    assert mask_hash(fitted) == before
    assert fitted.edits is None


def blob(z: int, y: int, x: int, half: int = 1) -> np.ndarray:
    return np.stack(
        np.meshgrid([z], np.arange(y - half, y + half + 1), np.arange(x - half, x + half + 1), indexing="ij"), axis=-1
    ).reshape(-1, 3)


def with_an_island(session: Session) -> tuple[int, int, int]:
    """Have the model's result hold a bright island in the dark half."""
    result = session.result
    labels = result.label_map.labels.copy()
    labels[tuple(blob(1, 5, 3).T)] = BRIGHT
    changed = replace(result, label_map=replace(result.label_map, labels=labels))
    session._put(replace(session._now, result=changed, fitted=changed))
    return 1, 5, 3


def test_an_island_that_is_dropped_takes_the_class_around_it_and_stays_so(fitted):
    at_island = with_an_island(fitted)
    before = mask_hash(fitted)
    fitted.drop_island(at_island)
    rest(fitted)
    voxels = blob(*at_island)
    assert at(fitted, voxels) == [DARK] * len(voxels)
    assert len(fitted.edits) == len(voxels)
    fitted.scribble(stroke(DARK, 2))
    fitted.scribble(stroke(BRIGHT, 13))
    fitted.scribble(stroke(BRIGHT, 3, z=1))
    await_answer(fitted)
    assert at(fitted, voxels) == [DARK] * len(voxels)
    for _ in range(4):
        fitted.undo()
    assert mask_hash(fitted) == before
    assert fitted.edits is None


def test_a_region_is_filled_in_its_slice_or_whole(fitted):
    at_island = with_an_island(fitted)
    fitted.fill((0, 5, 3), BRIGHT, plane=-3)
    rest(fitted)
    labels = fitted.result.label_map.labels
    assert (labels[0] == BRIGHT).all()
    assert (labels[2] == DARK).any()
    fitted.undo()
    fitted.fill(at_island, DARK)
    rest(fitted)
    voxels = blob(*at_island)
    assert at(fitted, voxels) == [DARK] * len(voxels)
    assert fitted.can_undo == f"Fill: {fitted.classes.by_value(DARK).name}"


def test_a_class_drawn_in_two_slices_is_continued_between_them(fitted):
    last = SHAPE[0] - 1
    fitted.edit(np.concatenate([blob(0, 5, 3), blob(last, 5, 3)]), BRIGHT)
    fitted.interpolate(BRIGHT)
    rest(fitted)
    between = np.concatenate([blob(z, 5, 3) for z in range(1, last)])
    assert at(fitted, between) == [BRIGHT] * len(between)
    assert fitted.can_undo.startswith("Interpolate")
    fitted.undo()
    assert set(at(fitted, between)) == {DARK}


def test_one_slice_alone_is_not_interpolated_and_says_why(fitted):
    refused = []
    fitted.refused.connect(refused.append)
    fitted.edit(blob(0, 5, 3), BRIGHT)
    fitted.interpolate(BRIGHT)
    rest(fitted)
    assert "no slice between two edited ones" in refused[0].message


def test_an_edit_that_is_worked_out_while_the_result_changes_goes_into_the_new_one(fitted):
    at_island = with_an_island(fitted)
    fitted.drop_island(at_island)
    assert fitted.editing
    result = fitted.result
    labels = result.label_map.labels.copy()
    labels[2, 0, 0] = BRIGHT
    changed = replace(result, label_map=replace(result.label_map, labels=labels))
    fitted._put(replace(fitted._now, result=changed, fitted=changed))
    rest(fitted)
    assert at(fitted, blob(*at_island)) == [DARK] * 9
    assert fitted.result.label_map.labels[2, 0, 0] == BRIGHT
