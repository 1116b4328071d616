"""The Segment dock in a real window."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QFormLayout, QLineEdit, QScrollArea, QWidget
from tests.docks.conftest import NEEDS_SCREEN

from napari_gmmseg.docks.segment import SegmentDock
from napari_gmmseg.plugin.metadata import segmentation_of
from napari_gmmseg.session import JobState

pytestmark = NEEDS_SCREEN
#: Longest gap of the timer in ms that is still no freeze.
LONGEST_GAP = 100.0


def inputs_of(dock: QWidget) -> list[QWidget]:
    kinds = (QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit)
    found = [w for kind in kinds for w in dock.findChildren(kind)]
    inside = (QComboBox, QAbstractSpinBox)
    return [w for w in found if not isinstance(w.parent(), inside) and not w.objectName().startswith("qt_")]


def warmed(qtbot) -> None:
    qtbot.waitUntil(lambda: not any(t.name == "gmmseg-warm-up" for t in threading.enumerate()), timeout=120_000)


def run_to_the_end(dock, qtbot) -> None:
    qtbot.mouseClick(dock.findChild(QAbstractButton, "segment_run"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.presenter.running, timeout=120_000)
    qtbot.waitUntil(lambda: dock.presenter.result_layer() is not None, timeout=10_000)


def test_two_clicks_segment_the_sample(window, qtbot):
    viewer, dock = window
    viewer.open_sample("napari-gmmseg", "brain")
    run_to_the_end(dock, qtbot)
    layer = dock.presenter.result_layer()
    qtbot.waitUntil(lambda: segmentation_of(layer.metadata) is not None)
    assert set(np.unique(layer.data)) == {0, 1, 2, 3}
    assert layer.data.shape == viewer.layers[0].data.shape
    assert dock.result.isVisible()


def test_the_window_never_waits_during_a_run(window, qtbot):
    viewer, dock = window
    viewer.open_sample("napari-gmmseg", "brain")
    warmed(qtbot)
    longest = []
    # The machine may be busy with something else: the best of three counts.
    for _ in range(3):
        longest.append(_longest_gap(dock, qtbot))
        if longest[-1] < LONGEST_GAP:
            break
    assert min(longest) < LONGEST_GAP, longest


def _longest_gap(dock, qtbot) -> float:
    from time import perf_counter

    beats: list[float] = []
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setInterval(10)
    timer.timeout.connect(lambda: beats.append(perf_counter()))
    dock.presenter.run()
    # napari draws the new layer for the first time; the work begins after that.
    qtbot.waitUntil(lambda: dock.presenter.job.state is not JobState.IDLE)
    timer.start()
    qtbot.waitUntil(lambda: dock.presenter.result_layer() is not None, timeout=120_000)
    qtbot.wait(30)
    timer.stop()
    return 1000 * float(np.max(np.diff(beats)))


def test_every_input_has_a_name_a_tip_and_takes_the_keyboard(window):
    _, dock = window
    for widget in inputs_of(dock):
        name = widget.objectName() or type(widget).__name__
        assert widget.objectName().startswith("segment_"), name
        assert widget.toolTip(), name
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, name


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("method", ["auto", "advanced"])
def test_nothing_is_cut_off_at_1280_by_720(window, qtbot, theme, method):
    viewer, dock = window
    viewer.theme = theme
    viewer.open_sample("napari-gmmseg", "heart")
    dock.presenter.choose(method=method)
    qtbot.wait(100)
    scroll = dock.findChild(QScrollArea, "segment_scroll")
    assert scroll.widget().minimumSizeHint().width() <= scroll.viewport().width()
    assert viewer.window._qt_window.width() <= 1280


def test_during_a_run_live_settings_stay_open_and_others_rest_with_the_reason(window, qtbot):
    viewer, dock = window
    viewer.open_sample("napari-gmmseg", "brain")
    before = list(viewer.layers)
    dock.presenter.choose(method="advanced")
    qtbot.mouseClick(dock.findChild(QAbstractButton, "segment_run"), Qt.MouseButton.LeftButton)
    resting = [dock.findChild(QWidget, f"segment_{name}") for name in ("preset", "mask", "seed", "device", "maps")]
    live = [dock.findChild(QWidget, f"segment_{name}") for name in ("n_classes", "n_classes_slider", "max_steps")]
    assert not any(widget.isEnabled() for widget in resting)
    assert all("next run" in widget.toolTip() for widget in resting)
    assert all(widget.isEnabled() for widget in live)
    assert all("Acts during a run" in widget.toolTip() for widget in live)
    qtbot.mouseClick(dock.findChild(QAbstractButton, "segment_cancel"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: all(widget.isEnabled() for widget in resting), timeout=30_000)
    assert not any("next run" in widget.toolTip() for widget in resting)
    assert list(viewer.layers) == before
    assert dock.findChild(QAbstractButton, "segment_run").isEnabled()
    assert "as before" in dock.messages.shown[0].text


def test_a_viewer_closed_in_mid_run_leaves_no_thread(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Segment")
    viewer.open_sample("napari-gmmseg", "brain")
    dock.presenter.run()
    job = dock.presenter.job
    qtbot.waitUntil(lambda: job.state is not JobState.IDLE)
    viewer.close()
    qtbot.waitUntil(lambda: job.state.ended, timeout=30_000)
    assert job.join(10)


def test_a_dock_closed_in_mid_run_cancels_it_and_frees_what_it_held(window, qtbot):
    viewer, dock = window
    viewer.open_sample("napari-gmmseg", "brain")
    before = list(viewer.layers)
    dock.presenter.run()
    job = dock.presenter.job
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: job.state.ended, timeout=30_000)
    assert job.state is JobState.CANCELLED
    assert list(viewer.layers) == before
    assert dock.presenter.job is None


def test_no_two_questions_have_one_title(window):
    _, dock = window
    inputs = [
        (form, form.itemAt(row, QFormLayout.ItemRole.FieldRole).widget())
        for form in dock.findChildren(QFormLayout)
        for row in range(form.rowCount())
        if form.itemAt(row, QFormLayout.ItemRole.SpanningRole) is None
    ]
    titles = [form.labelForField(widget).text() for form, widget in inputs]
    assert "Method" in titles
    assert len(set(titles)) == len(titles)


def test_the_dock_can_be_made_by_hand(make_napari_viewer):
    viewer = make_napari_viewer()
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert "no image" in dock.messages.shown[0].text
    dock.presenter.shut_down()


def test_no_dock_sets_a_style_sheet():
    folder = Path(sys.modules["napari_gmmseg.docks"].__file__).parent
    assert not [p for p in folder.rglob("*.py") if "setStyleSheet" in p.read_text(encoding="utf-8")]
