"""Strokes on a series over time: each belongs to its frame, and that frame is answered."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest
from tests.docks.scribbling import SHAPE, Scribbling

from napari_gmmseg.plugin.metadata import KEY
from napari_gmmseg.session.jobs import cancel_all

N_FRAMES = 3


def part_of(t: int) -> np.ndarray:
    """Class of each column of a frame."""
    return np.where(np.arange(SHAPE[-1]) < 12 + 4 * t, 1, 2)


@pytest.fixture
def cine() -> Generator[Scribbling]:
    """A series whose bright part begins farther right from frame to frame, not yet begun on."""
    made = Scribbling()
    noise = np.random.default_rng(0).normal(0, 3, (N_FRAMES, *SHAPE))
    frames = np.stack([np.where(part_of(t) == 1, 20.0, 80.0) for t in range(N_FRAMES)])[:, None, None] + noise
    made.viewer.add_image(frames.astype(np.float32), scale=(1.0, 2.0, 1.0, 1.0), metadata={KEY: {"preset": "custom"}})
    yield made
    made.close()
    assert cancel_all(timeout=20), "a job outlived its test"


@pytest.fixture
def started(cine: Scribbling) -> Scribbling:
    cine.presenter.choose_axis4("time")
    cine.presenter.start()
    cine.poll_until(lambda: cine.view.shown.started)
    return cine


def paint(cine: Scribbling, value: int, x: int, t: int) -> None:
    cine.viewer.dims.set_point(0, float(t))
    cine.presenter.choose(value)
    with cine.strokes.block_history():
        for y in range(4, 20):
            cine.strokes.paint((t, 1, y, x), value)


def assert_answered(labels: np.ndarray, t: int) -> None:
    """What is as dark as air is background far from a stroke; all else is as it was painted."""
    wanted = np.broadcast_to(part_of(t), labels.shape)
    assert (labels == wanted)[labels > 0].mean() > 0.98
    assert (labels > 0)[wanted == 1].mean() > 0.8
    assert (labels > 0)[wanted == 2].mean() > 0.98


def test_what_the_fourth_axis_is_is_asked_in_the_dock(cine):
    cine.presenter.start()
    assert cine.view.shown.asks_axis4
    assert "not said what the fourth is" in cine.view.messages[0].text
    cine.presenter.choose_axis4("time")
    cine.presenter.start()
    cine.poll_until(lambda: cine.view.shown.started)
    assert not cine.view.shown.asks_axis4
    assert cine.strokes.data.shape == (N_FRAMES, *SHAPE)


@pytest.mark.parametrize("t", range(N_FRAMES))
def test_strokes_on_a_frame_belong_to_it_and_are_answered_there(started, t):
    paint(started, 1, 6, t)
    paint(started, 2, 27, t)
    started.rest()
    assert {int(s.voxels[0, 0]) for s in started.session.scribbles.strokes} == {t}
    assert_answered(started.answer.data[t], t)


def test_another_frame_is_answered_as_soon_as_it_is_painted(started):
    for t in (0, 2):
        paint(started, 1, 6, t)
        paint(started, 2, 27, t)
        started.rest()
    for t in (0, 2):
        assert_answered(started.answer.data[t], t)


def test_a_fine_tuning_an_edit_and_the_next_spot_work_on_a_series(started):
    paint(started, 1, 10, 1)
    paint(started, 2, 28, 1)
    started.rest()
    started.session.finetune(steps=3)
    started.rest()
    assert started.session.result.method == "finetuned"
    started.presenter.next_spot()
    started.rest()
    assert started.view.shown.spot
    started.viewer.dims.set_point(0, 1.0)
    before = started.answer.data.copy()
    started.presenter.edit_result(True)
    started.presenter.choose(2)
    for z in (0, 2):
        places = np.array([(1, z, y, x) for y in (8, 9, 10) for x in (9, 10, 11)])
        started.answer.data_setitem(tuple(places.T), 2)
        started.presenter.poll()
    started.presenter.press("interpolate")
    started.rest()
    assert (started.answer.data[1, 1, 8:11, 9:12] == 2).all()
    assert np.array_equal(started.answer.data[[0, 2]], before[[0, 2]])
