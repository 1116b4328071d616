"""Strokes, edits and fine-tuned networks are in the journal, and come back from it to the last bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.session.scribble_making import BRIGHT, DARK, await_answer, halves_request, mask_hash, stroke

from napari_gmmseg.errors import InputError
from napari_gmmseg.session import Session
from napari_gmmseg.session.journal import JOURNAL, Journal, Replayer, read_history, recover, result_hash
from napari_gmmseg.session.journal.migrating import migrated
from napari_gmmseg.session.journal.painted import packed, unpacked
from napari_gmmseg.volumes import UNLABELLED, Stroke


def painted_session(folder: Path) -> tuple[Session, Journal]:
    """A recorded session with two strokes and their answer."""
    journal = Journal.create(folder)
    session = Session(recorder=journal)
    session.open(halves_request())
    session.scribble(stroke(DARK, 2))
    session.scribble(stroke(BRIGHT, 13))
    await_answer(session)
    return session, journal


def recovered_session(folder: Path) -> tuple[Session, Journal]:
    """The session that a folder holds, as after a crash."""
    found = recover(folder)
    session = Session(recorder=found.journal)
    session.restore(found.request, found.situation, found.kept)
    await_answer(session)
    return session, found.journal


def end(session: Session, journal: Journal) -> None:
    session.close()
    journal.close(finished=False)


def test_strokes_and_their_answer_come_back_to_the_last_bit(tmp_path):
    session, journal = painted_session(tmp_path / "s")
    end(session, journal)
    again, journal = recovered_session(tmp_path / "s")
    assert [s.id for s in again.scribbles.strokes] == [s.id for s in session.scribbles.strokes]
    assert all(
        np.array_equal(a.voxels, b.voxels) and a.time == b.time
        for a, b in zip(again.scribbles.strokes, session.scribbles.strokes, strict=True)
    )
    assert result_hash(again.result) == result_hash(session.result)
    end(again, journal)


def test_a_stroke_is_on_the_disk_before_it_is_answered(tmp_path):
    session, journal = painted_session(tmp_path / "s")
    session.scribble(stroke(BRIGHT, 9))
    journal.flush()
    read = read_history(tmp_path / "s")
    assert len(read.situation["scribbles"]["strokes"]) == 3
    assert read.situation["answered"] is False
    end(session, journal)


def test_an_answer_that_was_withdrawn_stays_so_after_a_crash(tmp_path):
    session, journal = painted_session(tmp_path / "s")
    session.scribble(Stroke(UNLABELLED, stroke(BRIGHT, 13).voxels))
    await_answer(session)
    assert session.result is None
    end(session, journal)
    again, journal = recovered_session(tmp_path / "s")
    assert again.result is None
    assert len(again.scribbles.strokes) == len(session.scribbles.strokes)
    assert read_history(tmp_path / "s").situation["result"] is None
    end(again, journal)


def test_a_stroke_whose_answer_the_crash_took_is_answered_after_it(tmp_path):
    session, journal = painted_session(tmp_path / "s")
    session.scribble(stroke(BRIGHT, 4))
    end(session, journal)
    again, journal = recovered_session(tmp_path / "s")
    assert again.situation.answered
    assert len(again.scribbles.strokes) == 3
    end(again, journal)


def test_edits_come_back_and_can_still_be_given_back(tmp_path):
    session, journal = painted_session(tmp_path / "s")
    before = mask_hash(session)
    voxels = np.array([(0, 1, 1), (2, 2, 2)])
    session.edit(voxels, BRIGHT)
    end(session, journal)
    again, journal = recovered_session(tmp_path / "s")
    assert mask_hash(again) == mask_hash(session) != before
    again.give_back(voxels)
    assert mask_hash(again) == before
    end(again, journal)


def test_what_was_filled_interpolated_and_dropped_comes_back_and_is_done_again(tmp_path):
    session, journal = painted_session(tmp_path / "s")
    session.fill((1, 0, 0), BRIGHT, plane=-3)
    session.edit(np.array([(0, 8, 3), (0, 9, 3), (2, 8, 3), (2, 9, 3)]), BRIGHT)
    session.interpolate(BRIGHT)
    session.edit(np.array([(0, 2, 2)]), BRIGHT)
    session.drop_island((0, 2, 2))
    await_answer(session)
    assert session.can_undo == "Drop an island"
    end(session, journal)
    assert result_hash(Replayer(read_history(tmp_path / "s")).result()) == result_hash(session.result)
    again, journal = recovered_session(tmp_path / "s")
    assert mask_hash(again) == mask_hash(session)
    assert len(again.edits) == len(session.edits)
    end(again, journal)


def test_runs_and_class_edits_with_a_background_are_done_again_to_the_same_hash(tmp_path):
    session, journal = painted_session(tmp_path / "s")
    session.declare_background(DARK)
    await_answer(session)
    session.retune(n_classes=3)
    await_answer(session)
    session.split(BRIGHT)
    await_answer(session)
    session.clear_scribbles()
    session.declare_background(BRIGHT)
    await_answer(session)
    assert not (session.result.label_map.labels == BRIGHT).any()
    end(session, journal)
    assert result_hash(Replayer(read_history(tmp_path / "s")).result()) == result_hash(session.result)


def test_a_fine_tuned_network_comes_back(tmp_path):
    session, journal = painted_session(tmp_path / "s")
    session.finetune(steps=3)
    await_answer(session)
    end(session, journal)
    again, journal = recovered_session(tmp_path / "s")
    assert mask_hash(again) == mask_hash(session)
    was, now = session.situation.weights, again.situation.weights
    assert list(was.arrays) == list(now.arrays)
    assert was.classes == now.classes
    assert was.steps == now.steps
    assert all(np.array_equal(was.arrays[name], now.arrays[name]) for name in was.arrays)
    end(again, journal)


def test_an_answer_with_a_fine_tuned_network_comes_back_after_a_crash(tmp_path):
    session, journal = painted_session(tmp_path / "s")
    # A network of which nothing is checked counts against a background only.
    session.declare_background(DARK)
    session.finetune(steps=3)
    await_answer(session)
    session.scribble(stroke(BRIGHT, 11))
    await_answer(session)
    assert session.result.provenance["network_counts"]
    end(session, journal)
    again, journal = recovered_session(tmp_path / "s")
    assert result_hash(again.result) == result_hash(session.result)
    assert again.situation.weights.say == session.situation.weights.say
    again.scribble(stroke(DARK, 4))
    await_answer(again)
    assert again.result.provenance["network_counts"]
    end(again, journal)


def test_an_edited_answer_is_done_again_to_the_same_hash(tmp_path):
    session, journal = painted_session(tmp_path / "s")
    session.edit(np.array([(0, 1, 1)]), BRIGHT)
    end(session, journal)
    assert result_hash(Replayer(read_history(tmp_path / "s")).result()) == result_hash(session.result)


def test_a_fine_tuned_result_is_not_claimed_to_be_replayable(tmp_path):
    session, journal = painted_session(tmp_path / "s")
    session.declare_background(DARK)
    session.finetune(steps=3)
    await_answer(session)
    end(session, journal)
    with pytest.raises(InputError, match="fine-tuned"):
        Replayer(read_history(tmp_path / "s")).result()


def test_each_stroke_is_written_once(tmp_path):
    session, journal = painted_session(tmp_path / "s")
    session.undo()
    session.redo()
    await_answer(session)
    end(session, journal)
    lines = [json.loads(line) for line in (tmp_path / "s" / JOURNAL).read_text().splitlines()]
    assert sum(line["kind"] == "painted" for line in lines) == 2


def test_a_situation_of_version_1_has_nothing_painted():
    event = {"schema": 1, "time": 1.0, "kind": "acted", "situation": {"result": None, "running": False}}
    situation = migrated(event)["situation"]
    assert situation["scribbles"] is None
    assert situation["edits"] is None
    assert situation["answered"] is True


def test_packed_numbers_are_the_same_unpacked():
    voxels = np.random.default_rng(0).integers(0, 500, (50, 3))
    assert np.array_equal(unpacked(packed(voxels, np.int32)), voxels)
