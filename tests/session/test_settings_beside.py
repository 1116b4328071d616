"""Settings that change beside something else: an edit that is worked out, a lock, a pause."""

from __future__ import annotations

import threading

import pytest
from tests.session.gates import Gate, rest
from tests.session.test_session_fits import three_shells

from napari_gmmseg.config import FitConfig, find_preset
from napari_gmmseg.session import JobState, SegmentationRequest, Session, class_acts
from napari_gmmseg.volumes import Finding


def test_an_edit_leaves_the_settings_that_were_changed_meanwhile(
    session: Session, gate: Gate, monkeypatch: pytest.MonkeyPatch
):
    gate.open()
    session.run()
    rest(session)
    go_on, merge = threading.Event(), class_acts.merge_classes

    def slow(*arguments, **options):
        assert go_on.wait(30)
        return merge(*arguments, **options)

    monkeypatch.setattr(class_acts, "merge_classes", slow)
    session.merge(1, 2)
    session.retune(seed=9)
    go_on.set()
    rest(session)
    assert (session.config.seed, session.config.n_classes) == (9, 2)


def test_a_fit_that_begins_anew_holds_nothing_and_undo_holds_it_again(session: Session, gate: Gate):
    session.run()
    gate.advance(session)
    session.lock(2, True)
    gate.advance(session)
    assert session.locked == {2}
    session.retune(seed=9)
    assert session.locked == frozenset()
    assert "nothing is locked any more" in (session.can_undo or "")
    session.undo()
    assert session.locked == {2}
    session.cancel()
    gate.open()


def test_a_lock_that_a_method_cannot_hold_is_not_shown():
    real = Session()
    config = FitConfig(method="gmm", max_steps=20, threads=1)
    real.open(SegmentationRequest(three_shells(), find_preset("brain-t1"), config=config))
    said: list[Finding] = []
    real.refused.connect(said.append)
    real.run()
    rest(real)
    real.lock(2, True)
    assert real.locked == {2}
    real.retune(n_classes=4)
    rest(real)
    assert said
    assert real.locked == frozenset()
    real.close()


def test_a_pause_right_after_going_on_holds(session: Session, gate: Gate):
    session.run()
    session.pause()
    gate.advance(session)
    job = session.job
    assert job is not None
    assert job.state is JobState.PAUSED
    session.resume()
    session.pause()
    assert job.pausing
    assert len(session.marks) == 2
    session.cancel()
    gate.open()
