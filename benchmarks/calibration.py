"""Whether a temperature fitted to strokes left out makes the at-once answer's probabilities keep their word.

    python benchmarks/calibration.py [--sets sunnybrook lgg] [--slices 6] [--rounds 5] [--seed 0] [--random]

Each slice gets ROUNDS strokes a class from the simulated annotator: each corrects the at-once answer to those before
it, or lies anywhere in its class with --random. "held out" is the expected calibration error on strokes left out,
judged at a temperature that other strokes gave; "mask" is that of the answer to all strokes against the truth of the
whole mask, which no person has. Errors are means over slices, T is the median; "falls" counts slices. --picture
writes the reliability of all held-out voxels of each set, before and after, to benchmarks/output.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from annotator import correcting_strokes, first_strokes, random_strokes
from labelled_slices import LabelledSlice
from napari_gmmseg.figures import save_picture
from napari_gmmseg.figures.reliability import reliability_picture
from napari_gmmseg.fitting.scribbling import AtOnce
from napari_gmmseg.quality.calibration import Calibration, calibrate, expected_calibration_error, reliability
from napari_gmmseg.volumes import Scribbles
from scribbles import SETS
from where_next import chosen

OUTPUT = Path(__file__).parent / "output"


@dataclass(frozen=True)
class Measured:
    """One slice: its calibration, and the error over the whole mask before and after."""

    calibration: Calibration
    mask_before: float
    mask_after: float


def strokes_of(one: LabelledSlice, engine: AtOnce, rounds: int, seed: int, *, anywhere: bool) -> Scribbles:
    rng = np.random.default_rng(seed)
    strokes = list((random_strokes if anywhere else first_strokes)(one.truth, rng).items())
    for _ in range(rounds - 1):
        if anywhere:
            strokes += random_strokes(one.truth, rng).items()
            continue
        answer = engine.update(one.scribbles(strokes))
        values = np.array([0, *answer.classes.values], dtype=np.uint8)
        found = values[np.where(answer.mask[0], 1 + answer.probabilities[:, 0].argmax(axis=0), 0)]
        strokes += correcting_strokes(one.truth, found, rng).items()
    return one.scribbles(strokes)


def probabilities(engine: AtOnce, scribbles: Scribbles) -> NDArray[np.float32]:
    return engine.update(scribbles).probabilities


def measure(one: LabelledSlice, rounds: int, seed: int, *, anywhere: bool) -> Measured:
    engine = one.engine()
    scribbles = strokes_of(one, engine, rounds, seed, anywhere=anywhere)
    found = calibrate(partial(probabilities, engine), scribbles, seed=seed)
    p = probabilities(engine, scribbles)
    asked = (one.truth > 0) & (scribbles.labels()[0] == 0)
    truth = one.truth[asked].astype(np.int64) - 1
    before, after = (expected_calibration_error(reliability(q[:, 0][:, asked], truth)) for q in (p, found.apply(p)))
    return Measured(found, before, after)


def row(name: str, measured: list[Measured]) -> str:
    judged = [m for m in measured if m.calibration.ece_before is not None]
    few = len(measured) - len(judged)
    if not judged:
        return f"| {name} | {len(measured)} | {few} | | | | | | |"
    before, after = ([getattr(m.calibration, f) for m in judged] for f in ("ece_before", "ece_after"))
    falls = sum(a < b for a, b in zip(after, before, strict=True))
    mask = sum(m.mask_after < m.mask_before for m in judged)
    return (
        f"| {name} | {len(measured)} | {few} | {np.median([m.calibration.temperature for m in judged]):.2f} "
        f"| {np.mean(before):.3f} | {np.mean(after):.3f} | {falls} of {len(judged)} "
        f"| {np.mean([m.mask_before for m in judged]):.3f} | {np.mean([m.mask_after for m in judged]):.3f} "
        f"| {mask} of {len(judged)} |"
    )


def picture(measured: list[Measured], name: str) -> None:
    """Draw all held-out voxels of a set in one diagram before, and one after."""
    found = [m.calibration for m in measured if m.calibration.ece_before is not None]
    drawn = []
    for title, attribute in (("as answered", "bins_before"), ("calibrated", "bins_after")):
        pooled = []
        for bins in zip(*(getattr(c, attribute) for c in found), strict=True):
            full = [b for b in bins if b.share > 0]
            share = sum(b.share for b in full)
            sure = sum(b.share * b.confidence for b in full) / share if full else bins[0].confidence
            right = sum(b.share * (b.accuracy or 0.0) for b in full) / share if full else None
            pooled.append((bins[0].low, bins[0].high, sure, right, sum(b.n_voxels for b in full)))
        drawn.append(reliability_picture(pooled, f"{name}, {title}"))
    save_picture(OUTPUT / f"reliability-{name.replace(' ', '-')}.png", np.concatenate(drawn, axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--slices", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--random", action="store_true", help="strokes anywhere in a class")
    parser.add_argument("--picture", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    OUTPUT.mkdir(exist_ok=True)
    print("| set | slices | too few strokes | T | held out: before | after | falls | mask: before | after | falls |")
    print(f"|{'---|' * 10}")
    for name in arguments.sets:
        slices = chosen(name, arguments.slices)
        measured = [measure(one, arguments.rounds, arguments.seed, anywhere=arguments.random) for one in slices]
        print(row(name, measured), flush=True)
        if arguments.picture:
            picture(measured, name)


if __name__ == "__main__":
    main()
