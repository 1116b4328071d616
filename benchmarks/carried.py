"""Strokes that a second case needs with the model of the first, beside those without it.

    python benchmarks/carried.py [--set ptbp] [--cases 10] [--positions 0 1 2] [--counts 1 2 3 5] [--steps 160]
                                 [--seed 0] [--guide 1000 | --own]

The simulated annotator paints a slice of the first case, with strokes as in scribbles.py: on the errors of the random
walker (--own: on those of the fine-tuned answer before). The network that is fine-tuned on the most strokes is carried
to the slice at the same height of every other case. There it answers without a stroke, and is fine-tuned on as many
strokes a class as COUNTS say, as without the model. Told are the strokes until the Dice of the first case's last answer
is reached, and until that of the case's own last answer without the model; "-" where all were not enough. Dice is the
mean over classes that are not background.
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
from scribbles import SETS, cases_of, dice, rounds_of

OUTPUT = Path(__file__).parent / "output"


@dataclass
class Course:
    """How Dice rose with strokes."""

    strokes: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    weights: NetworkWeights | None = None

    def note(
        self, slice_: LabelledSlice, result: FinetunedSegmentation, n_strokes: int, values: tuple[int, ...]
    ) -> NDArray[np.uint8]:
        """Write down what an answer to so many strokes is worth, and return its labels (Y, X)."""
        labels = labels_of(slice_, result)
        self.strokes.append(n_strokes)
        self.scores.append(dice(slice_.truth, labels, values))
        self.weights = result.weights
        return labels

    def until(self, target: float) -> int | None:
        """Return the strokes after which a Dice was reached."""
        return next((n for n, score in zip(self.strokes, self.scores, strict=True) if score >= target), None)


def labels_of(slice_: LabelledSlice, result: FinetunedSegmentation) -> NDArray[np.uint8]:
    """Return an answer (Y, X), with the background under its own value."""
    labels = result.label_map.labels[0]
    return labels if slice_.background is None else np.where(labels == 0, slice_.background, labels).astype(np.uint8)


Strokes = list[tuple[int, NDArray[np.int64]]]


def own_errors(slice_: LabelledSlice, answer: NDArray[np.uint8] | None, rng: np.random.Generator) -> Strokes:
    """Return one more stroke a class, on the errors of an answer."""
    made = first_strokes(slice_.truth, rng) if answer is None else correcting_strokes(slice_.truth, answer, rng)
    return list(made.items())


def annotated(
    slice_: LabelledSlice,
    arguments: argparse.Namespace,
    weights: NetworkWeights | None = None,
    enough: Callable[[Course], bool] = lambda _: False,
) -> Course:
    """Paint a slice with more and more strokes, and fine-tune on them at each count."""
    values = tuple(v for v in slice_.classes.values if v != slice_.background)
    config = FinetuneConfig(seconds=None, steps=arguments.steps, seed=arguments.seed)
    volume, prepared = slice_.prepared()
    rng = np.random.default_rng(arguments.seed)
    most = max(arguments.counts)
    rounds = [] if arguments.own else rounds_of(slice_, most, arguments.guide, arguments.seed, anywhere=False)
    course, painted, answer = Course(), [], None
    if weights is not None:
        answer = course.note(slice_, carry(weights, volume, prepared, config), 0, values)
    for count in range(1, most + 1):
        if course.scores and enough(course):
            break
        if arguments.own:
            painted = [*painted, *own_errors(slice_, answer, rng)]
        else:
            painted = [pair for one in rounds[count - 1] for pair in one.items()]
        if count in arguments.counts or arguments.own:
            result = follow(finetune(volume, prepared, slice_.scribbles(painted), config, weights=weights), None)
            assert isinstance(result, FinetunedSegmentation)
            answer = course.note(slice_, result, len(painted), values)
    return course


def pairs(position: int, arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Yield what a pair of the first case and each other one showed."""
    cases = [case[position] for case in list(cases_of(arguments.set))[: arguments.cases]]
    first = annotated(cases[0], arguments)
    assert first.weights is not None
    target = first.scores[-1]
    for slice_ in cases[1:]:
        alone = annotated(slice_, arguments)
        most = max(alone.scores[-1], target)
        course = annotated(slice_, arguments, first.weights, enough=lambda c, most=most: c.scores[-1] >= most)
        yield {
            "case": slice_.name,
            "target": target,
            "needed by the first": first.until(target),
            "first": first.scores,
            "alone": alone.scores,
            "most strokes": alone.strokes[-1],
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
    parser.add_argument("--counts", nargs="+", type=int, default=(1, 2, 3, 5))
    parser.add_argument("--guide", type=int, default=1000, help="beta of the random walker whose errors are painted")
    parser.add_argument("--own", action="store_true", help="strokes on the errors of the answer itself")
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    OUTPUT.mkdir(exist_ok=True)
    columns = ("case", "target", "needed by the first", "alone until", "carried until")
    columns += ("own", "alone until own", "carried until own")
    print(f"| {' | '.join(columns)} | carried, no stroke |\n|{'---|' * (1 + len(columns))}")
    rows: list[dict[str, object]] = []
    for position in arguments.positions:
        for row in pairs(position, arguments):
            rows.append(row)
            cells = " | ".join(told(row[name]) for name in columns)
            print(f"| {cells} | {row['carried'][0]:.3f} |", flush=True)  # type: ignore[index]
            (OUTPUT / "carried.json").write_text(json.dumps(rows), encoding="utf-8")
    print(summary(rows, "needed by the first", "carried until"))
    print(summary(rows, "alone until", "carried until"))
    print(summary(rows, "alone until own", "carried until own"))


if __name__ == "__main__":
    main()
