"""What a real window shows of the deep mixtures: their settings, and the switch after a refinement."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QScrollArea, QTreeWidget, QWidget
from tests.docks.conftest import NEEDS_SCREEN, SteppedFit

from napari_gmmseg.docks.segment.advanced import ADVANCED
from napari_gmmseg.plugin.metadata import segmentation_of

pytestmark = NEEDS_SCREEN


def rows_of(dock: QWidget) -> set[str]:
    """Return the settings under Advanced that are there to be seen, if need be by scrolling."""
    return {name for name in ADVANCED if dock.findChild(QWidget, f"segment_{name}").isVisibleTo(dock)}


def choose_mixture(dock: QWidget, method: str) -> None:
    box = dock.findChild(QComboBox, "segment_method")
    box.setCurrentIndex(box.findData(method))


def in_sight(dock: QWidget, widget: QWidget) -> bool:
    port = dock.findChild(QScrollArea, "segment_scroll").viewport()
    place = QRect(widget.mapTo(port, QPoint(0, 0)), widget.size())
    return widget.isVisible() and port.rect().contains(place)


@pytest.fixture
def refined(window, qtbot, monkeypatch):
    """A dock after a run that refined, in the smallest window that is promised to do."""
    viewer, dock = window
    monkeypatch.setattr(
        "napari_gmmseg.session.following.segment_in_steps",
        lambda request: SteppedFit(request, threading.Semaphore(99), refines=True).steps(),
    )
    viewer.open_sample("napari-gmmseg", "heart")
    dock.presenter.run()
    qtbot.waitUntil(lambda: not dock.presenter.running, timeout=30_000)
    return viewer, dock


@pytest.mark.parametrize(
    ("method", "has", "has_not"),
    [
        ("auto", {"refine", "neighbour_weight"}, {"recipe", "width", "tolerance"}),
        ("gmm", {"tolerance", "n_starts"}, {"means", "refine", "recipe", "width"}),
        ("spatial", {"neighbour_weight", "means"}, {"tolerance", "refine", "width"}),
        ("deepsvg", {"recipe", "gradient", "mean_weight", "width", "means"}, {"tolerance", "hidden_share", "n_starts"}),
        ("deepg", {"recipe", "mean_weight"}, {"gradient", "hidden_share"}),
        ("blindspot", {"hidden_share", "own_intensity", "width"}, {"recipe", "gradient", "mean_weight"}),
    ],
)
def test_only_the_settings_that_matter_for_the_mixture_are_shown(window, method, has, has_not):
    _, dock = window
    dock.presenter.choose(method="advanced")
    choose_mixture(dock, "spatial" if method != "spatial" else "gmm")
    choose_mixture(dock, method)
    assert dock.presenter.choices.advanced["method"] == method
    assert rows_of(dock) == set(dock.presenter.choices.advanced)
    assert has | {"method", "max_steps", "seed", "device", "threads"} <= rows_of(dock)
    assert not has_not & rows_of(dock)


def test_a_setting_of_another_mixture_waits_for_it_and_does_not_go_into_the_run(window):
    _, dock = window
    dock.presenter.choose(method="advanced")
    choose_mixture(dock, "deepsvg")
    gradient = dock.findChild(QComboBox, "segment_gradient")
    gradient.setCurrentIndex(gradient.findData("full"))
    choose_mixture(dock, "blindspot")
    assert "gradient" not in dock.presenter.choices.advanced
    choose_mixture(dock, "deepsvg")
    assert dock.presenter.choices.advanced["gradient"] == "full"


def test_an_empty_setting_says_what_the_recipe_holds(window):
    _, dock = window
    dock.presenter.choose(method="advanced")
    choose_mixture(dock, "deepsvg")
    recipe, gradient = (dock.findChild(QComboBox, f"segment_{name}") for name in ("recipe", "gradient"))
    recipe.setCurrentIndex(recipe.findData("paper"))
    assert gradient.currentText() == "auto (full)"
    assert dock.presenter.choices.advanced["gradient"] is None


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("method", ["auto", "deepsvg", "blindspot"])
def test_no_setting_is_cut_off_at_its_side(window, qtbot, theme, method):
    viewer, dock = window
    viewer.theme = theme
    dock.presenter.choose(method="advanced", advanced={"method": method})
    qtbot.wait(100)
    scroll = dock.findChild(QScrollArea, "segment_scroll")
    assert scroll.widget().minimumSizeHint().width() <= scroll.viewport().width()
    assert viewer.window._qt_window.width() <= 1280


def test_what_was_refined_and_the_switch_are_in_plain_sight_after_the_run(refined, qtbot):
    _, dock = refined
    wanted = [
        dock.findChild(kind, name)
        for kind, name in (
            (QLabel, "segment_changed"),
            (QTreeWidget, "segment_changes"),
            (QCheckBox, "segment_keep_spatial"),
        )
    ]
    qtbot.waitUntil(lambda: all(in_sight(dock, widget) for widget in wanted), timeout=5000)


def test_the_switch_swaps_what_is_shown_and_back(refined, qtbot):
    _, dock = refined
    switch = dock.findChild(QCheckBox, "segment_keep_spatial")
    layer = dock.presenter.result_layer()
    after = layer.data.copy()
    qtbot.mouseClick(switch, Qt.MouseButton.LeftButton, pos=QPoint(10, switch.height() // 2))
    assert switch.isChecked()
    assert segmentation_of(layer.metadata).base is None
    assert not np.array_equal(layer.data, after)
    qtbot.mouseClick(switch, Qt.MouseButton.LeftButton, pos=QPoint(10, switch.height() // 2))
    assert not switch.isChecked()
    assert np.array_equal(layer.data, after)


def test_a_switch_that_is_refused_stays_where_it_was(refined):
    _, dock = refined
    layer = dock.presenter.result_layer()
    layer.data = np.zeros((2, 2, 2), dtype=np.uint8)
    switch = dock.findChild(QCheckBox, "segment_keep_spatial")
    switch.click()
    assert not switch.isChecked()
    assert "shape" in dock.messages.shown[0].text


def test_nothing_of_a_refinement_is_shown_where_there_was_none(window):
    _, dock = window
    for name in ("segment_changed", "segment_changes", "segment_keep_spatial"):
        assert not dock.findChild(QWidget, name).isVisibleTo(dock)
