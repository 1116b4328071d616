"""Strokes where the program advises them beside strokes at random places, on labelled slices.

    python benchmarks/where_next.py [--sets sunnybrook lgg] [--slices 6] [--seeds 10 11] [--rounds 5]

All start with one stroke a class from the simulated annotator. Then strokes follow one by one until there are ROUNDS a
class on average: where `next_spots` points; at a place drawn anywhere in the mask; or in each class in turn, at a place
drawn in it, which needs the truth. At a place the annotator paints the class that is there: the place itself, and the
medial axis of the class's part around it. The answer is the at-once one. Dice is the mean over classes, background
included; the last column tells after how many strokes, as a mean, the program says that it advises no more, of as many
as are painted.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from annotator import LONGEST, first_strokes, medial_stroke
from labelled_slices import LabelledSlice
from napari_gmmseg.fitting.scribbling import AtOnce
from napari_gmmseg.quality.next_spot import SMALL_GAIN, next_spots
from scribbles import SETS, cases_of

_TOUCHING = np.ones((3, 3), dtype=bool)
Strokes = list[tuple[int, NDArray[np.int64]]]


@dataclass
class State:
    """A slice, its strokes, and their answer."""

    slice_: LabelledSlice
    engine: AtOnce
    rng: np.random.Generator
    strokes: Strokes
    quiet_after: int | None = None

    def __post_init__(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.scribbles = self.slice_.scribbles(self.strokes)
        self.result = self.engine.update(self.scribbles)

    @property
    def dice(self) -> float:
        """Mean over classes."""
        values = np.array([0, *self.result.classes.values])
        found = values[np.where(self.result.mask[0], 1 + self.result.probabilities[:, 0].argmax(axis=0), 0)]
        pairs = [(found == value, self.slice_.truth == value) for value in self.slice_.classes.values]
        return float(np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in pairs]))

    def paint(self, place: tuple[int, int]) -> None:
        """Paint the class at a pixel, along the axis of its part around it."""
        truth, half = self.slice_.truth, LONGEST // 3
        own = truth == truth[place]
        near = np.zeros_like(own)
        near[tuple(slice(max(0, i - half), i + half + 1) for i in place)] = True
        pieces, _ = ndimage.label(own & near, structure=_TOUCHING)
        stroke = np.unique([*medial_stroke(pieces == pieces[place], self.rng), place], axis=0)
        self.strokes.append((int(truth[place]), stroke))
        self.answer()


def advised(state: State, turn: int) -> tuple[int, int]:
    advice = next_spots(
        state.result.probabilities,
        state.result.mask,
        state.scribbles,
        state.slice_.volume.geometry,
        small_gain=0.0,
    )
    if not advice.spots:
        return anywhere(state, turn)
    if advice.spots[0].gain < SMALL_GAIN and state.quiet_after is None:
        state.quiet_after = len(state.strokes)
    _, y, x = advice.spots[0].position
    return y, x


def anywhere(state: State, turn: int) -> tuple[int, int]:
    del turn
    return _drawn(state.slice_.truth > 0, state.rng)


def in_each_class(state: State, turn: int) -> tuple[int, int]:
    values = state.slice_.classes.values
    return _drawn(state.slice_.truth == values[turn % len(values)], state.rng)


def _drawn(region: NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, int]:
    pixels = np.argwhere(region)
    y, x = pixels[int(rng.integers(len(pixels)))]
    return int(y), int(x)


WAYS: dict[str, Callable[[State, int], tuple[int, int]]] = {
    "where next": advised,
    "anywhere": anywhere,
    "in each class in turn": in_each_class,
}


def chosen(name: str, most: int) -> list[LabelledSlice]:
    """Return slices spread over the cases of a set."""
    found = [one for case in cases_of(name) for one in case]
    return [found[i] for i in np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).astype(int))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--slices", type=int, default=6)
    parser.add_argument("--seeds", nargs="+", type=int, default=(10, 11))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    heading = " | ".join(f"{n} a class" for n in range(1, arguments.rounds + 1))
    print(f"| set | slices | strokes | {heading} | silent after |\n|{'---|' * (4 + arguments.rounds)}")
    for name in arguments.sets:
        slices = chosen(name, arguments.slices)
        for way, place in WAYS.items():
            curves, silent = [], []
            for one in slices:
                for seed in arguments.seeds:
                    rng = np.random.default_rng(seed)
                    state = State(one, one.engine(), rng, list(first_strokes(one.truth, rng).items()))
                    k = len(one.classes)
                    curve = [state.dice]
                    for turn in range((arguments.rounds - 1) * k):
                        state.paint(place(state, turn))
                        if (turn + 1) % k == 0:
                            curve.append(state.dice)
                    curves.append(curve)
                    silent.append(state.quiet_after or len(state.strokes))
            cells = " | ".join(f"{mean:.3f}" for mean in np.mean(curves, axis=0))
            told = f"{np.mean(silent):.1f} of {len(state.strokes)}" if way == "where next" else ""
            print(f"| {name} | {len(slices)} | {way} | {cells} | {told} |", flush=True)


if __name__ == "__main__":
    main()
