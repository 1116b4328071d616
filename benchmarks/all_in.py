"""The mixtures on the 1 mm brain, all in: seconds from the image in memory to the result, and to the first mask.

    python benchmarks/all_in.py [--threads 1] [--repeats 5]

`spatial` with the bias field that `auto` finds, and `gmm` and `spatial` without one; preparation included, torch
loaded. Peak memory is that of the process, with all four images in it. Medians.
"""

from __future__ import annotations

import argparse
import math
import resource
import statistics
import time

import torch

from accuracy import Case, real_cases
from napari_gmmseg.config import FitConfig, PreparationConfig, find_preset
from napari_gmmseg.fitting import fit
from napari_gmmseg.preparation import prepare
from phantoms import make

ROWS = (
    ("t1_n5b40", "spatial", "auto"),
    ("philips", "spatial", "auto"),
    ("t1_n5b0", "gmm", "off"),
    ("t1_n5b0", "spatial", "off"),
)


def run(case: Case, method: str, bias_field: str) -> tuple[float, float, float]:
    """Return wall seconds to the first mask and to the end, and CPU seconds."""
    preset = find_preset("brain-t1")
    began, worked, first = time.perf_counter(), time.process_time(), float("nan")
    prepared = prepare(case.volume, PreparationConfig(mask="given"), mask=case.mask, preset=preset)
    steps = fit(case.volume, prepared, FitConfig(method=method, bias_field=bias_field), preset)  # type: ignore[arg-type]
    while True:
        try:
            report = next(steps)
        except StopIteration:
            return first, time.perf_counter() - began, time.process_time() - worked
        if report.preview is not None and math.isnan(first):
            first = time.perf_counter() - began


def cases(names: set[str]) -> dict[str, Case]:
    made = [make(name) for name in sorted(names) if name.startswith(("t1_", "pv_"))]
    phantoms = [Case(one.name, one.volume, one.truth.labels, one.mask) for one in made]
    return {case.name: case for case in (*phantoms, *real_cases()) if case.name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    known = cases({name for name, _, _ in ROWS})
    print("| image | method | bias field | first mask s | wall s | CPU s | peak MB |\n|---|---|---|---|---|---|---|")
    for name, method, bias_field in ROWS:
        if name not in known:
            print(f"{name} is not there.")
            continue
        runs = [run(known[name], method, bias_field) for _ in range(arguments.repeats)]
        first, wall, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"| {name} | {method} | {bias_field} | {first:.2f} | {wall:.2f} | {cpu:.2f} | {peak} |", flush=True)


if __name__ == "__main__":
    main()
