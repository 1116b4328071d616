"""What the Segment dock does with settings, maps, saved masks, and images of every kind; no window."""

from __future__ import annotations

import time

import numpy as np
from napari.layers import Image
from tests.docks.conftest import SHAPE, FakeView, add_image, labels_layers, start

from napari_gmmseg.config import FitConfig
from napari_gmmseg.docks.segment.mask_saver import MaskSaver
from napari_gmmseg.docks.segment.presenter import SegmentPresenter
from napari_gmmseg.docks.segment.wording import progress_in_words
from napari_gmmseg.io import read_labels
from napari_gmmseg.session import JobState, Progress
from napari_gmmseg.volumes import FitReport


def test_quick_takes_the_spatial_mixture_and_advanced_its_own_settings(dock):
    add_image(dock.viewer)
    dock.presenter.choose(method="quick", n_classes=4)
    start(dock)
    assert dock.fit.request.config.method == "spatial"
    assert dock.fit.request.config.n_classes == 4
    dock.finish()
    dock.presenter.choose(method="advanced", advanced={"method": "gmm", "covariance": "full", "seed": 7})
    start(dock)
    config = dock.fit.request.config
    assert (config.method, config.covariance, config.seed) == ("gmm", "full", 7)


def test_settings_out_of_bounds_are_a_sentence_with_the_field_s_title(dock):
    add_image(dock.viewer)
    dock.presenter.choose(method="advanced", advanced={"tolerance": -1.0})
    dock.presenter.run()
    assert dock.view.messages[0].text.startswith("Tolerance [nat/voxel] cannot be -1.0")


def test_deep_settings_that_contradict_each_other_are_a_sentence_before_the_run(dock):
    add_image(dock.viewer)
    dock.presenter.choose(method="advanced", advanced={"method": "deepsvg", "mean_weight": 1.0})
    dock.presenter.run()
    assert dock.presenter.job is None
    assert "mean weight" in dock.view.messages[0].text
    assert dock.view.messages[0].hint.startswith("Choose the gradient full")


def test_the_time_left_is_said_to_be_of_this_part_where_a_network_may_follow():
    def told(phase: str, config: FitConfig) -> str:
        progress = Progress(1, FitReport(phase, 3, 9), 4.0)
        return progress_in_words(progress, JobState.RUNNING, False, config)

    assert "this part at most 4 s" in told("Spatial mixture", FitConfig())
    assert "this part" not in told("Spatial mixture", FitConfig(refine=False))
    assert "this part at most 4 s" in told("Spatial mixture", FitConfig(method="deepsvg"))
    assert "this part" not in told("Blind-spot prior", FitConfig())
    assert "this part" not in told("Spatial mixture", FitConfig(method="spatial"))


def test_probability_maps_are_added_on_request_hidden_and_in_place(dock):
    image = add_image(dock.viewer)
    dock.presenter.choose(wants_maps=True)
    start(dock)
    dock.finish()
    maps = [layer for layer in dock.viewer.layers if isinstance(layer, Image) and layer is not image]
    assert len(maps) == 4
    assert not any(layer.visible for layer in maps)
    assert all(np.array_equal(layer.scale, image.scale) for layer in maps)
    assert [i.name for i in dock.view.choices.images] == [image.name]


def test_a_saved_mask_holds_the_paint_and_says_that_it_was_compared(dock, tmp_path):
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    layer = labels_layers(dock)[0]
    layer.data_setitem((np.array([0]), np.array([0]), np.array([0])), 2)
    dock.view.save_to = tmp_path / "mask.nii.gz"
    saver = MaskSaver(dock.view, dock.presenter.result_layer)
    saver.save()
    dock.poll_until(saver.poll)
    assert dock.view.saved == "✓ mask.nii.gz: saved, re-read and compared."
    assert np.array_equal(read_labels(tmp_path / "mask.nii.gz").labels, layer.data)


def test_a_mask_that_cannot_be_written_is_a_sentence(dock, tmp_path):
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    dock.view.save_to = tmp_path / "nowhere" / "mask.nii.gz"
    saver = MaskSaver(dock.view, dock.presenter.result_layer)
    saver.save()
    dock.poll_until(saver.poll)
    assert dock.view.saved == ""
    assert "no folder" in dock.view.messages[0].text


def test_an_image_without_spacing_gives_voxels_not_ml(dock):
    dock.viewer.add_image(np.random.default_rng(0).normal(size=SHAPE), name="plain")
    start(dock)
    dock.finish()
    assert all(row.amount.endswith("voxels") and row.soft_amount.endswith("voxels") for row in dock.view.rows)


def test_the_whole_way_through_a_real_fit(dock, monkeypatch):
    monkeypatch.undo()
    volume_shape = (12, 16, 16)
    rng = np.random.default_rng(1)
    truth = np.zeros(volume_shape, dtype=int)
    truth[2:10, 2:14, 2:8], truth[2:10, 2:14, 8:14] = 1, 2
    image = add_image(dock.viewer, "two boxes", shape=volume_shape)
    image.data = np.where(truth > 0, truth * 100 + rng.normal(0, 5, volume_shape), 0).astype(np.float32)
    view = FakeView()
    presenter = SegmentPresenter(dock.viewer, view)
    presenter.choose_preset("custom")
    presenter.choose(n_classes=2)
    presenter.run()
    until = time.monotonic() + 60
    while view.polling and time.monotonic() < until:
        presenter.poll()
        presenter.job.join(0.01)
    layer = presenter.result_layer()
    assert view.messages == [] or all(m.severity != "error" for m in view.messages), view.messages
    assert np.array_equal(layer.data, truth)
    assert "model of mixed voxels" in view.rows[0].tip
    presenter.shut_down()


def test_an_ellipse_drawn_over_the_image_can_be_the_region(dock):
    image = add_image(dock.viewer)
    corners = np.array([[1, 0, 0], [1, 0, 4], [1, 4, 4], [1, 4, 0]], dtype=float)
    world = [image.data_to_world(corner) for corner in corners]
    shapes = dock.viewer.add_shapes([np.array(world)], shape_type="ellipse", name="ventricle")
    dock.presenter.choose_preset("cardiac")
    assert dock.view.choices.region == id(shapes)
    start(dock)
    region = dock.fit.request.region
    assert region.shape == SHAPE
    assert region[1, 2, 2]
    assert not region[0].any()


def test_channels_told_for_a_fourth_axis_give_one_mask(dock):
    dock.viewer.add_image(np.random.default_rng(0).normal(size=(3, *SHAPE)), name="frames")
    dock.presenter.choose(axis4="channel")
    start(dock)
    dock.finish()
    (layer,) = labels_layers(dock)
    assert layer.data.shape == SHAPE
    assert np.any(layer.data)
