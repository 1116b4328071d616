"""Dice against the number of strokes: a simulated annotator paints slices, and every method answers the same strokes.

    python benchmarks/scribbles.py [--sets sunnybrook lgg] [--begin 0] [--cases 10] [--counts 1 3 5 10] [--guide 1000]
                                   [--methods mixture random-walker at-once fine-tuned-5 fine-tuned-30]
                                   [--random | --own]

Three slices a case, at most ten cases a set, from ../shared/data beside the checkout. Strokes correct the answer of the
random walker (beta as --guide), so that they help it most, and no other method's answer moves them; --random paints
anywhere in a class instead, --own over the errors of the answer at once, as a person does. Methods: "mixture" is the
strokes' Gaussians alone; "random-walker" is scikit-image's on intensities brought to 0 ... 1, beta 130 or 1000,
whichever is better as mean over the set; "at-once" has its defaults; "fine-tuned-S" trains for S seconds. Dice is the
mean over CSF, grey and white matter for brains, and of the object for hearts (left ventricle) and gliomas (FLAIR
abnormality), where the other class is declared background. Truths: experts' for hearts and lgg; five algorithms' vote
for glioma3d; FAST, Atropos and template priors for brains.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.segmentation import random_walker

from annotator import annotate, correcting_strokes, first_strokes, painted, random_strokes
from labelled_slices import DATA, LabelledSlice
from napari_gmmseg.api import follow
from napari_gmmseg.config.scribbles import ScribbleConfig
from napari_gmmseg.fitting.scribbling import AtOnce, fit_scribbles
from napari_gmmseg.io import read_channels, read_labels
from napari_gmmseg.volumes import Geometry, Scribbles, Volume

OUTPUT = Path(__file__).parent / "output"
SETS = ("philips", "ptbp", "spm", "lgg", "glioma3d", "sunnybrook")
METHODS = ("mixture", "random-walker", "at-once", "fine-tuned-5", "fine-tuned-30")
BETAS = (130, 1000)
Labels = NDArray[np.uint8]


def three(areas: NDArray[np.int64]) -> list[int]:
    """Return three slices among those with at least 30 % of the largest area."""
    wide = np.flatnonzero(areas >= 0.3 * areas.max())
    return [int(wide[round(part * (len(wide) - 1))]) for part in (0.2, 0.5, 0.8)]


def from_volume(image: str, labels: str, *, tumour: bool = False) -> Iterator[LabelledSlice]:
    volume, truth = read_channels(DATA / image)[0], read_labels(DATA / labels).labels
    # PTBP tells deep grey matter apart; the others do not.
    truth = np.where(truth > 0, 2, 1) if tumour else np.where(truth == 4, 2, truth)
    for z in three((truth > int(tumour)).sum(axis=(1, 2))):
        geometry = Geometry.from_spacing((1, *truth.shape[1:]), volume.geometry.spacing)
        name = f"{Path(image).name} {z}"
        yield LabelledSlice(
            name, Volume(volume.data[:, z : z + 1], geometry), truth[z].astype(np.uint8), int(tumour) or None
        )


def from_pictures(images: list[Path], masks: list[Path], channel: int | None) -> Iterator[LabelledSlice]:
    for image, mask in zip(images, masks, strict=True):
        array = np.asarray(Image.open(image)).astype(np.float32)
        truth = np.where(np.asarray(Image.open(mask)) > 0, 2, 1).astype(np.uint8)
        yield LabelledSlice(image.stem, Volume.from_array(array if channel is None else array[..., channel]), truth, 1)


def lgg() -> Iterator[list[LabelledSlice]]:
    for folder in sorted((DATA / "lgg_dev").glob("TCGA*")):
        masks = sorted(folder.glob("*_mask.tif"), key=lambda path: int(path.stem.split("_")[-2]))
        areas = np.array([int((np.asarray(Image.open(path)) > 0).sum()) for path in masks])
        chosen = [masks[z] for z in three(areas)]
        yield list(from_pictures([p.with_name(p.name.replace("_mask", "")) for p in chosen], chosen, 1))


def sunnybrook() -> Iterator[list[LabelledSlice]]:
    masks = sorted((DATA / "sunnybrook_dev").glob("*_lv.png"))
    for person in sorted({path.name.split("-IM")[0] for path in masks}):
        own = [path for path in masks if path.name.startswith(f"{person}-IM")][:3]
        yield list(from_pictures([p.with_name(p.name.replace("_lv", "")) for p in own], own, None))


def cases_of(name: str) -> Iterator[list[LabelledSlice]]:
    if name in ("lgg", "sunnybrook"):
        yield from lgg() if name == "lgg" else sunnybrook()
        return
    files = {
        "philips": [("philips_mprage/t1_brain_nospheres.nii.gz", "philips_mprage/labels_tissue.nii.gz")],
        "ptbp": [(f"ptbp_dev/t1_{n:02}.nii.gz", f"ptbp_dev/seg_{n:02}.nii.gz") for n in range(1, 11)],
        "spm": [(f"spm12_avg152/{n}.nii", "spm12_avg152/labels_tissue.nii.gz") for n in ("avg152T1", "single_subj_T1")],
        "glioma3d": [(f"glioma3d_dev/TCGA-DU-7294_{part}.nii.gz") for part in ("flair", "labels_majority")],
    }[name]
    pairs = [tuple(files)] if name == "glioma3d" else files
    for image, labels in pairs:
        yield list(from_volume(image, labels, tumour=name == "glioma3d"))


def walk(image: NDArray[np.float32], labels: Labels, mask: NDArray[np.bool_], beta: float) -> Labels:
    """Return scikit-image's answer (Y, X); pieces without a stroke take the nearest answer."""
    inside = image[mask].astype(np.float64)
    unit = np.where(mask, (image - inside.min()) / np.ptp(inside), 0)
    seeds = labels.astype(np.int64)
    seeds[~mask] = -1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = random_walker(unit, seeds, beta=beta, mode="cg_j", tol=1e-3)
    found = np.where(mask, found, 0)
    missing = mask & (found <= 0)
    if missing.any():
        nearest = ndimage.distance_transform_edt(found <= 0, return_distances=False, return_indices=True)
        found = np.where(missing, found[tuple(nearest)], found)
    return found.astype(np.uint8)


def dice(truth: Labels, answer: Labels, values: tuple[int, ...]) -> float:
    pairs = [(truth == value, answer == value) for value in values]
    return float(np.mean([2 * (t & a).sum() / max(1, t.sum() + a.sum()) for t, a in pairs]))


def answer_of(slice_: LabelledSlice, scribbles: Scribbles, method: str, seed: int) -> Labels:
    """Return the answer (Y, X) of one of ours, with the background under its own value."""
    volume, prepared = slice_.prepared()
    if method.startswith("fine-tuned"):
        from napari_gmmseg.config.finetuning import FinetuneConfig
        from napari_gmmseg.fitting.scribbling.finetuning import finetune

        config = FinetuneConfig(seconds=float(method.rsplit("-", 1)[1]), seed=seed)
        result = follow(finetune(volume, prepared, scribbles, config), None)
    else:
        alone = {"spatial_weight": 0.0, "intensity_weight": 1.0, "evidence": 0.0, "sweeps": 0}
        config_ = ScribbleConfig(seed=seed, **(alone if method == "mixture" else {}))
        result = follow(
            fit_scribbles(volume, prepared, scribbles, config_, at_once=AtOnce(volume, prepared, config_)), None
        )
    labels = result.label_map.labels[0]
    return labels if slice_.background is None else np.where(labels == 0, slice_.background, labels).astype(np.uint8)


def over_own_errors(slice_: LabelledSlice, most: int, seed: int) -> list[list[dict[int, NDArray[np.int64]]]]:
    """Return all strokes so far after each round, each painted over the errors of the answer at once."""
    rng = np.random.default_rng(seed)
    strokes = [first_strokes(slice_.truth, rng)]
    for _ in range(most - 1):
        so_far = slice_.scribbles([pair for one in strokes for pair in one.items()])
        answer = answer_of(slice_, so_far, "at-once", seed)
        strokes.append(correcting_strokes(slice_.truth, answer, rng))
    return [strokes[: n + 1] for n in range(most)]


def rounds_of(
    slice_: LabelledSlice, most: int, guide: int, seed: int, *, anywhere: bool
) -> list[list[dict[int, NDArray[np.int64]]]]:
    if anywhere:
        rng = np.random.default_rng(seed)
        strokes = [random_strokes(slice_.truth, rng) for _ in range(most)]
        return [strokes[: n + 1] for n in range(most)]
    mask = slice_.truth > 0
    robot: Callable[[Labels], Labels] = partial(walk, slice_.volume.data[0, 0], mask=mask, beta=guide)
    return list(annotate(slice_.truth, most, robot, seed))


def measure(name: str, arguments: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Return for each method the Dice and seconds of each slice at each count."""
    values = (2,) if name in ("lgg", "glioma3d", "sunnybrook") else (1, 2, 3)
    found: dict[str, dict[str, list[float]]] = {}

    def note(method: str, count: int, score: float, seconds: float) -> None:
        entry = found.setdefault(f"{method} {count}", {"dice": [], "seconds": []})
        entry["dice"].append(score)
        entry["seconds"].append(seconds)

    for case in list(cases_of(name))[arguments.begin :][: arguments.cases]:
        for slice_ in case[: arguments.slices]:
            most = max(arguments.counts)
            if arguments.own:
                rounds = over_own_errors(slice_, most, arguments.seed)
            else:
                rounds = rounds_of(slice_, most, arguments.guide, arguments.seed, anywhere=arguments.random)
            for count in arguments.counts:
                so_far = rounds[count - 1]
                for method in arguments.methods:
                    if method == "random-walker":
                        labels = painted(slice_.truth.shape, so_far)
                        for beta in BETAS:
                            began = time.perf_counter()
                            got = walk(slice_.volume.data[0, 0], labels, slice_.truth > 0, beta)
                            note(
                                f"random-walker/{beta}",
                                count,
                                dice(slice_.truth, got, values),
                                time.perf_counter() - began,
                            )
                        continue
                    scribbles = slice_.scribbles([pair for one in so_far for pair in one.items()])
                    began = time.perf_counter()
                    got = answer_of(slice_, scribbles, method, arguments.seed)
                    note(method, count, dice(slice_.truth, got, values), time.perf_counter() - began)
    return found


def rows_of(
    found: dict[str, dict[str, list[float]]], arguments: argparse.Namespace
) -> Iterator[tuple[str, list[float], float]]:
    """Yield method, mean Dice at each count, and median seconds."""
    for method in arguments.methods:
        names = [f"random-walker/{beta}" for beta in BETAS] if method == "random-walker" else [method]
        # At each count the better beta: the bar is as high as it can be.
        means = [max(float(np.mean(found[f"{n} {c}"]["dice"])) for n in names) for c in arguments.counts]
        yield method, means, median(s for n in names for c in arguments.counts for s in found[f"{n} {c}"]["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS[:3])
    parser.add_argument("--counts", nargs="+", type=int, default=(1, 3, 5, 10))
    parser.add_argument("--cases", type=int, default=10)
    parser.add_argument("--begin", type=int, default=0, help="cases of a set that are left out at its beginning")
    parser.add_argument("--slices", type=int, default=3)
    parser.add_argument(
        "--guide", type=int, default=1000, help="beta of the random walker whose errors are painted over"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--random", action="store_true", help="strokes anywhere in a class")
    where.add_argument("--own", action="store_true", help="strokes over the errors of the answer at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="scribbles.json")
    arguments = parser.parse_args()
    OUTPUT.mkdir(exist_ok=True)
    results = {}
    heading = " | ".join(str(count) for count in arguments.counts)
    print(f"| set | slices | method | {heading} | seconds |\n|{'---|' * (4 + len(arguments.counts))}")
    for name in arguments.sets:
        results[name] = measure(name, arguments)
        for method, means, seconds in rows_of(results[name], arguments):
            n_slices = len(next(iter(results[name].values()))["dice"])
            cells = " | ".join(f"{mean:.3f}" for mean in means)
            print(f"| {name} | {n_slices} | {method} | {cells} | {seconds:.2f} |", flush=True)
        (OUTPUT / arguments.output).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()
