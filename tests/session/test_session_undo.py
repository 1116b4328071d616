"""What a session undoes and redoes."""

from __future__ import annotations

from typing import Any

from tests.session.gates import Gate, rest

from napari_gmmseg.session import JobState, Session, Situation


def heard(session: Session) -> tuple[Any, ...]:
    """Return what the fit of the result was told: after which step, and what."""
    assert session.result is not None
    return tuple(session.result.provenance["heard"])


def bare(session: Session) -> Situation:
    return session.situation


def test_undoing_a_run_puts_back_what_was_there_and_redo_brings_its_result(session: Session, gate: Gate):
    gate.open()
    before = bare(session)
    session.run()
    rest(session)
    after = bare(session)
    assert session.can_undo == "Segmentation"
    session.undo()
    assert bare(session) == before
    assert session.can_redo == "Segmentation"
    session.redo()
    assert bare(session) == after
    assert session.result is after.result


def test_a_setting_before_any_run_is_undone(session: Session):
    session.retune(n_classes=5, seed=3)
    assert session.can_undo == "Classes K: 3 → 5, Seed: 0 → 3"
    session.undo()
    assert (session.config.n_classes, session.config.seed) == (3, 0)
    assert session.can_undo is None
    session.redo()
    assert (session.config.n_classes, session.config.seed) == (5, 3)


def test_undo_in_a_training_goes_back_to_right_before_what_was_said(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 3)
    session.retune(n_classes=5)
    gate.advance(session, 4)
    first = session.job
    session.undo()
    assert session.running
    assert session.job is not first
    assert session.config.n_classes == 3
    gate.release_others(session)
    gate.open()
    rest(session)
    assert heard(session) == ()
    assert len(session.classes or ()) == 3


def test_a_training_that_is_taken_up_starts_from_its_last_state(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 5)
    session.retune(n_classes=5)
    gate.advance(session, 4)
    session.undo()
    gate.release_others(session)
    gate.advance(session, 2)
    assert session.trail[-1].step > 5
    assert [report.step for report in session.trail] == list(range(1, session.trail[-1].step + 1))


def test_what_was_said_before_is_said_again_at_its_place(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 3)
    session.merge(1, 2)
    gate.advance(session, 3)
    session.retune(learning_rate=0.01)
    gate.advance(session, 2)
    session.undo()
    gate.release_others(session)
    gate.open()
    rest(session)
    assert [what for _, what in heard(session)] == ["Merge"]
    session.undo()
    rest(session)
    assert heard(session) == ()
    assert len(session.classes or ()) == 3


def test_what_the_fit_has_not_heard_yet_is_taken_back_without_a_new_job(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 3)
    job = session.job
    session.retune(n_classes=5)
    session.undo()
    assert session.job is job
    session.redo()
    assert session.job is job
    session.undo()
    gate.open()
    rest(session)
    assert heard(session) == ()


def test_redo_in_a_training_goes_on_where_it_was(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 3)
    session.retune(n_classes=5)
    gate.advance(session, 3)
    session.undo()
    gate.release_others(session)
    gate.advance(session, 1)
    session.redo()
    gate.release_others(session)
    gate.open()
    rest(session)
    assert session.config.n_classes == 5
    assert [what for _, what in heard(session)] == ["Retune"]


def test_undo_after_a_training_takes_it_up_before_what_was_said(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 3)
    session.retune(n_classes=5)
    gate.open()
    rest(session)
    finished = session.result
    assert session.can_undo == "Classes K: 3 → 5"
    session.undo()
    assert session.running
    assert session.result is None
    rest(session)
    assert len(session.classes or ()) == 3
    session.redo()
    assert not session.running
    assert session.result is finished


def test_undoing_the_act_that_began_a_run_ends_it(session: Session, gate: Gate):
    before = bare(session)
    session.run()
    gate.advance(session, 3)
    session.undo()
    assert not session.running
    assert bare(session) == before
    session.redo()
    assert session.running
    gate.release_others(session)
    gate.open()
    rest(session)
    assert session.result is not None


def test_a_paused_run_stays_paused_through_undo(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 3)
    session.retune(n_classes=5)
    gate.advance(session, 3)
    session.pause()
    gate.advance(session, 1)
    session.undo()
    gate.release_others(session)
    gate.advance(session, 1)
    assert session.job is not None
    assert session.job.state is JobState.PAUSED
    session.resume()
    gate.open()
    rest(session)
    assert heard(session) == ()


def test_a_run_that_was_taken_up_can_be_cancelled(session: Session, gate: Gate):
    before = bare(session)
    session.run()
    gate.advance(session, 3)
    session.retune(n_classes=5)
    gate.open()
    rest(session)
    session.undo()
    session.cancel()
    assert bare(session) == before
    assert session.can_undo is None


def test_undo_and_redo_walk_through_class_edits(session: Session, gate: Gate):
    gate.open()
    session.run()
    rest(session)
    seen = [bare(session)]
    for act in (
        lambda: session.rename(1, "Fluid"),
        lambda: session.recolour(2, (1, 0, 0)),
        lambda: session.lock(1, True),
        lambda: session.split(3),
        lambda: session.adjust({2: (28.0,)}, {}),
        lambda: session.merge(2, 3),
    ):
        act()
        rest(session)
        seen.append(bare(session))
    for earlier in reversed(seen[:-1]):
        session.undo()
        assert bare(session) == earlier
        assert session.result is earlier.result
    for later in seen[1:]:
        session.redo()
        assert bare(session) == later
        assert session.result is later.result


def test_what_is_done_after_undo_cannot_be_redone(session: Session, gate: Gate):
    gate.open()
    session.run()
    rest(session)
    session.rename(1, "Fluid")
    session.undo()
    session.rename(1, "Water")
    assert session.can_redo is None
    session.redo()
    assert session.classes is not None
    assert session.classes[0].name == "Water"


def test_nothing_to_undo_changes_nothing(session: Session):
    before = bare(session)
    session.undo()
    session.redo()
    assert bare(session) == before


def test_a_session_is_restored_with_the_run_that_was_on(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 3)
    session.retune(n_classes=5)
    gate.advance(session, 4)
    left = session.situation
    assert session.request is not None
    other = Session()
    other.restore(session.request, left)
    gate.open()
    rest(other)
    assert other.config.n_classes == 5
    assert [what for _, what in heard(other)] == ["Retune"]
    other.close()
