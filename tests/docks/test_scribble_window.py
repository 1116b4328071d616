"""The Scribble dock in a real window, with a real mouse on the canvas: paint, see, fine-tune, undo, next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractButton, QComboBox, QDoubleSpinBox, QLabel, QProgressBar, QScrollArea, QWidget
from tests.docks.canvas_mouse import canvas_of, paint
from tests.docks.conftest import NEEDS_SCREEN
from tests.docks.scribbling import SHAPE, halves

from napari_gmmseg.docks.scribble.shown import Tuning
from napari_gmmseg.fitting.scribbling.finetuning import Finetuning
from napari_gmmseg.plugin.metadata import KEY

pytestmark = NEEDS_SCREEN
_LONG = 30_000


@pytest.fixture
def window(make_napari_viewer, qtbot):
    """The smallest window that is promised to do, with an image of two halves, and strokes begun by a click."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 720)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Scribble")
    viewer.add_image(halves(), scale=(2.0, 1.0, 1.0), units=("mm",) * 3, metadata={KEY: {"preset": "custom"}})
    click(qtbot, dock, "start")
    qtbot.waitUntil(lambda: dock.presenter.started, timeout=_LONG)
    viewer.dims.set_current_step(0, 1)
    viewer.reset_view()
    qtbot.wait(50)
    yield viewer, dock
    dock.presenter.shut_down()
    dock.presenter.session.close()


def click(qtbot, dock, name: str) -> None:
    qtbot.mouseClick(dock.findChild(QAbstractButton, f"scribble_{name}"), Qt.MouseButton.LeftButton)


def strokes_of(viewer):
    return next(layer for layer in viewer.layers if layer.name == "Scribbles")


def answer_of(viewer):
    return next(layer for layer in viewer.layers if layer.name.endswith("scribbled"))


def brush(qtbot, viewer, dock, value: int, x: int) -> None:
    """Choose a class by its button and drag the mouse down a column of the shown slice."""
    before = len(dock.presenter.session.scribbles.strokes)
    click(qtbot, dock, f"class_{value}")
    paint(viewer, strokes_of(viewer), [(1, y, x) for y in range(5, 19)])
    qtbot.waitUntil(lambda: len(dock.presenter.session.scribbles.strokes) == before + 1, timeout=_LONG)


def rest(qtbot, dock) -> None:
    qtbot.waitUntil(lambda: not dock.presenter.busy, timeout=_LONG)


@pytest.fixture
def painted(window, qtbot):
    viewer, dock = window
    brush(qtbot, viewer, dock, 1, 4)
    brush(qtbot, viewer, dock, 2, 27)
    rest(qtbot, dock)
    return viewer, dock


def test_a_mouse_that_paints_is_answered_in_the_shown_slice_and_the_volume(painted):
    viewer, _ = painted
    labels = answer_of(viewer).data
    # What is darkest is taken for air, except near a stroke.
    assert (labels[..., :12] == 2).mean() < 0.01
    assert (labels[..., :12] == 1).mean() > 0.5
    assert (labels[..., 20:] == 2).mean() > 0.95


def test_a_drag_of_the_mouse_is_one_stroke(painted):
    _, dock = painted
    first, second = dock.presenter.session.scribbles.strokes
    assert (first.value, second.value) == (1, 2)
    assert set(first.voxels[:, 0].tolist()) == {1}


def test_undo_by_button_and_by_ctrl_z_take_the_stroke_back(painted, qtbot):
    viewer, dock = painted
    before = answer_of(viewer).data.copy()
    brush(qtbot, viewer, dock, 2, 9)
    rest(qtbot, dock)
    click(qtbot, dock, "undo")
    rest(qtbot, dock)
    assert np.array_equal(answer_of(viewer).data, before)
    brush(qtbot, viewer, dock, 2, 9)
    rest(qtbot, dock)
    qtbot.keyClick(canvas_of(viewer), Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(dock.presenter.session.scribbles.strokes) == 2, timeout=_LONG)
    rest(qtbot, dock)
    assert np.array_equal(answer_of(viewer).data, before)


def test_fine_tune_shows_progress_stops_and_is_undone(painted, qtbot):
    viewer, dock = painted
    before = answer_of(viewer).data.copy()
    click(qtbot, dock, "tune_long")
    progress = dock.findChild(QProgressBar, "scribble_progress")
    text = dock.findChild(QLabel, "scribble_tuning_text")
    qtbot.waitUntil(lambda: progress.isVisible() and "step" in text.text(), timeout=_LONG)
    # Without a step there would be nothing to keep.
    session = dock.presenter.session
    qtbot.waitUntil(
        lambda: session.tuning_progress is not None and session.tuning_progress.report.step > 0, timeout=_LONG
    )
    click(qtbot, dock, "stop")
    rest(qtbot, dock)
    assert dock.presenter.session.result.method == "finetuned"
    click(qtbot, dock, "undo")
    rest(qtbot, dock)
    assert np.array_equal(answer_of(viewer).data, before)


def test_shift_n_moves_the_viewer_and_says_why(painted, qtbot):
    viewer, dock = painted
    qtbot.keyClick(canvas_of(viewer), Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    label = dock.findChild(QLabel, "scribble_spot_text")
    qtbot.waitUntil(lambda: label.isVisible() and "Looking" not in label.text(), timeout=_LONG)
    assert label.text()


def test_two_hundred_voxels_edited_by_hand_outlast_a_fine_tuning_and_another_number_of_classes(painted, qtbot):
    viewer, dock = painted
    session, answer = dock.presenter.session, answer_of(viewer)
    flat = np.random.default_rng(3).choice(int(np.prod(SHAPE)), 200, replace=False)
    where = np.unravel_index(flat, SHAPE)
    wrong = np.where(answer.data[where] == 1, 2, 1).astype(np.uint8)
    click(qtbot, dock, "edit")
    for value in (1, 2):
        answer.data_setitem(tuple(axis[wrong == value] for axis in where), value)
        dock.presenter.poll()
    assert len(session.edits) == 200
    session.finetune(steps=3)
    rest(qtbot, dock)
    assert (answer.data[where] == wrong).all()
    for k in (3, 4):
        session.retune(n_classes=k)
        qtbot.waitUntil(lambda: not (session.running or session.editing), timeout=_LONG)
        assert len(session.result.label_map.classes) == k
        assert (session.result.label_map.labels[where] == wrong).all()
        qtbot.waitUntil(lambda: bool((answer.data[where] == wrong).all()), timeout=_LONG)


def test_a_mouse_click_drops_the_island_that_the_mouse_has_painted(painted, qtbot):
    viewer, dock = painted
    click(qtbot, dock, "edit")
    click(qtbot, dock, "class_2")
    answer = answer_of(viewer)
    paint(viewer, answer, [(1, y, 8) for y in range(8, 14)])
    qtbot.waitUntil(lambda: dock.presenter.editor.n_edited > 0, timeout=_LONG)
    assert answer.data[1, 10, 8] == 2
    click(qtbot, dock, "edit_island")
    centre = viewer.scene.camera.center
    paint(viewer, answer, [(1, 10, 8)])
    qtbot.waitUntil(lambda: dock.presenter.session.can_undo == "Drop an island", timeout=_LONG)
    rest(qtbot, dock)
    assert not dock.presenter.session.editing
    assert answer.data[1, 10, 8] == 1
    assert viewer.scene.camera.center == centre
    click(qtbot, dock, "undo")
    assert answer.data[1, 10, 8] == 2


def test_a_drag_while_clicks_fill_fills_nothing(painted, qtbot):
    viewer, dock = painted
    click(qtbot, dock, "edit")
    click(qtbot, dock, "edit_fill")
    paint(viewer, answer_of(viewer), [(1, y, 8) for y in range(8, 14)])
    qtbot.wait(50)
    rest(qtbot, dock)
    assert dock.presenter.editor.n_edited == 0
    paint(viewer, answer_of(viewer), [(1, 8, 8)])
    qtbot.waitUntil(lambda: dock.presenter.editor.n_edited > 0, timeout=_LONG)


def test_a_class_painted_in_two_slices_is_interpolated_by_its_button(painted, qtbot):
    viewer, dock = painted
    click(qtbot, dock, "edit")
    click(qtbot, dock, "class_2")
    answer = answer_of(viewer)
    for z in (0, 2):
        viewer.dims.set_current_step(0, z)
        before = dock.presenter.editor.n_edited
        paint(viewer, answer, [(z, y, 8) for y in range(8, 14)])
        qtbot.waitUntil(lambda before=before: dock.presenter.editor.n_edited > before, timeout=_LONG)
    button = dock.findChild(QAbstractButton, "scribble_interpolate")
    qtbot.waitUntil(button.isEnabled, timeout=_LONG)
    click(qtbot, dock, "interpolate")
    rest(qtbot, dock)
    assert dock.presenter.session.can_undo.startswith("Interpolate")
    first, between, last = (
        {tuple(voxel[1:]) for voxel in dock.presenter.session.edits.voxels.tolist() if voxel[0] == z} for z in range(3)
    )
    assert len(first & last) > 5
    assert first & last <= between <= first | last
    assert all(answer.data[(1, *voxel)] == 2 for voxel in between)


def test_every_control_can_be_reached_by_key_and_says_what_it_does(painted):
    _, dock = painted
    kinds = (QAbstractButton, QComboBox, QDoubleSpinBox)
    controls = [widget for kind in kinds for widget in dock.findChildren(kind) if widget.objectName()]
    ours = [widget for widget in controls if widget.objectName().startswith("scribble_")]
    assert len(ours) > 15
    for widget in ours:
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, widget.objectName()
        assert widget.toolTip(), widget.objectName()


def test_the_dock_fits_a_small_window_without_scrolling_sideways(painted):
    viewer, dock = painted
    scroll = dock.findChild(QScrollArea, "scribble_scroll")
    assert not scroll.horizontalScrollBar().isVisible()
    assert dock.width() < 0.35 * viewer.window.geometry()[2]
    button = dock.findChild(QWidget, "scribble_export")
    assert button.mapTo(dock, button.rect().bottomLeft()).y() < dock.height()


def test_a_whole_round_by_mouse_and_key_paint_tune_paint_next_undo(painted, qtbot, monkeypatch):
    viewer, dock = painted
    session = dock.presenter.session
    # Of tissues a network of which nothing is checked does not count.
    monkeypatch.setattr(Finetuning, "_share", 1.0)
    masks = [answer_of(viewer).data.copy()]
    click(qtbot, dock, "tune_long")
    qtbot.waitUntil(
        lambda: session.tuning_progress is not None and session.tuning_progress.report.step > 3, timeout=_LONG
    )
    click(qtbot, dock, "stop")
    rest(qtbot, dock)
    masks.append(answer_of(viewer).data.copy())
    brush(qtbot, viewer, dock, 2, 9)
    rest(qtbot, dock)
    assert session.result.provenance["network_counts"]
    assert session.result.method == "scribbles"
    assert (answer_of(viewer).data[tuple(session.scribbles.strokes[-1].voxels.T)] == 2).all()
    qtbot.keyClick(canvas_of(viewer), Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    label = dock.findChild(QLabel, "scribble_spot_text")
    qtbot.waitUntil(lambda: label.isVisible() and "Looking" not in label.text(), timeout=_LONG)
    for mask in reversed(masks):
        qtbot.keyClick(canvas_of(viewer), Qt.Key.Key_Z, Qt.KeyboardModifier.ShiftModifier)
        rest(qtbot, dock)
        assert np.array_equal(answer_of(viewer).data, mask)
    assert [stroke.value for stroke in session.scribbles.strokes] == [1, 2]


def test_buttons_that_take_turns_are_never_there_together(painted, qtbot):
    _, dock = painted
    before = [dock.findChild(QAbstractButton, f"scribble_{name}") for name in ("tune_5", "tune_30", "tune_long")]
    during = [dock.findChild(QAbstractButton, f"scribble_{name}") for name in ("pause", "stop", "cancel")]
    together = []

    class Watch(QObject):
        def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
            if event.type() == QEvent.Type.Show:
                together.append(any(b.isVisible() for b in before) and any(b.isVisible() for b in during))
            return False

    watch = Watch(dock)
    for button in (*before, *during):
        button.installEventFilter(watch)
    place = dock.width()
    for on in (True, False):
        dock.show_state(replace(dock.presenter._shown, tuning=Tuning(can_begin=True, on=on)))
        qtbot.wait(20)
        assert dock.width() == place
    # All six would not fit: for a moment the dock would be wider than its place.
    assert len(together) == 6
    assert not any(together)


def test_an_empty_dock_is_wide_enough_for_its_words(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 720)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Scribble")
    qtbot.wait(100)
    assert [dock.findChild(QAbstractButton, f"scribble_{name}").text() for name in ("undo", "redo")] == ["Undo", "Redo"]
    dock.presenter.shut_down()


def test_closing_the_dock_leaves_the_strokes_and_no_thread(painted, qtbot):
    viewer, dock = painted
    viewer.window.remove_dock_widget(dock)
    assert dock.presenter.closed
    assert strokes_of(viewer).data.any()
