"""Whether the maps of uncertainty are high where a fine-tuned answer is wrong: entropy, margin, and disagreement.

    python benchmarks/disagreement.py [--sets sunnybrook lgg] [--slices 4] [--rounds 2] [--steps 100] [--seed 0]

Each slice gets ROUNDS strokes a class from the simulated annotator, and a network that is fine-tuned on them for STEPS
steps. Told is the area under the ROC curve of each map for the wrong voxels of the answer (0.5: no better than chance),
as the mean over slices, unpainted voxels only.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from numpy.typing import NDArray

from calibration import strokes_of
from labelled_slices import LabelledSlice
from napari_gmmseg.config.finetuning import FinetuneConfig
from napari_gmmseg.fitting.scribbling import NetworkSay
from napari_gmmseg.fitting.scribbling.finetuning import finetune
from napari_gmmseg.quality.uncertainty import disagreement, entropy, margin
from napari_gmmseg.volumes import FinetunedSegmentation
from scribbles import SETS
from where_next import chosen


def area_under_roc(values: NDArray[np.float32], wrong: NDArray[np.bool_]) -> float:
    """Return the probability that a wrong voxel is higher than a right one; ties count half."""
    _, ranks, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = (np.cumsum(counts) - (counts - 1) / 2)[ranks]
    n_wrong = int(wrong.sum())
    above = float(mean_rank[wrong].sum()) - n_wrong * (n_wrong + 1) / 2
    return above / (n_wrong * (len(wrong) - n_wrong))


def measure(one: LabelledSlice, rounds: int, steps: int, seed: int) -> dict[str, float] | None:
    """Return the area of each map; None where nothing is wrong."""
    scribbles = strokes_of(one, one.engine(), rounds, seed, anywhere=False)
    volume, prepared = one.prepared()
    fit = finetune(volume, prepared, scribbles, FinetuneConfig(steps=steps, seconds=None, seed=seed))
    try:
        while True:
            next(fit)
    except StopIteration as end:
        result: FinetunedSegmentation = end.value
    assert result.weights is not None
    asked = (one.truth[None] > 0) & (scribbles.labels() == 0)
    values = np.array(result.label_map.classes.values)
    wrong = values[result.probabilities.argmax(axis=0)][asked] != one.truth[None][asked]
    if not wrong.any():
        return None
    maps = {
        "entropy": entropy(result.probabilities, result.mask),
        "margin": 1 - margin(result.probabilities, result.mask),
        "disagreement": disagreement(NetworkSay(volume, prepared, result.weights).members(), result.mask),
    }
    return {"wrong": wrong.mean(), **{name: area_under_roc(found[asked], wrong) for name, found in maps.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--slices", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| set | slices | wrong voxels | entropy | margin | disagreement |\n|---|---|---|---|---|---|")
    for name in arguments.sets:
        slices = chosen(name, arguments.slices)
        found = [measure(one, arguments.rounds, arguments.steps, arguments.seed) for one in slices]
        known = [one for one in found if one is not None]
        told = " | ".join(f"{np.mean([one[key] for one in known]):.3f}" for key in known[0])
        print(f"| {name} | {len(known)} | {told} |", flush=True)


if __name__ == "__main__":
    main()
