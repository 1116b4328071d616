"""A session that did not end is offered at the start of the dock, and comes back as it was left; no window."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.docks.conftest import FakeView, add_image, labels_layers, start

from napari_gmmseg.docks.segment.presenter import SegmentPresenter
from napari_gmmseg.docks.segment.recording import Recording, Recovery
from napari_gmmseg.session.journal import recoverable, sessions_root


class Start:
    """A program that starts: a viewer of its own, and what the dock puts together."""

    def __init__(self, clock) -> None:
        self.viewer, self.view = ViewerModel(), FakeView()
        self.presenter = SegmentPresenter(self.viewer, self.view, clock=clock)
        self.recording = Recording(self.presenter.session, self.view)
        self.recovery = Recovery(self.viewer, self.view, self.presenter, self.recording)
        self.recovery.look()

    def until(self, ready) -> None:
        import threading

        for _ in range(2000):
            self.recovery.poll()
            self.presenter.poll()
            if ready():
                return
            threading.Event().wait(0.005)
        raise AssertionError(f"never became so; {self.view.recovery}, {self.view.messages}")

    def end(self) -> None:
        self.presenter.shut_down()
        self.recovery.shut_down()
        self.recording.end()


@pytest.fixture
def starts(dock):
    """Make starts of the program, which end with the test."""
    made: list[Start] = []

    def again() -> Start:
        made.append(Start(dock._clock))
        return made[-1]

    yield again
    for start_ in made:
        start_.end()


def crashed(dock) -> None:
    """Segment, change two things, and leave no word of having ended."""
    recording = Recording(dock.session, dock.view)
    dock.presenter._begin_anew = recording.begin
    add_image(dock.viewer, channel="t1", preset="brain-t1")
    start(dock)
    dock.finish()
    dock.session.rename(2, "Cortex")
    dock.session.keep_as("first")
    journal = dock.session.recorder
    journal.flush()
    journal.close(finished=False)
    dock.session.recorder = None


def test_nothing_is_offered_where_every_session_ended(starts):
    started = starts()
    started.until(lambda: started.recovery._job is None)
    assert started.view.recovery == ("", False)


def test_a_session_that_did_not_end_comes_back_with_image_layer_names_and_kept_results(dock, starts):
    crashed(dock)
    started = starts()
    started.until(lambda: started.view.recovery[1])
    assert "did not end" in started.view.recovery[0]
    assert list(started.viewer.layers) == []
    started.recovery.recover()
    started.until(lambda: started.presenter.result_layer() is not None)
    assert started.view.recovery == ("", False)
    layer = started.presenter.result_layer()
    assert np.array_equal(layer.data, labels_layers(dock)[0].data)
    assert list(layer.features["class"])[2] == "Cortex"
    assert [kept.name for kept in started.presenter.session.kept] == ["first"]
    assert started.view.choices.n_classes == 3
    assert started.view.messages[0].text.startswith("The session is back")


def test_what_is_done_after_a_recovery_is_recorded_further(dock, starts):
    crashed(dock)
    started = starts()
    started.until(lambda: started.view.recovery[1])
    started.recovery.recover()
    started.until(lambda: started.presenter.result_layer() is not None)
    assert recoverable() == []
    started.presenter.session.rename(3, "Core")
    started.presenter.session.recorder.flush()
    started.presenter.session.recorder.close(finished=False)
    started.recording._journal = None
    again = starts()
    again.until(lambda: again.view.recovery[1])
    again.recovery.recover()
    again.until(lambda: again.presenter.result_layer() is not None)
    assert [c.name for c in again.presenter.session.classes][1:] == ["Cortex", "Core"]


def test_a_session_that_is_discarded_is_gone(dock, starts):
    crashed(dock)
    started = starts()
    started.until(lambda: started.view.recovery[1])
    started.recovery.discard()
    started.until(lambda: not started.view.recovery[0])
    assert recoverable() == []
    assert list(sessions_root().iterdir()) == []


def test_a_session_that_another_program_took_meanwhile_is_a_sentence(dock, starts):
    crashed(dock)
    first, second = starts(), starts()
    for started in (first, second):
        started.until(lambda started=started: started.view.recovery[1])
    first.recovery.recover()
    first.until(lambda: first.presenter.result_layer() is not None)
    second.recovery.recover()
    second.until(lambda: bool(second.view.messages) and second.view.messages[0].severity == "error")
    assert "in use" in second.view.messages[0].text


def test_a_dock_that_ends_leaves_nothing_to_recover(dock):
    recording = Recording(dock.session, dock.view)
    dock.presenter._begin_anew = recording.begin
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    journal = dock.session.recorder
    assert journal.recording
    recording.end()
    journal.wait()
    assert recoverable() == []


def test_a_folder_that_cannot_be_written_is_a_warning_and_work_goes_on(dock, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NAPARI_GMMSEG_SESSIONS", str(tmp_path / "file"))
    recording = Recording(dock.session, dock.view)
    dock.presenter._begin_anew = recording.begin
    add_image(dock.viewer)
    start(dock)
    assert dock.view.messages
    dock.finish()
    assert dock.presenter.result_layer() is not None
    recording.end()
