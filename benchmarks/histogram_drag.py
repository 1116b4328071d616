"""How long the window takes for one move of a dragged Gaussian: plot and mask of a 256 x 256 slice both drawn anew.

Needs a screen with OpenGL, or Xvfb with Mesa::

    xvfb-run -a -s "-screen 0 1920x1200x24 +extension GLX" python benchmarks/histogram_drag.py

A real mouse (Qt's test events) drags a mean in the Histogram dock of a real window. The clock runs from the move until
the plot and napari's picture have both been painted. What becomes of the whole volume is timed from the letting go.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=50)
    parser.add_argument("--slices", type=int, default=64, help="slices of the volume, each 256 x 256")
    parser.add_argument("--channels", type=int, default=1, choices=(1, 2))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    row = measure(options.moves, options.slices, options.channels)
    if options.json:
        print(json.dumps(row))
        return
    for name, value in row.items():
        print(f"{name:>24} {value:8.1f}")


class Counter:
    """Counts how often something happened."""

    def __init__(self) -> None:
        self.n = 0

    def add(self, *_: Any) -> None:
        self.n += 1


def count_paints(widget: Any) -> Counter:
    """Count how often a widget is painted from now on."""
    from qtpy.QtCore import QEvent, QObject

    counter = Counter()

    class Watch(QObject):
        def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
            if event.type() == QEvent.Type.Paint:
                counter.add()
            return False

    widget.installEventFilter(Watch(widget))
    return counter


def measure(moves: int, slices: int, n_channels: int) -> dict[str, float]:
    import napari
    import numpy as np
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication, QOpenGLWidget

    viewer = napari.Viewer()
    viewer.window.resize(1280, 720)
    session = fitted(viewer, slices, n_channels)
    layer = show(viewer, session)
    viewer.dims.set_current_step(0, slices // 2)
    plot = open_dock(viewer, n_channels)
    canvas = viewer.window._qt_window.findChildren(QOpenGLWidget)[0]
    paints = count_paints(canvas), count_paints(plot.viewport())
    moved = Counter()
    plot.dragged.connect(moved.add)

    start = middle(plot, session, n_channels)
    QTest.mouseMove(plot.viewport(), start)
    QTest.mousePress(plot.viewport(), Qt.MouseButton.LeftButton, pos=start)
    times, changed = [], 0
    for move in range(moves + 1):
        spin(0.05)
        there = start + type(start)(-8 - move, 0)
        before, n_moved, began = np.array(layer.data), moved.n, time.perf_counter()
        QTest.mouseMove(plot.viewport(), there)
        wait(lambda n=n_moved: moved.n > n)
        seen = [p.n for p in paints]
        wait(lambda seen=seen: all(p.n > n for p, n in zip(paints, seen, strict=True)))
        times.append(1000 * (time.perf_counter() - began))
        changed += int((layer.data != before).any())
    result, began = session.result, time.perf_counter()
    QTest.mouseRelease(plot.viewport(), Qt.MouseButton.LeftButton, pos=there)
    let_go = 1000 * (time.perf_counter() - began)
    while session.result is result:
        QApplication.processEvents()
    whole = 1000 * (time.perf_counter() - began)
    viewer.close()
    # The first move begins the drag.
    times = times[1:]
    return {
        "moves": len(times),
        "moves that changed mask": changed,
        "median ms": statistics.median(times),
        "95th percentile ms": float(np.percentile(times, 95)),
        "longest ms": max(times),
        "letting go ms": let_go,
        "whole volume ms": whole,
    }


def wait(ready: Any) -> None:
    """Let the window live until something has happened."""
    from qtpy.QtWidgets import QApplication

    began = time.perf_counter()
    while not ready():
        QApplication.processEvents()
        if time.perf_counter() - began > 5:
            raise TimeoutError("nothing was painted")


def fitted(viewer: Any, slices: int, n_channels: int) -> Any:
    """Fit the phantom, and return the viewer's session."""
    from napari_gmmseg.config import FitConfig, find_preset
    from napari_gmmseg.session import SegmentationRequest
    from napari_gmmseg.session.registry import session_of

    session = session_of(viewer)
    config = FitConfig(n_classes=3, method="spatial")
    session.open(SegmentationRequest(phantom(slices, n_channels), find_preset("custom"), config=config))
    session.run()
    session.job.join()
    session.poll()
    return session


def open_dock(viewer: Any, n_channels: int) -> Any:
    """Open the Histogram dock, and return its plot."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Histogram")
    spin(1.0)
    if n_channels == 1:
        return dock.plot
    dock.channels_chosen.emit((0, 1))
    spin(1.0)
    return dock.joint


def middle(plot: Any, session: Any, n_channels: int) -> Any:
    """Where the second class's Gaussian is taken hold of, in pixels."""
    from qtpy.QtCore import QPointF

    box = plot.getPlotItem().getViewBox()
    centre = session.mixture.class_means()[1]
    up = centre[1] if n_channels == 2 else 0.3 * box.viewRange()[1][1]
    return plot.mapFromScene(box.mapViewToScene(QPointF(centre[0], up)))


def phantom(slices: int, n_channels: int) -> Any:
    """The sample brain on slices of 256 x 256, with noise; a second channel is its reverse."""
    import numpy as np
    from scipy.ndimage import zoom

    from napari_gmmseg.io.sample import load_sample
    from napari_gmmseg.volumes import Volume

    brain = load_sample("brain").data[0]
    large = zoom(brain, [n / m for n, m in zip((slices, 256, 256), brain.shape, strict=True)], order=1)
    noise = np.random.default_rng(0).normal(0, 0.03 * float(large.max()), (n_channels, *large.shape))
    channels = [large, np.where(large > 0, large.max() - large, 0)][:n_channels]
    data = np.where(large > 0, np.stack(channels) + noise, 0)
    return Volume.from_array(data.astype(np.float32), (2, 0.7, 0.85), channels=("t1", "t2")[:n_channels])


def show(viewer: Any, session: Any) -> Any:
    """Add image and result as the Segment dock does, and return the result's layer."""
    from napari_gmmseg.plugin.layer_grids import LayerGrid
    from napari_gmmseg.plugin.shown import display_of, image_layers, label_layer

    volume, result = session.request.volume, session.result
    for data, settings, _ in image_layers(volume, "phantom"):
        image = viewer.add_image(data, **settings)
    extra = {"role": "result", "of": id(image), "segmentation": result}
    grid, place = LayerGrid.plain(volume.geometry), display_of(volume.geometry)
    data, settings, _ = label_layer(result.label_map, grid, place, "phantom segmentation", extra)
    return viewer.add_labels(data, **settings)


def spin(seconds: float) -> None:
    """Let the window live for a while."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()


if __name__ == "__main__":
    main()
