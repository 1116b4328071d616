"""How cost grows: CPU seconds in voxels, channels, classes and steps, for gmm and spatial; fitted exponents; a picture.

    python benchmarks/scaling.py [--series voxels classes] [--methods gmm spatial] [--repeats 3] [--largest 384]
                                 [--picture docs/pictures/scaling.png] [--resume]

Methods: `gmm`, one channel, which is fitted on its histogram; `every voxel`, the same EM with every voxel in every
step; `spatial`. gmm and spatial are timed as a person has them, preparation with a given mask included, bias field
automatic; `every voxel` is EM alone. The image is smooth noise cut into classes, with noise of 0.43 of their distance,
in an ellipsoid that fills the grid (52 % of its voxels). Steps are held (10 of EM, 8 sweeps), so that a larger image
does not take more of them; the table shows how many there were. Each run is a process of its own in which one small
image has been fitted before, one thread; medians of the repeats. The exponent b is that of CPU s = a x^b, least squares
of the logarithms.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from memory import Setting, make_case
from peer_methods import cpu_seconds, resident

OUTPUT = Path(__file__).parent / "output"
METHODS = ("gmm", "every voxel", "spatial")
SIZES = (64, 96, 128, 192, 256, 384)
MIDDLE, SMALL = 128, 32
#: Beside the 0.25 that the image has.
MORE_NOISE = 0.35
STEPS = {"gmm": 10, "every voxel": 10, "spatial": 8}
#: What is varied: values, and what it is called on the axis.
SERIES: dict[str, tuple[tuple[int, ...], str]] = {
    "voxels": (SIZES, "million voxels of the mask"),
    "channels": ((1, 2, 3, 4), "channels C"),
    "classes": ((2, 3, 4, 6, 8), "classes K"),
    "steps": ((3, 6, 12), "steps"),
}
LOW, HIGH = 0.95, 1.05


@dataclass(frozen=True)
class Run:
    """What is measured: a method on a cube of `size`³ voxels."""

    series: str
    method: str
    size: int = MIDDLE
    channels: int = 1
    classes: int = 3
    steps: int = 0


def runs(series: str, method: str, largest: int) -> list[Run]:
    """Return the runs of a series. Without steps, as many as `STEPS` says."""
    values, steps = SERIES[series][0], STEPS[method]
    if series == "voxels":
        return [Run(series, method, size=n, steps=steps) for n in values if n <= largest]
    if series == "channels":
        return [Run(series, method, channels=c, steps=steps) for c in values]
    if series == "classes":
        return [Run(series, method, classes=k, steps=steps) for k in values]
    return [Run(series, method, steps=s) for s in values]


def measure(run: Run) -> dict[str, Any]:
    """Fit a small image and then that of the run in this process, and return the figures."""
    timed(replace(run, size=SMALL))
    return timed(run)


def timed(run: Run) -> dict[str, Any]:
    """Fit once, and return the figures."""
    from napari_gmmseg.config import FitConfig, PreparationConfig
    from napari_gmmseg.fitting import fit
    from napari_gmmseg.mixture import em, initial_mixture, run_em
    from napari_gmmseg.preparation import prepare

    method = "gmm" if run.method == "every voxel" else run.method
    config = FitConfig(method=method, n_classes=run.classes, max_steps=run.steps, tolerance=1e-12, threads=1)  # type: ignore[arg-type]
    volume, prepared, preset = make_case(Setting((run.size,) * 3, {}, run.channels, margin=0), config)
    noise = np.random.default_rng(1).standard_normal(volume.data.shape, dtype=np.float32)
    volume = replace(volume, data=volume.data + np.float32(MORE_NOISE) * noise)
    del noise
    mask = np.asarray(prepared.mask)
    samples = np.ascontiguousarray(volume.data[:, mask]) if run.method == "every voxel" else None
    start = None if samples is None else initial_mixture(samples, (1,) * run.classes, seed=0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, wall, cpu = resident("VmRSS"), time.perf_counter(), cpu_seconds()
    if samples is None:
        steps = _steps(
            fit(volume, prepare(volume, PreparationConfig(mask="given"), mask=mask, preset=preset), config, preset)
        )
    else:
        steps = run_em(em(samples, start, tolerance=1e-12, max_steps=run.steps, route="every-voxel")).steps
    cpu, wall, above = cpu_seconds() - cpu, time.perf_counter() - wall, resident("VmHWM") - before
    return {"cpu_s": cpu, "wall_s": wall, "mb": above, "taken": steps, "voxels": int(mask.sum())}


def _steps(fitting: Any) -> int:
    while True:
        try:
            next(fitting)
        except StopIteration as end:
            return int(end.value.steps)


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """Return b of y = a x^b, by least squares of the logarithms.

    Raises
    ------
    ValueError
        Where there are fewer than two different x.
    """
    if len(set(x)) < 2:
        raise ValueError("An exponent needs two points with different x.")
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def x_of(row: dict[str, Any]) -> float:
    """Return what a row's series varies: voxels of the mask, channels, classes or steps."""
    return float(row["taken"] if row["series"] == "steps" else row[row["series"]])


def medians(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each setting with the medians of its runs, by series, method and what is varied."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(json.dumps(row["run"]), []).append(row)
    parts = ("cpu_s", "wall_s", "mb")
    rows = [
        same[0] | same[0]["run"] | {part: statistics.median(row[part] for row in same) for part in parts}
        | {"runs": len(same)}
        for same in found.values()
    ]  # fmt: skip
    places = {name: place for place, name in enumerate((*SERIES, *METHODS))}
    return sorted(rows, key=lambda row: (places[row["series"]], places[row["method"]], x_of(row)))


def report(rows: Sequence[dict[str, Any]]) -> str:
    """Return the exponents and all medians as tables in Markdown."""
    middle = medians(rows)
    heads = ["| series | method | from | to | exponent |", "|---|---|---|---|---|"]
    for series, method in dict.fromkeys((row["series"], row["method"]) for row in middle):
        own = [row for row in middle if (row["series"], row["method"]) == (series, method)]
        x, y = [x_of(row) for row in own], [row["cpu_s"] for row in own]
        if len(set(x)) < 2:
            continue
        b = exponent(x, y)
        missed = (not LOW <= b <= HIGH) if series == "voxels" else b > HIGH
        heads.append(f"| {series} | {method} | {x[0]:g} | {x[-1]:g} | {b:.2f}{' ✗' if missed else ''} |")
    body = [
        "| series | method | grid | C | K | steps | CPU s | wall s | MB above the image | runs |",
        "|---" * 10 + "|",
    ]
    body += [
        f"| {row['series']} | {row['method']} | {row['size']}³ | {row['channels']} | {row['run']['classes']} "
        f"| {row['taken']} | {row['cpu_s']:.3f} | {row['wall_s']:.3f} | {row['mb']:.0f} | {row['runs']} |"
        for row in middle
    ]
    return "\n".join([*heads, "", *body])


COLOURS = {"gmm": (0, 114, 178), "every voxel": (0, 128, 96), "spatial": (213, 94, 0)}
INK, PALE = (40, 40, 46), (208, 208, 214)
#: Pixels of the picture to one that is drawn, for smooth lines.
FINE = 3
PANEL = (380, 300)


def draw(rows: Sequence[dict[str, Any]]) -> Image.Image:
    """Return a panel a series, both axes logarithmic; dashed, cost that grows in proportion."""
    from napari_gmmseg.figures.drawing import font, text_width

    middle = medians(rows)
    series = list(dict.fromkeys(row["series"] for row in middle))
    width, height = PANEL
    picture = Image.new("RGB", (width * len(series) * FINE, (height + 30) * FINE), (255, 255, 255))
    pen = ImageDraw.Draw(picture)
    for number, name in enumerate(series):
        own = [row for row in middle if row["series"] == name]
        _panel(pen, number * width * FINE, name, own)
    x, y = 50 * FINE, (height + 6) * FINE
    for method, colour in COLOURS.items():
        pen.line([(x, y + 8 * FINE), (x + 24 * FINE, y + 8 * FINE)], fill=colour, width=2 * FINE)
        pen.text((x + 30 * FINE, y), method, fill=INK, font=font(13 * FINE))
        x += text_width(method, 13 * FINE) + 60 * FINE
    pen.text((x, y), "dashed: in proportion; ticks at what was measured", fill=INK, font=font(13 * FINE))
    return picture.resize((picture.width // FINE, picture.height // FINE), Image.Resampling.LANCZOS)


def _panel(pen: ImageDraw.ImageDraw, left: int, series: str, rows: Sequence[dict[str, Any]]) -> None:
    from napari_gmmseg.figures.drawing import font

    scale = 1e6 if series == "voxels" else 1.0
    x0, y0, width, height = left + 50 * FINE, 34 * FINE, (PANEL[0] - 72) * FINE, (PANEL[1] - 84) * FINE
    every = [x_of(row) / scale for row in rows]
    low, high = min(every), max(every)
    floor = math.floor(math.log10(min(row["cpu_s"] for row in rows)))
    roof = math.ceil(math.log10(max(row["cpu_s"] for row in rows)))

    def place(x: float, seconds: float) -> tuple[float, float]:
        across = (math.log(x) - math.log(low)) / max(math.log(high) - math.log(low), 1e-9)
        return x0 + width * across, y0 + height * (roof - math.log10(seconds)) / (roof - floor)

    pen.text((x0, 8 * FINE), f"CPU s, by {SERIES[series][1]}", fill=INK, font=font(14 * FINE))
    for power in range(floor, roof + 1):
        pen.line([place(low, 10.0**power), place(high, 10.0**power)], fill=PALE, width=FINE)
        pen.text(
            (x0 - 6 * FINE, place(low, 10.0**power)[1]), f"{10.0**power:g}", fill=INK, font=font(11 * FINE), anchor="rm"
        )
    for x in sorted(set(every)):
        pen.text((place(x, 1)[0], y0 + height + 6 * FINE), f"{x:.3g}", fill=INK, font=font(11 * FINE), anchor="mt")
    for method in dict.fromkeys(row["method"] for row in rows):
        points = [(x_of(row) / scale, row["cpu_s"]) for row in rows if row["method"] == method]
        centre = statistics.mean(math.log(s) - math.log(x) for x, s in points)
        _dashed(pen, *(place(x, max(math.exp(centre) * x, 10.0**floor)) for x in (points[0][0], points[-1][0])))
        pen.line([place(*point) for point in points], fill=COLOURS[method], width=2 * FINE, joint="curve")
        for x, y in (place(*point) for point in points):
            pen.ellipse([x - 3 * FINE, y - 3 * FINE, x + 3 * FINE, y + 3 * FINE], fill=COLOURS[method])


def _dashed(pen: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float]) -> None:
    marks = np.linspace(0, 1, 41)
    for a, b in zip(marks[::2], marks[1::2], strict=False):
        pen.line(
            [tuple(s + t * (e - s) for s, e in zip(start, end, strict=True)) for t in (a, b)], fill=INK, width=FINE
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", nargs="+", choices=tuple(SERIES), default=list(SERIES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="edge of the largest cube (384: 4 GB)")
    parser.add_argument("--picture", type=Path, default=OUTPUT / "scaling.png")
    parser.add_argument("--rows", type=Path, default=OUTPUT / "scaling.jsonl", help="file of the runs")
    parser.add_argument("--resume", action="store_true", help="go on with the file of the runs")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        import torch

        torch.set_num_threads(1)
        print(json.dumps(measure(Run(**json.loads(options.one)))))
        return
    options.rows.parent.mkdir(parents=True, exist_ok=True)
    if not options.resume:
        options.rows.unlink(missing_ok=True)
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()] if options.rows.exists() else []
    asked = [run for series in options.series for m in options.methods for run in runs(series, m, options.largest)]
    for turn in range(options.repeats):
        for run in asked:
            if sum(row["run"] == asdict(run) for row in rows) > turn:
                continue
            command = [sys.executable, __file__, "--one", json.dumps(asdict(run))]
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            rows.append({"run": asdict(run)} | json.loads(answer.splitlines()[-1]))
            with options.rows.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    print(report(rows))
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    draw(rows).save(options.picture, optimize=True)


if __name__ == "__main__":
    main()
