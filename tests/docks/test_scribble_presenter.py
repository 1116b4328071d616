"""The Scribble dock without a window: paint, see, take back, edit, fine-tune, be told where next."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.docks.scribbling import SHAPE, Scribbling, halves

from napari_gmmseg.docks.scribble import advising
from napari_gmmseg.quality.calibration import Calibration
from napari_gmmseg.session.advising import doubt_in_steps
from napari_gmmseg.session.jobs import cancel_all
from napari_gmmseg.volumes import IGNORED, UNLABELLED, FitReport


@pytest.fixture
def empty() -> Generator[Scribbling]:
    made = Scribbling()
    yield made
    made.close()
    assert cancel_all(timeout=20), "a job outlived its test"


@pytest.fixture
def started(empty) -> Scribbling:
    empty.open()
    return empty


@pytest.fixture
def painted(started) -> Scribbling:
    started.paint(1, 4)
    started.paint(2, 27)
    started.rest()
    return started


def test_an_empty_viewer_is_told_in_a_sentence(empty):
    empty.presenter.start()
    assert "no image" in empty.view.messages[0].text
    assert not empty.view.shown.started


def test_start_adds_a_layer_to_paint_on_and_chooses_the_first_class(started):
    assert started.viewer.layers.selection.active is started.strokes
    assert str(started.strokes.mode) == "paint"
    assert started.view.shown.tool == started.view.shown.lines[0].value
    assert "Nothing is painted yet" in started.view.shown.sentence


def test_strokes_in_one_class_alone_are_told_which_others_are_missing(started):
    started.paint(1, 4)
    started.presenter.poll()
    assert "1 stroke in C1, none in C2 and C3: paint at least one in each." in started.view.shown.sentence


def test_two_strokes_are_answered_in_a_layer_of_their_own(painted):
    labels = painted.answer.data
    assert (labels[..., :12] == 1).mean() > 0.95
    assert (labels[..., 20:] == 2).mean() > 0.95


def test_each_class_has_a_bar_with_its_labelled_voxels(painted):
    first, second, third = painted.view.shown.lines
    assert first.n_voxels == int((painted.strokes.data == 1).sum()) > 0
    assert max(first.share, second.share) == 1.0
    assert third.n_voxels == 0


def test_undo_takes_the_stroke_out_of_both_layers(painted):
    before = painted.answer.data.copy()
    painted.paint(2, 8)
    painted.rest()
    assert not np.array_equal(painted.answer.data, before)
    painted.presenter.undo()
    painted.rest()
    assert np.array_equal(painted.answer.data, before)
    assert not (painted.strokes.data[:, :, 8] == 2).any()


def test_napari_s_undo_of_a_stroke_is_the_session_s(painted):
    before = painted.answer.data.copy()
    painted.paint(2, 8)
    painted.rest()
    painted.strokes.undo()
    painted.rest()
    assert np.array_equal(painted.answer.data, before)
    assert painted.view.shown.redo == "Paint Class 2"


def test_erase_and_ignore_are_tools(painted):
    painted.presenter.choose(IGNORED)
    assert painted.strokes.selected_label == IGNORED
    painted.presenter.choose(UNLABELLED)
    assert str(painted.strokes.mode) == "erase"


def test_a_label_that_no_class_has_is_refused_and_taken_out_of_the_layer(painted):
    painted.strokes.data_setitem((np.array([1]), np.array([2]), np.array([3])), 9)
    painted.presenter.poll()
    assert painted.strokes.data[1, 2, 3] == 0
    assert "no class of the label 9" in painted.view.messages[0].text


def test_what_is_painted_in_the_result_is_set_by_hand_and_outlasts_strokes(painted):
    painted.presenter.edit_result(True)
    painted.answer.data_setitem((np.array([0, 0]), np.array([2, 2]), np.array([2, 3])), 2)
    painted.presenter.poll()
    assert len(painted.session.edits) == 2
    painted.presenter.edit_result(False)
    painted.paint(1, 6)
    painted.rest()
    assert painted.answer.data[0, 2, 2:4].tolist() == [2, 2]


def test_next_class_goes_round(painted):
    painted.presenter.choose(3)
    painted.presenter.press("next_class")
    assert painted.view.shown.tool == 1


def test_next_spot_goes_to_the_slice_and_says_why(painted):
    painted.presenter.press("next_spot")
    painted.rest()
    assert painted.view.shown.spot not in ("", "Looking where to paint …")


def test_calibration_with_few_strokes_says_so(painted):
    painted.presenter.calibrate()
    painted.rest()
    assert painted.view.shown.calibration.startswith("Too few strokes to calibrate")


def test_a_map_of_uncertainty_comes_and_goes(painted):
    painted.presenter.show_doubt("entropy")
    painted.rest()
    (layer,) = [layer for layer in painted.viewer.layers if layer.name.endswith("uncertainty")]
    assert layer.data.shape == SHAPE
    assert painted.viewer.layers.selection.active is painted.strokes
    painted.presenter.show_doubt("none")
    assert not any(layer.name.endswith("uncertainty") for layer in painted.viewer.layers)


def test_a_calibration_holds_for_answers_of_the_method_that_it_was_fitted_to(painted, monkeypatch):
    used = []

    def doubt(result, kind, calibration):
        used.append(calibration)
        return doubt_in_steps(result, kind, calibration)

    monkeypatch.setattr(advising, "doubt_in_steps", doubt)
    found = Calibration(2.0, 50, 0.1, 0.05, None)
    for method in ("scribbles", "finetuned"):
        painted.presenter._bound.advisor._take_calibration(found, replace(painted.session.result, method=method))
        painted.presenter.show_doubt("entropy")
        painted.rest()
    assert used == [found, None]


def test_a_fine_tuning_shows_progress_and_can_be_stopped(painted):
    painted.presenter.finetune(None)
    painted.poll_until(lambda: "step" in painted.view.shown.tuning.text)
    assert painted.view.shown.tuning.on
    # Without a step there would be nothing to keep.
    painted.poll_until(lambda: painted.session.tuning_progress.report.step > 0)
    painted.session.stop_tuning()
    painted.rest()
    assert painted.session.result.method == "finetuned"
    assert not painted.view.shown.tuning.on


def test_strokes_are_written_and_read(painted, tmp_path):
    painted.view.path = tmp_path / "strokes.json"
    painted.presenter.export_strokes()
    painted.rest()
    labels = painted.strokes.data.copy()
    painted.presenter.clear()
    assert not painted.strokes.data.any()
    painted.presenter.import_strokes()
    painted.rest()
    assert np.array_equal(painted.strokes.data, labels)
    assert "2 strokes read" in painted.view.messages[0].text


def test_a_removed_image_is_told_and_nothing_breaks(painted):
    painted.viewer.layers.remove(painted.viewer.layers[0])
    painted.presenter.poll()
    assert "not in the viewer" in painted.view.messages[0].text
    assert not painted.view.shown.started


def test_a_removed_layer_of_strokes_comes_back_with_them(painted):
    labels = painted.strokes.data.copy()
    painted.viewer.layers.remove(painted.strokes)
    painted.presenter.poll()
    assert not painted.view.shown.started
    painted.presenter.start()
    painted.poll_until(lambda: painted.view.shown.started)
    assert np.array_equal(painted.strokes.data, labels)


def test_the_brush_is_set_in_mm(started):
    started.view.brush = (6.0, True)
    started.presenter.set_brush()
    assert started.strokes.brush_size == 6
    assert started.strokes.n_edit_dimensions == 3


def test_one_class_more_can_be_painted_and_is_answered(painted):
    painted.presenter.add_class()
    added = painted.view.shown.lines[-1]
    assert painted.view.shown.tool == added.value
    painted.paint(added.value, 15)
    painted.rest()
    assert (painted.answer.data == added.value).any()


def test_another_image_begins_anew_with_layers_of_its_own(painted):
    painted.viewer.layers.selection.active = painted.viewer.add_image(
        np.zeros((3, 10, 10), dtype=np.float32) + np.arange(10, dtype=np.float32)
    )
    painted.presenter.start()
    painted.poll_until(lambda: painted.session.request.volume.grid_shape == (3, 10, 10))
    painted.poll_until(lambda: painted.view.shown.started)
    assert all(line.n_voxels == 0 for line in painted.view.shown.lines)


def test_a_click_fills_the_region_there_in_the_shown_slice(painted):
    painted.viewer.dims.set_point(0, 2.0)
    painted.presenter.edit_result(True)
    painted.presenter.use_edit_tool("fill")
    painted.presenter.choose(2)
    painted.presenter.editor.point((1, 2, 2))
    painted.rest()
    assert (painted.answer.data[1, 2:20, 1:12] == 2).all()
    assert (painted.answer.data[0, 2:20, 1:12] == 1).all()
    painted.presenter.undo()
    assert (painted.answer.data[1, 2:20, 1:12] == 1).all()


def test_an_island_under_the_mouse_is_dropped_by_its_key(painted):
    painted.presenter.edit_result(True)
    where = tuple(np.array([(1, 5, 4), (1, 5, 5), (1, 6, 5)]).T)
    painted.answer.data_setitem(where, 2)
    painted.presenter.poll()
    painted.presenter.edit_result(False)
    painted.viewer.cursor.position = (2.0, 5.0, 5.0)
    painted.presenter.press("drop_island")
    painted.rest()
    assert painted.answer.data[where].tolist() == [1, 1, 1]
    assert painted.view.shown.undo == "Drop an island"


def test_a_class_painted_in_two_slices_of_the_result_is_interpolated(painted):
    painted.presenter.edit_result(True)
    painted.presenter.choose(2)
    for z in (0, 2):
        painted.answer.data_setitem(tuple(np.array([(z, y, x) for y in (8, 9, 10) for x in (4, 5, 6)]).T), 2)
        painted.presenter.poll()
    painted.presenter.press("interpolate")
    painted.rest()
    assert (painted.answer.data[1, 8:11, 4:7] == 2).all()
    assert "Set by hand: 27 voxels." in painted.view.shown.sentence


def test_interpolation_without_two_slices_says_what_is_missing(painted):
    painted.presenter.edit_result(True)
    painted.presenter.choose(2)
    painted.presenter.press("interpolate")
    painted.rest()
    assert "no slice between two edited ones" in painted.view.messages[0].text


def test_a_click_while_nothing_is_edited_changes_nothing(painted):
    before = painted.answer.data.copy()
    painted.presenter.editor.point((1, 2, 2))
    painted.rest()
    assert np.array_equal(painted.answer.data, before)


def test_snapshots_that_disagree_are_shown_and_go_with_their_network(painted):
    painted.presenter.show_doubt("disagreement")
    assert "no fine-tuned network" in painted.view.messages[0].text
    assert painted.view.shown.doubt == "none"
    painted.session.finetune(steps=20)
    painted.rest()
    painted.presenter.show_doubt("disagreement")
    painted.rest()
    (layer,) = [layer for layer in painted.viewer.layers if layer.name.endswith("uncertainty")]
    assert layer.data.max() > 0
    before = layer.data
    painted.paint(2, 12)
    painted.rest()
    assert layer.data is before
    painted.presenter.undo()
    painted.presenter.undo()
    painted.rest()
    painted.presenter.poll()
    assert painted.view.shown.doubt == "none"
    assert not any(layer.name.endswith("uncertainty") for layer in painted.viewer.layers)


def test_a_stroke_in_a_locked_class_s_region_is_refused_and_goes_from_the_layer(painted):
    painted.session.lock(2, on=True)
    before = painted.answer.data.copy()
    painted.paint(1, 27)
    painted.rest()
    assert "Class 2, which is locked" in painted.view.messages[0].text
    assert "Unlock" in painted.view.messages[0].hint
    assert len(painted.session.scribbles.strokes) == 2
    assert (painted.strokes.data[1, 5:19, 27] == 2).all()
    assert np.array_equal(painted.answer.data, before)


def test_erase_unlabels_what_it_passes_over_and_the_answer_follows(painted):
    painted.paint(2, 9)
    painted.rest()
    wrong = painted.answer.data.copy()
    painted.paint(UNLABELLED, 9, rows=(0, 24))
    painted.rest()
    assert not (painted.strokes.data[1, :, 8:11] == 2).any()
    assert painted.view.shown.undo == "Erase strokes"
    assert (painted.answer.data[..., 7:12] == 2).sum() < (wrong[..., 7:12] == 2).sum()


def test_what_is_ignored_is_no_stroke_of_any_class(painted):
    counts = [line.n_voxels for line in painted.view.shown.lines]
    painted.paint(IGNORED, 15)
    painted.rest()
    assert painted.view.shown.undo == "Ignore a region"
    assert [line.n_voxels for line in painted.view.shown.lines] == counts
    assert (painted.session.scribbles.class_indices()[painted.strokes.data == IGNORED] < 0).all()


def test_a_brush_of_some_mm_paints_so_many_mm(empty):
    empty.open(halves((9, 24, 32)))
    empty.view.brush = (5.0, False)
    empty.presenter.choose(1)
    empty.strokes.paint((4, 12, 16), 1)
    touched = np.argwhere(empty.strokes.data == 1)
    assert set(touched[:, 0].tolist()) == {4}
    assert np.ptp(touched[:, 1:], axis=0).tolist() == [4, 4]
    empty.view.brush = (9.0, True)
    empty.presenter.choose(2)
    empty.strokes.paint((4, 12, 16), 2)
    touched = np.argwhere(empty.strokes.data == 2)
    # Slices are 2 mm apart, pixels 1 mm.
    assert np.ptp(touched, axis=0).tolist() == [4, 8, 8]


def rings(made: Scribbling) -> list:
    return [layer for layer in made.viewer.layers if layer.name == "Next spot"]


def test_a_ring_marks_the_next_spot_until_something_is_painted(painted, monkeypatch):
    spots = [SimpleNamespace(position=(2, 10, 15), why="There."), SimpleNamespace(position=(0, 3, 30), why="Here.")]

    def advice(_result, _scribbles):
        yield FitReport("Looking", 0, 0)
        return SimpleNamespace(spots=spots, finding=None)

    monkeypatch.setattr("napari_gmmseg.docks.scribble.advising.advice_in_steps", advice)
    for spot in spots:
        painted.presenter.press("next_spot")
        painted.rest()
        assert painted.view.shown.spot.startswith(spot.why)
        (ring,) = rings(painted)
        assert np.allclose(painted.viewer.layers[0].world_to_data(ring.data_to_world(ring.data[0])), spot.position)
        assert painted.viewer.dims.current_step[0] == spot.position[0]
    assert painted.viewer.layers.selection.active is painted.strokes
    painted.paint(2, 20)
    painted.rest()
    assert not rings(painted)
    assert painted.view.shown.spot == ""
