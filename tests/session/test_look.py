"""Where to look first: told to a fit in mid-run, and without effect on anything else."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

from napari_gmmseg.config import find_preset
from napari_gmmseg.session import Job, JobState, segmentation_job
from napari_gmmseg.volumes import Command, FitReport, Look, Stop, Volume

WAIT = 10


def test_the_slice_to_look_at_comes_with_the_next_step_and_once(stepped_fit, states_of):
    fit = stepped_fit(3)
    job = Job(fit)
    states = states_of(job)
    job.look(5)
    job.start()
    fit.allow(3)
    assert job.join(WAIT)
    assert fit.commands == [Look(5), None, None]
    assert states.seen == ["preparing", "running", "done"]


def test_of_several_slices_the_latest_counts(stepped_fit):
    fit = stepped_fit(2)
    job = Job(fit)
    job.start()
    for index in (1, 2, 7):
        job.look(index)
    fit.allow(2)
    assert job.join(WAIT)
    assert fit.commands == [Look(7), None]


def test_stop_goes_before_a_look(stepped_fit):
    fit = stepped_fit(9)
    job = Job(fit)
    job.start()
    job.look(1)
    job.stop()
    fit.allow(9)
    assert job.join(WAIT)
    assert fit.commands == [Stop()]


def test_a_paused_job_is_told_when_it_goes_on(stepped_fit, states_of):
    fit = stepped_fit(3)
    job = Job(fit)
    states = states_of(job)
    job.start()
    job.pause()
    fit.allow(3)
    states.wait_for("paused")
    job.look(4)
    assert job.state is JobState.PAUSED
    job.resume()
    assert job.join(WAIT)
    assert fit.commands[0] == Look(4)


def test_looking_at_what_has_ended_does_nothing(stepped_fit):
    job = Job(stepped_fit(1, free=True))
    job.start()
    assert job.join(WAIT)
    job.look(3)
    assert job.state is JobState.DONE
    cancelled = Job(stepped_fit(1))
    cancelled.cancel()
    cancelled.look(3)
    assert cancelled.state is JobState.CANCELLED


def test_a_look_is_not_lost_on_reading_and_preparing():
    heard: list[Command | None] = []

    def read_then_fit() -> Generator[FitReport, Command | None, int]:
        yield FitReport("Reading", 0, 0)
        yield FitReport("Preparing", 0, 0)
        for step in (1, 2):
            heard.append((yield FitReport("Fitting", step, 2)))
        return 2

    job = Job(read_then_fit)
    job.look(6)
    job.start()
    assert job.join(WAIT)
    assert heard == [Look(6), None]


def test_looks_from_many_threads_leave_the_job_whole(stepped_fit):
    fit = stepped_fit(200, free=True)
    job = Job(fit)
    lookers = [threading.Thread(target=lambda z=z: [job.look(z) for _ in range(50)]) for z in range(4)]
    for looker in lookers:
        looker.start()
    job.start()
    for looker in lookers:
        looker.join(WAIT)
    assert job.join(WAIT)
    assert job.state is JobState.DONE
    assert {type(command) for command in fit.commands} <= {Look, type(None)}


def test_a_request_tells_the_fit_where_to_look_first(stepped_fit, monkeypatch: pytest.MonkeyPatch):
    seen: list[object] = []

    def fit(*_: Any, **options: Any) -> Any:
        seen.append(options["look"])
        return stepped_fit(1, free=True)()

    monkeypatch.setattr("napari_gmmseg.fitting.fit", fit)
    intensities = np.random.default_rng(0).normal(100, 10, (4, 8, 8)).astype(np.float32)
    volume = Volume.from_array(intensities, (1, 1, 1))
    job = segmentation_job(volume, preset=find_preset("custom"), look=2)
    job.start()
    assert job.join(WAIT)
    assert job.error is None
    assert seen == [2]
