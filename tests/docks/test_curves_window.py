"""The Curves dock in a real window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtWidgets import QComboBox
from tests.docks.conftest import NEEDS_SCREEN
from tests.docks.histogram_sessions import GivenFit, make_result, make_volume

from napari_gmmseg.config import FitConfig, find_preset
from napari_gmmseg.docks.common.plot_colours import PlotColours
from napari_gmmseg.docks.curves.shown import Line, Mark, Panel, Picture
from napari_gmmseg.docks.curves.view import CurvesView
from napari_gmmseg.session import SegmentationRequest
from napari_gmmseg.session.registry import session_of

LIGHT = PlotColours(background=(235, 231, 230), text=(30, 30, 33), faint=(175, 172, 170), dark=False)


def line(name: str, n: int = 5, colour=None) -> Line:
    steps = np.arange(1.0, n + 1)
    return Line(name, colour, steps, np.sin(steps))


def picture(n: int = 5) -> Picture:
    return Picture(
        panels=(
            Panel("nll", "NLL, nat per voxel", (line("NLL", n),)),
            Panel("weight", "Mixing weights", (line("CSF", n, (0.2, 0.4, 0.6)), line("a<b", n, (0.9, 0.1, 0.1)))),
        ),
        marks=(Mark(2.5, "Classes: 3 → 4", "retuned"), Mark(3.5, "Pause", "paused")),
        n_steps=n,
    )


@pytest.fixture
def view(qtbot):
    made = CurvesView()
    qtbot.addWidget(made)
    made.resize(320, 500)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_each_kind_of_number_has_a_plot_of_its_own(view):
    view.show_picture(picture())
    assert [key for key, panel in view.panels.items() if panel.isVisible()] == ["nll", "weight"]
    view.show_picture(replace(picture(), panels=picture().panels[:1]))
    assert [key for key, panel in view.panels.items() if panel.isVisible()] == ["nll"]


def test_plots_stand_in_the_order_of_the_picture(view, qtbot):
    second, first = picture().panels
    view.show_picture(Picture((second,), (), 5))
    view.show_picture(Picture((first, second), (), 5))
    qtbot.waitUntil(lambda: view.panels["weight"].y() < view.panels["nll"].y())


def test_several_curves_are_named_in_their_colours(view):
    view.show_picture(picture())
    title = view.panels["weight"].title
    assert "a&lt;b" in title
    assert "#336699" in title
    assert view.panels["nll"].title == "NLL, nat per voxel"


def test_marks_are_told_in_words_the_newest_first(view):
    view.show_picture(picture())
    assert view.told.splitlines() == ["After step 3: Pause", "After step 2: Classes: 3 → 4"]


def boxes(view):
    return [view.panels[key].plot.getPlotItem().getViewBox() for key in ("nll", "weight")]


def zoom(box, low, high):
    """Turn the wheel, as pyqtgraph tells it."""
    box.setXRange(low, high, padding=0)
    box.sigRangeChangedManually.emit([True, False])


def test_all_plots_go_along_the_same_steps(view):
    view.show_picture(picture(40))
    first, second = boxes(view)
    zoom(first, 10, 20)
    assert second.viewRange()[0] == pytest.approx([10, 20])
    view.show_picture(picture(41))
    assert first.viewRange()[0] == pytest.approx([10, 20])


def test_all_steps_are_seen_while_they_become_more_and_when_another_run_begins(view):
    view.hide()
    for n_steps in (3, 40, 5, 300):
        view.show_picture(picture(n_steps))
        assert [box.viewRange()[0] for box in boxes(view)] == [[0.0, n_steps + 1.0]] * 2


def test_who_looks_at_all_steps_again_follows_the_run_again(view):
    view.show_picture(picture(40))
    first, second = boxes(view)
    zoom(first, 10, 20)
    zoom(second, 0, 41)
    view.show_picture(picture(60))
    assert first.viewRange()[0] == pytest.approx([0, 61])


def test_another_run_is_seen_from_its_first_step(view):
    view.show_picture(picture(40))
    zoom(boxes(view)[0], 30, 40)
    view.show_picture(picture(3))
    assert boxes(view)[1].viewRange()[0] == pytest.approx([0, 4])


def test_a_long_curve_is_drawn_thinner(view):
    view.show_picture(picture(5))
    few = view.panels["nll"]._curves[0].opts["pen"].width()
    view.show_picture(picture(400))
    assert view.panels["nll"]._curves[0].opts["pen"].width() < few


def test_plots_take_the_colours_of_the_theme(view, qtbot):
    view.show_picture(picture())
    view.show_colours(LIGHT)
    qtbot.waitUntil(lambda: view.panels["nll"].plot.grab().toImage().pixelColor(1, 1).red() == 235)


def test_a_plot_that_comes_later_has_the_colours_of_the_theme(view, qtbot):
    view.show_colours(LIGHT)
    view.show_picture(picture())
    qtbot.waitUntil(lambda: view.panels["nll"].plot.grab().toImage().pixelColor(1, 1).red() == 235)


def test_the_channel_can_be_chosen_where_there_are_two(view, qtbot):
    view.show_channels(["T1"], 0)
    combo = view.findChild(QComboBox, "curves_channel")
    assert not combo.isVisible()
    view.show_channels(["T1", "T2"], 0)
    assert combo.isVisible()
    with qtbot.waitSignal(view.channel_chosen) as told:
        combo.activated.emit(1)
    assert told.args == [1]


def test_numbers_that_are_all_alike_or_missing_are_drawn(view):
    flat = Line("flat", None, np.arange(3.0), np.full(3, 7.0))
    missing = Line("missing", None, np.arange(3.0), np.full(3, np.nan))
    view.show_picture(Picture((Panel("a", "A", (flat,)), Panel("b", "B", (missing,))), (), 3))
    low, high = view.panels["a"].plot.getPlotItem().getViewBox().viewRange()[1]
    assert low < 7 < high


@pytest.mark.gl
@NEEDS_SCREEN[1]
def test_the_dock_draws_the_run_of_its_viewer(make_napari_viewer, monkeypatch, qtbot):
    monkeypatch.setattr("napari_gmmseg.session.following.segment_in_steps", GivenFit())
    viewer = make_napari_viewer(show=False)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Curves")
    session = session_of(viewer)
    volume = make_volume()
    session.open(SegmentationRequest(volume, find_preset("custom"), config=FitConfig(n_classes=3)))
    session.run()
    assert session.job is not None
    assert session.job.join(10)
    session.poll()
    qtbot.waitUntil(lambda: "weight" in dock.panels)
    weights = dock.panels["weight"]._curves
    assert len(weights) == make_result(volume).mixture.n_classes
    dock.presenter.shut_down()
    session.close()
