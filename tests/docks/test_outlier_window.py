"""The Outlier dock in a real window, with a real mouse and real keys."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QSlider, QSpinBox, QToolButton, QTreeWidget, QWidget
from tests.docks.conftest import NEEDS_SCREEN
from tests.docks.histogram_sessions import show_session
from tests.docks.outlier_cases import BRIGHT, SHAPE, fit

from napari_gmmseg.session import Session
from napari_gmmseg.session.registry import session_of

pytestmark = NEEDS_SCREEN


@pytest.fixture
def window(make_napari_viewer, qtbot) -> Generator[tuple[Any, Any, Session]]:
    """A viewer with a result and the dock, as a person opens it."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 720)
    session = session_of(viewer)
    fit(session)
    show_session(viewer, session)
    viewer.dims.set_current_step(0, SHAPE[0] - 1 - 4)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Outlier")
    qtbot.waitUntil(lambda: "would go" in text(dock, "outlier_sentence"))
    yield viewer, dock, session
    dock.presenter.shut_down()
    session.close()


def text(dock: Any, name: str) -> str:
    return str(dock.findChild(QLabel, name).text())


def heat(viewer: Any) -> Any:
    return next(layer for layer in viewer.layers if layer.name.endswith("outliers"))


def flagged(viewer: Any) -> int:
    return int((np.asarray(heat(viewer).data) > 0).sum())


def drag(qtbot: Any, slider: QSlider, steps: float) -> None:
    """Take hold of a slider's handle, and draw it along."""
    from qtpy.QtWidgets import QStyle, QStyleOptionSlider

    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    handle = slider.style().subControlRect(
        QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, slider
    )
    per_step = (slider.width() - handle.width()) / (slider.maximum() - slider.minimum())
    start = handle.center()
    # A little further than the middle of the step's place.
    steps += 0.3
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=start)
    for move in range(1, 5):
        qtbot.mouseMove(slider, start + QPoint(round(steps * per_step * move / 4), 0))
        qtbot.wait(12)
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=start + QPoint(round(steps * per_step), 0))


def test_the_slider_is_dragged_and_the_slice_follows(window, qtbot):
    viewer, dock, _ = window
    assert text(dock, "outlier_length_text") == "3 mm"
    before = flagged(viewer)
    drag(qtbot, dock.findChild(QSlider, "outlier_length"), 2)
    assert text(dock, "outlier_length_text") == "7 mm"
    assert flagged(viewer) > before > 0
    qtbot.waitUntil(lambda: text(dock, f"outlier_goes_{BRIGHT}") == "0.266 ml")


def test_the_slider_moves_by_keyboard(window, qtbot):
    _, dock, _ = window
    slider = dock.findChild(QSlider, "outlier_length")
    slider.setFocus()
    qtbot.keyClick(slider, Qt.Key.Key_Right)
    assert text(dock, "outlier_length_text") == "5 mm"


def test_islands_go_with_one_click_and_come_back_with_another(window, qtbot):
    _, dock, session = window
    before = session.result.label_map.counts()[BRIGHT]
    qtbot.mouseClick(dock.findChild(QPushButton, "outlier_clean"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.result.label_map.counts()[BRIGHT] == before - 8)
    qtbot.waitUntil(lambda: text(dock, "outlier_sentence") == "Nothing would go.")
    qtbot.waitUntil(lambda: not dock.findChild(QPushButton, "outlier_clean").isEnabled())
    qtbot.mouseClick(dock.findChild(QPushButton, "outlier_undo"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.result.label_map.counts()[BRIGHT] == before)


def test_a_click_on_an_island_goes_there_and_its_buttons_wake_up(window, qtbot):
    viewer, dock, session = window
    islands = dock.findChild(QTreeWidget, "outlier_islands")
    qtbot.waitUntil(lambda: islands.topLevelItemCount() == 1)
    keep = dock.findChild(QPushButton, "outlier_keep")
    assert not keep.isEnabled()
    viewer.dims.set_current_step(0, 0)
    at = islands.visualItemRect(islands.topLevelItem(0)).center()
    qtbot.mouseClick(islands.viewport(), Qt.MouseButton.LeftButton, pos=at)
    z = round(float(viewer.layers[0].world_to_data(viewer.dims.point)[0]))
    assert z in (3, 4)
    assert keep.isEnabled()
    qtbot.mouseClick(keep, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: islands.topLevelItemCount() == 0)
    assert session.edits is not None


def test_a_box_spares_a_class(window, qtbot):
    _, dock, _ = window
    dock.findChild(QCheckBox, f"outlier_may_go_{BRIGHT}").click()
    qtbot.waitUntil(lambda: text(dock, "outlier_sentence") == "Nothing would go.")


def test_the_contact_sheet_is_clicked(window, qtbot):
    viewer, dock, _ = window
    qtbot.mouseClick(dock.findChild(QPushButton, "outlier_compare"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.findChild(QToolButton, "outlier_cell_7_21") is not None)
    before = flagged(viewer)
    dock.findChild(QToolButton, "outlier_cell_7_21").click()
    assert text(dock, "outlier_length_text") == "7 mm"
    assert flagged(viewer) > before


def test_advanced_moves_both_windows_and_sets_the_loss(window, qtbot):
    viewer, dock, session = window
    dock.findChild(QToolButton, "outlier_advanced").click()
    before = flagged(viewer)
    outer = dock.findChild(QSlider, "outlier_outer")
    assert outer.isVisible()
    dock.findChild(QSpinBox, "outlier_inner_number").setValue(7)
    assert flagged(viewer) > before
    outer.setValue(outer.value() + 2)
    assert dock.presenter.numbers.outer == 13
    spin = next(w for w in dock.findChildren(QWidget) if w.objectName() == "outlier_outlier_weight")
    spin.setValue(2.0)
    qtbot.waitUntil(lambda: session.config.outlier_weight == 2.0)
    assert (session.config.outlier_inner, session.config.outlier_outer) == (7, 13)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_nothing_is_cut_off_beside_the_column(window, qtbot, theme):
    viewer, dock, _ = window
    viewer.theme = theme
    dock.findChild(QToolButton, "outlier_advanced").click()
    qtbot.mouseClick(dock.findChild(QPushButton, "outlier_compare"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.findChild(QToolButton, "outlier_cell_7_21") is not None)
    qtbot.wait(100)
    scroll = dock.findChild(QWidget, "outlier_scroll")
    inside = scroll.widget()
    assert inside.width() <= scroll.viewport().width()
    for child in inside.findChildren(QWidget):
        if child.isVisible() and child.parent() is inside:
            assert child.geometry().right() <= inside.width(), child.objectName()


def test_a_dock_that_is_closed_takes_its_heat_map_along(window, qtbot):
    viewer, dock, _ = window
    viewer.window.remove_dock_widget(dock.parent())
    qtbot.waitUntil(lambda: not any(layer.name.endswith("outliers") for layer in viewer.layers))


def test_every_input_has_a_name_and_a_tip(window):
    _, dock, _ = window
    for kind in (QPushButton, QSlider, QSpinBox, QCheckBox):
        for widget in dock.findChildren(kind):
            assert widget.objectName(), widget
            assert widget.toolTip(), widget.objectName()
