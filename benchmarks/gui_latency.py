"""How long the window waits during a run: the longest gap of a 10 ms timer, on the 1 mm brain of the yardstick.

Needs a screen with OpenGL, or Xvfb with Mesa::

    xvfb-run -a -s "-screen 0 1920x1200x24 +extension GLX" python benchmarks/gui_latency.py

With ``--training 60`` a network is trained for a minute on one thread, and how late each beat comes is told.
Adding a layer is napari's own work and happens before a run begins; it is listed apart. What stalls is told by
``--stacks``.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))


#: Of the timer, in ms.
INTERVAL = 10


@dataclass
class Heartbeat:
    """Gaps between the beats of a timer, and what the GUI thread did in the long ones."""

    limit: float = 0.05
    stacks: bool = False
    beats: list[float] = field(default_factory=list)
    seen: list[tuple[float, str]] = field(default_factory=list)
    alive: bool = True

    def beat(self) -> None:
        self.beats.append(time.perf_counter())

    def watch(self, thread: int) -> None:
        while self.alive:
            time.sleep(0.01)
            if self.beats and (late := time.perf_counter() - self.beats[-1]) > self.limit:
                others = [
                    " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_stack(frame)[::-1][:5])
                    for ident, frame in sys._current_frames().items()
                    if ident not in (thread, threading.get_ident())
                ]
                frames = traceback.extract_stack(sys._current_frames()[thread])[::-1][:8]
                self.seen.append(
                    (late, " < ".join(f"{Path(f.filename).name}:{f.lineno}:{f.name}" for f in frames) + f"  | {others}")
                )

    def gaps_ms(self, since: float) -> list[float]:
        kept = [b for b in self.beats if b >= since]
        return [1000 * (b - a) for a, b in pairwise(kept)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phantom", default="t1_n3b0", help="name of the yardstick family")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--method", default="auto", choices=("auto", "quick"))
    parser.add_argument("--training", type=float, metavar="SECONDS", help="train a network for so long, on one thread")
    parser.add_argument("--stacks", action="store_true", help="say what the GUI thread did in gaps over 50 ms")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure(options.phantom, options.repeats, options.method, options.training, stacks=options.stacks)
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'run':>4} {'s':>7} {'add layer ms':>13} {'longest ms':>11} {'p99 ms':>8}")
    for i, row in enumerate(rows):
        print(f"{i:>4} {row['seconds']:>7.2f} {row['add_ms']:>13.0f} {row['longest_ms']:>11.0f} {row['p99_ms']:>8.0f}")
        if "late_p99_ms" in row:
            told = ", ".join(f"{name} {value:.1f}" for name, value in row.items() if name.startswith("late_"))
            print(f"     {row['beats']} beats, {row['steps']} reports; {told}")
        for late, stack in row["stacks"]:
            print(f"       {1000 * late:.0f} ms: {stack}")


def measure(phantom: str, repeats: int, method: str, training: float | None, *, stacks: bool) -> list[dict[str, Any]]:
    import napari
    from benchmarks.phantoms import make
    from qtpy.QtCore import Qt, QTimer

    from napari_gmmseg.docks.segment import SegmentDock
    from napari_gmmseg.plugin.shown import image_layers

    viewer = napari.Viewer()
    viewer.window.resize(1280, 720)
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment")
    data, settings, _ = image_layers(make(phantom).volume, phantom, {"preset": "brain-t1"})[0]
    viewer.add_image(data, **settings)
    if training is None:
        dock.presenter.choose(method=method)
    else:
        advanced = {"method": "blindspot", "max_steps": 10_000, "threads": 1}
        dock.presenter.choose(method="advanced", advanced=advanced)
    while any(t.name == "gmmseg-warm-up" for t in threading.enumerate()):
        spin(0.1)
    heart = Heartbeat(stacks=stacks)
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setInterval(INTERVAL)
    timer.timeout.connect(heart.beat)
    timer.start()
    if stacks:
        threading.Thread(target=heart.watch, args=(threading.main_thread().ident,), daemon=True).start()
    rows = [one_run(dock, heart, training) for _ in range(repeats)]
    heart.alive = False
    timer.stop()
    viewer.close()
    return rows


def one_run(dock: Any, heart: Heartbeat, training: float | None) -> dict[str, Any]:
    """Press Run, and count the beats until it ends, or for some time of its training."""
    import numpy as np

    spin(0.5)
    heart.seen.clear()
    clicked = time.perf_counter()
    dock.presenter.run()
    added = time.perf_counter()
    # The new layer is drawn for the first time; the work begins after that.
    spin(0.03)
    began, told = time.perf_counter(), {}
    if training is not None:
        while not dock.progress_text.startswith("Blind-spot prior"):
            spin(0.1)
            assert dock.presenter.running, [m.text for m in dock.messages.shown]
        began = time.perf_counter()
        spin(training)
        told = told_of(heart.gaps_ms(began), dock.presenter.job.n_reports)
        dock.presenter.cancel()
    while dock.presenter.running:
        spin(0.01)
    spin(0.05)
    gaps = heart.gaps_ms(began)
    return {
        "seconds": time.perf_counter() - clicked - 0.05,
        "add_ms": 1000 * (added - clicked),
        "longest_ms": max(gaps),
        "p99_ms": float(np.percentile(gaps, 99)),
        **told,
        "stacks": list(heart.seen),
    }


def told_of(gaps: list[float], steps: int) -> dict[str, Any]:
    """Say how late the beats were, in ms."""
    import numpy as np

    late = [gap - INTERVAL for gap in gaps]
    parts = {f"late_p{p}_ms": float(np.percentile(late, p)) for p in (50, 95, 99)}
    return {"beats": len(late), "steps": steps, **parts, "late_longest_ms": max(late)}


def spin(seconds: float) -> None:
    """Let the window live for a while."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()


if __name__ == "__main__":
    main()
