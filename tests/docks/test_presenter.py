"""What the Segment dock does, without a window."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from tests.docks.conftest import SHAPE, FakeView, add_image, labels_layers, start

from napari_gmmseg.docks.common.calm import CalmCollector
from napari_gmmseg.docks.segment.presenter import SegmentPresenter
from napari_gmmseg.plugin.metadata import label_map_of
from napari_gmmseg.plugin.sample_data import heart
from napari_gmmseg.session import JobState


def test_an_empty_viewer_says_what_to_do(dock):
    assert "no image" in dock.view.messages[0].text
    assert not dock.view.controls.run
    dock.presenter.run()
    assert dock.presenter.job is None


def test_the_newest_image_is_chosen_with_its_contrast_and_preset(dock):
    add_image(dock.viewer, "old")
    add_image(dock.viewer, "sub-01_T2w")
    chosen = [i for i in dock.view.choices.images if i.chosen]
    assert [(i.name, i.contrast) for i in chosen] == [("sub-01_T2w", "t2")]
    assert dock.view.choices.preset == "brain-t1"
    assert dock.view.controls.run
    assert dock.view.messages == []


def test_what_the_person_ticked_stays_when_another_image_comes(dock):
    first = add_image(dock.viewer, "first")
    add_image(dock.viewer, "second")
    dock.presenter.choose_image(id(first), chosen=True)
    add_image(dock.viewer, "third")
    assert [i.name for i in dock.view.choices.images if i.chosen] == ["second", "first"]


def test_the_sample_heart_is_ready_to_run_with_channels_region_and_classes(dock):
    for data, settings, kind in heart():
        getattr(dock.viewer, f"add_{kind}")(data, **settings)
    choices = dock.view.choices
    assert [i.contrast for i in reversed(choices.images) if i.chosen] == ["bssfp", "lge", "t2"]
    assert choices.preset == "cardiac"
    assert choices.n_classes == 4
    assert choices.region == id(dock.viewer.layers["Left ventricle"])


def test_the_cardiac_preset_without_a_region_is_a_sentence(dock):
    add_image(dock.viewer)
    dock.presenter.choose_preset("cardiac")
    dock.presenter.run()
    assert dock.presenter.job is None
    assert "left-ventricle" in dock.view.messages[0].text


def test_a_fourth_axis_is_asked_for(dock):
    dock.viewer.add_image(np.random.default_rng(0).normal(size=(3, *SHAPE)), name="frames")
    assert dock.view.choices.asks_axis4
    dock.presenter.choose(axis4="time")
    start(dock)
    dock.finish()
    assert labels_layers(dock)[0].data.shape == (3, *SHAPE)


def test_an_rgb_image_is_refused_with_a_hint(dock):
    dock.viewer.add_image(np.zeros((5, 6, 3), dtype=np.uint8), rgb=True)
    dock.presenter.run()
    assert dock.view.messages[0].severity == "error"
    assert "RGB" in dock.view.messages[0].text
    assert dock.presenter.job is None


def test_a_run_previews_and_ends_in_a_layer_over_the_image(dock):
    image = add_image(dock.viewer)
    start(dock)
    layer = labels_layers(dock)[0]
    assert not layer.editable
    dock.poll_until(lambda: bool(np.any(layer.data)))
    dock.finish()
    (layer,) = labels_layers(dock)
    assert layer.editable
    assert np.array_equal(layer.scale, image.scale)
    assert np.array_equal(layer.translate, image.translate)
    assert layer.units == image.units
    assert label_map_of(layer.metadata) is not None
    assert list(layer.features["class"])[1:] == ["Cerebrospinal fluid", "Grey matter", "White matter"]
    assert layer.colormap.map(np.array([1]))[0] == pytest.approx((0.337, 0.706, 0.914, 1.0), abs=0.01)
    assert [row.amount for row in dock.view.rows] == ["0.1 ml"] * 3
    assert [row.soft_amount for row in dock.view.rows] == ["0.1 ml"] * 3
    assert dock.view.rows[0].tip.endswith("Hard: voxels of the mask. Soft: each voxel counts with its probability.")
    assert dock.view.certainty.startswith("Sure (p > 0.9) of 100 %")
    assert dock.view.progress == ("Done · spatial mixture · 10 steps", 1.0)


def test_progress_tells_step_time_left_and_the_buttons_fit(dock):
    add_image(dock.viewer)
    dock.presenter.run()
    assert dock.view.controls.cancel
    assert not dock.view.controls.run
    dock.step_until(lambda: "at most 1 s" in dock.view.progress[0])
    assert dock.view.controls.pause
    assert dock.view.controls.busy
    dock.finish()
    assert dock.view.controls.run
    assert dock.view.controls.save


def test_pause_resume_and_stop_keep_the_best_so_far(dock):
    add_image(dock.viewer)
    start(dock)
    dock.presenter.pause_or_resume()
    assert dock.view.controls.paused
    dock.allow(1)
    dock.poll_until(lambda: "paused" in dock.view.progress[0])
    assert dock.presenter.job.state is JobState.PAUSED
    dock.presenter.pause_or_resume()
    dock.presenter.stop()
    dock.finish()
    assert "Stopped, the best so far is kept" in dock.view.progress[0]
    assert len(labels_layers(dock)) == 1


def test_cancel_leaves_everything_as_before(dock):
    add_image(dock.viewer)
    before = list(dock.viewer.layers)
    start(dock)
    dock.presenter.cancel()
    dock.finish()
    assert list(dock.viewer.layers) == before
    assert "as before" in dock.view.messages[0].text
    assert not dock.view.controls.save


def test_an_error_in_a_run_is_a_sentence_and_leaves_no_layer(dock):
    add_image(dock.viewer)
    dock.fails = True
    dock.presenter.run()
    dock.finish()
    assert [(m.text, m.hint, m.severity) for m in dock.view.messages] == [
        ("The image is odd.", "Take another.", "error")
    ]
    assert labels_layers(dock) == []


def test_a_person_s_own_layer_is_never_written_on(dock):
    image = add_image(dock.viewer)
    own = dock.viewer.add_labels(np.full(SHAPE, 9, dtype=np.uint8), name=f"{image.name} segmentation")
    start(dock)
    dock.finish()
    assert np.all(own.data == 9)
    assert len(labels_layers(dock)) == 2


def test_each_run_has_its_own_layer_and_hides_the_one_before(dock):
    add_image(dock.viewer)
    for _ in range(2):
        start(dock)
        dock.finish()
    first, second = labels_layers(dock)
    assert (first.visible, second.visible) == (False, True)


def test_removing_the_image_in_mid_run_cancels_with_a_sentence(dock):
    image = add_image(dock.viewer)
    start(dock)
    dock.viewer.layers.remove(image)
    dock.finish()
    assert "was removed" in dock.view.messages[0].text
    assert list(dock.viewer.layers) == []


def test_removing_the_result_in_mid_run_brings_it_back_at_the_end(dock):
    add_image(dock.viewer)
    start(dock)
    dock.viewer.layers.remove(labels_layers(dock)[0])
    dock.step_until(lambda: bool(dock.view.messages))
    assert "result layer was removed" in dock.view.messages[0].text
    dock.finish()
    assert np.any(labels_layers(dock)[0].data)


def test_closing_in_mid_run_leaves_no_thread_and_no_listener(dock):
    add_image(dock.viewer)
    start(dock)
    job = dock.presenter.job
    dock.presenter.shut_down()
    dock.allow(1)
    assert job.join(10)
    assert job.state is JobState.CANCELLED
    shown = dock.view.choices
    add_image(dock.viewer, "later")
    assert dock.view.choices is shown


def test_two_docks_on_two_viewers_do_not_mind_each_other(dock):
    other_view = FakeView()
    other = SegmentPresenter(type(dock.viewer)(), other_view)
    add_image(dock.viewer)
    assert other_view.choices.images == ()
    other.shut_down()


def test_the_collector_is_as_before_after_every_end(dock):
    add_image(dock.viewer)
    before = gc.get_threshold()
    start(dock)
    assert gc.get_threshold()[2] > before[2]
    dock.finish()
    assert gc.get_threshold() == before
    start(dock)
    dock.presenter.cancel()
    dock.finish()
    assert gc.get_threshold() == before


def test_two_docks_in_calm_at_once_leave_the_collector_as_it_was():
    before = gc.get_threshold()
    first, second = CalmCollector(), CalmCollector()
    first.begin()
    second.begin()
    first.end()
    assert gc.get_threshold()[2] > before[2]
    second.end()
    assert gc.get_threshold() == before


def test_cancel_after_the_last_step_but_before_it_is_shown_shows_nothing(dock):
    add_image(dock.viewer)
    before = list(dock.viewer.layers)
    start(dock)
    dock.allow(20)
    assert dock.presenter.job.join(10)
    assert dock.presenter.job.state is JobState.DONE
    dock.presenter.cancel()
    dock.finish()
    assert list(dock.viewer.layers) == before
    assert "as before" in dock.view.messages[0].text
    assert not dock.view.controls.save


def test_stop_at_once_after_run_is_heard(dock):
    add_image(dock.viewer)
    dock.presenter.run()
    dock.presenter.stop()
    dock.poll_until(lambda: dock.session.job is not None)
    dock.finish()
    assert "Stopped, the best so far is kept" in dock.view.progress[0]


def test_a_duplicate_of_the_preview_is_the_person_s_own(dock):
    add_image(dock.viewer)
    start(dock)
    (preview,) = labels_layers(dock)
    mine = np.full(SHAPE, 9, dtype=np.uint8)
    copy = dock.viewer.add_labels(mine, metadata=dict(preview.metadata), name="kept")
    dock.viewer.layers.remove(preview)
    dock.finish()
    assert np.all(copy.data == 9)
    assert np.any(dock.presenter.result_layer().data)


def test_what_others_keep_in_the_metadata_of_the_result_stays(dock):
    add_image(dock.viewer)
    start(dock)
    labels_layers(dock)[0].metadata["other"] = "kept"
    dock.finish()
    assert labels_layers(dock)[0].metadata["other"] == "kept"


def test_a_dock_that_leaves_its_window_in_mid_run_takes_its_preview_along(dock):
    add_image(dock.viewer)
    before = list(dock.viewer.layers)
    start(dock)
    job = dock.presenter.job
    dock.presenter.leave()
    dock.allow(1)
    assert job.join(10)
    assert job.state is JobState.CANCELLED
    assert list(dock.viewer.layers) == before
    assert not dock.view.polling


def test_a_viewer_emptied_after_a_run_says_what_to_do_until_there_is_an_image(dock):
    add_image(dock.viewer)
    start(dock)
    dock.finish()
    dock.viewer.layers.clear()
    assert "no image" in dock.view.messages[0].text
    add_image(dock.viewer, "next")
    assert dock.view.messages == []
