"""Dice with the bias field off, automatic and on: the phantom family with its field, two other fields, real brains.

    python benchmarks/bias.py [--kinds t1 pv] [--noise 0 3 5 9] [--bias 0 20 40] [--fields polynomial spline coil]
                              [--methods spatial] [--settings off auto on] [--real] [--repeats 1]

Fields: the family's own (polynomial), a B-spline, and a coil's sensitivity; none is the basis that is fitted. Beside
mean Dice of CSF, GM and WM stand the amplitude that is told, the root mean square error of the log field inside the
mask, and wall seconds of the whole fit (median of the repeats, torch loaded).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accuracy import Case, dice, real_cases
from napari_gmmseg.config import FitConfig, PreparationConfig, find_preset
from napari_gmmseg.fitting import fit
from napari_gmmseg.preparation import prepare
from napari_gmmseg.volumes import Segmentation
from phantoms import FIELDS, make

OUTPUT = Path(__file__).parent / "output"
LETTERS = {"polynomial": "", "spline": "s", "coil": "c"}


def segment(case: Case, method: str, setting: str) -> tuple[Segmentation, float]:
    """Return a result and its wall seconds, preparation included."""
    preset = find_preset("brain-t1")
    began = time.perf_counter()
    prepared = prepare(case.volume, PreparationConfig(mask="given"), mask=case.mask, preset=preset)
    config = FitConfig(method=method, bias_field=setting)  # type: ignore[arg-type]
    steps = fit(case.volume, prepared, config, preset)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, time.perf_counter() - began


def error(result: Segmentation, true: NDArray[np.float64], mask: NDArray[np.bool_]) -> float:
    """Return the root mean square difference of log fields inside the mask, both of mean 0."""
    true = np.log(true[mask])
    found = np.zeros_like(true)
    if result.bias_field is not None:
        found = np.log(result.bias_field.whole(mask.shape)[0][mask])
    return float(np.std(found - true))


def cases(arguments: argparse.Namespace) -> Iterator[tuple[Case, NDArray[np.float64] | None]]:
    """Yield phantoms with their true field as a factor, then real brains without one."""
    for kind, noise, bias, field in product(arguments.kinds, arguments.noise, arguments.bias, arguments.fields):
        if bias == 0 and field != arguments.fields[0]:
            continue
        letter = LETTERS[field] if bias else ""
        made = make(f"{kind}_n{noise}b{bias}{letter}")
        true = 1 + FIELDS[letter](made.mask).astype(np.float64) * bias / 200
        yield Case(made.name, made.volume, made.truth.labels, made.mask), true
    if arguments.real:
        for case in real_cases():
            yield case, None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="*", default=["t1", "pv"])
    parser.add_argument("--noise", type=int, nargs="*", default=[0, 3, 5, 9])
    parser.add_argument("--bias", type=int, nargs="*", default=[0, 20, 40])
    parser.add_argument("--fields", nargs="*", default=["polynomial"], choices=list(LETTERS))
    parser.add_argument("--methods", nargs="+", default=["spatial"])
    parser.add_argument("--settings", nargs="+", default=["off", "auto", "on"])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--real", action="store_true")
    arguments = parser.parse_args()
    rows = []
    print("| image | method | bias field | mean Dice | found | error of log field | s |")
    print("|---|---|---|---|---|---|---|")
    for (case, true), method in product(cases(arguments), arguments.methods):
        for setting in arguments.settings:
            runs = [segment(case, method, setting) for _ in range(arguments.repeats)]
            result, seconds = runs[0][0], statistics.median(run[1] for run in runs)
            scores = dice(np.asarray(result.label_map.labels), case.truth)
            percent = None if result.bias_field is None else result.bias_field.percent[0]
            off_by = None if true is None else error(result, true, case.mask)
            row = {"image": case.name, "method": method, "setting": setting, "dice": scores, "percent": percent}
            rows.append(row | {"mean": float(np.mean(scores)), "error": off_by, "seconds": seconds})
            found = "–" if percent is None else f"±{percent:.0f} %"
            told = "–" if off_by is None else f"{off_by:.3f}"
            print(
                f"| {case.name} | {method} | {setting} | {np.mean(scores):.3f} | {found} | {told} | {seconds:.1f} |",
                flush=True,
            )
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / "bias.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
