"""Take the pictures of the Segment dock: dark and light, before, during and after a run, at 1280 x 720.

Needs a screen with OpenGL, or Xvfb with Mesa::

    xvfb-run -a -s "-screen 0 1920x1200x24 +extension GLX" python docs/make_pictures.py [-o docs/pictures]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SIZE = (1280, 720)
_LONGEST = 600.0
#: Standard deviation of the noise put on the sample brain, as a share of its brightest tissue.
_NOISE = 0.09


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "pictures")
    windows = {"segment": segment, "recovery": recovery, "scribbles": scribbles, "islands": islands, "gliomas": gliomas}
    parser.add_argument("--only", choices=windows, nargs="+", default=list(windows))
    given = parser.parse_args()
    folder: Path = given.output
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as sessions:
        # What a person left unfinished is not offered in pictures.
        os.environ["NAPARI_GMMSEG_SESSIONS"] = sessions
        from napari.settings import get_settings

        get_settings().appearance.theme = "dark"
        for name in given.only:
            windows[name](folder)


def segment(folder: Path) -> None:
    """Take those of the Segment dock, and of the docks beside it, in one viewer."""
    import napari

    viewer = napari.Viewer()
    viewer.window.resize(*_SIZE)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Segment")
    wait(lambda: not any(t.name == "gmmseg-warm-up" for t in threading.enumerate()))
    take(viewer, folder / "segment-empty.png")
    brain(viewer, dock, folder)
    noisy(viewer, dock, folder)
    advanced(viewer, dock, folder)
    heart(viewer, dock, folder)
    live(viewer, dock, folder)
    plots(viewer, dock, folder)
    viewer.close()


def brain(viewer: Any, dock: Any, folder: Path) -> None:
    """Segment the sample brain in two clicks."""
    viewer.open_sample("napari-gmmseg", "brain")
    take(viewer, folder / "segment-before.png")
    dock.presenter.run()
    wait(lambda: dock.presenter.job.mailbox is not None and dock.presenter.job.state == "running")
    dock.presenter.pause_or_resume()
    wait(lambda: dock.presenter.job.state == "paused" or dock.presenter.job.state.ended)
    take(viewer, folder / "segment-during.png")
    dock.presenter.job.resume()
    finish(dock)
    take(viewer, folder / "segment-after.png")
    viewer.theme = "light"
    take(viewer, folder / "segment-after-light.png")
    viewer.theme = "dark"


def noisy(viewer: Any, dock: Any, folder: Path) -> None:
    """Segment the sample brain under noise: the network at work, the refined result, and the mixture it began with."""
    viewer.layers.clear()
    noisy_brain(viewer)
    dock.presenter.run()
    wait(lambda: dock.progress_text.startswith("Blind-spot prior · step 9") or not dock.presenter.running)
    dock.presenter.pause_or_resume()
    wait(lambda: dock.presenter.job.state == "paused" or dock.presenter.job.state.ended)
    take(viewer, folder / "segment-refining.png")
    dock.presenter.job.resume()
    finish(dock)
    take(viewer, folder / "segment-refined.png")
    viewer.theme = "light"
    dock.result.keep_spatial.click()
    take(viewer, folder / "segment-spatial-kept-light.png")
    viewer.theme = "dark"


def noisy_brain(viewer: Any) -> None:
    """Open the sample brain, and put noise on it."""
    import numpy as np

    from napari_gmmseg.io.phantom import rician

    viewer.open_sample("napari-gmmseg", "brain")
    brain = viewer.layers[0]
    clean = np.asarray(brain.data, dtype=np.float64)
    inside = clean > 0
    noise = _NOISE * float(np.percentile(clean[inside], 98))
    brain.data = np.where(inside, rician(clean, noise, np.random.default_rng(0)), 0).astype(np.float32)


def advanced(viewer: Any, dock: Any, folder: Path) -> None:
    """Show what Advanced holds for a deep mixture."""
    dock.presenter.choose(method="advanced", advanced={"method": "deepsvg"})
    take(viewer, folder / "segment-advanced.png")
    dock.presenter.choose(method="auto")


def heart(viewer: Any, dock: Any, folder: Path) -> None:
    """Segment the generated heart, three channels in a region, and show an error as a sentence."""
    viewer.layers.clear()
    viewer.open_sample("napari-gmmseg", "heart")
    dock.presenter.run()
    finish(dock)
    take(viewer, folder / "segment-heart.png")
    dock.presenter.choose(region=None)
    viewer.layers.remove(next(layer for layer in viewer.layers if layer.name == "Left ventricle"))
    dock.presenter.choose(region=None)
    dock.presenter.run()
    viewer.theme = "light"
    take(viewer, folder / "segment-error-light.png")
    viewer.theme = "dark"


def live(viewer: Any, dock: Any, folder: Path) -> None:
    """Keep a result, go on with a class more, compare, and show the classes."""
    viewer.layers.clear()
    viewer.open_sample("napari-gmmseg", "brain")
    dock.presenter.run()
    finish(dock)
    dock.presenter.keeping.keep("three")
    _, classes = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Classes", tabify=True)
    dock.presenter.choose(n_classes=4)
    finish(dock)
    wait(lambda: bool(dock.form.suggestion))
    take(viewer, folder / "live-classes.png")
    viewer.window.remove_dock_widget(classes)
    dock.result.kept.select(("three",))
    viewer.theme = "light"
    wait(lambda: False, seconds=1.0)
    dock.scroll_to_end()
    take(viewer, folder / "live-kept-light.png")
    viewer.theme = "dark"


def plots(viewer: Any, dock: Any, folder: Path) -> None:
    """Drag a mean in the histogram; then retune and pause a network, and show its curves."""
    from qtpy.QtCore import QPointF, Qt
    from qtpy.QtTest import QTest

    dock.presenter.choose(n_classes=3)
    finish(dock)
    _, histogram = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Histogram", tabify=True)
    wait(lambda: False, seconds=1.0)
    plot = histogram.plot
    box, means = plot.getPlotItem().getViewBox(), dock.presenter.session.mixture.class_means()
    there = plot.mapFromScene(box.mapViewToScene(QPointF(means[1, 0], 0.3 * box.viewRange()[1][1])))
    QTest.mouseMove(plot.viewport(), there)
    QTest.mousePress(plot.viewport(), Qt.MouseButton.LeftButton, pos=there)
    for _ in range(12):
        there -= type(there)(1, 0)
        wait(lambda: False, seconds=0.03)
        QTest.mouseMove(plot.viewport(), there)
    take(viewer, folder / "live-histogram.png")
    QTest.mouseRelease(plot.viewport(), Qt.MouseButton.LeftButton, pos=there)
    finish(dock)
    viewer.window.remove_dock_widget(histogram)
    viewer.layers.clear()
    noisy_brain(viewer)
    _, curves = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Curves", tabify=True)
    dock.presenter.run()
    for begins, n_classes in (("Blind-spot prior · step 5", 4), ("Blind-spot prior · step 9", 3)):
        wait(lambda begins=begins: dock.progress_text.startswith(begins) or not dock.presenter.running)
        dock.presenter.choose(n_classes=n_classes)
    dock.presenter.pause_or_resume()
    wait(lambda: dock.presenter.job.state == "paused" or dock.presenter.job.state.ended)
    dock.presenter.job.resume()
    finish(dock)
    take(viewer, folder / "live-curves.png")
    viewer.window.remove_dock_widget(curves)


def gliomas(folder: Path) -> None:
    """Segment the generated glioma at first sight."""
    import napari

    viewer = napari.Viewer()
    viewer.window.resize(*_SIZE)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Segment")
    viewer.open_sample("napari-gmmseg", "glioma")
    dock.presenter.run()
    finish(dock)
    dock.scroll_to_end()
    take(viewer, folder / "glioma-first-sight.png")
    dock.presenter.shut_down()
    dock.presenter.session.close()
    viewer.close()


def recovery(folder: Path) -> None:
    """Offer a session that did not end."""
    import napari

    viewer = napari.Viewer()
    viewer.window.resize(*_SIZE)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Segment")
    viewer.open_sample("napari-gmmseg", "brain")
    dock.presenter.run()
    finish(dock)
    dock.recording.leave_unfinished()
    viewer.close()
    viewer = napari.Viewer()
    viewer.window.resize(*_SIZE)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Segment")
    wait(dock.recovery.isVisible)
    take(viewer, folder / "live-recover.png")
    dock.recovery_offer.recover()
    wait(lambda: dock.presenter.result_layer() is not None)
    take(viewer, folder / "live-recovered.png")
    viewer.close()


def scribbles(folder: Path) -> None:
    """Paint three strokes, see their answer, and be told where to paint next."""
    import napari
    import numpy as np

    viewer = napari.Viewer()
    viewer.window.resize(*_SIZE)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Scribble")
    viewer.open_sample("napari-gmmseg", "brain")
    presenter = dock.presenter
    presenter.start()
    wait(lambda: presenter.started)
    layer = next(found for found in viewer.layers if found.name == "Scribbles")
    z = round(float(layer.world_to_data(viewer.dims.point)[0]))
    shown = np.asarray(viewer.layers[0].data[z], dtype=np.float64)
    tissue = shown[shown > 0]
    for value, share in ((1, 4), (2, 45), (3, 88)):
        # The longest row of this brightness.
        alike = np.abs(shown - np.percentile(tissue, share)) < 0.04 * np.ptp(tissue)
        runs = [(len(part), y, part) for y, row in enumerate(alike) for part in _runs(np.flatnonzero(row))]
        _, y, columns = max(runs, key=lambda run: run[0])
        presenter.choose(value)
        with layer.block_history():
            for x in columns:
                layer.paint((z, y, int(x)), value)
        wait(lambda: not presenter.busy)
    take(viewer, folder / "scribble-painted.png")
    viewer.theme = "light"
    wait(lambda: False, seconds=1.0)
    presenter.show_doubt("entropy")
    presenter.next_spot()
    wait(lambda: not presenter.busy)
    take(viewer, folder / "scribble-next-light.png")
    viewer.theme = "dark"
    presenter.show_doubt("none")
    presenter.edit_result(True)
    presenter.use_edit_tool("island")
    take(viewer, folder / "scribble-edit.png")
    presenter.shut_down()
    presenter.session.close()
    viewer.close()


def islands(folder: Path) -> None:
    """Show what is too small to be believed, go to one island, and compare windows."""
    import napari
    from qtpy.QtWidgets import QToolButton, QTreeWidget, QWidget

    viewer = napari.Viewer()
    viewer.window.resize(*_SIZE)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Segment")
    noisy_brain(viewer)
    dock.presenter.choose(method="quick")
    dock.presenter.run()
    finish(dock)
    _, outlier = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Outlier", tabify=True)
    wait(lambda: not outlier.presenter.busy)
    listed = outlier.findChild(QTreeWidget, "outlier_islands")
    listed.setCurrentItem(listed.topLevelItem(1))
    take(viewer, folder / "outlier-islands.png")
    viewer.theme = "light"
    outlier.presenter.choose_length(5)
    wait(lambda: not outlier.presenter.busy)
    outlier.presenter.compare()
    wait(outlier.sheet.isVisible)
    outlier.findChild(QToolButton, "outlier_advanced").click()
    wait(lambda: False, seconds=1.0)
    bar = outlier.findChild(QWidget, "outlier_scroll").verticalScrollBar()
    bar.setValue(bar.maximum())
    take(viewer, folder / "outlier-windows-light.png")
    viewer.theme = "dark"
    outlier.presenter.shut_down()
    dock.presenter.shut_down()
    dock.presenter.session.close()
    viewer.close()


def _runs(places: Any) -> list[Any]:
    """Return the parts of rising numbers that have no gap."""
    import numpy as np

    return np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)


def finish(dock: Any) -> None:
    """Wait until the run has ended and is shown."""
    wait(lambda: not dock.presenter.running)
    wait(lambda: False, seconds=0.3)


def take(viewer: Any, path: Path) -> None:
    """Write what the window shows."""
    wait(lambda: False, seconds=0.7)
    viewer.screenshot(path=str(path), canvas_only=False, flash=False)


def wait(ready: Callable[[], bool], seconds: float = _LONGEST) -> None:
    """Let the window live until something is so, or for some time."""
    from time import monotonic

    from qtpy.QtCore import QEventLoop, QTimer

    until = monotonic() + seconds
    while not ready() and monotonic() < until:
        loop = QEventLoop()
        QTimer.singleShot(20, loop.quit)
        loop.exec()


if __name__ == "__main__":
    main()
