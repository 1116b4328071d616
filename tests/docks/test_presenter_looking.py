"""A run is told which slice is shown, and shows what it has of it; no window."""

from __future__ import annotations

import numpy as np
from tests.docks.conftest import SHAPE, add_image, labels_layers, start

from napari_gmmseg.volumes import FitReport, Look


def shown_slice(dock) -> int:
    (image,) = [layer for layer in dock.viewer.layers if type(layer).__name__ == "Image"]
    return round(image.world_to_data(dock.viewer.dims.point)[0])


def test_a_request_begins_with_the_slice_that_is_shown(dock):
    add_image(dock.viewer)
    dock.viewer.dims.set_current_step(0, 3)
    start(dock)
    assert dock.fit.request.look == shown_slice(dock)


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
    assert Look(shown_slice(dock)) == dock.fit.heard[-1]
    assert {command.slice_index for command in dock.fit.heard} <= {first, shown_slice(dock)}


def test_a_slice_that_stays_is_told_once(dock):
    add_image(dock.viewer)
    start(dock)
    dock.step_until(lambda: bool(dock.fit.heard))
    dock.finish()
    assert dock.fit.heard == [Look(shown_slice(dock))]


def test_nothing_is_told_across_the_slices_or_in_three_dimensions(dock):
    add_image(dock.viewer)
    dock.viewer.dims.order = (2, 1, 0)
    start(dock)
    dock.presenter.poll()
    dock.viewer.dims.ndisplay = 3
    dock.finish()
    assert dock.fit.heard == []


def test_a_picture_has_no_slice_to_tell_of(dock):
    dock.viewer.add_image(np.random.default_rng(0).normal(size=SHAPE[1:]), name="picture")
    start(dock)
    dock.finish()
    assert dock.fit.heard == []


def test_labels_that_come_too_soon_after_others_wait_for_their_turn(dock):
    add_image(dock.viewer)
    start(dock)
    (layer,) = labels_layers(dock)
    ones, twos = (np.full(SHAPE, value, dtype=np.uint8) for value in (1, 2))
    job = dock.session.job
    dock.presenter.poll()
    job.logbook.write(FitReport("Testing", 1, 10, preview=ones), None)
    dock.presenter.poll()
    dock.tick = 0.0
    job.logbook.write(FitReport("Testing", 1, 10, preview=twos), None)
    dock.presenter.poll()
    assert np.all(layer.data == 1)
    dock.tick = 10.0
    dock.presenter.poll()
    assert np.all(layer.data == 2)
