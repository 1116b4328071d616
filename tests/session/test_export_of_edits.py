"""What a person set by hand is in the file, whatever the machine did since; background is 0 there."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from tests.session.gates import rest
from tests.session.scribble_making import BRIGHT, DARK, SHAPE, await_answer, halves_request, stroke

from napari_gmmseg.io import read_labels, write_labels
from napari_gmmseg.session import Session


@pytest.fixture
def painted() -> Generator[Session]:
    """A session with strokes in two classes, the dark one declared background."""
    session = Session()
    session.open(halves_request(3))
    session.scribble(stroke(DARK, 2))
    session.scribble(stroke(BRIGHT, 13))
    session.declare_background(DARK)
    await_answer(session)
    yield session
    session.close()


def edited(session: Session) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Set 200 voxels to what they are not; return where and to what."""
    flat = np.random.default_rng(4).choice(int(np.prod(SHAPE)), 200, replace=False)
    where = np.unravel_index(flat, SHAPE)
    wanted = np.where(session.result.label_map.labels[where] == BRIGHT, 0, BRIGHT).astype(np.uint8)
    for value in (0, BRIGHT):
        session.edit(np.stack(where, axis=-1)[wanted == value], value)
    return where, wanted


def exported(session: Session, folder: Path) -> np.ndarray:
    path = write_labels(folder / "mask.nii.gz", session.result.label_map)
    return read_labels(path).labels


def test_two_hundred_edits_are_in_the_file_after_fine_tuning_and_one_class_more(painted, tmp_path):
    where, wanted = edited(painted)
    assert len(painted.edits) == 200
    painted.finetune(steps=5)
    await_answer(painted)
    assert painted.result.method == "finetuned"
    assert (exported(painted, tmp_path)[where] == wanted).all()
    for k in (3, 4):
        painted.retune(n_classes=k)
        rest(painted)
        assert len(painted.result.label_map.classes) == k
        assert (exported(painted, tmp_path)[where] == wanted).all()


def test_the_declared_background_is_0_in_the_file_whatever_gave_the_mask(painted, tmp_path):
    def is_background() -> bool:
        labels = exported(painted, tmp_path)
        assert DARK in painted.result.label_map.classes.values
        return bool((labels != DARK).all() and (labels == 0).any() and (labels == BRIGHT).any())

    assert is_background()
    painted.finetune(steps=5)
    await_answer(painted)
    assert is_background()
    painted.scribble(stroke(BRIGHT, 12))
    await_answer(painted)
    assert is_background()
    for k in (3, 4):
        painted.retune(n_classes=k)
        rest(painted)
        assert len(painted.result.label_map.classes) == k
        assert is_background(), k
    painted.split(BRIGHT)
    rest(painted)
    assert is_background()


def test_a_background_that_is_declared_without_strokes_is_0_and_comes_back(tmp_path):
    session = Session()
    session.open(halves_request())
    session.run()
    rest(session)
    before = session.result.label_map.labels
    session.declare_background(DARK)
    assert ((session.result.label_map.labels == 0) == (before == DARK)).all()
    assert (exported(session, tmp_path) == session.result.label_map.labels).all()
    session.edit(np.array([(0, 0, 0)]), BRIGHT)
    session.declare_background(BRIGHT)
    labels = session.result.label_map.labels
    # What is set by hand stays; all else is as the model has it.
    assert labels[0, 0, 0] == BRIGHT
    assert (labels == DARK).sum() == (before == DARK).sum() - 1
    for _ in range(3):
        session.undo()
    assert np.array_equal(session.result.label_map.labels, before)
    session.close()


def test_strokes_on_one_class_correct_a_mask_whose_other_class_is_background():
    session = Session()
    session.open(halves_request())
    session.run()
    rest(session)
    session.declare_background(DARK)
    session.scribble(stroke(BRIGHT, 12))
    await_answer(session)
    assert session.result.method == "scribbles"
    assert (session.result.label_map.labels[..., :6] == 0).mean() > 0.95
    assert (session.result.label_map.labels[..., 10:] == BRIGHT).mean() > 0.95
    session.close()
