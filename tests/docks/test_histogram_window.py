"""The Histogram dock in a real window, with a real mouse."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QLineEdit, QPushButton, QWidget
from tests.docks.conftest import NEEDS_SCREEN
from tests.docks.histogram_sessions import GivenFit, run_session, show_session

from napari_gmmseg.docks.histogram.number_box import NumberBox
from napari_gmmseg.session import Session
from napari_gmmseg.session.registry import session_of

pytestmark = NEEDS_SCREEN


@pytest.fixture
def window(make_napari_viewer, monkeypatch, qtbot) -> Generator[tuple[Any, Any, Session]]:
    """A viewer with a result and the dock, as a person opens it."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 720)
    session = _filled(viewer, monkeypatch, 2)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Histogram")
    qtbot.waitUntil(lambda: len(dock.numbers.findChildren(QCheckBox)) == 3)
    laid_out(dock.plot, qtbot)
    yield viewer, dock, session
    dock.presenter.shut_down()
    session.close()


def _filled(viewer: Any, monkeypatch: Any, n_channels: int) -> Session:
    """Fill the viewer's session, and show it."""
    made = run_session(monkeypatch, GivenFit(), n_channels)
    session = session_of(viewer)
    session.open(made.request)  # type: ignore[arg-type]
    session.run()
    assert session.job is not None
    assert session.job.join(10)
    session.poll()
    made.close()
    show_session(viewer, session)
    return session


def place(plot: Any, x: float, y: float) -> QPoint:
    """Where a place of a plot is on its viewport."""
    in_scene = plot.getPlotItem().getViewBox().mapViewToScene(QPointF(x, y))
    found: QPoint = plot.mapFromScene(in_scene)
    return found


def laid_out(plot: Any, qtbot: Any) -> None:
    """Wait until a plot's places are where they stay."""
    seen: list[QPoint] = []

    def stays() -> bool:
        seen.append(place(plot, 30, 30))
        return len(seen) > 8 and all(each == seen[-1] for each in seen[-8:])

    qtbot.waitUntil(stays)


def drag(qtbot: Any, plot: Any, places: list[QPoint], *, lets_go: bool = True) -> None:
    """Press at the first place, go through the others, and let go at the last."""
    viewport = plot.viewport()
    qtbot.mouseMove(viewport, places[0])
    qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=places[0])
    for each in places[1:]:
        # pyqtgraph takes a hundred moves a second at most: of two at one place it takes one.
        for _ in range(2):
            qtbot.mouseMove(viewport, each)
            qtbot.wait(12)
    if lets_go:
        qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=places[-1])


def shown_mean(dock: QWidget, value: int, channel: int = 0) -> float:
    box = dock.findChild(NumberBox, f"histogram_mean_{value}_{channel}")
    return float(box.number)


def test_a_mean_is_dragged_with_the_mouse_and_the_slice_follows_at_once(window, qtbot):
    viewer, dock, session = window
    layer = viewer.layers[-1]
    before = np.array(layer.data)
    path = [place(dock.plot, x, 5) for x in (60, 58, 54, 48, 40, 36)]
    drag(qtbot, dock.plot, path, lets_go=False)
    qtbot.waitUntil(lambda: shown_mean(dock, 2) < 45)
    assert not np.array_equal(layer.data, before)
    assert session.mixture is not None
    assert session.mixture.class_means()[1, 0] == 60
    qtbot.mouseRelease(dock.plot.viewport(), Qt.MouseButton.LeftButton, pos=path[-1])
    qtbot.waitUntil(lambda: session.mixture.class_means()[1, 0] < 45)
    assert session.mixture.class_means()[1, 1] == 60


def test_a_width_is_dragged_with_the_mouse(window, qtbot):
    _, dock, session = window
    (shoulder,) = [items.shoulder for items in dock.plot._classes if items.value == 1]
    at = shoulder.pos()
    path = [place(dock.plot, at.x() + by, at.y()) for by in (0, 2, 4, 6)]
    drag(qtbot, dock.plot, path)
    qtbot.waitUntil(lambda: session.mixture is not None and session.mixture.stds[0, 0] > 9)
    assert session.mixture.class_means()[0, 0] == 30


def test_a_locked_class_stays_where_it_is(window, qtbot):
    _, dock, session = window
    dock.findChild(QCheckBox, "histogram_lock_2").click()
    qtbot.waitUntil(lambda: session.locked == {2})
    qtbot.waitUntil(lambda: not dock.findChild(NumberBox, "histogram_mean_2_0").isEnabled())
    drag(qtbot, dock.plot, [place(dock.plot, x, 5) for x in (60, 55, 45)])
    assert shown_mean(dock, 2) == 60
    assert not session.editing


def test_a_number_is_typed(window, qtbot):
    _, dock, session = window
    box = dock.findChild(NumberBox, "histogram_mean_3_0")
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "84.5")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: session.mixture is not None and session.mixture.class_means()[2, 0] == 84.5)


@pytest.mark.parametrize("written", ["", "bright", "nan", "1e999"])
def test_what_is_no_number_is_taken_back(qtbot, written):
    box = NumberBox()
    qtbot.addWidget(box)
    told = []
    box.number_set.connect(told.append)
    box.show_number(12.25, 100.0)
    box.selectAll()
    qtbot.keyClicks(box, written or " ")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert (box.text(), told) == ("12.25", [])


def test_a_number_is_stepped_with_the_arrow_keys(qtbot):
    box = NumberBox()
    qtbot.addWidget(box)
    told = []
    box.number_set.connect(told.append)
    box.show_number(12.25, 100.0)
    qtbot.keyClick(box, Qt.Key.Key_Up)
    qtbot.keyClick(box, Qt.Key.Key_Down)
    assert told == [13.25, 12.25]


def test_a_number_that_is_being_typed_is_not_written_over(window, qtbot):
    viewer, dock, _ = window
    viewer.window._qt_window.activateWindow()
    box = dock.findChild(NumberBox, "histogram_mean_3_0")
    box.setFocus()
    qtbot.waitUntil(box.hasFocus)
    box.selectAll()
    qtbot.keyClicks(box, "8")
    viewer.dims.set_current_step(0, 2)
    qtbot.wait(50)
    assert box.text() == "8"


def test_a_centre_is_dragged_in_the_joint_histogram(window, qtbot):
    _, dock, session = window
    _choose_both(dock, qtbot)
    path = [place(dock.joint, x, y) for x, y in ((30, 90), (32, 86), (36, 80), (40, 75))]
    drag(qtbot, dock.joint, path)
    qtbot.waitUntil(lambda: session.mixture is not None and session.mixture.class_means()[0, 0] > 37)
    assert session.mixture.class_means()[0, 1] < 78


@pytest.mark.parametrize("tool", ["rectangle", "lasso"])
def test_what_is_drawn_in_the_joint_histogram_selects_voxels(window, qtbot, tool):
    viewer, dock, _ = window
    _choose_both(dock, qtbot)
    dock.findChild(QPushButton, f"histogram_tool_{tool}").click()
    corners = [(75, 15), (75, 45), (105, 45)] if tool == "rectangle" else [(75, 15), (105, 15), (105, 45), (75, 45)]
    drag(qtbot, dock.joint, [place(dock.joint, x, y) for x, y in corners])
    qtbot.waitUntil(lambda: "voxels selected" in dock.selected_text)
    chosen = np.asarray(viewer.layers[-1].data) > 0
    result = np.asarray(viewer.layers[-2].data)
    assert viewer.layers[-1].name == "Selected voxels"
    assert chosen[result == 3].mean() > 0.9
    assert not chosen[result == 1].any()


def test_the_plot_is_drawn_in_the_colours_of_the_theme(window, qtbot):
    viewer, dock, _ = window
    dark = dock.plot.grab().toImage().pixelColor(2, 2)
    viewer.theme = "light"
    qtbot.waitUntil(lambda: dock.plot.grab().toImage().pixelColor(2, 2).lightness() > 180)
    assert dark.lightness() < 60


def test_every_input_has_a_name_and_says_what_it_does(window, qtbot):
    _, dock, _ = window
    _choose_both(dock, qtbot)
    inputs = [
        w
        for kind in (QCheckBox, QComboBox, QLineEdit, QPushButton)
        for w in dock.findChildren(kind)
        if w.window() is dock.window()
    ]
    assert len(inputs) >= 2 + 3 + 3 * 5
    assert [w.objectName() for w in inputs if not (w.objectName() and w.toolTip())] == []


def test_all_of_it_fits_beside_the_picture(window, qtbot):
    viewer, dock, _ = window
    _choose_both(dock, qtbot)
    assert dock.minimumSizeHint().width() <= 420
    assert dock.width() <= 0.5 * viewer.window._qt_window.width()


def test_a_closed_dock_listens_no_more(window, qtbot):
    viewer, dock, session = window
    viewer.window.remove_dock_widget(dock)
    refreshed = []
    dock.refreshed.connect(lambda: refreshed.append(1))
    session.lock(1, True)
    viewer.dims.set_current_step(0, 3)
    qtbot.wait(80)
    assert refreshed == []


def test_plots_are_not_loaded_before_a_dock_is_opened():
    code = (
        "import sys, npe2, napari_gmmseg.docks.segment, napari_gmmseg.plugin.reader;"
        "npe2.PluginManager.instance().discover();"
        "assert 'pyqtgraph' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _choose_both(dock: Any, qtbot: Any) -> None:
    combo = dock.findChild(QComboBox, "histogram_channels")
    combo.setCurrentIndex(2)
    combo.activated.emit(2)
    qtbot.waitUntil(dock.joint.isVisible)
    qtbot.waitUntil(lambda: dock.findChild(NumberBox, "histogram_mean_1_1") is not None)
    laid_out(dock.joint, qtbot)
