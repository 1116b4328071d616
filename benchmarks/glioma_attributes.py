"""Attributes that tell what the image does not: ``python benchmarks/glioma_attributes.py``.

Generated gliomas. Whoever drew the labels drew the whole tumour where the attribute RNASeqCluster is 1 or 2, and the
tumour without its oedema where it is 3 or 4: the image alone cannot tell which. The same network is trained with the
attribute, without any, and with one that was shuffled over the patients; figures are those of patients that were not
trained on, at the last epoch.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from glioma import judged, trained
from napari_gmmseg.config.presets import MAGENTA
from napari_gmmseg.config.training import TrainingConfig
from napari_gmmseg.io.phantom_glioma import glioma_phantom
from napari_gmmseg.volumes import CaseSet, ClassTable, LabelledCase, TissueClass

CLASSES = ClassTable((TissueClass(1, "Drawn tumour", "DT", MAGENTA, "tumour"),))
ATTRIBUTE = "RNASeqCluster"
OEDEMA, N_SLICES = 4, 6


def drawn(seed: int, part: str) -> LabelledCase:
    """Return slices through a tumour, with what was drawn of it."""
    phantom = glioma_phantom(seed)
    labels = phantom.truth.labels
    whole = int(phantom.attributes[ATTRIBUTE]) <= 2
    target = labels >= (OEDEMA if whole else OEDEMA + 1)
    shown = np.flatnonzero((labels > OEDEMA).any(axis=(1, 2)))
    chosen = np.linspace(shown[0], shown[-1], N_SLICES + 2).round().astype(int)[1:-1]
    return LabelledCase(
        f"glioma-{seed}",
        f"glioma-{seed}",
        phantom.volume.data[:, chosen],
        target[chosen].astype(np.uint8),
        phantom.volume.channels,
        attributes={ATTRIBUTE: phantom.attributes[ATTRIBUTE]},
        part=part,
    )


def shuffled(cases: CaseSet) -> CaseSet:
    """Return the cases, each with the attribute of another patient of its part."""
    rng, new = np.random.default_rng(0), {}
    for part in ("train", "validation"):
        own = [case for case in cases.cases if case.part == part]
        for case, other in zip(own, rng.permutation(len(own)), strict=True):
            new[case.name] = replace(case, attributes=own[int(other)].attributes)
    return replace(cases, cases=tuple(new[case.name] for case in cases.cases))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    n_train = given.patients * 3 // 4
    cases = CaseSet(
        tuple(drawn(seed, "train" if seed < n_train else "validation") for seed in range(given.patients)), CLASSES
    )
    sets = {"with the attribute": (cases, None), "without": (cases, ()), "shuffled": (shuffled(cases), None)}
    print("| attributes | seed | Dice | IoU |\n|---|---|---|---|", flush=True)
    for seed in range(given.seeds):
        for name, (told, attributes) in sets.items():
            config = TrainingConfig(
                epochs=given.epochs,
                patience=None,
                schedule="cosine",
                seed=seed,
                threads=1,
                test_share=0.0,
                attributes=attributes,
                position=False,
                outlier_weight=0.0,
            )
            scores = judged(trained(told, config)[1], told)
            print(f"| {name} | {seed} | {scores.dice:.3f} | {scores.iou:.3f} |", flush=True)


if __name__ == "__main__":
    main()
