"""The brain proposed in a whole head: confidence, Dice, seconds; and what is no brain.

    python benchmarks/brain_mask.py [--only heads tissues others deepbet]

heads: real heads of ../shared/data (one of them also interpolated to 1 mm, for the time) and made ones; Dice of the
proposed mask against the truth, of slabs in the slices that show a whole section.
tissues: Dice of CSF, GM and WM on the average head of SPM, with the mask of its labels and with the proposed one.
deepbet: the same real heads and what is no brain, cut out by deepbet (the extra [brain]).
others: the confidence in noise, balls, hearts and heads with wrong axes, which should stay below 0.5.
CPU seconds are of the whole preparation.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy import ndimage

import napari_gmmseg as gs
from napari_gmmseg.config import find_preset
from napari_gmmseg.io import read_channels
from napari_gmmseg.io.atlas import read_atlas
from napari_gmmseg.networks.brain_extraction import extract_brain
from napari_gmmseg.preparation import Prepared, prepare
from napari_gmmseg.volumes import Volume

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.preparation.heads import make_head, overlap
from tests.preparation.test_brain import not_brains

DATA = Path(__file__).parents[2] / "shared" / "data"
SPM, PTBP = "spm12_avg152", "ptbp_dev"
LABELS = f"{SPM}/labels_tissue.nii.gz"
HEADS = {
    **{f"SPM {name}": (f"{SPM}/{name}.nii", LABELS) for name in ("avg152T1", "avg152T2", "avg152PD")},
    "Colin 27": (f"{SPM}/single_subj_T1.nii", LABELS),
    "PTBP template, 8 mm": (
        f"{PTBP}/template/PTBP_T1_Head.nii.gz",
        f"{PTBP}/template/PTBP_T1_BrainCerebellum.nii.gz",
    ),
    **{f"PTBP {n:02}, 10 mm": (f"{PTBP}/t1_{n:02}.nii.gz", f"{PTBP}/seg_{n:02}.nii.gz") for n in range(1, 11)},
}
MADE = {
    "made, at the atlas": {},
    "made, pitched 12°, header 70 mm off": {"degrees": 12.0, "moved_mm": 70.0},
    "made, 0.88 of the size": {"size": 0.88},
    "made, inverted": {"inverted": True},
    "made, zeros around": {"air": False},
}


def prepared(volume: Volume) -> tuple[Prepared, float]:
    """Prepare an image, and measure CPU seconds."""
    began = time.process_time()
    found = prepare(volume, preset=find_preset("brain-t1"), atlas=read_atlas)
    return found, time.process_time() - began


def finer(volume: Volume) -> Volume:
    """Return a volume with voxels of half the size, linear between those there are."""
    shape = tuple(2 * n for n in volume.grid_shape)
    data = ndimage.affine_transform(volume.data[0], np.full(3, 0.5), -0.25, output_shape=shape, order=1, mode="nearest")
    affine = np.array(volume.geometry.affine)
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, 0.25)
    affine[:3, :3] /= 2
    return replace(
        volume, data=data[np.newaxis], geometry=replace(volume.geometry, shape=shape, affine=affine), source=None
    )


def heads() -> None:
    print("| head | voxels | confidence | Dice | ml | CPU s |\n|---|---|---|---|---|---|")
    cases = [
        (name, *(read_channels(DATA / path)[0] for path in paths)) for name, paths in HEADS.items() if DATA.is_dir()
    ]
    rows = [(name, volume, truth.data[0] > 0) for name, volume, truth in cases]
    rows += [(name, (head := make_head(**told)).volume, head.brain) for name, told in MADE.items()]  # type: ignore[arg-type]
    rows += [
        (f"{name}, at 1 mm", finer(volume), np.kron(truth, np.ones((2, 2, 2), bool)))
        for name, volume, truth in rows[:1]
    ]
    for name, volume, truth in rows:
        found, seconds = prepared(volume)
        per_slice = truth.sum(axis=(1, 2))
        whole = per_slice > 0.9 * per_slice.max() if "PTBP" in name else slice(None)
        dice = f"{overlap(found.mask[whole], truth[whole]):.3f}" if found.tissue_names else "–"
        ml = f"{found.mask.sum() * volume.geometry.voxel_volume_ml:.0f}" if found.tissue_names else "–"
        size = " × ".join(str(n) for n in volume.grid_shape)
        print(f"| {name} | {size} | {found.brain_confidence or 0:.3f} | {dice} | {ml} | {seconds:.1f} |", flush=True)


def tissues() -> None:
    print("| mask | method | CSF | GM | WM | mean Dice |\n|---|---|---|---|---|---|")
    image, labels = DATA / SPM / "avg152T1.nii", DATA / LABELS
    truth = read_channels(labels)[0].data[0]
    for method in ("gmm", "spatial", "auto"):
        for mask in (labels, "auto", *(["deepbet"] if find_spec("deepbet") else [])):
            found = gs.segment(image, mask=mask, preset="brain-t1", method=method).label_map.labels
            dice = [overlap(found == k, truth == k) for k in (1, 2, 3)]
            told = {labels: "of the labels", "auto": "proposed"}.get(mask, mask)
            print(f"| {told} | {method} | {' | '.join(f'{d:.3f}' for d in dice)} | {np.mean(dice):.3f} |", flush=True)


def others() -> None:
    print("| image | confidence | tissues named | CPU s |\n|---|---|---|---|")
    for name, volume in not_brains().items():
        found, seconds = prepared(volume)
        named = "yes" if found.tissue_names else "no"
        print(f"| {name} | {found.brain_confidence or 0:.3f} | {named} | {seconds:.1f} |", flush=True)


def cut_out() -> None:
    if find_spec("deepbet") is None:
        print("deepbet is not installed: pip install 'napari-gmmseg[brain]'")
        return
    print("| image | Dice | ml | CPU s |\n|---|---|---|---|")
    real = {name: paths for name, paths in HEADS.items() if not name.endswith(("T2", "PD")) and DATA.is_dir()}
    rows = [(name, *(read_channels(DATA / path)[0] for path in paths)) for name, paths in real.items()]
    for name, volume, truth in (*rows, *((name, volume, None) for name, volume in not_brains().items())):
        began = time.process_time()
        mask = extract_brain(np.nan_to_num(volume.data[0]))
        seconds = time.process_time() - began
        dice = "–"
        if truth is not None:
            inside = truth.data[0] > 0
            per_slice = inside.sum(axis=(1, 2))
            whole = per_slice > 0.9 * per_slice.max() if "PTBP" in name else slice(None)
            dice = f"{overlap(mask[whole], inside[whole]):.3f}"
        print(f"| {name} | {dice} | {mask.sum() * volume.geometry.voxel_volume_ml:.0f} | {seconds:.1f} |", flush=True)


def main() -> None:
    tables = {"heads": heads, "tissues": tissues, "others": others, "deepbet": cut_out}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=tables, default=list(tables))
    for name in parser.parse_args().only:
        print(f"\n### {name}\n")
        if name == "tissues" and not DATA.is_dir():
            print("../shared/data is not there.")
            continue
        tables[name]()


if __name__ == "__main__":
    main()
