"""How good the network's sight of a brain is while it begins to learn: Dice over the spatial mixture's, step by step.

    python benchmarks/first_sight.py [--variants default "traded for steps, mirrored"] [--cases t1_n9b0 t1_n5b0 pv_n9b0]

Dice of single predictions, as a preview shows them, in five slices spread over the volume, less that of the spatial
mixture in the same slices. Steps count from the first of the warm-up. One seed, one thread; variants are those of
`study_variants.py`, "default" being what the program came with before that study.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import numpy as np
import torch

from deep import brain, overlaps, preset_of
from deep_curves import end_of
from deep_steps import PROCESSOR, task_of
from napari_gmmseg.config import FitConfig
from napari_gmmseg.fitting.deep.steps import Training
from napari_gmmseg.fitting.methods import fit_spatial
from napari_gmmseg.fitting.naming import name_classes
from napari_gmmseg.fitting.shading import field_search, seeking, with_field
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.mixture.labelling import label_winners
from study_variants import BY_NAME

STEPS = (20, 25, 30, 35, 40, 45, 48, 50, 55, 60)
#: Places of the slices in the volume.
PLACES = (0.3, 0.4, 0.5, 0.6, 0.7)


def corrected(task: FitTask) -> FitTask:
    """Return a task whose image is without the bias field that a fit would find in it, if any."""
    if not seeking(task).seeks_field:
        return task
    search = field_search(task)
    while True:
        try:
            next(search)
        except StopIteration as end:
            return with_field(task, end.value.field)


def gains(name: str) -> list[float]:
    """Return the Dice of previews over the spatial mixture's after each number of steps."""
    case = brain(name, 0)
    task = corrected(task_of(case, FitConfig(method="blindspot", threads=1), PROCESSOR))
    base = end_of(fit_spatial(task.for_start()))
    training = Training(task, "blindspot", base)
    deep, predictions = training._case, training._predictions
    pieces = [int(place * deep.stack.n_pieces) for place in PLACES]
    truth = torch.from_numpy(np.array(np.asarray(case.truth)[task.prepared.crop]))
    truth, inside = (deep.stack.gather(maps[None], pieces)[:, 0] for maps in (truth, deep.mask))
    classes, entry = name_classes(base.mixture.class_means(), task.volume, task.prepared, preset_of(case))
    values = np.array([0, *(classes[int(e)].value for e in entry)], dtype=np.uint8)

    def dice(answer: torch.Tensor) -> float:
        labels = label_winners(answer.transpose(0, 1), inside).numpy()
        return float(np.diag(overlaps(values[labels], truth.numpy())).mean())

    assert deep.target is not None
    spatial, found = dice(deep.stack.gather(deep.target, pieces)), []
    for step in range(1, STEPS[-1] + 1):
        training.step()
        if step in STEPS:
            found.append(dice(predictions._log_answer(pieces)) - spatial)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", default=["default", "traded for steps, mirrored"], metavar="NAME")
    parser.add_argument("--cases", nargs="+", default=["t1_n9b0", "t1_n5b0", "pv_n9b0"])
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.work:
        variant, *cases = options.work
        BY_NAME[variant].put_in_force()
        for name in cases:
            cells = " | ".join(f"{1000 * gain:+.0f}" for gain in gains(name))
            print(f"| {variant} | {name} | {cells} |", flush=True)
        return
    print(f"| variant | brain | {' | '.join(f'step {step}' for step in STEPS)} |", flush=True)
    print("|---" * (len(STEPS) + 2) + "|", flush=True)
    for variant in options.variants:
        # A variant is put in force for a whole process.
        subprocess.run([sys.executable, __file__, "--work", variant, *options.cases], check=True)


if __name__ == "__main__":
    main()
