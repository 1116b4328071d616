"""What a session does with its runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.session.gates import Gate, rest

from napari_gmmseg.errors import InputError
from napari_gmmseg.session import FinishReason, JobState, Session
from napari_gmmseg.volumes import Finding, FitReport


def refusals(session: Session) -> list[str]:
    said: list[str] = []
    session.refused.connect(lambda finding: said.append(finding.message))
    return said


def changes(session: Session) -> list[str]:
    said: list[str] = []
    session.changed.connect(said.append)
    return said


def test_a_run_to_its_end_brings_a_result(session: Session, gate: Gate):
    gate.open()
    seen = changes(session)
    session.run()
    rest(session)
    assert session.result is not None
    assert session.job is not None
    assert session.job.reason is FinishReason.DONE
    assert {"job", "classes", "result", "history"} <= set(seen)


def test_without_an_image_a_run_is_refused():
    session = Session()
    said = refusals(session)
    session.run()
    assert said == ["There is no image."]
    assert session.job is None


def test_a_second_run_is_refused_while_one_is_on(session: Session, gate: Gate):
    session.run()
    first, said = session.job, refusals(session)
    session.run()
    assert said == ["A run is on."]
    assert session.job is first


def test_classes_and_gaussians_are_known_from_the_first_step(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 2)
    assert session.mixture is not None
    assert session.classes is not None
    assert len(session.classes) == session.mixture.n_classes == 3


def test_pause_holds_and_resume_goes_on(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 3)
    session.pause()
    gate.advance(session, 5)
    session.poll()
    assert session.job is not None
    assert session.job.state is JobState.PAUSED
    held = session.job.n_reports
    assert held <= 3
    gate.open()
    session.resume()
    rest(session)
    assert session.result is not None
    assert session.result.steps == 12


def test_a_pause_is_marked_beside_the_curves(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 3)
    session.pause()
    assert session.marks == ((2, "Pause"),)


def test_stop_keeps_the_best_so_far(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 4)
    session.stop()
    gate.open()
    rest(session)
    assert session.job is not None
    assert session.job.reason is FinishReason.STOPPED
    assert session.result is not None
    assert session.result.stopped
    assert session.result.steps < 12


def test_cancel_goes_back_to_before(session: Session, gate: Gate):
    before = session.situation
    session.run()
    gate.advance(session, 3)
    session.retune(n_classes=5)
    session.lock(1, True)
    session.cancel()
    assert session.situation == before
    assert not session.running
    assert session.can_undo is None


def test_a_cancelled_run_paints_no_more(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 3)
    session.cancel()
    gate.open()
    assert session.poll() is None
    assert session.result is None
    assert session.progress is None or session.progress.generation == session.job.generation


def test_a_setting_reaches_the_run_that_is_on(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 2)
    session.retune(n_classes=5)
    assert session.config.n_classes == 5
    gate.advance(session, 3)
    assert len(session.classes or ()) == 5
    gate.open()
    rest(session)
    assert session.result is not None
    assert len(session.result.label_map.classes) == 5


def test_k_moved_to_and_fro_in_mid_run_keeps_names_with_their_classes(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 2)
    session.rename(2, "Grey")
    for k in (5, 2, 3):
        session.retune(n_classes=k)
        gate.advance(session, 3)
        assert len(session.classes or ()) == k
        assert "Grey" in [tissue.name for tissue in session.classes or ()]
    assert session.job is not None
    assert session.job.error is None


def test_a_value_out_of_bounds_is_refused_and_nothing_changes(session: Session):
    said, before = refusals(session), session.config
    session.retune(n_classes=99)
    session.retune(no_such_setting=1)
    assert len(said) == 2
    assert session.config is before
    assert session.can_undo is None


def test_what_the_fit_refuses_is_told_and_put_back(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 2)
    for value in (1, 2, 3):
        session.lock(value, True)
        gate.advance(session, 2)
    said = refusals(session)
    session.retune(n_classes=2)
    assert session.config.n_classes == 2
    gate.advance(session, 3)
    assert said == ["All classes are named or locked."]
    assert session.config.n_classes == 3
    assert session.can_undo == "Lock Class 3"


def test_a_setting_on_a_result_begins_a_run_that_goes_on_from_it(session: Session, gate: Gate):
    gate.open()
    session.run()
    rest(session)
    session.rename(1, "Fluid")
    session.retune(n_classes=4)
    assert session.running
    rest(session)
    assert session.result is not None
    names = [tissue.name for tissue in session.result.label_map.classes]
    assert names == ["Fluid", "Class 2", "Class 3", "Class 4"]


def test_a_setting_that_asks_for_a_new_beginning_waits_for_the_next_run(session: Session, gate: Gate):
    gate.open()
    session.run()
    rest(session)
    session.retune(covariance="full")
    assert not session.running
    assert session.config.covariance == "full"


def test_a_drag_sends_what_was_not_heard_yet_as_one(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 2)
    session.begin_drag()
    for k in (4, 5, 6):
        session.retune(n_classes=k)
    session.end_drag()
    gate.advance(session, 3)
    assert len(session.classes or ()) == 6
    assert [words for _, words in session.marks] == ["Classes K: 5 → 6"]
    session.undo()
    assert session.config.n_classes == 3


def test_names_and_colours_follow_their_tissue_through_a_fresh_run(session: Session, gate: Gate):
    gate.open()
    session.run()
    rest(session)
    session.rename(3, "Bright")
    session.recolour(3, (1.0, 0.0, 0.0))
    session.retune(n_classes=4)
    rest(session)
    session.merge(1, 2)
    rest(session)
    session.retune(covariance="full")
    session.run()
    rest(session)
    assert session.classes is not None
    assert session.classes.values == (1, 4, 3)
    bright = next(tissue for tissue in session.classes if tissue.name == "Bright")
    assert bright.colour == (1.0, 0.0, 0.0)
    assert session.result is not None
    assert session.result.label_map.labels[3, 5, 9] == bright.value == 3


def test_a_run_with_a_locked_class_goes_on_from_where_it_is_locked(session: Session, gate: Gate):
    gate.open()
    session.run()
    rest(session)
    session.lock(2, True)
    session.run()
    rest(session)
    assert session.result is not None
    assert "Adjust" in [kind for _, kind in session.result.provenance["heard"]]
    assert session.locked == {2}


def _failing(error: Exception) -> Any:
    def steps(_: object) -> Any:
        yield FitReport("Fake", 1, 2)
        raise error

    return steps


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InputError("The image is empty."), FinishReason.FAILED),
        (MemoryError(), FinishReason.OUT_OF_MEMORY),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"), FinishReason.OUT_OF_MEMORY),
    ],
)
def test_a_run_that_fails_says_why_and_leaves_what_was_there(session: Session, monkeypatch, error, reason):
    monkeypatch.setattr("napari_gmmseg.session.following.segment_in_steps", _failing(error))
    session.run()
    rest(session)
    assert session.job is not None
    assert session.job.reason is reason
    assert session.result is None
    assert session.can_undo is None


def test_another_image_ends_the_run_and_forgets_the_last_one(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 2)
    request = session.request
    assert request is not None
    session.open(request)
    gate.open()
    assert not session.running
    assert session.result is None
    assert session.can_undo is None


def test_a_listener_that_raises_does_not_keep_the_session_from_its_result(session: Session, gate: Gate, caplog):
    def listener(_: str) -> None:
        raise ValueError("not the session's fault")

    session.changed.connect(listener)
    gate.open()
    session.run()
    rest(session)
    assert session.result is not None
    assert any("listener" in record.message for record in caplog.records)


def test_curves_have_every_report_though_few_are_shown(session: Session, gate: Gate):
    gate.open()
    session.run()
    rest(session)
    assert [report.step for report in session.trail] == list(range(1, 13))
    assert all(report.preview is None and report.mixture is not None for report in session.trail)


def test_a_preview_waits_until_it_is_taken(session: Session, gate: Gate):
    session.run()
    gate.advance(session, 2)
    session.poll()
    assert session.job is not None
    preview = session.job.take_preview()
    assert preview is not None
    assert preview.shape == (4, 6, 10)
    assert session.job.take_preview() is None


def test_kept_results_stay_with_their_settings(session: Session, gate: Gate):
    gate.open()
    session.run()
    rest(session)
    session.keep_as("three")
    first = session.result
    session.retune(n_classes=4)
    rest(session)
    said = refusals(session)
    session.keep_as("three")
    session.keep_as("four")
    assert [(k.name, k.config.n_classes) for k in session.kept] == [("three", 3), ("four", 4)]
    assert session.kept[0].segmentation is first
    assert len(said) == 1
    session.drop("three")
    assert [k.name for k in session.kept] == ["four"]


def test_what_happens_is_recorded_in_order(session: Session, gate: Gate):
    events: list[dict[str, Any]] = []
    session.recorder = type("Recorder", (), {"record": lambda self, event: events.append(dict(event))})()
    session.run()
    gate.advance(session, 2)
    session.retune(n_classes=4)
    gate.open()
    rest(session)
    session.keep_as("four")
    session.undo()
    kinds = [event["kind"] for event in events]
    assert kinds[:4] == ["acted", "began", "acted", "said"]
    told = next(event for event in events if event["kind"] == "told")
    assert type(told["command"]).__name__ == "Retune"
    state = next(event for event in events if event["kind"] == "state")
    assert state["after"] == told["after"]
    ended = next(event for event in events if event["kind"] == "ended")
    assert ended["result"] is session.kept[0].segmentation
    assert kinds[-2:] == ["kept", "undone"]
    (began,) = events[-1]["then"]
    assert began["kind"] == "began"
    np.testing.assert_array_equal(began["state"].arrays["weights"], state["state"].arrays["weights"])


def test_a_refusal_is_a_finding(session: Session):
    seen: list[Finding] = []
    session.refused.connect(seen.append)
    session.merge(1, 9)
    assert [(type(finding), finding.code) for finding in seen] == [(Finding, "refused")]
