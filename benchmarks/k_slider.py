"""How soon the shown slice answers to the slider of K, moved 3, 5, 2, 3 while a network is trained on the 1 mm brain.

Needs a screen with OpenGL, or Xvfb with Mesa::

    xvfb-run -a -s "-screen 0 1920x1200x24 +extension GLX" python benchmarks/k_slider.py

Arrow keys (Qt's test events) move the slider in the Segment dock of a real window. The clock runs from the last key
until napari has painted the shown slice with other classes than before; the slider waits 150 ms for another key first.
The run must be the same one throughout, and a class that stays must keep its name and colour.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

MOVES = (5, 2, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phantom", default="t1_n9b0", help="name of the yardstick family")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure(options.phantom, options.repeats)
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'run':>4} {'K':>7} {'at step':>8} {'painted ms':>11}   classes")
    for row in rows:
        for move in row["moves"]:
            kept = ", ".join(move["classes"])
            print(f"{row['run']:>4} {move['k']:>7} {move['step']:>8} {move['ms']:>11.0f}   {kept}")
        print(f"{row['run']:>4} Dice of the end with the truth: {row['dice']}")
    times = [move["ms"] for row in rows for move in row["moves"]]
    print(f"median {statistics.median(times):.0f} ms, longest {max(times):.0f} ms of {len(times)} moves")


def measure(phantom: str, repeats: int) -> list[dict[str, Any]]:
    import os

    import napari
    from benchmarks.phantoms import make

    from napari_gmmseg.plugin.shown import image_layers

    case = make(phantom)
    rows = []
    with tempfile.TemporaryDirectory() as sessions:
        os.environ["NAPARI_GMMSEG_SESSIONS"] = sessions
        viewer = napari.Viewer()
        viewer.window.resize(1280, 720)
        _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Segment")
        # Without a background of noise the mask is the brain, and its tissues have names.
        volume = replace(case.volume, data=case.volume.data * case.mask)
        data, settings, _ = image_layers(volume, phantom, {"preset": "brain-t1"})[0]
        viewer.add_image(data, **settings)
        dock.presenter.choose_contrast(id(viewer.layers[0]), "t1")
        dock.presenter.choose_preset("brain-t1")
        wait(lambda: not any(t.name == "gmmseg-warm-up" for t in threading.enumerate()))
        for run in range(repeats):
            rows.append({"run": run, **one_run(viewer, dock, case)})
            dock.presenter.choose(n_classes=3)
        viewer.close()
    return rows


def one_run(viewer: Any, dock: Any, case: Any) -> dict[str, Any]:
    from napari_gmmseg.quality import evaluate

    presenter, session = dock.presenter, dock.presenter.session
    presenter.run()
    wait(lambda: dock.progress_text.startswith("Blind-spot prior"))
    job = session.job
    before = looks(session)
    moves = []
    for k in MOVES:
        spin(0.5)
        moves.append(move(viewer, dock, k))
        after = looks(session)
        assert session.job is job, "the run was begun again"
        assert all(after[v] == before[v] for v in after.keys() & before.keys()), "a class changed its name or colour"
        before = before | after
    wait(lambda: not presenter.running)
    assert job.error is None
    found = evaluate(session.result.label_map, case.truth)
    return {"moves": moves, "dice": {c.name: round(c.dice, 3) for c in found.classes}}


def move(viewer: Any, dock: Any, k: int) -> dict[str, Any]:
    """Move the slider by keys, and wait until the slice is painted with other classes."""
    import numpy as np
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QOpenGLWidget, QSlider

    slider = dock.findChild(QSlider, "segment_n_classes_slider")
    session = dock.presenter.session
    layer = next(each for each in viewer.layers if type(each).__name__ == "Labels" and each.visible)
    z = viewer.dims.current_step[0]
    shown = set(np.unique(layer.data[z]))
    canvas = viewer.window._qt_window.findChildren(QOpenGLWidget)[0]
    step = session.job.n_reports
    was = slider.value()
    paints, drawn = count_paints(canvas), []

    def note(_event: Any = None) -> None:
        if set(np.unique(layer.data[z])) != shown:
            drawn.append(time.perf_counter())

    layer.events.set_data.connect(note)
    for _ in range(abs(k - was)):
        QTest.keyClick(slider, Qt.Key.Key_Right if k > was else Qt.Key.Key_Left)
    began = time.perf_counter()
    wait(lambda: bool(drawn) and paints[-1:] > drawn[:1])
    layer.events.set_data.disconnect(note)
    took = 1000 * (next(t for t in paints if t > drawn[0]) - began)
    assert slider.value() == k == len(session.classes), [m.text for m in dock.messages.shown]
    return {"k": f"{was} to {k}", "step": step, "ms": took, "classes": [c.name for c in session.classes]}


def looks(session: Any) -> dict[int, tuple[Any, ...]]:
    return {c.value: (c.name, tuple(c.colour)) for c in session.classes}


def count_paints(widget: Any) -> list[float]:
    """Note the paintings of a widget from now on."""
    from qtpy.QtCore import QEvent, QObject

    seen: list[float] = []

    class Watch(QObject):
        def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
            if event.type() == QEvent.Type.Paint:
                seen.append(time.perf_counter())
            return False

    widget.installEventFilter(Watch(widget))
    return seen


def wait(ready: Any) -> None:
    """Let the window live until something has happened."""
    began = time.perf_counter()
    while not ready():
        spin(0.002)
        if time.perf_counter() - began > 60:
            raise TimeoutError("it never became so")


def spin(seconds: float) -> None:
    """Let the window live for a while."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()


if __name__ == "__main__":
    main()
