"""The losses of Wan et al. on real low-grade gliomas, patient by patient: ``python benchmarks/glioma.py DATA``.

DATA is a folder laid out like the LGG data. One split of the patients for all; the same seed draws the same network
and the same order of slices for every loss. There is no test part: the patients that choose the best epoch are those
that are measured on, so its figures flatter; those of the last epoch, told beside, do not. Islands are counted in a
hundred slices.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from napari_gmmseg.config.training import TrainingConfig
from napari_gmmseg.fitting.supervised import train
from napari_gmmseg.fitting.supervised.predicting import predict_case
from napari_gmmseg.io.case_lists import read_cases
from napari_gmmseg.quality.lesions import LesionScores, lesion_scores
from napari_gmmseg.volumes import CaseSet, TrainedModel

LOSSES = {
    "BCE": {"dice_weight": 0.0, "outlier_weight": 0.0},
    "BCE + Dice": {"outlier_weight": 0.0},
    "BCE + Dice + outlier": {},
    "BCE + Dice + outlier from the start": {"outlier_ramp": 0.0},
    "BCE + Dice + outlier, no attributes": {"attributes": (), "position": False},
}
COLUMNS = ("loss", "seed", "epoch", "Dice", "IoU", "slice Dice", "slice IoU", "islands", "their voxels", "s")


def trained(cases: CaseSet, config: TrainingConfig) -> tuple[TrainedModel, TrainedModel]:
    """Train to the end; return the network of the best epoch, and that of the last one."""
    steps, last = train(cases, config), None
    while True:
        try:
            last = next(steps).state or last
        except StopIteration as end:
            best = end.value
            break
    arrays = {name.removeprefix("network/"): a for name, a in last.arrays.items() if name.startswith("network/")}
    return best, replace(best, arrays=arrays)


def judged(model: TrainedModel, cases: CaseSet) -> LesionScores:
    """Measure on the patients that it was not trained on."""
    pairs = []
    for case in cases.cases:
        if case.name not in model.parts["train"]:
            probabilities, _ = predict_case(model, case, torch.device("cpu"))
            pairs.append((probabilities.argmax(0).astype(np.uint8), case.labels))
    return lesion_scores(pairs, model.classes.values)


def placed(cases: CaseSet, split_seed: int) -> CaseSet:
    """Put two of the patients aside, the same for every loss and seed."""
    order = np.random.default_rng(split_seed).permutation(len(cases.cases))
    aside = set(order[: max(1, round(len(order) / 3))].tolist())
    parts = ["validation" if i in aside else "train" for i in range(len(order))]
    return replace(cases, cases=tuple(replace(c, part=p) for c, p in zip(cases.cases, parts, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=28)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--split", type=int, default=0)
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    given = parser.parse_args()
    cases = placed(read_cases(given.data), given.split)
    print("validated on:", ", ".join(case.name for case in cases.cases if case.part == "validation"), flush=True)
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    common = {"epochs": given.epochs, "patience": None, "schedule": "cosine", "threads": 1, "test_share": 0.0}
    for seed in range(given.seeds):
        for name, settings in ((name, LOSSES[name]) for name in given.losses):
            config = TrainingConfig(seed=seed, **common, **settings)
            began = time.perf_counter()
            best, last = trained(cases, config)
            spent = time.perf_counter() - began
            for epoch, model in ((best.provenance["best_epoch"], best), (given.epochs, last)):
                s = judged(model, cases)
                figures = f"{s.dice:.3f} | {s.iou:.3f} | {s.slice_dice:.3f} | {s.slice_iou:.3f}"
                noise = f"{s.islands:.1f} | {s.island_voxels:.0f}"
                print(f"| {name} | {seed} | {epoch} | {figures} | {noise} | {spent:.0f} |", flush=True)


if __name__ == "__main__":
    main()
