"""Dice while a network is trained on: a point every 25 steps, for three times as many steps as a recipe takes.

    python benchmarks/deep_curves.py [--steps 300] [--seeds 0 1 2] [--picture docs/pictures/deep-curves.png]

The stopping rule is off; the learning rate falls in the second half, as it does in every run. Each point is the label
map that the network would answer with after that step (no average of snapshots), over the whole case; of a case with
several slices one is predicted a step, so that a point's slices are up to eight steps old. Step 0 is what the form
starts from: the spatial mixture. The paper's form is shown for one seed, named as suits the truth best.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from accuracy import Case
from deep import brain, heart, one_slice, overlaps, preset_of
from napari_gmmseg.config import FitConfig, PreparationConfig
from napari_gmmseg.config.recipes import RECIPES, recipe_for
from napari_gmmseg.figures.drawing import font, text_width
from napari_gmmseg.fitting.deep.fitting import train
from napari_gmmseg.fitting.methods import fit_spatial
from napari_gmmseg.fitting.naming import name_classes
from napari_gmmseg.fitting.progress import Fitted
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.preparation import prepare_case
from napari_gmmseg.volumes import Look, Mixture

OUTPUT = Path(__file__).parent / "output"
EVERY = 25
#: Steps after the warm-up in which nothing is previewed.
UNSEEN = 20
CASES = ("t1_n9b0 z75", "pv_n9b0 z75", "heart")
FORMS = ("deepsvg", "blindspot", "deepsvg paper")
Curve = dict[int, tuple[float, float | None]]


def case_of(name: str, seed: int) -> Case:
    """Return a case by its name."""
    if name == "heart":
        return heart(seed)
    phantom, z = name.split(" z")
    return one_slice(brain(phantom, seed), int(z))


class Judge:
    """Dice of labels of fitted classes, on the crop."""

    def __init__(self, case: Case, task: FitTask, *, matched: bool) -> None:
        self._truth = np.asarray(case.truth)[task.prepared.crop]
        self._task, self._preset, self._matched = task, preset_of(case), matched

    def dice(self, labels: NDArray[np.uint8], mixture: Mixture) -> float:
        """Return the mean Dice of labels k + 1."""
        task = self._task
        classes, entry = name_classes(mixture.class_means(), task.volume, task.prepared, self._preset)
        values = np.array([0, *(classes[int(e)].value for e in entry)], dtype=np.uint8)
        table = overlaps(values[labels], self._truth)
        orders = permutations(range(len(table))) if self._matched else [range(len(table))]
        return max(float(np.mean([table[a, b] for a, b in enumerate(order)])) for order in orders)


def curve(case: Case, name: str, n_steps: int, seed: int) -> Curve:
    """Return Dice and mean NLL since the last point, by step of the network."""
    kind = preset_of(case)
    k = len(kind.classes) if kind.classes else 3
    volume, prepared = prepare_case(
        case.volume, PreparationConfig(mask="given"), mask=case.mask, preset=kind, n_classes=k
    )
    form, *paper = name.split()
    key = form, "paper" if paper else "tuned"
    RECIPES[key] = replace(RECIPES[key], tolerance=0.0)  # type: ignore[index]
    config = FitConfig(method=form, n_classes=k, seed=seed, threads=1, recipe=key[1], max_steps=n_steps)  # type: ignore[arg-type]
    task = FitTask.cut(volume, prepared, config, torch.device("cpu"))
    warm_steps = recipe_for(config, form).warm_steps  # type: ignore[arg-type]
    judge = Judge(case, task, matched=bool(paper))
    points: Curve = {}
    base: Fitted | None = None
    if not paper:
        base = end_of(fit_spatial(task.for_start()))
        start = (base.memberships.argmax(0) + 1).mul_(task.mask).to(torch.uint8).numpy()
        points[0] = judge.dice(start, base.mixture), None
    slices = np.flatnonzero(case.mask.any(axis=(-2, -1))).tolist()
    method = train(task, form, base)  # type: ignore[arg-type]
    progress, nlls = next(method), []
    while True:
        step = progress.step
        if progress.log_likelihood is not None:
            nlls.append(-progress.log_likelihood)
        if step % EVERY == 0 and step >= warm_steps + UNSEEN + len(slices):
            assert progress.labels is not None
            points[step] = (
                judge.dice(progress.labels.numpy(), progress.named_by or progress.mixture),
                statistics.mean(nlls),
            )
            nlls.clear()
        # Looks at one slice after the other, so that all have been seen when a point is due.
        left = -step % EVERY or EVERY
        try:
            progress = method.send(Look(slices[left - 1]) if left <= len(slices) else None)
        except StopIteration:
            return points


def end_of(method: Iterator[object]) -> Fitted:
    """Run a method to its end."""
    while True:
        try:
            next(method)
        except StopIteration as end:
            result: Fitted = end.value
            return result


def mean_curve(curves: list[Curve]) -> Curve:
    """Return the mean of several seeds."""
    result: Curve = {}
    for step in curves[0]:
        nlls = [nll for c in curves if (nll := c[step][1]) is not None]
        result[step] = statistics.mean(c[step][0] for c in curves), statistics.mean(nlls) if nlls else None
    return result


def row(case: str, form: str, curves: list[Curve], steps: list[int]) -> str:
    """Return a line of the table: Dice by step; how far single curves end under their best point and their start."""
    mean = mean_curve(curves)
    cells = " | ".join(f"{mean[step][0]:.3f}" if step in mean else "" for step in steps)
    last = [next(reversed(c.values()))[0] for c in curves]
    falls = [max(dice for dice, _ in c.values()) - end for c, end in zip(curves, last, strict=True)]
    over = [end - c[0][0] for c, end in zip(curves, last, strict=True) if 0 in c]
    gain = f"{min(over):+.3f}" if over else ""
    nlls = [nll for _, nll in mean.values() if nll is not None]
    return (
        f"| {case} | {form} | {len(curves)} | {cells} | {max(falls):.3f} | {gain} | {nlls[0]:.3f} to {nlls[-1]:.3f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="of the likelihood, after the warm-up")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--picture", type=Path, default=OUTPUT / "deep-curves.png")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, dict[str, list[Curve]]] = {}
    steps = [0, *range(50, options.steps + 51, 50)]
    print(f"| case | form | seeds | {' | '.join(str(s) for s in steps)} | largest fall | least gain | NLL |")
    print("|---|---|---|" + "---|" * (len(steps) + 3))
    for case in options.cases:
        for form in options.forms:
            seeds = options.seeds[:1] if form.endswith("paper") else options.seeds
            curves = [curve(case_of(case, seed), form, options.steps, seed) for seed in seeds]
            found.setdefault(case, {})[form] = curves
            print(row(case, form, curves, steps), flush=True)
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / "deep_curves.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    draw(found).save(options.picture, optimize=True)


COLOURS = {"deepsvg": (0, 114, 178), "blindspot": (213, 94, 0), "deepsvg paper": (0, 128, 96)}
INK, PALE = (40, 40, 46), (208, 208, 214)
#: Pixels of the picture to one that is drawn, for smooth lines.
FINE = 3


def draw(found: dict[str, dict[str, list[Curve]]]) -> Image.Image:
    """Return a panel a case: Dice over steps, a line a seed."""
    width, height = 400, 300
    picture = Image.new("RGB", (width * len(found) * FINE, (height + 30) * FINE), (255, 255, 255))
    pen = ImageDraw.Draw(picture)
    for number, (case, forms) in enumerate(found.items()):
        _panel(pen, (number * width * FINE, 0, width * FINE, height * FINE), case, forms)
    x, y = 50 * FINE, (height + 6) * FINE
    for form, colour in COLOURS.items():
        pen.line([(x, y + 8 * FINE), (x + 24 * FINE, y + 8 * FINE)], fill=colour, width=2 * FINE)
        pen.text((x + 30 * FINE, y), form, fill=INK, font=font(13 * FINE))
        x += text_width(form, 13 * FINE) + 60 * FINE
    pen.text((x, y), "dashed: the spatial mixture they start from (mean of the seeds)", fill=INK, font=font(13 * FINE))
    return picture.resize((picture.width // FINE, picture.height // FINE), Image.Resampling.LANCZOS)


def _panel(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], title: str, forms: dict[str, list[Curve]]) -> None:
    left, top = box[0] + 50 * FINE, box[1] + 30 * FINE
    width, height = box[2] - 70 * FINE, box[3] - 70 * FINE
    every = [dice for curves in forms.values() for c in curves for dice, _ in c.values()]
    last = max(step for curves in forms.values() for c in curves for step in c)
    low, high = np.floor(min(every) * 20) / 20, np.ceil(max(every) * 20) / 20

    def place(step: float, dice: float) -> tuple[float, float]:
        return left + width * step / last, top + height * (high - dice) / (high - low)

    pen.text((left, box[1] + 6 * FINE), f"Dice, {title}", fill=INK, font=font(14 * FINE))
    for dice in np.arange(low, high + 1e-9, 0.05):
        pen.line([place(0, dice), place(last, dice)], fill=PALE, width=1)
        y = place(0, dice)[1]
        pen.text((left - 6 * FINE, y), f"{dice:.2f}", fill=INK, font=font(11 * FINE), anchor="rm")
    for step in range(0, last + 1, 100):
        pen.text((place(step, low)[0], top + height + 6 * FINE), str(step), fill=INK, font=font(11 * FINE), anchor="mt")
    starts = [c[0][0] for curves in forms.values() for c in curves if 0 in c]
    level = statistics.mean(starts)
    for begin in range(0, last, 16):
        pen.line([place(begin, level), place(min(begin + 8, last), level)], fill=INK, width=FINE)
    for form, curves in forms.items():
        for c in curves:
            pen.line([place(s, d) for s, (d, _) in c.items() if s], fill=COLOURS[form], width=2 * FINE, joint="curve")


if __name__ == "__main__":
    main()
