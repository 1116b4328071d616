"""How long the window takes for one move of a window of the outlier score: the heat map of a 256 x 256 slice anew.

Needs a screen with OpenGL, or Xvfb with Mesa::

    xvfb-run -a -s "-screen 0 1920x1200x24 +extension GLX" python benchmarks/outlier_drag.py

The handle of a slider is dragged (Qt's test events) in the Outlier dock of a real window: j under Advanced, or the main
slider. The clock runs from the move until the canvas has been painted with the new scores. With several slices,
the windows reach through them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.histogram_drag import count_paints, phantom, show, spin, wait


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, nargs="+", default=[1, 16, 128])
    parser.add_argument(
        "--slider", choices=["outlier_outer", "outlier_inner", "outlier_length"], default="outlier_outer"
    )
    parser.add_argument("--rounds", type=int, default=4, help="ways along the slider and back")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    options = parser.parse_args()
    for slices in options.slices:
        row = {"slices": slices, **measure(options.slider, slices, options.rounds)}
        if options.json:
            print(json.dumps(row), flush=True)
            continue
        print(f"\n{options.slider}, {slices} slices of 256 x 256")
        for name, value in row.items():
            print(f"{name:>24} {value:8.1f}", flush=True)


def measure(name: str, slices: int, rounds: int) -> dict[str, float]:
    import napari
    import numpy as np
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QOpenGLWidget, QSlider

    viewer = napari.Viewer()
    session, dock = opened(viewer, slices)
    heat = next(layer for layer in viewer.layers if layer.name.endswith("outliers"))
    slider = dock.findChild(QSlider, name)
    canvas = viewer.window._qt_window.findChildren(QOpenGLWidget)[0]
    painted = count_paints(canvas)
    handle = handle_of(slider)
    per_step = (slider.width() - handle.width()) / (slider.maximum() - slider.minimum())
    at = handle.center()
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=at)
    times, spent, changed = [], [], 0
    first, z = slider.value(), slices - 1 - slices // 2
    there = [*range(first + 1, slider.maximum() + 1), *range(slider.maximum() - 1, first - 1, -1)] * rounds
    for value in there:
        spin(0.02)
        before, seen, stood = np.array(heat.data[z]), painted.n, slider.value()
        began, cpu = time.perf_counter(), time.process_time()
        QTest.mouseMove(slider, at + QPoint(round((value - first) * per_step), 0))
        if slider.value() == stood:
            continue
        wait(lambda seen=seen: painted.n > seen)
        times.append(1000 * (time.perf_counter() - began))
        spent.append(1000 * (time.process_time() - cpu))
        changed += int((heat.data[z] != before).any())
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton)
    began = time.perf_counter()
    wait_for(lambda: not dock.presenter.busy)
    plan = 1000 * (time.perf_counter() - began)
    viewer.close()
    session.close()
    return {
        "moves": len(times),
        "moves that changed it": changed,
        "median ms": statistics.median(times),
        "median CPU ms": statistics.median(spent),
        "95th percentile ms": float(np.percentile(times, 95)),
        "longest ms": max(times),
        "ml per class told ms": plan,
    }


def opened(viewer: Any, slices: int) -> tuple[Any, Any]:
    """Fit and show the phantom, open the dock, and wait until it has come to rest; return session and dock."""
    from qtpy.QtWidgets import QToolButton

    viewer.window.resize(1280, 720)
    session = fitted(viewer, slices)
    show(viewer, session)
    viewer.dims.set_current_step(0, slices // 2)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Outlier")
    dock.findChild(QToolButton, "outlier_advanced").click()
    spin(1.0)
    wait_for(lambda: not dock.presenter.busy)
    # What is said of the windows may have moved the sliders.
    spin(0.5)
    return session, dock


def fitted(viewer: Any, slices: int) -> Any:
    """Fit the phantom, of one slice its middle, and return the viewer's session."""
    from napari_gmmseg.config import FitConfig, find_preset
    from napari_gmmseg.session import SegmentationRequest
    from napari_gmmseg.session.registry import session_of
    from napari_gmmseg.volumes import Volume

    volume = phantom(max(slices, 3), 1)
    if slices == 1:
        volume = Volume.from_array(volume.data[:, 1:2].copy(), volume.geometry.spacing, channels=("t1",))
    session = session_of(viewer)
    config = FitConfig(n_classes=4, method="gmm")
    session.open(SegmentationRequest(volume, find_preset("custom"), config=config))
    session.run()
    session.job.join()
    session.poll()
    return session


def handle_of(slider: Any) -> Any:
    """Return where a slider's handle is."""
    from qtpy.QtWidgets import QStyle, QStyleOptionSlider

    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    style = QStyle.ComplexControl.CC_Slider, QStyle.SubControl.SC_SliderHandle
    return slider.style().subControlRect(style[0], option, style[1], slider)


def wait_for(ready: Any) -> None:
    """Let the window live until something has happened, however long it takes."""
    while not ready():
        spin(0.02)


if __name__ == "__main__":
    main()
