"""From the mouse that is lifted to the new mask on the screen: strokes in the real viewer with the Scribble dock.

A real mouse (Qt's test events) paints short strokes over the true tissue of a phantom with 5 % noise: on a slice of
256 x 256, and in the shown slice of the 1 mm brain. The clock runs from the release of the button until the shown slice
has its answer and the canvas was drawn with it; for the volume also until all of it has its answer. Needs a screen with
OpenGL, or Xvfb with Mesa::

    xvfb-run -a -s "-screen 0 1920x1200x24 +extension GLX" python benchmarks/scribble_window.py
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

_PHANTOM = "t1_n5b0"
_LONGEST = 60.0


def main() -> None:
    """Measure both, each in a window of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strokes", type=int, default=20, help="strokes that are timed")
    parser.add_argument("--case", choices=("slice", "volume"), help="only one of the two")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as sessions:
        os.environ["NAPARI_GMMSEG_SESSIONS"] = sessions
        rows = {case: measure(case, options.strokes) for case in ("slice", "volume") if options.case in (None, case)}
    if options.json:
        print(json.dumps(rows))
        return
    for case, row in rows.items():
        print(case, *(f"{name}: {value:.0f}" for name, value in row.items()), sep="\n    ")


def measure(case: str, n_strokes: int) -> dict[str, float]:
    """Time strokes on a slice or a volume; in ms."""
    import napari
    import numpy as np
    from benchmarks.phantoms import make

    phantom = make(_PHANTOM)
    viewer = napari.Viewer()
    viewer.window.resize(1280, 720)
    truth = show(viewer, phantom, case)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gmmseg", "Scribble")
    presenter, session = dock.presenter, dock.presenter.session
    presenter.start()
    wait(lambda: presenter.started and not session._answering.warming)
    layer = next(found for found in viewer.layers if found.name == "Scribbles")
    z = round(float(layer.world_to_data(viewer.dims.point)[0])) if case == "volume" else None
    times = time_strokes(viewer, presenter, layer, truth if z is None else truth[z], z, n_strokes)
    presenter.shut_down()
    session.close()
    viewer.close()
    shown, whole = (column[-n_strokes:] for column in zip(*times, strict=True))
    row = {
        "strokes": len(shown),
        "first answer ms": times[0][0],
        "median ms": statistics.median(shown),
        "95th percentile ms": float(np.percentile(shown, 95)),
        "longest ms": max(shown),
    }
    return row if case == "slice" else {**row, "whole volume, median ms": statistics.median(whole)}


def show(viewer: Any, phantom: Any, case: str) -> Any:
    """Show the image in the middle slice; return its true labels."""
    from napari_gmmseg.plugin.metadata import KEY
    from napari_gmmseg.plugin.shown import image_layers

    truth = phantom.truth.labels
    z = truth.shape[0] // 2
    if case == "volume":
        data, settings, _ = image_layers(phantom.volume, "brain", {"preset": "brain-t1"})[0]
        viewer.add_image(data, **settings)
        viewer.dims.set_current_step(0, z)
        return truth
    image, truth = (framed(plane) for plane in (phantom.volume.data[0, z], truth[z]))
    viewer.add_image(image, name="slice", scale=(1, 1), units=("mm", "mm"), metadata={KEY: {"preset": "brain-t1"}})
    return truth


def time_strokes(viewer: Any, presenter: Any, layer: Any, truth: Any, z: int | None, n_strokes: int) -> list[Any]:
    """Paint strokes of all classes in turn; return ms until the shown slice, and all, had their answers."""
    import numpy as np
    from tests.docks.canvas_mouse import canvas_of, paint

    session, answers, times = presenter.session, [0], []

    def count(what: object) -> None:
        answers[0] += z is not None or what == "result"

    (session.changed if z is None else session.slice_answered).connect(count)
    drawn, rng = count_paints(canvas_of(viewer)), np.random.default_rng(0)
    values = [line.value for line in presenter._bound.lines]
    for n in range(len(values) + n_strokes):
        voxels = short_stroke(truth, values[n % len(values)], rng)
        presenter.choose(values[n % len(values)])
        spin(0.1)
        before, painted = answers[0], len(session.scribbles.strokes)
        paint(viewer, layer, [voxel if z is None else (z, *voxel) for voxel in voxels])
        began = time.perf_counter()
        wait(lambda painted=painted: len(session.scribbles.strokes) > painted)
        if n == 0:
            # One class alone is not answered.
            continue
        wait(lambda before=before: answers[0] > before)
        seen = drawn[0]
        wait(lambda seen=seen: drawn[0] > seen)
        shown = 1000 * (time.perf_counter() - began)
        wait(lambda: not session.answering)
        times.append((shown, 1000 * (time.perf_counter() - began)))
    return times


def framed(plane: Any) -> Any:
    """Return a plane in the middle of 256 x 256."""
    import numpy as np

    frame = np.zeros((256, 256), dtype=plane.dtype)
    top, left = ((256 - n) // 2 for n in plane.shape)
    frame[top : top + plane.shape[0], left : left + plane.shape[1]] = plane
    return frame


def short_stroke(truth: Any, value: int, rng: Any) -> list[tuple[int, int]]:
    """Return a short row of voxels of one tissue."""
    import numpy as np

    inside = truth == value
    starts = np.argwhere(inside[:, :-3] & inside[:, 1:-2] & inside[:, 2:-1] & inside[:, 3:])
    y, x = starts[rng.integers(len(starts))]
    return [(int(y), int(x) + step) for step in range(4)]


def count_paints(widget: Any) -> list[int]:
    """Return a count that rises whenever a widget is drawn."""
    from qtpy.QtCore import QEvent, QObject

    counter = [0]

    class Watch(QObject):
        def eventFilter(self, _watched: Any, event: Any) -> bool:  # noqa: N802 - Qt's name
            counter[0] += event.type() == QEvent.Type.Paint
            return False

    widget.installEventFilter(Watch(widget))
    return counter


def wait(ready: Callable[[], bool]) -> None:
    """Let the window live until something is so."""
    from qtpy.QtWidgets import QApplication

    until = time.perf_counter() + _LONGEST
    while not ready():
        QApplication.processEvents()
        # Without it this thread would hold Python's lock most of the time, which an event loop that waits does not.
        time.sleep(0.001)
        if time.perf_counter() > until:
            raise TimeoutError("the window did not answer")


def spin(seconds: float) -> None:
    """Let the window live for a while."""
    until = time.perf_counter() + seconds
    wait(lambda: time.perf_counter() > until)


if __name__ == "__main__":
    main()
