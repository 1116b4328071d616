"""A run is told which slice is shown; no window."""

from __future__ import annotations

import numpy as np
from tests.docks.conftest import SHAPE, add_image, start

from napari_gmmseg.docks.segment.case import Case
from napari_gmmseg.plugin.slices import slice_at
from napari_gmmseg.session import SegmentationRequest
from napari_gmmseg.volumes import FitReport, Look


def shown_slice(dock) -> int:
    (image,) = [layer for layer in dock.viewer.layers if type(layer).__name__ == "Image"]
    return round(image.world_to_data(dock.viewer.dims.point)[0])


def test_the_slice_that_is_shown_when_run_is_pressed_is_taken_down(dock):
    add_image(dock.viewer)
    dock.viewer.dims.set_current_step(0, 3)
    start(dock)
    assert slice_at(dock.case.inputs.shown, dock.case.grid) == shown_slice(dock)


def test_a_request_begins_with_the_slice_that_is_shown(dock, monkeypatch):
    add_image(dock.viewer)
    dock.viewer.dims.set_current_step(0, 3)
    start(dock)
    asked: list[SegmentationRequest] = []

    def remember(request: SegmentationRequest):
        asked.append(request)
        yield FitReport("Fitting", 1, 1)

    monkeypatch.setattr("napari_gmmseg.docks.segment.case.segment_in_steps", remember)
    steps = Case(dock.case.inputs).steps()
    next(steps)
    next(steps)
    assert asked[0].look == shown_slice(dock)


def test_the_run_hears_of_each_slice_that_is_shown_and_of_the_newest_only(dock):
    add_image(dock.viewer)
    dock.viewer.dims.set_current_step(0, 1)
    start(dock)
    first = shown_slice(dock)
    dock.presenter.poll()
    for step in (3, 2, 0):
        dock.viewer.dims.set_current_step(0, step)
    dock.presenter.poll()
    dock.finish()
    assert Look(shown_slice(dock)) == dock.case.heard[-1]
    assert {command.slice_index for command in dock.case.heard} <= {first, shown_slice(dock)}


def test_a_slice_that_stays_is_told_once(dock):
    add_image(dock.viewer)
    start(dock)
    dock.step_until(lambda: bool(dock.case.heard))
    dock.finish()
    assert dock.case.heard == [Look(shown_slice(dock))]


def test_nothing_is_told_across_the_slices_or_in_three_dimensions(dock):
    add_image(dock.viewer)
    dock.viewer.dims.order = (2, 1, 0)
    start(dock)
    dock.presenter.poll()
    dock.viewer.dims.ndisplay = 3
    dock.finish()
    assert dock.case.heard == []


def test_a_picture_has_no_slice_to_tell_of(dock):
    dock.viewer.add_image(np.random.default_rng(0).normal(size=SHAPE[1:]), name="picture")
    start(dock)
    dock.finish()
    assert dock.case.heard == []
