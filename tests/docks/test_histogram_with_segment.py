"""The Histogram dock beside the Segment dock: what is dragged in one is shown by the other."""

from __future__ import annotations

import numpy as np
import pytest
from tests.docks.conftest import NEEDS_SCREEN

pytestmark = NEEDS_SCREEN


@pytest.fixture
def docks(window, qtbot):
    """A segmented sample, and both docks."""
    viewer, segment = window
    viewer.open_sample("napari-gmmseg", "brain")
    segment.presenter.choose(method="quick")
    segment.presenter.run()
    qtbot.waitUntil(lambda: segment.presenter.result_layer() is not None, timeout=120_000)
    _, histogram = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Histogram")
    presenter = histogram.presenter
    qtbot.waitUntil(lambda: len(histogram.plot._classes) == 3, timeout=10_000)
    yield viewer, segment, presenter
    presenter.shut_down()


def changed_slices(layer, before) -> int:
    return len(np.unique(np.nonzero(np.asarray(layer.data) != before)[0]))


def test_a_drag_is_shown_in_the_slice_then_in_the_volume_and_undone(docks, qtbot):
    viewer, segment, presenter = docks
    layer = segment.presenter.result_layer()
    before, layers = np.array(layer.data), len(viewer.layers)
    session = presenter._session
    fitted = session.result
    mean = float(session.mixture.class_means()[1, 0])
    presenter.begin_drag(2)
    presenter.drag(2, "mean", (mean + 400,))
    assert changed_slices(layer, before) == 1
    presenter.end_drag(2)
    qtbot.waitUntil(lambda: changed_slices(layer, before) > 10, timeout=20_000)
    # What was shown in passing is no stroke: the result needs no layer beside the one that was painted on.
    assert segment.presenter.result_layer() is layer
    assert len(viewer.layers) == layers
    assert np.array_equal(layer.data, session.result.label_map.labels)
    session.undo()
    qtbot.waitUntil(lambda: np.array_equal(layer.data, before), timeout=20_000)
    assert session.result is fitted
