"""Whole tumours at first sight, and after a box and three strokes: ``python benchmarks/glioma_first_sight.py``.

    python benchmarks/glioma_first_sight.py [--cases glioma3d lgg generated] [--budget 60] [--person 20]

No stroke: the preset glioma, and its class that is bright on FLAIR, as it is, and as its largest region with its holes
filled; neither looks at the truth. "bright, either" adds what is bright on T1Gd where it lies in that region. "best
threshold" is what FLAIR alone gives above the level that the truth likes best, which no person can know. LGG slices
show the head, which the preset does not take: they are left out there.

With strokes: a box around the tumour, 5 voxels wider in a slice and two slices longer on each side, as a person would
draw it, and strokes by the annotator of `annotator.py`, which looks at the truth as a person looks at the image.
"corrected": what first sight found in the box ("bright, either"), and three strokes, one after the other, each where
the answer is wrong most. "at once": from nothing, a stroke of the tumour and one of the background on its largest
slice, and a third where the answer to these is wrong most. "fine-tuned" goes on from there with what is left of the
budget, of which `--person` seconds are the person's; with less than 5 s left it is "at once" again. Truths: five
algorithms' vote (glioma3d), experts' (lgg), the generator's. Seconds are wall and processor time, of one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from annotator import largest_component, medial_stroke
from labelled_slices import DATA
from napari_gmmseg import api
from napari_gmmseg.config import numbered_classes
from napari_gmmseg.io import read_labels
from napari_gmmseg.io.lgg import read_lgg
from napari_gmmseg.io.phantom_glioma import Tumour, glioma_phantom
from napari_gmmseg.volumes import Geometry, LabelMap, Scribbles, Segmentation, Stroke, Volume

MARGIN, SLICE_MARGIN = 5, 2
TUMOUR, BACKGROUND = 2, 1
#: With less than this, in s, no network is trained.
SHORTEST = 5.0
#: A region that is bright on T1Gd is counted with one on FLAIR if this share of its neighbours lies in it.
EMBEDDED = 0.3
FLAIR, T1GD = 4, 5
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """An image with its whole tumour (Z, Y, X)."""

    name: str
    volume: Volume
    truth: Mask
    skull: bool = False


def glioma3d() -> Iterator[Case]:
    stem = DATA / "glioma3d_dev" / "TCGA-DU-7294"
    volume = api.read([f"{stem}_{name}.nii.gz" for name in ("t1", "t1c", "t2", "flair")])
    yield Case(stem.name, volume, read_labels(f"{stem}_labels_majority.nii.gz").labels > 0)


def lgg() -> Iterator[Case]:
    for case in read_lgg(DATA / "lgg_dev").cases:
        plain = Volume.from_array(case.image[0].astype(np.float32))
        volume = Volume(case.image.astype(np.float32), plain.geometry, case.channels)
        assert case.labels is not None
        yield Case(case.name, volume, case.labels > 0, skull=True)


def generated() -> Iterator[Case]:
    for seed, grade in zip(range(101, 107), (2, 3, 4, 2, 3, 4), strict=True):
        phantom = glioma_phantom(seed, Tumour(grade=grade))
        yield Case(f"generated {seed}, grade {grade}", phantom.volume, phantom.truth.labels > 3)


SETS = {"glioma3d": glioma3d, "lgg": lgg, "generated": generated}


def dice(a: Mask, b: Mask) -> float:
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


def largest(mask: Mask) -> Mask:
    pieces, n = ndimage.label(mask)
    if n == 0:
        return mask
    return ndimage.binary_fill_holes(pieces == 1 + np.bincount(pieces.reshape(-1))[1:].argmax())


def with_embedded(region: Mask, other: Mask) -> Mask:
    """Add the regions of another mask of whose neighbours at least `EMBEDDED` lie in one, and fill holes."""
    pieces, n = ndimage.label(other)
    touching = np.unique(pieces[ndimage.binary_dilation(region)]) if n else np.array([], dtype=int)
    added = region.copy()
    for piece in touching[touching > 0]:
        own = pieces == piece
        shell = ndimage.binary_dilation(own) & ~own
        if region[shell].mean() >= EMBEDDED:
            added |= own
    return ndimage.binary_fill_holes(added)


class Clock:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    @property
    def wall(self) -> float:
        return time.perf_counter() - self._began[0]

    def told(self, what: str = "") -> dict[str, float]:
        return {f"s{what}": self.wall, f"CPU s{what}": time.process_time() - self._began[1]}


def at_first_sight(case: Case) -> dict[str, float]:
    clock = Clock()
    result = api.segment(case.volume, preset="glioma", refine=False, threads=1)
    seconds = clock.told()
    clock = Clock()
    refined = api.segment(case.volume, preset="glioma", threads=1)
    more = clock.told(" refined")
    labels = result.label_map.labels
    bright = labels == FLAIR
    flair = case.volume.data[case.volume.channels.index("flair")]
    levels = np.percentile(flair[result.mask], np.arange(85, 100, 0.25))
    return {
        "bright on FLAIR": dice(bright, case.truth),
        "its largest region": dice(largest(bright), case.truth),
        "bright, either": dice(with_embedded(largest(bright), labels == T1GD), case.truth),
        "refined": dice(refined.label_map.labels == FLAIR, case.truth),
        "best threshold": max(dice((flair > level) & result.mask, case.truth) for level in levels),
        **seconds,
        **more,
    }


def box_of(truth: Mask) -> tuple[int, int, int, int, int, int]:
    low, high = np.argwhere(truth).min(0), np.argwhere(truth).max(0) + 1
    margin = np.array([SLICE_MARGIN, MARGIN, MARGIN])
    low, high = np.maximum(low - margin, 0), np.minimum(high + margin, truth.shape)
    z0, y0, x0, z1, y1, x1 = (int(v) for v in (*low, *high))
    return z0, y0, x0, z1, y1, x1


class Annotator:
    """Paints in a box, by the truth."""

    def __init__(self, case: Case, seed: int) -> None:
        self._case, self._rng, self.box = case, np.random.default_rng(seed), box_of(case.truth)
        z0, y0, x0, z1, y1, x1 = self.box
        self._inside = np.zeros(case.truth.shape, dtype=bool)
        self._inside[z0:z1, y0:y1, x0:x1] = True
        # A person sees where the image is nothing but black.
        self._inside &= (case.volume.data != 0).any(axis=0)

    def first(self) -> list[Stroke]:
        z = int(self._case.truth.sum(axis=(1, 2)).argmax())
        return [
            self._stroke(z, TUMOUR, self._wanted(TUMOUR)[z]),
            self._stroke(z, BACKGROUND, self._wanted(BACKGROUND)[z]),
        ]

    def correction(self, answer: Mask) -> Stroke | None:
        """Return a stroke in the largest error region of a slice, or None."""
        wrong = {
            TUMOUR: self._wanted(TUMOUR) & ~answer,
            BACKGROUND: self._wanted(BACKGROUND) & answer,
        }
        found = [
            (int(piece.sum()), z, value, piece)
            for value, errors in wrong.items()
            for z in np.flatnonzero(errors.any(axis=(1, 2)))
            for piece in (largest_component(errors[z]),)
        ]
        if not found:
            return None
        _, z, value, piece = max(found, key=lambda one: one[:3])
        return self._stroke(int(z), value, piece)

    def _wanted(self, value: int) -> Mask:
        return self._inside & (self._case.truth == (value == TUMOUR))

    def _stroke(self, z: int, value: int, region: Mask) -> Stroke:
        return Stroke(value, np.insert(medial_stroke(largest_component(region), self._rng), 0, z, axis=1))


def in_box(case: Case, box: tuple[int, ...]) -> Case:
    z0, y0, x0, z1, y1, x1 = box
    data, truth = case.volume.data[:, z0:z1, y0:y1, x0:x1], case.truth[z0:z1, y0:y1, x0:x1]
    geometry = Geometry.from_spacing(truth.shape, case.volume.geometry.spacing)
    return Case(case.name, Volume(np.ascontiguousarray(data), geometry, case.volume.channels), truth)


def corrected(case: Case, seed: int) -> dict[str, float]:
    """Correct what first sight found in the box by three strokes."""
    clock = Clock()
    first = api.segment(case.volume, preset="glioma", refine=False, threads=1).label_map.labels
    box = box_of(case.truth)
    part = in_box(case, box)
    z0, y0, x0, z1, y1, x1 = box
    first = first[z0:z1, y0:y1, x0:x1]
    answer = with_embedded(largest(first == FLAIR), first == T1GD)
    classes = numbered_classes(2)
    init = LabelMap(np.where(answer, TUMOUR, BACKGROUND).astype(np.uint8), part.volume.geometry, classes)
    scribbles, annotator = Scribbles(part.truth.shape, part.volume.geometry, classes), Annotator(part, seed)
    scores = {"in the box": dice(answer, part.truth)}
    for n in ("first", "second", "third"):
        stroke = annotator.correction(answer)
        if stroke is not None:
            scribbles = scribbles.with_strokes([stroke])
            answer = api.segment(part.volume, scribbles=scribbles, init=init, threads=1).label_map.labels == TUMOUR
        scores[f"{n} stroke"] = dice(answer, part.truth)
    return {**scores, **clock.told()}


def by_strokes(case: Case, budget: float, person: float, seed: int) -> dict[str, float]:
    annotator = Annotator(case, seed)
    empty = Scribbles(case.truth.shape, case.volume.geometry, numbered_classes(2), background=BACKGROUND)
    clock = Clock()

    def answered(scribbles: Scribbles) -> Segmentation:
        return api.segment(case.volume, scribbles=scribbles, box=annotator.box, threads=1)

    strokes = empty.with_strokes(annotator.first())
    two = answered(strokes)
    correction = annotator.correction(two.label_map.labels == TUMOUR)
    if correction is not None:
        strokes = strokes.with_strokes([correction])
    three = tuned = answered(strokes)
    told, left = clock.told(" at once"), budget - person - clock.wall
    if left >= SHORTEST:
        tuned = api.finetune(case.volume, strokes, seconds=left, box=annotator.box, threads=1, seed=seed)
    scores = {
        name: dice(result.label_map.labels == TUMOUR, case.truth)
        for name, result in (("two strokes", two), ("at once", three), ("fine-tuned", tuned))
    }
    z0, y0, x0, z1, y1, x1 = annotator.box
    boxed = np.zeros_like(case.truth)
    boxed[z0:z1, y0:y1, x0:x1] = True
    return {"the box": dice(boxed, case.truth), **scores, **told, **clock.told(" in all")}


def show(rows: dict[str, dict[str, float]]) -> None:
    names = list(next(iter(rows.values())))
    print(f"\n| case | {' | '.join(names)} |\n{'|---' * (len(names) + 1)}|")
    if len(rows) > 1:
        rows = {**rows, "median": {name: median(row[name] for row in rows.values()) for name in names}}
    for case, row in rows.items():
        cells = [f"{row[name]:.1f}" if "s" in name.split()[:2] else f"{row[name]:.3f}" for name in names]
        print(f"| {case} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--person", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in given.cases:
        sight: dict[str, dict[str, float]] = {}
        corrections: dict[str, dict[str, float]] = {}
        strokes: dict[str, dict[str, float]] = {}
        for case in SETS[name]():
            if not case.skull:
                sight[case.name] = at_first_sight(case)
                corrections[case.name] = corrected(case, given.seed)
            if name != "generated":
                strokes[case.name] = by_strokes(case, given.budget, given.person, given.seed)
        for rows in (sight, corrections, strokes):
            if rows:
                show(rows)


if __name__ == "__main__":
    main()
