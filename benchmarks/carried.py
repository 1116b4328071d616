"""Strokes that a second case needs with the model of the first, beside those without it.

    python benchmarks/carried.py [--set ptbp] [--cases 10] [--positions 0 1 2] [--rounds 5] [--steps 160] [--seed 0]

The simulated annotator paints one stroke a class in a slice of the first case, corrects the fine-tuned answer by one
more a class, and so on for ROUNDS. The network that was fine-tuned then is carried to the slice at the same height of
every other case. There it answers without a stroke, and the annotator corrects it round by round, as it does without
the model. Told are the strokes until the Dice of the first case's last answer is reached, and until that of the case's
own last answer without the model; "-" where ROUNDS were not enough. Dice is the mean over classes that are not
background.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from annotator import correcting_strokes, first_strokes
from labelled_slices import LabelledSlice
from napari_gmmseg.api import follow
from napari_gmmseg.config.finetuning import FinetuneConfig
from napari_gmmseg.fitting.scribbling.carrying import carry
from napari_gmmseg.fitting.scribbling.finetuning import finetune
from napari_gmmseg.volumes import FinetunedSegmentation, NetworkWeights
from scribbles import SETS, cases_of, dice

OUTPUT = Path(__file__).parent / "output"


@dataclass
class Course:
    """How Dice rose with strokes."""

    strokes: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    weights: NetworkWeights | None = None

    def until(self, target: float) -> int | None:
        """Return the strokes after which a Dice was reached."""
        return next((n for n, score in zip(self.strokes, self.scores, strict=True) if score >= target), None)


def labels_of(slice_: LabelledSlice, result: FinetunedSegmentation) -> NDArray[np.uint8]:
    """Return an answer (Y, X), with the background under its own value."""
    labels = result.label_map.labels[0]
    return labels if slice_.background is None else np.where(labels == 0, slice_.background, labels).astype(np.uint8)


def annotated(
    slice_: LabelledSlice,
    rounds: int,
    config: FinetuneConfig,
    weights: NetworkWeights | None = None,
    enough: Callable[[Course], bool] = lambda _: False,
) -> Course:
    """Paint a slice in rounds of one stroke a class, each on what the answer before got wrong."""
    values = tuple(v for v in slice_.classes.values if v != slice_.background)
    volume, prepared = slice_.prepared()
    rng = np.random.default_rng(config.seed)
    course, painted = Course(), []

    def note(result: FinetunedSegmentation) -> NDArray[np.uint8]:
        labels = labels_of(slice_, result)
        course.strokes.append(len(painted))
        course.scores.append(dice(slice_.truth, labels, values))
        course.weights = result.weights
        return labels

    answer = None if weights is None else note(carry(weights, volume, prepared, config))
    for _ in range(rounds):
        if enough(course):
            break
        strokes = first_strokes(slice_.truth, rng) if answer is None else correcting_strokes(slice_.truth, answer, rng)
        painted += list(strokes.items())
        steps = finetune(volume, prepared, slice_.scribbles(painted), config, weights=weights)
        result = follow(steps, None)
        assert isinstance(result, FinetunedSegmentation)
        answer = note(result)
    return course


def pairs(name: str, n_cases: int, position: int, config: FinetuneConfig, rounds: int) -> Iterator[dict[str, object]]:
    """Yield what a pair of the first case and each other one showed."""
    cases = [case[position] for case in list(cases_of(name))[:n_cases]]
    first = annotated(cases[0], rounds, config)
    assert first.weights is not None
    target = first.scores[-1]
    for slice_ in cases[1:]:
        alone = annotated(slice_, rounds, config)
        own = max(alone.scores[-1], target)
        course = annotated(slice_, rounds, config, first.weights, enough=lambda c, own=own: c.scores[-1] >= own)
        yield {
            "case": slice_.name,
            "target": target,
            "needed by the first": first.until(target),
            "first": first.scores,
            "alone": alone.scores,
            "carried": course.scores,
            "alone until": alone.until(target),
            "carried until": course.until(target),
            "own": alone.scores[-1],
            "alone until own": alone.until(alone.scores[-1]),
            "carried until own": course.until(alone.scores[-1]),
        }


def told(value: object) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def summary(rows: list[dict[str, object]], first: str, second: str) -> str:
    """Tell in how many pairs the second number of strokes is at most half of the first."""
    known = [row for row in rows if row[first] is not None]
    half = sum(row[second] is not None and 2 * row[second] <= row[first] for row in known)  # type: ignore[operator]
    middle = [median(float("inf") if row[name] is None else row[name] for row in known) for name in (first, second)]  # type: ignore[misc]
    return f"{first}: {middle[0]:g} strokes, {second}: {middle[1]:g} (medians); at most half in {half} of {len(known)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, default="ptbp")
    parser.add_argument("--cases", type=int, default=10)
    parser.add_argument("--positions", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    OUTPUT.mkdir(exist_ok=True)
    config = FinetuneConfig(seconds=None, steps=arguments.steps, seed=arguments.seed)
    columns = ("case", "target", "needed by the first", "alone until", "carried until")
    columns += ("own", "alone until own", "carried until own")
    print(f"| {' | '.join(columns)} | carried, no stroke |\n|{'---|' * (1 + len(columns))}")
    rows: list[dict[str, object]] = []
    for position in arguments.positions:
        for row in pairs(arguments.set, arguments.cases, position, config, arguments.rounds):
            rows.append(row)
            cells = " | ".join(told(row[name]) for name in columns)
            print(f"| {cells} | {row['carried'][0]:.3f} |", flush=True)  # type: ignore[index]
            (OUTPUT / "carried.json").write_text(json.dumps(rows), encoding="utf-8")
    print(summary(rows, "needed by the first", "carried until"))
    print(summary(rows, "alone until", "carried until"))
    print(summary(rows, "alone until own", "carried until own"))


if __name__ == "__main__":
    main()
