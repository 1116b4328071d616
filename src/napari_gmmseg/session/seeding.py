"""What a result says of classes that nobody painted, as strokes: so that one stroke corrects a whole mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_gmmseg.volumes import Scribbles, Segmentation, Stroke

#: Voxels that stand for a class; more would tie the answer to the result that it corrects.
N_SEEDS = 400
_SEED = 0


def with_seeds(scribbles: Scribbles, start: Segmentation | None) -> Scribbles:
    """Return scribbles in which each class of a result has strokes: the surest voxels of those that were not painted.

    Parameters
    ----------
    scribbles : Scribbles
        What was painted.
    start : Segmentation or None
        A result on the same grid; None where only strokes count.
    """
    if start is None or start.label_map.labels.shape != tuple(scribbles.shape):
        return scribbles
    painted, labels = scribbles.labels(), start.label_map.labels
    present = set(np.unique(painted).tolist())
    rng = np.random.default_rng(_SEED)
    seeds: list[Stroke] = []
    for k, tissue in enumerate(start.label_map.classes):
        if tissue.value in present or scribbles.classes.by_value(tissue.value) is None:
            continue
        here = labels == tissue.value
        if tissue.value == scribbles.background:
            here |= (labels == 0) & start.mask
        own = np.flatnonzero(here & (painted == 0))
        if not len(own):
            continue
        sure = own[start.probabilities[k].reshape(-1)[own] >= np.median(start.probabilities[k].reshape(-1)[own])]
        chosen = np.sort(rng.choice(sure, min(N_SEEDS, len(sure)), replace=False))
        voxels = np.stack(np.unravel_index(chosen, labels.shape), axis=-1)
        seeds.append(Stroke(tissue.value, voxels))
    if not seeds:
        return scribbles
    # A person's strokes come last: where both lie on a voxel, theirs count.
    first = max((s.id for s in scribbles.strokes), default=0)
    numbered = tuple(replace(s, id=first + n) for n, s in enumerate(seeds, start=1))
    return replace(scribbles, strokes=(*numbered, *scribbles.strokes))
