"""The outlier-region loss: its cost, what it flags of true tissue, and what it does to a network's islands.

    python benchmarks/outlier.py [--only cost memory tissue fits] [--repeats 7] [--seeds 5]

cost: two torch threads, score alone, and forward with backward from logits; windows (3, 9), (7, 21), (15, 45) in turn,
each with the fastest of the repeats, which says most where the machine has other work.
memory: peak above what was there, of the process. tissue: share of each tissue's true voxels that
would be flagged, on the brains of ../shared/data, in slices and in the volume. fits: deepsvg and blindspot with and
without the loss, means over seeds.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.io import read_labels
from napari_gmmseg.losses import OutlierRegionLoss, outlier_score
from napari_gmmseg.mixture.outlier_score import surrounding_labels
from napari_gmmseg.quality import spurious_islands

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.fitting.live_runs import slab_case, slice_case

WINDOWS = ((3, 9), (7, 21), (15, 45))
TISSUE_WINDOWS = ((3, 9), (5, 15), (7, 21))
CASES = {"256² K=4": (4, 256, 256), "128³ K=2": (2, 128, 128, 128), "128³ K=4": (4, 128, 128, 128)}
DATA = Path(__file__).parents[2] / "shared" / "data"
BRAINS = {
    "philips 1 mm": "philips_mprage/labels_tissue.nii.gz",
    "philips 2 mm": "philips_mprage/demo_2mm_labels.nii.gz",
    "spm avg152 2 mm": "spm12_avg152/labels_tissue.nii.gz",
    **{f"ptbp {n:02d}": f"ptbp_dev/seg_{n:02d}.nii.gz" for n in range(1, 11)},
}


def blobs(shape: tuple[int, ...]) -> Tensor:
    """Return logits (1, K, *S) of smooth regions with specks in them."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, shape[0], *(max(n // 16, 1) for n in shape[1:]), generator=generator)
    mode = "bilinear" if len(shape) == 3 else "trilinear"
    smooth = torch.nn.functional.interpolate(coarse, shape[1:], mode=mode)
    return 4 * smooth + torch.randn(1, *shape, generator=generator)


def cost(repeats: int) -> None:
    """Print ms of the score, and of forward and backward."""
    torch.set_num_threads(2)
    print("| case | what | fastest ms | largest / smallest | median ms | median CPU ms |\n|---|---|---|---|---|---|")
    for name, shape in CASES.items():
        logits = blobs(shape)
        prior, mask = logits.softmax(1), torch.ones(1, *shape[1:], dtype=torch.bool)

        def score(inner: int, outer: int, prior: Tensor = prior) -> None:
            outlier_score(prior, inner, outer)

        def both_ways(inner: int, outer: int, logits: Tensor = logits, mask: Tensor = mask) -> None:
            leaf = logits.requires_grad_()
            leaf.grad = None
            OutlierRegionLoss(inner=inner, outer=outer)(leaf.log_softmax(1), mask).backward()

        for what, work in (("score", score), ("forward + backward", both_ways)):
            times: dict[tuple[int, int], list[tuple[float, float]]] = {window: [] for window in WINDOWS}
            for window in WINDOWS:
                work(*window)
            for _ in range(repeats if len(shape) > 3 else 8 * repeats):
                for window in WINDOWS:
                    began, cpu = time.perf_counter(), time.process_time()
                    work(*window)
                    times[window].append((time.perf_counter() - began, time.process_time() - cpu))
            medians, cpus = ([1e3 * statistics.median(t[n] for t in times[w]) for w in WINDOWS] for n in (0, 1))
            # Other work on the machine makes each slower, and none faster.
            fastest = [1e3 * min(t[0] for t in times[w]) for w in WINDOWS]
            cells = " | ".join(", ".join(f"{ms:.1f}" for ms in row) for row in (medians, cpus))
            first = ", ".join(f"{ms:.1f}" for ms in fastest)
            print(f"| {name} | {what} | {first} | {max(fastest) / min(fastest):.2f} | {cells} |", flush=True)


def resident_peak(work: Callable[[], None]) -> int:
    """Return how far the process's memory rose at most while something was done, in bytes; Linux only."""
    gc.collect()
    # What was freed is given back first, so that nothing is taken from it unseen.
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = status("VmRSS")
    work()
    return status("VmHWM") - before


def status(name: str) -> int:
    """Return a line of the process's status, in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name):
            return 1024 * int(line.split()[1])
    raise KeyError(name)


def memory() -> None:
    """Print the peak of memory above the input, as multiples of it."""
    torch.set_num_threads(2)
    print("| case | input MB | score | forward + backward |\n|---|---|---|---|")
    for name, shape in list(CASES.items())[1:]:
        logits = blobs(shape)
        size = logits.numel() * logits.element_size()
        prior, mask = logits.softmax(1), torch.ones(1, *shape[1:], dtype=torch.bool)
        log_prior = prior.log().requires_grad_()

        def both_ways(log_prior: Tensor = log_prior, mask: Tensor = mask) -> None:
            log_prior.grad = None
            OutlierRegionLoss(inner=7, outer=21)(log_prior, mask).backward()

        def score(prior: Tensor = prior) -> None:
            outlier_score(prior, 7, 21)

        peaks = [resident_peak(work) / size for work in (score, both_ways)]
        print(f"| {name} | {size / 1e6:.1f} | {peaks[0]:.1f} x | {peaks[1]:.1f} x |", flush=True)


def flag_rates(labels: NDArray[np.uint8], n_classes: int, window: tuple[int, int], *, volume: bool) -> list[float]:
    """Return for each tissue which share of its voxels is flagged, in axial slices or in the volume."""
    inner, outer = ((width if volume else 1, width, width) for width in window)
    score, _ = surrounding_labels(torch.from_numpy(labels)[None], n_classes, inner, outer)
    flagged = (score[0] > 0).numpy()
    return [float(flagged[labels == k].mean()) for k in range(1, n_classes + 1)]


def brains() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield label maps: 1 CSF, 2 GM, 3 WM; deep grey matter counts as grey."""
    for name, path in BRAINS.items():
        labels = np.array(read_labels(DATA / path).labels)
        labels[labels == 4] = 2
        inside = np.argwhere(labels)
        box = tuple(slice(low, high + 1) for low, high in zip(inside.min(0), inside.max(0), strict=True))
        yield name, np.ascontiguousarray(labels[box])


def tissue() -> None:
    """Print which share of true tissue is flagged."""
    if not DATA.is_dir():
        print("The real images beside the checkout (../shared/data) are not there.", file=sys.stderr)
        return
    head = " | ".join(f"{dims} ({i}, {j})" for i, j in TISSUE_WINDOWS for dims in ("2-D", "3-D"))
    print(f"| brain | {head} |\n|---|{'---|' * 2 * len(TISSUE_WINDOWS)}")
    for name, labels in brains():
        cells = []
        for window in TISSUE_WINDOWS:
            for volume in (False, True):
                rates = flag_rates(labels, 3, window, volume=volume)
                cells.append(" / ".join(f"{100 * rate:.2f}" for rate in rates))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def fits(seeds: int) -> None:
    """Print Dice and islands of networks on the sample brain at 2 mm with noise of 12 %, with the loss and without."""
    cases = {"slice": slice_case(noise=0.12), "six slices": slab_case(noise=0.12)}
    print("| case | method | γ | Dice | outliers | spurious islands | their voxels | s |")
    print("|---|---|---|---|---|---|---|---|")
    for name, case in cases.items():
        window = ((1, 3, 3), (1, 9, 9)) if case.truth.shape[0] == 1 else ((3, 3, 3), (9, 9, 9))
        for method, weight in product(("deepsvg", "blindspot"), (0.0, 1.0, 3.0, 10.0)):
            settings = {"method": method, "outlier_weight": weight, "outlier_inner": 3, "outlier_outer": 9}
            rows = []
            for seed in range(seeds):
                began = time.perf_counter()
                labels = np.array(case.run(seed=seed, **settings).result.label_map.labels)
                seconds = time.perf_counter() - began
                score, _ = surrounding_labels(torch.from_numpy(labels)[None], 3, *window)
                noise = [spurious_islands(labels == k, case.truth == k) for k in (1, 2, 3)]
                dice = statistics.mean(overlap(labels == k, case.truth == k) for k in (1, 2, 3))
                number, voxels = sum(n.number for n in noise), sum(n.voxels for n in noise)
                rows.append([dice, float((score > 0).sum()), number, voxels, seconds])
            mean = [statistics.mean(column) for column in zip(*rows, strict=True)]
            cells = f"{mean[0]:.4f} | {mean[1]:.1f} | {mean[2]:.1f} | {mean[3]:.1f} | {mean[4]:.1f}"
            print(f"| {name} | {method} | {weight:g} | {cells} |", flush=True)


def overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return the Dice coefficient."""
    return float(2 * (first & second).sum() / max(first.sum() + second.sum(), 1))


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "cost": lambda given: cost(given.repeats),
    "memory": lambda _: memory(),
    "tissue": lambda _: tissue(),
    "fits": lambda given: fits(given.seeds),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    for part in given.only:
        print(f"\n## {part}\n", flush=True)
        PARTS[part](given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
