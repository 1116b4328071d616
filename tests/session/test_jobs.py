"""Jobs: a fit on a thread of its own."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
import threading

import pytest

from napari_gmmseg.errors import GmmsegError, InputError, ResourceError
from napari_gmmseg.session import Job, JobState
from napari_gmmseg.session.jobs import REPORT_INTERVAL, FitGenerator
from napari_gmmseg.volumes import FitReport, Stop


def test_a_job_ends_with_what_its_fit_returns(stepped_fit, states_of):
    fit = stepped_fit(5, free=True)
    job = Job(fit)
    states = states_of(job)
    job.start()
    assert job.join(10)
    assert states.seen == ["preparing", "running", "done"]
    assert job.result is not None
    assert job.result.steps == 5
    assert fit.closed


def test_a_paused_job_takes_no_further_step_until_it_is_resumed(stepped_fit, states_of):
    fit = stepped_fit(100)
    job = Job(fit)
    states = states_of(job)
    job.start()
    fit.allow(1)
    states.wait_for("running")
    job.pause()
    fit.allow(50)
    states.wait_for("paused")
    held_at = fit.done
    assert held_at <= 3
    assert job.state is JobState.PAUSED
    fit.allow(49)
    job.resume()
    assert job.join(10)
    assert job.state is JobState.DONE
    assert fit.done == 100


def test_a_pause_holds_within_one_step(stepped_fit, states_of):
    fit = stepped_fit(10)
    job = Job(fit)
    states = states_of(job)
    job.pause()
    job.start()
    job.pause()
    fit.allow(10)
    states.wait_for("paused")
    assert fit.done == 1


def test_stop_keeps_the_best_so_far_and_sends_the_command_once(stepped_fit, states_of):
    fit = stepped_fit(100)
    job = Job(fit)
    states = states_of(job)
    job.start()
    fit.allow(1)
    states.wait_for("running")
    job.stop()
    fit.allow(1)
    assert job.join(10)
    assert job.state is JobState.DONE
    assert job.result is not None
    assert job.result.stopped
    assert sum(isinstance(c, Stop) for c in fit.commands) == 1


def test_stop_reaches_a_fit_behind_steps_that_cannot_end_early():
    """Reading and preparing take no notice of what they are told."""
    asked = threading.Event()

    def read_then_fit():
        yield FitReport("Reading", 0, 0)
        assert asked.wait(10)
        yield FitReport("Preparing", 0, 0)
        for step in range(1, 101):
            if isinstance((yield FitReport("Fitting", step, 100)), Stop):
                return step
        return 100

    job = Job(read_then_fit)
    job.start()
    job.stop()
    asked.set()
    assert job.join(10)
    assert job.result == 1


def test_stop_works_on_a_paused_job(stepped_fit, states_of):
    fit = stepped_fit(10)
    job = Job(fit)
    states = states_of(job)
    job.start()
    job.pause()
    fit.allow(1)
    states.wait_for("paused")
    job.stop()
    assert job.join(10)
    assert states.seen == ["preparing", "running", "paused", "stopping", "done"]


def test_cancel_closes_the_fit_and_keeps_nothing(stepped_fit, states_of):
    fit = stepped_fit(100)
    job = Job(fit)
    states = states_of(job)
    job.start()
    fit.allow(1)
    states.wait_for("running")
    job.cancel()
    fit.allow(1)
    assert job.join(10)
    assert job.state is JobState.CANCELLED
    assert job.result is None
    assert fit.closed


def test_cancel_works_on_a_paused_job(stepped_fit, states_of):
    fit = stepped_fit(10)
    job = Job(fit)
    states = states_of(job)
    job.start()
    job.pause()
    fit.allow(1)
    states.wait_for("paused")
    job.cancel()
    assert job.join(10)
    assert job.state is JobState.CANCELLED


def test_a_job_cancelled_before_it_starts_never_runs(stepped_fit):
    fit = stepped_fit(10, free=True)
    job = Job(fit)
    job.cancel()
    assert job.state is JobState.CANCELLED
    with pytest.raises(RuntimeError, match="starts once"):
        job.start()
    assert fit.done == 0


def _failing(error: BaseException) -> FitGenerator:
    yield FitReport("Test", 1, 2)
    raise error


def test_an_error_of_ours_reaches_the_person_as_it_is():
    wrong = InputError("The image is empty.", "Open another.")
    job = Job(lambda: _failing(wrong))
    job.start()
    assert job.join(10)
    assert job.state is JobState.FAILED
    assert job.error is wrong


def test_lack_of_memory_is_told_as_such():
    job = Job(lambda: _failing(MemoryError()))
    job.start()
    assert job.join(10)
    assert isinstance(job.error, ResourceError)


def test_any_other_error_becomes_a_sentence_and_a_log_entry(caplog):
    job = Job(lambda: _failing(ZeroDivisionError("by zero")))
    with caplog.at_level(logging.ERROR):
        job.start()
        assert job.join(10)
    assert isinstance(job.error, GmmsegError)
    assert "ZeroDivisionError" in job.error.message
    assert caplog.records


def test_an_error_while_preparing_is_told_too():
    def broken() -> FitGenerator:
        raise InputError("No such layer.", "Choose another.")

    job = Job(broken)
    job.start()
    assert job.join(10)
    assert job.state is JobState.FAILED
    assert str(job.error) == "No such layer. Choose another."


def test_a_listener_that_raises_does_not_end_the_job(stepped_fit, caplog):
    job = Job(stepped_fit(3, free=True))

    @job.reported.connect
    def listener(progress: object) -> None:
        raise ValueError("not the job's fault")

    job.start()
    assert job.join(10)
    assert job.state is JobState.DONE
    assert any("listener" in r.message for r in caplog.records)


def test_first_and_last_report_arrive_and_at_most_25_a_second(stepped_fit, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("napari_gmmseg.session.jobs.time.monotonic", lambda: now[0])
    steps: list[int] = []

    def fast() -> FitGenerator:
        fit = stepped_fit(1000, free=True)()
        command = None
        while True:
            now[0] += 0.001
            try:
                command = yield fit.send(command)
            except StopIteration as end:
                return end.value

    job = Job(fast)
    job.reported.connect(lambda progress: steps.append(progress.report.step))
    job.start()
    assert job.join(10)
    assert steps[0] == 1
    assert steps[-1] == 1000
    assert len(steps) <= 1.0 / REPORT_INTERVAL + 2


def test_a_late_reader_finds_the_newest_report_only(stepped_fit):
    job = Job(stepped_fit(50, free=True))
    job.start()
    assert job.join(10)
    progress = job.mailbox.take()
    assert progress is not None
    assert progress.report.step == 50
    assert progress.generation == job.generation
    assert job.mailbox.take() is None


def test_generations_rise_from_job_to_job(stepped_fit):
    assert Job(stepped_fit()).generation < Job(stepped_fit()).generation


def test_a_job_can_be_cancelled_from_its_own_listener(stepped_fit):
    job = Job(stepped_fit(1000, free=True))
    job.reported.connect(lambda _: job.cancel())
    job.start()
    assert job.join(10)
    assert job.state is JobState.CANCELLED


def test_no_thread_is_left_when_the_program_ends_in_mid_run():
    program = textwrap.dedent(
        """
        import time
        from napari_gmmseg.session import Job
        from napari_gmmseg.volumes import FitReport

        def endless():
            try:
                step = 0
                while True:
                    step += 1
                    time.sleep(0.005)
                    yield FitReport("Test", step, 10**9)
            finally:
                print("closed", flush=True)

        job = Job(endless)
        job.start()
        while job.mailbox.take() is None:
            time.sleep(0.005)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "closed"


def test_session_brings_neither_napari_nor_qt_nor_torch_along():
    program = (
        "import sys, napari_gmmseg.session;"
        "print([m for m in ('napari', 'qtpy', 'torch', 'PyQt6', 'nibabel') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_the_worker_has_a_telling_name(stepped_fit, states_of):
    fit = stepped_fit(2)
    job = Job(fit, name="brain")
    job.start()
    assert f"gmmseg-brain-{job.generation}" in {t.name for t in threading.enumerate()}
    fit.allow(2)
    assert job.join(10)
