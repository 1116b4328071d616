"""What the deep mixtures cost: times of a slice, a step and a prediction, memory of a brain, and what threads change.

    python benchmarks/deep_steps.py [--repeats 5] [--steps 60] [--only slice step predict brain threads]

One torch thread unless told; what the first step of a program costs is paid before. The slice is z = 75 of t1_n9b0 at
1 mm, the brain the whole of it, the heart that of `deep.py`. Times are medians; those of one table are taken in turn,
side by side, so that what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from accuracy import Case
from deep import brain, heart, one_slice, overlaps, segment
from deep_curves import end_of
from em import resident
from napari_gmmseg.config import FitConfig, PreparationConfig, find_preset
from napari_gmmseg.config.deep import Precision
from napari_gmmseg.config.recipes import Recipe, recipe_for
from napari_gmmseg.fitting import fit
from napari_gmmseg.fitting.deep.case import DeepCase
from napari_gmmseg.fitting.deep.objectives import make_objective
from napari_gmmseg.fitting.deep.training import Trainer, draw_axes
from napari_gmmseg.fitting.methods import fit_gmm, fit_spatial
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.networks import UNet
from napari_gmmseg.preparation import prepare

FORMS = ("blindspot", "deepsvg", "deepg")
STEPPED = (*FORMS, "deepsvg paper", "deepg paper")
NAME, Z = "t1_n9b0", 75
PROCESSOR = torch.device("cpu")
PARTS = ("slice", "step", "predict", "brain", "threads")


def case_of(kind: str) -> Case:
    """Return the slice, the brain or the heart."""
    if kind == "heart":
        return heart(0)
    return one_slice(brain(NAME, 0), Z) if kind == "slice" else brain(NAME, 0)


def task_of(case: Case, config: FitConfig, device: torch.device = PROCESSOR) -> FitTask:
    """Return a brain's case on a device."""
    prepared = prepare(case.volume, PreparationConfig(mask="given"), mask=case.mask, preset=find_preset("brain-t1"))
    return FitTask.cut(case.volume, prepared, config, device)


def times_of_a_slice(repeats: int) -> None:
    """Print when the first mask, the first sight of the network's and the last one come."""
    preset, case = find_preset("brain-t1"), case_of("slice")
    print("| method | first mask s | first of the network s | last s | CPU s | steps |\n|---|---|---|---|---|---|")
    found: dict[str, list[list[float]]] = {form: [] for form in FORMS}
    for _ in range(repeats):
        for form in FORMS:
            began, cpu = time.perf_counter(), time.process_time()
            prepared = prepare(case.volume, PreparationConfig(mask="given"), mask=case.mask, preset=preset)
            steps = fit(case.volume, prepared, FitConfig(method=form, threads=1), preset)  # type: ignore[arg-type]
            shown: dict[str, float] = {}
            while True:
                try:
                    report = next(steps)
                except StopIteration as end:
                    count = end.value.steps
                    break
                if report.preview is not None:
                    shown.setdefault(report.phase, time.perf_counter() - began)
            first, *_, deep = shown.values()
            found[form].append(
                [first, deep, time.perf_counter() - began, time.process_time() - cpu, count],
            )
    for form, rows in found.items():
        first, deep, last, cpu, count = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"| {form} | {first:.2f} | {deep:.2f} | {last:.2f} | {cpu:.2f} | {count:.0f} |", flush=True)


def parts_of(
    name: str, image: Case, device: torch.device = PROCESSOR, precision: Precision = "auto"
) -> tuple[DeepCase, Trainer, Recipe, Any]:
    """Return what a step is made of: the case, a new network, its recipe and its objective."""
    form, *paper = name.split()
    config = FitConfig(method=form, recipe="paper" if paper else "tuned", threads=1)  # type: ignore[arg-type]
    task, recipe = task_of(image, config, device), recipe_for(config, form)  # type: ignore[arg-type]
    base = None if paper else end_of(fit_spatial(task.for_start()))
    case = DeepCase.of_task(task, base)
    generator = torch.Generator().manual_seed(0)
    network = UNet(
        len(case.seen) * case.stack.n_looks,
        case.n_classes,
        width=recipe.width,
        depth=recipe.depth,
        n_dims=case.stack.n_dims,
        published=recipe.network == "published",
        generator=generator,
    )
    trainer = Trainer(network, recipe, device, precision)
    return case, trainer, recipe, make_objective(form, case, recipe, generator)  # type: ignore[arg-type]


def times_of_a_step(steps: int) -> None:
    """Print ms of a whole step and of the bare network's: forward, backward from a plain mean, and the optimiser."""
    print("| method | case | slices a step | whole ms | bare ms | more | whole wall ms | bare wall ms |")
    print("|---|---|---|---|---|---|---|---|")
    for name, kind in [*((name, "slice") for name in STEPPED), *((form, "brain") for form in FORMS)]:
        case, trainer, recipe, objective = parts_of(name, case_of(kind))
        pieces = case.stack.trained[: recipe.batch_slices].tolist()
        if kind == "brain":
            pieces = [len(case.stack.trained) // 2 + n for n in range(recipe.batch_slices)]
        batch = case.batch(pieces)
        generator = torch.Generator().manual_seed(0)

        def whole(objective: Any = objective, batch: Any = batch, trainer: Trainer = trainer) -> None:
            seen, looked_at = objective.see(batch)
            axes = draw_axes(2, generator) if recipe.mirrors else ()  # noqa: B023 - called before the next round
            terms = objective.terms(seen, trainer.flipped_logits(seen.inputs, axes), looked_at)
            trainer.step(terms.loss, 1e-4)

        def bare(batch: Any = batch, trainer: Trainer = trainer) -> None:
            axes = draw_axes(2, generator) if recipe.mirrors else ()  # noqa: B023 - called before the next round
            trainer.step(trainer.flipped_logits(batch.inputs, axes).mean(), 1e-4)

        (cpu, wall), (bare_cpu, bare_wall) = in_turn([whole, bare], steps if len(name) < 10 else steps // 4)
        print(
            f"| {name} | {kind} | {len(pieces)} | {cpu:.1f} | {bare_cpu:.1f} | {cpu / bare_cpu - 1:+.1%} "
            f"| {wall:.1f} | {bare_wall:.1f} |",
            flush=True,
        )


def in_turn(works: list[Callable[[], object]], repeats: int) -> list[tuple[float, float]]:
    """Return the median CPU and wall ms of each, taken in turn after three rounds that do not count."""
    taken: list[list[tuple[float, float]]] = [[] for _ in works]
    for number in range(repeats + 3):
        for work, times in zip(works, taken, strict=True):
            cpu, wall = time.process_time(), time.perf_counter()
            work()
            if number >= 3:
                times.append((1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall)))
    return [
        (statistics.median(cpu for cpu, _ in times), statistics.median(wall for _, wall in times)) for times in taken
    ]


def times_of_a_prediction(repeats: int) -> None:
    """Print ms of a pass through a network beside EM, ours to its default tolerance, scikit-learn's to its own."""
    from sklearn.mixture import GaussianMixture

    print("| case | what | CPU ms | EM by it |\n|---|---|---|---|")
    for kind in ("slice", "brain"):
        case = case_of(kind)
        gmm, spatial = (task_of(case, FitConfig(method=method, threads=1)) for method in ("gmm", "spatial"))  # type: ignore[arg-type]
        samples = gmm.samples().numpy().T.astype(np.float64)
        works: dict[str, Callable[[], object]] = {
            "EM of a GMM": lambda task=gmm: end_of(fit_gmm(task)),
            "scikit-learn's EM": lambda x=samples: GaussianMixture(3, tol=1e-3, random_state=0).fit_predict(x),
            "spatial mixture": lambda task=spatial: end_of(fit_spatial(task)),
        }
        for name, shown in (("blindspot", "our network"), ("deepsvg paper", "the paper's network")):
            deep, trainer, _, _ = parts_of(name, case_of(kind))
            total = torch.zeros((deep.n_classes, *deep.mask.shape))
            works[f"a pass through {shown}"] = lambda t=trainer, d=deep, s=total: t.add_prior(d.stack, d.seen, s)
        taken = in_turn(list(works.values()), repeats if kind == "slice" else 1)
        for name, (cpu, _) in zip(works, taken, strict=True):
            print(f"| {kind} | {name} | {cpu:.1f} | {taken[0][0] / cpu:.2f} x |", flush=True)


def measure_a_brain(method: str, threads: int) -> dict[str, float]:
    """Segment the brain in this process, and return what it took."""
    case = case_of("brain")
    segment(one_slice(case, Z), {"method": "deepsvg", "warm_steps": 1, "max_steps": 1}, 0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, wall, cpu = resident("VmRSS"), time.perf_counter(), time.process_time()
    result = segment(case, {"method": method}, 0, threads=threads)
    wall, cpu, above = time.perf_counter() - wall, time.process_time() - cpu, resident("VmHWM") - before
    dice = float(np.diag(overlaps(result.label_map.labels, case.truth)).mean())
    return {"dice": dice, "wall": wall, "cpu": cpu, "mb": above, "steps": result.steps}


def times_of_a_brain(repeats: int) -> None:
    """Print Dice, time and memory of the whole brain, each run a process of its own."""
    print("| method | threads | Dice | wall s | CPU s | MB above the image | steps |\n|---|---|---|---|---|---|---|")
    for method, threads in (("spatial", 1), ("blindspot", 1), ("auto", 1), ("auto", 2), ("deepsvg", 1), ("deepg", 1)):
        runs = []
        for _ in range(repeats):
            command = [sys.executable, __file__, "--measure", method, str(threads)]
            variables = os.environ | {
                name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
            }
            answer = subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout
            runs.append(json.loads(answer.splitlines()[-1]))
        row = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        print(
            f"| {method} | {threads} | {row['dice']:.4f} | {row['wall']:.1f} | {row['cpu']:.1f} | {row['mb']:.0f} "
            f"| {row['steps']:.0f} |",
            flush=True,
        )


def what_threads_change() -> None:
    """Print whether one thread gives the same bits twice, and what two threads change in Dice."""
    print("| case | method | sha256 of the labels | again | Dice on one thread | on two |\n|---|---|---|---|---|---|")
    for kind in ("slice", "heart"):
        case = case_of(kind)
        for form in FORMS:
            results = [segment(case, {"method": form}, 0, threads=threads) for threads in (1, 1, 2)]
            labels = [result.label_map.labels for result in results]
            first, again, _ = (hashlib.sha256(np.ascontiguousarray(found)).hexdigest()[:12] for found in labels)
            one, _, two = (float(np.diag(overlaps(found, case.truth)).mean()) for found in labels)
            same = "the same" if first == again else again
            print(f"| {kind} | {form} | {first} | {same} | {one:.4f} | {two:.4f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60, help="that are timed; of the paper's network a quarter")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--measure", nargs=2, metavar=("METHOD", "THREADS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.measure:
        print(json.dumps(measure_a_brain(options.measure[0], int(options.measure[1]))))
        return
    segment(case_of("slice"), {"method": "deepsvg", "warm_steps": 1, "max_steps": 1}, 0)
    tables: dict[str, Callable[[], None]] = {
        "slice": lambda: times_of_a_slice(options.repeats),
        "step": lambda: times_of_a_step(options.steps),
        "predict": lambda: times_of_a_prediction(options.repeats),
        "brain": lambda: times_of_a_brain(1),
        "threads": what_threads_change,
    }
    for name in options.only:
        print(f"\n## {name}\n", flush=True)
        tables[name]()


if __name__ == "__main__":
    main()
