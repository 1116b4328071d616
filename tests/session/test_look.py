"""Where to look first: told to a fit in mid-run, and without effect on anything else."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_gmmseg.config import FitConfig, find_preset
from napari_gmmseg.session import Job, JobState, SegmentationRequest, segment_in_steps, segmentation_job
from napari_gmmseg.volumes import Command, FitReport, Look, Segmentation, Stop, Volume

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


def test_another_phase_is_told_anew_where_to_look():
    heard: list[Command | None] = []

    def two_phases() -> Generator[FitReport, Command | None, int]:
        for phase in ("Mixture", "Network"):
            for step in (1, 2, 3):
                heard.append((yield FitReport(phase, step, 3)))
        return 2

    job = Job(two_phases)
    job.look(6)
    job.start()
    assert job.join(WAIT)
    assert heard == [Look(6), None, None, Look(6), None, None]


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


def three_shells() -> Volume:
    """A ball of three tissues in so much noise that a refinement pays."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in (10, 16, 18)], indexing="ij"))
    labels = np.digitize(-np.linalg.norm(grid, axis=0), (-0.9, -0.7, -0.45))
    rough = np.maximum(labels * 60 + np.random.default_rng(0).normal(0, 20, labels.shape), 1)
    return Volume.from_array(np.where(labels > 0, rough, 0).astype(np.float32), (1, 1, 1))


FEW = FitConfig(max_steps=30, warm_steps=2, width=4, depth=2, threads=1)


def refined(look: int | None, looks: tuple[int, ...] = ()) -> Segmentation:
    """A refinement that was told after each step to look at one slice or another."""
    request = SegmentationRequest(three_shells(), find_preset("brain-t1"), config=FEW, look=look)
    steps = segment_in_steps(request)
    ahead = itertools.cycle(looks)
    command: Command | None = None
    while True:
        try:
            steps.send(command)
        except StopIteration as end:
            result: Segmentation = end.value
            return result
        command = Look(next(ahead)) if looks else None


def test_where_a_person_looks_changes_no_bit_of_the_result():
    plain, looked = refined(None), refined(3, (9, 0, 5))
    assert plain.method == "blindspot"
    assert plain.prior is not None
    np.testing.assert_array_equal(plain.prior, looked.prior)
    np.testing.assert_array_equal(plain.label_map.labels, looked.label_map.labels)


@pytest.mark.parametrize("outside", [-1, 10, 10_000])
def test_a_look_past_the_volume_ends_nothing(outside: int):
    assert refined(outside, (outside,)).method == "blindspot"


def test_a_stop_in_mid_training_keeps_what_the_network_has_learnt():
    """So many steps that it ends by the command or not at all."""
    job = segmentation_job(three_shells(), preset=find_preset("brain-t1"), config=replace(FEW, max_steps=10_000))

    learnt = (FEW.warm_steps or 0) + 30
    job.reported.connect(lambda progress: job.stop() if progress.report.step > learnt else None)
    job.start()
    assert job.join(60)
    assert job.result is not None, job.error
    assert job.result.stopped
    assert job.result.prior is not None
    assert job.result.base is not None
    assert job.result.steps < 10_000
