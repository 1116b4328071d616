"""Dice of the spatial mixture by which neighbours it asks, and by how their weight is chosen.

    python benchmarks/neighbours.py [--kinds t1 pv] [--noise 3 5 9] [--sizes 1 2]

The phantoms of the yardstick at 1 mm, and at 2 mm from means of 2 x 2 x 2 voxels of the maps, with noise added after
that. Compared are a weight of 1 for every image (what a noise ratio of .14 and more gave before), the weight that the
image tells, and the latter with 26 neighbours. No bias field is looked for. CPU seconds of the fit, torch loaded.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import product
from pathlib import Path

import numpy as np

from accuracy import Case, dice
from napari_gmmseg.config import FitConfig, PreparationConfig, find_preset
from napari_gmmseg.fitting import fit
from napari_gmmseg.preparation import prepare
from napari_gmmseg.volumes import Segmentation, Volume
from phantoms import make, tissue_maps

OUTPUT = Path(__file__).parent / "output"
VARIANTS = {
    "weight 1, 6 neighbours": {"neighbour_weight": 1.0},
    "weight from the image, 6 neighbours": {},
    "weight from the image, 26 neighbours": {"neighbourhood": 26},
}


def halved(values: np.ndarray) -> np.ndarray:
    """Return means of 2 x 2 x 2 voxels of (..., Z, Y, X)."""
    z, y, x = (n // 2 for n in values.shape[-3:])
    even = values[..., : 2 * z, : 2 * y, : 2 * x].astype(np.float64)
    return even.reshape(*values.shape[:-3], z, 2, y, 2, x, 2).mean((-5, -3, -1))


def coarse(kind: str, noise: float) -> Case:
    """Return a phantom of 2 mm; its classes' means are those at 2 mm."""
    brain = tissue_maps()
    template, maps, mask = halved(brain.t1), halved(brain.maps), halved(brain.mask) > 0.5
    truth = np.where(mask, maps.argmax(0) + 1, 0).astype(np.uint8)
    means = np.array([template[truth == k].mean() for k in (1, 2, 3)])
    mixed = np.tensordot(means, maps, axes=1) / np.maximum(maps.sum(0), 1e-6)
    clean = (template if kind == "t1" else np.where(mask, mixed, 0)) / means.max()
    image = clean + np.random.default_rng(0).normal(0, noise / 100, clean.shape)
    volume = Volume.from_array(image.astype(np.float32), (2.0, 2.0, 2.0), ("t1",))
    return Case(f"{kind}_n{noise:g}b0 at 2 mm", volume, truth, mask)


def segment(case: Case, settings: dict[str, object]) -> tuple[Segmentation, float]:
    """Return a result and its CPU seconds."""
    preset = find_preset("brain-t1")
    prepared = prepare(case.volume, PreparationConfig(mask="given"), mask=case.mask, preset=preset)
    began = time.process_time()
    config = FitConfig(method="spatial", bias_field="off", **settings)  # type: ignore[arg-type]
    steps = fit(case.volume, prepared, config, preset)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=["t1", "pv"])
    parser.add_argument("--noise", type=int, nargs="+", default=[3, 5, 9])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2], choices=[1, 2])
    arguments = parser.parse_args()
    rows = []
    print("| image | " + " | ".join(VARIANTS) + " |\n|---" + "|---" * len(VARIANTS) + "|")
    for size, kind, noise in product(arguments.sizes, arguments.kinds, arguments.noise):
        if size == 1:
            made = make(f"{kind}_n{noise}b0")
            case = Case(made.name, made.volume, made.truth.labels, made.mask)
        else:
            case = coarse(kind, noise)
        cells = []
        for name, settings in VARIANTS.items():
            result, seconds = segment(case, settings)
            scores = dice(np.asarray(result.label_map.labels), case.truth)
            weight = result.provenance["neighbour weight"]
            cells.append(f"{np.mean(scores):.3f} ({weight:.2f}; {seconds:.1f} s)")
            rows.append({"image": case.name, "variant": name, "dice": scores, "weight": weight, "seconds": seconds})
        print(f"| {case.name} | " + " | ".join(cells) + " |", flush=True)
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / "neighbours.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
