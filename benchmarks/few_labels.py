"""Few labelled slices, with and without the likelihood of a mixture: ``python benchmarks/few_labels.py``.

Ma (2022) adds the negative log-likelihood of a Gaussian mixture to the loss of a supervised network. Here: generated
gliomas with all six classes, three labelled slices each of two patients, six slices each of six more without labels,
and six others to measure on. "labels alone": the labelled slices, nothing else. "mixture on labelled": the same with
the term. "mixture on all": the slices without labels count by the term, too. The same seeds, and the same number of
steps; the last epoch, and no choice by any validation.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from statistics import mean

import numpy as np
import torch

from glioma import trained
from napari_gmmseg.config.training import TrainingConfig
from napari_gmmseg.fitting.supervised.predicting import predict_case
from napari_gmmseg.io.phantom_glioma import CLASSES, glioma_phantom
from napari_gmmseg.volumes import CaseSet, LabelledCase, Part, TrainedModel

LABELLED, UNLABELLED, MEASURED = range(201, 203), range(203, 209), range(209, 215)
BATCH = 8


def case(seed: int, n_slices: int, part: Part, *, labelled: bool = True) -> LabelledCase:
    """Return slices through a tumour, evenly spread over it."""
    phantom = glioma_phantom(seed)
    shown = np.flatnonzero((phantom.truth.labels > 3).any(axis=(1, 2)))
    chosen = np.linspace(shown[0], shown[-1], n_slices + 2).round().astype(int)[1:-1]
    labels = phantom.truth.labels[chosen] if labelled else None
    name = f"glioma-{seed}"
    return LabelledCase(name, name, phantom.volume.data[:, chosen], labels, phantom.volume.channels, part=part)


def dice_of(model: TrainedModel, cases: list[LabelledCase]) -> tuple[float, float]:
    """Return the mean Dice over tissues, and over the three parts of the tumour, of all slices together."""
    found = [predict_case(model, one, torch.device("cpu"))[0].argmax(0) for one in cases]
    answer, truth = np.concatenate(found), np.concatenate([one.labels for one in cases])
    each = [
        2 * ((answer == k) & (truth == k)).sum() / max(1, (answer == k).sum() + (truth == k).sum()) for k in range(1, 7)
    ]
    return mean(each[:3]), mean(each[3:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weight", type=float, default=0.1)
    given = parser.parse_args()
    labelled = [case(seed, 3, "train") for seed in LABELLED]
    unlabelled = [case(seed, 6, "train", labelled=False) for seed in UNLABELLED]
    measured = [case(seed, 6, "test") for seed in MEASURED]
    kinds = {
        "labels alone": (labelled, 0.0),
        "mixture on labelled": (labelled, given.weight),
        "mixture on all": ([*labelled, *unlabelled], given.weight),
    }
    print("| loss | seed | Dice tissues | Dice tumour | s |\n|---|---|---|---|---|", flush=True)
    for seed in range(given.seeds):
        for name, (cases, weight) in kinds.items():
            n_slices = sum(one.image.shape[1] for one in cases)
            config = TrainingConfig(
                epochs=max(1, round(given.steps / -(-n_slices // BATCH))),
                patience=None,
                schedule="cosine",
                batch_slices=BATCH,
                seed=seed,
                threads=1,
                device="cpu",
                validation_share=0.0,
                test_share=0.0,
                attributes=(),
                outlier_weight=0.0,
                mixture_weight=weight,
            )
            began = time.perf_counter()
            _, last = trained(CaseSet(tuple(replace(one, part="train") for one in cases), CLASSES), config)
            tissues, tumour = dice_of(last, measured)
            spent = time.perf_counter() - began
            print(f"| {name} | {seed} | {tissues:.3f} | {tumour:.3f} | {spent:.0f} |", flush=True)


if __name__ == "__main__":
    main()
