"""Classes, kept results, undo and the number of classes in a real window."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QLineEdit,
    QScrollArea,
    QSlider,
    QSpinBox,
    QTableWidget,
    QTreeWidget,
)
from tests.docks.conftest import NEEDS_SCREEN, SteppedFit, add_image

from napari_gmmseg.docks.common.history_row import HistoryRow
from napari_gmmseg.docks.common.keys import KEYS
from napari_gmmseg.docks.common.number_slider import REST, NumberSlider

pytestmark = NEEDS_SCREEN
_NAME = 1


@pytest.fixture
def both(window, qtbot, monkeypatch):
    """Segment and Classes after a run, in the smallest window that is promised to do."""
    viewer, dock = window
    monkeypatch.setattr(
        "napari_gmmseg.session.following.segment_in_steps",
        lambda request: SteppedFit(request, threading.Semaphore(99)).steps(),
    )
    _, classes = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Classes")
    add_image(viewer, channel="t1", preset="brain-t1")
    dock.presenter.run()
    qtbot.waitUntil(lambda: dock.presenter.result_layer() is not None, timeout=30_000)
    qtbot.waitUntil(lambda: table_of(classes).rowCount() == 3, timeout=5000)
    yield viewer, dock, classes
    classes.presenter.shut_down()


def table_of(classes) -> QTableWidget:
    return classes.findChild(QTableWidget, "classes_table")


def names_in(classes) -> list[str]:
    return [table_of(classes).item(row, _NAME).text() for row in range(table_of(classes).rowCount())]


def press(qtbot, dock, name: str) -> None:
    qtbot.mouseClick(dock.findChild(QAbstractButton, name), Qt.MouseButton.LeftButton)


def test_a_name_written_into_the_table_is_the_class_s_and_undo_takes_it_back(both, qtbot):
    _, dock, classes = both
    table_of(classes).item(1, _NAME).setText("Cortex")
    qtbot.waitUntil(lambda: "Cortex" in dock.findChild(QAbstractButton, "segment_undo").toolTip(), timeout=5000)
    assert [c.name for c in dock.presenter.session.classes][1] == "Cortex"
    press(qtbot, dock, "segment_undo")
    qtbot.waitUntil(lambda: names_in(classes)[1] == "Grey matter", timeout=5000)


def test_the_lock_is_a_box_to_tick_and_follows_undo(both, qtbot):
    _, dock, classes = both
    classes.findChild(QAbstractButton, "classes_lock_1").click()
    assert dock.presenter.session.locked == {1}
    dock.presenter.session.undo()
    qtbot.waitUntil(lambda: not classes.findChild(QAbstractButton, "classes_lock_1").isChecked(), timeout=5000)


def test_a_name_that_is_refused_does_not_stay_in_the_table(both, qtbot):
    _, _dock, classes = both
    table_of(classes).item(1, _NAME).setText("White matter")
    assert names_in(classes)[1] == "Grey matter"
    assert "name of another class" in classes.messages.shown[0].text


def test_two_selected_rows_can_be_merged(both, qtbot):
    _, dock, classes = both
    table = table_of(classes)
    assert not classes.findChild(QAbstractButton, "classes_merge").isEnabled()
    table.selectRow(1)
    table.setSelectionMode(QTableWidget.SelectionMode.MultiSelection)
    table.selectRow(2)
    press(qtbot, classes, "classes_merge")
    qtbot.waitUntil(lambda: table.rowCount() == 2, timeout=10_000)
    assert names_in(classes) == ["Cerebrospinal fluid", "Grey matter"]
    qtbot.waitUntil(lambda: dock.findChild(QSpinBox, "segment_n_classes").value() == 2, timeout=5000)


def test_a_colour_that_is_chosen_reaches_the_layer(both, qtbot, monkeypatch):
    _, dock, classes = both
    monkeypatch.setattr(type(classes), "ask_colour", lambda self, current: (1.0, 0.0, 0.0))
    layer = dock.presenter.result_layer()
    table_of(classes).selectRow(0)
    press(qtbot, classes, "classes_colour")
    qtbot.waitUntil(lambda: np.allclose(layer.colormap.map(np.array([1]))[0], (1, 0, 0, 1)), timeout=5000)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_nothing_of_either_dock_is_cut_off_at_1280_by_720(both, qtbot, theme):
    viewer, dock, classes = both
    viewer.theme = theme
    dock.presenter.keeping.keep("first")
    qtbot.waitUntil(lambda: dock.findChild(QTreeWidget, "segment_kept").topLevelItemCount() == 1, timeout=5000)
    qtbot.wait(100)
    for parent, name in ((dock, "segment_scroll"), (classes, "classes_scroll")):
        scroll = parent.findChild(QScrollArea, name)
        assert scroll.widget().minimumSizeHint().width() <= scroll.viewport().width()
    assert viewer.window._qt_window.width() <= 1280


def test_every_input_has_a_name_and_a_tip(both):
    _, _, classes = both
    for widget in [*classes.findChildren(QAbstractButton), table_of(classes)]:
        if widget.parent() is not table_of(classes):
            assert widget.objectName().startswith("classes_")
            assert widget.toolTip()


def test_results_are_kept_listed_compared_and_dropped_after_a_question(both, qtbot, monkeypatch):
    _, dock, _ = both
    dock.findChild(QLineEdit, "segment_keep_name").setText("first")
    press(qtbot, dock, "segment_keep")
    kept = dock.findChild(QTreeWidget, "segment_kept")
    qtbot.waitUntil(lambda: kept.topLevelItemCount() == 1, timeout=5000)
    kept.topLevelItem(0).setSelected(True)
    agreements = dock.findChild(QTreeWidget, "segment_agreements")
    qtbot.waitUntil(lambda: agreements.topLevelItemCount() == 3, timeout=5000)
    assert agreements.topLevelItem(0).text(3) == "1.000"
    monkeypatch.setattr(type(dock.result.kept), "ask_to_drop", lambda self, names: False)
    press(qtbot, dock, "segment_drop")
    assert kept.topLevelItemCount() == 1
    monkeypatch.setattr(type(dock.result.kept), "ask_to_drop", lambda self, names: True)
    press(qtbot, dock, "segment_drop")
    assert kept.topLevelItemCount() == 0


def test_the_keys_work_in_the_window_and_stand_behind_the_question_mark(both, qtbot):
    viewer, dock, _ = both
    actions = dock.history.keys.actions()
    assert [a.text().partition("\t")[0] for a in actions] == [key.shown for key in KEYS]
    dock.presenter.session.rename(2, "Cortex")
    qtbot.keyClick(viewer.window._qt_window, Qt.Key.Key_Z, Qt.KeyboardModifier.ShiftModifier)
    assert dock.presenter.session.classes.by_value(2).name == "Grey matter"


def test_of_a_quick_row_of_moves_the_last_is_told(qtbot):
    slider = NumberSlider("test", 2, 16)
    qtbot.addWidget(slider)
    told: list[int] = []
    slider.chosen.connect(told.append)
    for value in (3, 5, 7, 4):
        slider.findChild(QSlider, "test_slider").setValue(value)
    assert (told, slider.value, slider.moving) == ([], 4, True)
    qtbot.waitUntil(lambda: bool(told), timeout=20 * REST)
    assert told == [4]


def test_words_that_are_too_long_for_a_button_stand_in_its_tip(qtbot):
    row = HistoryRow("test", KEYS)
    qtbot.addWidget(row)
    row.resize(240, 30)
    row.show()
    words = "Merge White matter into Grey matter and call it something long"
    row.show_history(words, None)
    undo, redo = (row.findChild(QAbstractButton, f"test_{name}") for name in ("undo", "redo"))
    assert words in undo.toolTip()
    assert undo.text() != f"Undo: {words}"
    assert undo.text().startswith("Undo")
    assert (undo.isEnabled(), redo.isEnabled(), redo.text()) == (True, False, "Redo")
