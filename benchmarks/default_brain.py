"""The method that comes without a choice on the whole 1 mm brain: first sights, the end, memory, and the same bits.

    python benchmarks/default_brain.py [--images t1_n9b0 t1_n5b0] [--threads 1 2] [--repeats 3]

Seconds count from the prepared image, torch loaded and its first step paid before: to the first mask (of the spatial
mixture), to the first sight of the network's, and to the result. Memory is the peak of the whole process, and that part
of it which came after the image was there. Each run is a process of its own; rows are medians, the runs of all rows
taken in turn. CPU seconds of one thread are what a core without other work would take.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from accuracy import Case
from deep import brain, one_slice, overlaps, segment
from em import resident
from napari_gmmseg.config import FitConfig, PreparationConfig, find_preset
from napari_gmmseg.fitting import fit
from napari_gmmseg.preparation import prepare
from napari_gmmseg.volumes import Segmentation

#: The network's part of the method, as its reports call it.
DEEP = "Blind-spot prior"
#: What is to be held on two cores: seconds to the first sight of the network's, to the end, and MB in all.
LIMITS = {"first_deep_s": 3.0, "wall_s": 20.0, "peak_mb": 2000.0}


def timed(case: Case, config: FitConfig) -> tuple[Segmentation, dict[str, float]]:
    """Segment a brain; return the result, and seconds to the first mask, the network's first, and the end."""
    preset = find_preset("brain-t1")
    began, cpu = time.perf_counter(), time.process_time()
    prepared = prepare(case.volume, PreparationConfig(mask="given"), mask=case.mask, preset=preset)
    steps = fit(case.volume, prepared, config, preset)
    shown: dict[str, tuple[float, float]] = {}
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
            nothing = (math.nan, math.nan)
            times = {"first_mask_s": shown["any"][0], "first_deep_s": shown.get("deep", nothing)[0], "wall_s": wall}
            return end.value, {**times, "first_deep_cpu_s": shown.get("deep", nothing)[1], "cpu_s": cpu}
        if report.preview is not None:
            # A preview is on the processor: nothing is left to wait for.
            since = time.perf_counter() - began, time.process_time() - cpu
            shown.setdefault("deep" if report.phase == DEEP else "any", since)


def measure(image: str, threads: int) -> dict[str, Any]:
    """Segment a brain in this process, and return what it took."""
    torch.set_num_threads(threads)
    case = brain(image, 0)
    segment(one_slice(case, 75), {"method": "blindspot", "warm_steps": 1, "max_steps": 1}, 0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = resident("VmRSS")
    result, times = timed(case, FitConfig(threads=threads, device="cpu"))
    labels = np.ascontiguousarray(result.label_map.labels)
    return {
        "method": result.method,
        "dice": float(np.diag(overlaps(labels, case.truth)).mean()),
        **times,
        "peak_mb": resident("VmHWM"),
        "above_mb": resident("VmHWM") - before,
        "steps": result.steps,
        "sha256": hashlib.sha256(labels).hexdigest()[:12],
    }


def measured_apart(image: str, threads: int) -> dict[str, Any]:
    """Return what a run in a process of its own took."""
    variables = os.environ | {
        name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    }
    command = [sys.executable, __file__, "--measure", image, str(threads)]
    answer = subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return found


def row(image: str, threads: int, runs: list[dict[str, Any]]) -> str:
    """Return a line of the table."""
    middle = {key: statistics.median(run[key] for run in runs) for key in runs[0] if key not in ("method", "sha256")}
    kept = all(middle[name] <= limit for name, limit in LIMITS.items())
    alone = all(
        middle[name.replace("deep_s", "deep_cpu_s").replace("wall", "cpu")] <= most for name, most in LIMITS.items()
    )
    bits = runs[0]["sha256"] if len({run["sha256"] for run in runs}) == 1 else "differ"
    seconds = " | ".join(
        f"{middle[name]:.2f}" for name in ("first_mask_s", "first_deep_s", "first_deep_cpu_s", "wall_s", "cpu_s")
    )
    return (
        f"| {image} | {threads} | {runs[0]['method']} | {middle['dice']:.4f} | {seconds} | {middle['peak_mb']:.0f} "
        f"| {middle['above_mb']:.0f} | {middle['steps']:.0f} | {bits} | {'yes' if kept else 'no'} "
        f"| {('yes' if alone else 'no') if threads == 1 else '-'} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="+", default=["t1_n9b0", "t1_n5b0"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("IMAGE", "THREADS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        image, threads = options.measure
        print(json.dumps(measure(image, int(threads))))
        return
    runs: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for _ in range(options.repeats):
        for image in options.images:
            for threads in options.threads:
                runs[image, threads].append(measured_apart(image, threads))
    print(
        "| image | threads | answered | Dice | first mask s | first of the network s | its CPU s | last s | CPU s "
        "| peak MB | MB above the image | steps | labels | within the limits | by CPU s |"
    )
    print("|---" * 15 + "|")
    for (image, threads), found in runs.items():
        print(row(image, threads, found), flush=True)
    words = ("first of the network", "last", "peak")
    units = ("s", "s", "MB")
    limits = ", ".join(f"{w} {limit:g} {u}" for w, limit, u in zip(words, LIMITS.values(), units, strict=True))
    print(f"\nLimits: {limits}.")


if __name__ == "__main__":
    main()
