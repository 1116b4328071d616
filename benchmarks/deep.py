"""The deep mixtures beside the mixtures they start from: slices, whole volumes, a heart, real brains.

    python benchmarks/deep.py [--quick] [--only "t1_n9b0 slice" heart] [--methods spatial blindspot] [--seeds 0 1 2]

Slices are z = 60, 75 and 90 of the 1 mm phantoms, chosen beforehand; each is a case of its own. The heart has three
sequences, noise of 9 % where no other is told, and its true ventricle as mask. A seed is the noise field's and the
network's; the heart gets another shape by it, too; a real brain and that in three channels get another network only. No
setting is made by hand but the method: "paper" is ``--recipe paper``, and gmm runs to convergence (tolerance 1e-6, at
most 3000 steps). One torch thread; what the first step of a program costs is paid before.

The network of the paper is slow: on slices it gets seed i on slice i only; of whole brains it gets the phantoms with
9 % noise, Philips and PTBP 01 with seed 0 only, and none with ``--quick``.

Dice is the mean over classes, slices and seeds, SD that over seeds of the mean over slices; matched is the mean Dice
with the classes numbered as suits the truth best, as the paper has it, where Dice takes the names that the program
gave. Seconds and steps are means over runs; NLL is -log_likelihood of the result in nat per voxel, for gmm, spatial and
deepg under mixing weights of the image, for the others under weights of each voxel: not to be compared between these.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from accuracy import Case, real_cases
from napari_gmmseg.config import FitConfig, PreparationConfig, Preset, find_preset
from napari_gmmseg.fitting import fit
from napari_gmmseg.io.phantom import Acquisition
from napari_gmmseg.io.phantom_heart import heart_phantom
from napari_gmmseg.preparation import prepare_case
from napari_gmmseg.volumes import Geometry, Segmentation, Volume
from phantoms import make, make_three_channels

OUTPUT = Path(__file__).parent / "output"
PHANTOMS = ("t1_n5b0", "t1_n9b0", "pv_n5b0", "pv_n9b0")
SLICES = (60, 75, 90)
#: Noise in % of the hearts; with 9 the spatial mixture scores .96.
HEARTS = {"heart": 9.0, "heart, noise 4 %": 4.0}
#: The T1 and two contrasts mixed from the tissue maps, noise 5 %; one noise field for all seeds.
THREE = "three channels"
REAL = ("philips", "ptbp 01", "ptbp 02", "ptbp 03")
METHODS: dict[str, dict[str, object]] = {
    "gmm": {"method": "gmm", "tolerance": 1e-6, "max_steps": 3000},
    "svgmm": {"method": "svgmm"},
    "spatial": {"method": "spatial"},
    "deepg paper": {"method": "deepg", "recipe": "paper"},
    "deepsvg paper": {"method": "deepsvg", "recipe": "paper"},
    "deepg": {"method": "deepg"},
    "deepsvg": {"method": "deepsvg"},
    "blindspot": {"method": "blindspot"},
    "auto": {"method": "auto"},
}
CASES = (
    *(f"{name} slice" for name in PHANTOMS),
    *HEARTS,
    *(f"{name} volume" for name in PHANTOMS),
    THREE,
    *REAL,
)
#: Whole brains that the paper's network is trained on; each takes minutes.
PAPER_WHOLE = ("t1_n9b0 volume", "pv_n9b0 volume", "philips", "ptbp 01")
DEEP = ("deepg", "deepsvg", "blindspot", "auto")


@dataclass(frozen=True)
class Run:
    """What one fit gave."""

    image: str
    method: str
    seed: int
    part: int
    dice: tuple[float, ...]
    matched: float
    cpu_s: float
    wall_s: float
    steps: int
    nll: float
    answered: str
    findings: tuple[str, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.dice))


def one_slice(case: Case, z: int) -> Case:
    """Return a slice as a volume of its own."""
    here = case.volume.geometry
    affine = np.array(here.affine)
    affine[:3, 3] += affine[:3, 0] * z
    geometry = Geometry((1, *here.shape[1:]), affine, here.unit)
    volume = Volume(
        data=np.ascontiguousarray(case.volume.data[:, z : z + 1]), geometry=geometry, channels=case.volume.channels
    )
    return Case(f"{case.name} z{z}", volume, case.truth[z : z + 1], case.mask[z : z + 1])


@lru_cache(maxsize=3)
def brain(name: str, seed: int) -> Case:
    """Return a phantom with the noise field of a seed."""
    phantom = make(name, seed)
    return Case(name, phantom.volume, phantom.truth.labels, phantom.mask)


def heart(seed: int, name: str = "heart") -> Case:
    """Return the heart of a seed."""
    phantom = heart_phantom(seed, acquisition=Acquisition(noise_percent=HEARTS[name]))
    return Case(name, phantom.volume, phantom.truth.labels, phantom.mask)


@lru_cache(maxsize=1)
def three_channels() -> Case:
    """Return the brain in three channels."""
    phantom = make_three_channels()
    return Case(THREE, phantom.volume, phantom.truth.labels, phantom.mask)


@lru_cache(maxsize=1)
def real(name: str) -> Case | None:
    """Return a real brain, or None where it is not there."""
    return next((case for case in real_cases() if case.name == name), None)


def parts(image: str, seed: int) -> tuple[Case, ...]:
    """Return the cases that are averaged under one name."""
    if image in HEARTS:
        return (heart(seed, image),)
    if image == THREE:
        return (three_channels(),)
    if image in REAL:
        found = real(image)
        return () if found is None else (found,)
    name, kind = image.split()
    whole = brain(name, seed)
    return (whole,) if kind == "volume" else tuple(one_slice(whole, z) for z in SLICES)


def preset_of(case: Case) -> Preset:
    """Return what the classes of a case mean."""
    if case.name in HEARTS:
        return find_preset("cardiac")
    return find_preset("brain-t1" if case.volume.n_channels == 1 else "brain-multi")


def segment(case: Case, settings: dict[str, object], seed: int, *, threads: int = 1) -> Segmentation:
    """Fit without looking at the truth."""
    preset = preset_of(case)
    k = len(preset.classes) if preset.classes else 3
    volume, prepared = prepare_case(
        case.volume, PreparationConfig(mask="given"), mask=case.mask, preset=preset, n_classes=k
    )
    config = FitConfig(**settings, n_classes=k, seed=seed, threads=threads)  # type: ignore[arg-type]
    steps = fit(volume, prepared, config, preset)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Segmentation = end.value
            return result


def overlaps(labels: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return Dice (K, K) of each class of the labels with each of the truth; both are numbered 1 ... K."""
    k = int(max(labels.max(), truth.max()))
    counts = np.bincount((labels.astype(np.int64) * (k + 1) + truth).ravel(), minlength=(k + 1) ** 2)
    table = counts.reshape(k + 1, k + 1)
    sizes = table.sum(1)[1:, None] + table.sum(0)[None, 1:]
    return np.asarray(2 * table[1:, 1:] / np.maximum(sizes, 1))


def measure(image: str, part: int, case: Case, method: str, seed: int) -> Run:
    """Fit once."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = segment(case, METHODS[method], seed)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    table = overlaps(result.label_map.labels, case.truth)
    k = len(table)
    best = max(float(np.mean([table[a, b] for a, b in enumerate(order)])) for order in permutations(range(k)))
    return Run(
        image,
        method,
        seed,
        part,
        tuple(np.diag(table).tolist()),
        best,
        cpu,
        wall,
        result.steps,
        -result.log_likelihood,
        result.method,
        tuple(sorted({finding.code for finding in result.findings})),
    )


def planned(image: str, method: str, seed: int, part: int, *, quick: bool) -> bool:
    """Tell whether a run is wanted: the paper's network gets fewer."""
    if not method.endswith("paper") or image == "heart":
        return True
    if image.endswith("slice"):
        return part == seed % len(SLICES)
    return image in PAPER_WHOLE and seed == 0 and not quick


def runs_of(image: str, methods: list[str], seeds: list[int], *, quick: bool) -> Iterator[list[Run]]:
    """Yield the runs of each method on one image."""
    for method in methods:
        found = [
            measure(image, number, case, method, seed)
            for seed in seeds
            for number, case in enumerate(parts(image, seed))
            if planned(image, method, seed, number, quick=quick)
        ]
        if found:
            yield found


def row(runs: list[Run]) -> str:
    """Return a line of the table."""
    by_seed = defaultdict(list)
    for run in runs:
        by_seed[run.seed].append(run.mean)
    seeds = [statistics.mean(values) for values in by_seed.values()]
    spread = f"{statistics.stdev(seeds):.3f}" if len(seeds) > 1 else "-"
    classes = " ".join(f"{statistics.mean(values):.3f}" for values in zip(*(run.dice for run in runs), strict=True))
    mean = {
        name: statistics.mean(getattr(run, name) for run in runs)
        for name in ("matched", "cpu_s", "wall_s", "steps", "nll")
    }
    answered = ", ".join(sorted({run.answered for run in runs}))
    name = runs[0].method if runs[0].method != "auto" else f"auto: {answered}"
    return (
        f"| {runs[0].image} | {name} | {classes} | **{statistics.mean(seeds):.4f}** | {spread} "
        f"| {mean['matched']:.3f} | {mean['cpu_s']:.2f} | {mean['wall_s']:.2f} | {mean['steps']:.0f} "
        f"| {mean['nll']:.3f} | {len(runs)} |"
    )


def gains(rows: dict[tuple[str, str], list[Run]]) -> Iterator[str]:
    """Yield lines that compare, run by run, each deep form with the mixtures on the same image, slice and seed."""
    for (image, method), runs in rows.items():
        if method not in DEEP:
            continue
        figures = []
        for other in ("svgmm", "gmm", "spatial"):
            dice = {(run.seed, run.part): run.mean for run in rows.get((image, other), ())}
            differences = [run.mean - dice[run.seed, run.part] for run in runs if (run.seed, run.part) in dice]
            figures.append(
                f"{statistics.mean(differences):+.4f} ({min(differences):+.4f})" if differences else "not measured"
            )
        yield f"| {image} | {method} | {' | '.join(figures)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS), default=list(METHODS))
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="IMAGE")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--quick", action="store_true", help="leave out the paper's network on whole volumes")
    parser.add_argument("--json", type=Path, default=OUTPUT / "deep.json", help="where every run is written")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warm = one_slice(brain(PHANTOMS[0], 0), SLICES[0])
    segment(warm, {"method": "deepsvg", "warm_steps": 1, "max_steps": 1}, 0)
    rows: dict[tuple[str, str], list[Run]] = {}
    print("| image | method | Dice by class | Dice | SD | matched | CPU s | wall s | steps | NLL | runs |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for image in options.only:
        for runs in runs_of(image, options.methods, options.seeds, quick=options.quick):
            rows[image, runs[0].method] = runs
            print(row(runs), flush=True)
    print("\nGain in Dice, mean over runs (and the least), over the same slice or volume with the same seed:\n")
    print("| image | method | over svgmm | over gmm | over spatial |\n|---|---|---|---|---|")
    print(*gains(rows), sep="\n")
    options.json.parent.mkdir(exist_ok=True)
    every = [asdict(run) for runs in rows.values() for run in runs]
    options.json.write_text(json.dumps(every, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
