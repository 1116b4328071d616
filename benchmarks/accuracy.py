"""Dice, CPU seconds and time to the first mask of every method, on the yardstick phantoms and on real brains.

    python benchmarks/accuracy.py [--methods k-means gmm svgmm spatial] [--repeats 3] [--only t1_n9b0 philips]

No setting is made by hand. k-means is scikit-learn's (5 starts, seed 0) on the same voxels, classes ordered by mean.
Real brains lie in ../shared/data beside the checkout and are left out where they are not there; their labels were
made by FAST, Atropos and template priors. Times are medians of the repeats, torch loaded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import FitConfig, PreparationConfig, find_preset
from napari_gmmseg.fitting import fit
from napari_gmmseg.io import read_channels, read_labels
from napari_gmmseg.preparation import prepare, stack_channels
from napari_gmmseg.volumes import Volume
from phantoms import NAMES, make

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "data"
OUTPUT = Path(__file__).parent / "output"


@dataclass(frozen=True)
class Case:
    """One image with its reference: labels (Z, Y, X) 1 CSF, 2 GM, 3 WM, and the mask to fit in."""

    name: str
    volume: Volume
    truth: NDArray[np.uint8]
    mask: NDArray[np.bool_]


def phantom_cases(names: Sequence[str] = NAMES) -> Iterator[Case]:
    """Yield phantoms: the six without bias where no others are named."""
    for name in names:
        phantom = make(name)
        yield Case(name, phantom.volume, phantom.truth.labels, phantom.mask)


def real_cases() -> Iterator[Case]:
    """Yield the real brains; masks: Philips > 0, PTBP labels > 0, SPM the priors' argmax where their sum > .5."""
    for name, image, labels in (
        ("philips", "philips_mprage/t1_brain_nospheres.nii.gz", "philips_mprage/labels_tissue.nii.gz"),
        ("philips 2 mm", "philips_mprage/demo_2mm_t1.nii.gz", "philips_mprage/demo_2mm_labels.nii.gz"),
        ("spm avg152", "spm12_avg152/avg152T1.nii", "spm12_avg152/labels_tissue.nii.gz"),
        ("colin27", "spm12_avg152/single_subj_T1.nii", "spm12_avg152/labels_tissue.nii.gz"),
    ):
        if (REAL / image).exists():
            yield _read(name, REAL / image, REAL / labels, by_image=name.startswith("philips"))
    for number in range(1, 11):
        found = sorted((REAL / "ptbp_dev").glob(f"t1_{number:02d}*"))
        if found:
            labels = found[0].with_name(found[0].name.replace("t1_", "seg_"))
            yield _read(f"ptbp {number:02d}", found[0], labels, by_image=False)


def _read(name: str, image: Path, labels: Path, *, by_image: bool) -> Case:
    volume = stack_channels(read_channels([image]), contrasts=("t1",))
    truth = np.array(read_labels(labels).labels)
    truth[truth == 4] = 2  # PTBP: deep grey matter
    return Case(name, volume, truth, volume.data[0] > 0 if by_image else truth > 0)


def k_means(case: Case) -> NDArray[np.uint8]:
    """Return scikit-learn's k-means labels."""
    from sklearn.cluster import KMeans

    x = case.volume.data[0][case.mask].reshape(-1, 1)
    model = KMeans(3, n_init=5, random_state=0).fit(x[:: max(1, len(x) // 200_000)])
    places = np.argsort(np.argsort(model.cluster_centers_[:, 0]))
    labels = np.zeros(case.mask.shape, dtype=np.uint8)
    labels[case.mask] = places[model.predict(x)] + 1
    return labels


def segment(case: Case, method: str) -> tuple[NDArray[np.uint8], float]:
    """Return our labels, and the wall seconds to the first of them (or to the end, where no preview comes)."""
    preset = find_preset("brain-t1")
    began = time.perf_counter()
    prepared = prepare(case.volume, PreparationConfig(mask="given"), mask=case.mask, preset=preset)
    steps = fit(case.volume, prepared, FitConfig(method=method), preset)  # type: ignore[arg-type]
    first: float | None = None
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            seconds = time.perf_counter() - began
            return np.asarray(end.value.label_map.labels), first if first is not None else seconds
        if first is None and report.preview is not None:
            first = time.perf_counter() - began


def dice(labels: NDArray[np.uint8], truth: NDArray[np.uint8]) -> list[float]:
    """Return Dice of the classes 1, 2, 3."""
    return [
        float(2 * ((labels == k) & (truth == k)).sum() / max(1, (labels == k).sum() + (truth == k).sum()))
        for k in (1, 2, 3)
    ]


def measure(case: Case, method: str, repeats: int) -> dict[str, object]:
    """Return one row of the table."""
    cpu, wall, first = [], [], []
    for _ in range(repeats):
        c, w = time.process_time(), time.perf_counter()
        labels, seconds = (k_means(case), 0.0) if method == "k-means" else segment(case, method)
        cpu.append(time.process_time() - c)
        wall.append(time.perf_counter() - w)
        first.append(seconds or wall[-1])
    scores = dice(labels, case.truth)
    return {
        "image": case.name,
        "method": method,
        "csf": scores[0],
        "gm": scores[1],
        "wm": scores[2],
        "mean": float(np.mean(scores)),
        "cpu_s": statistics.median(cpu),
        "wall_s": statistics.median(wall),
        "first_mask_s": statistics.median(first),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["k-means", "gmm", "svgmm", "spatial", "auto"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[])
    arguments = parser.parse_args()
    rows = []
    print("| image | method | CSF | GM | WM | mean Dice | CPU s | wall s | first mask s |")
    print("|---|---|---|---|---|---|---|---|---|")
    others = [name for name in arguments.only if name.startswith(("t1_", "pv_")) and name not in NAMES]
    for cases in (phantom_cases((*NAMES, *others)), real_cases()):
        for case in cases:
            if arguments.only and case.name not in arguments.only:
                continue
            for method in arguments.methods:
                row = measure(case, method, arguments.repeats)
                rows.append(row)
                scores = " | ".join(f"{row[key]:.3f}" for key in ("csf", "gm", "wm"))
                times = " | ".join(f"{row[key]:.2f}" for key in ("cpu_s", "wall_s", "first_mask_s"))
                print(f"| {case.name} | {method} | {scores} | **{row['mean']:.4f}** | {times} |", flush=True)
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / "accuracy.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
