"""A tiny image of a bright disc and a dull one on a dark ground, strokes on it, and a training run to its end."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from napari_gmmseg.config import PreparationConfig, find_preset, numbered_classes
from napari_gmmseg.config.finetuning import FinetuneConfig
from napari_gmmseg.preparation import prepare
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import FitReport, LabelMap, Scribbles, Stroke, Volume

Array = np.ndarray[Any, Any]
CLASSES = numbered_classes(3)
#: Small and few, so that a test takes a second.
TINY = FinetuneConfig(steps=12, width=4, depth=2, threads=1, device="cpu")


def truth_of(shape: tuple[int, int, int] = (1, 32, 36), shift: int = 0) -> Array:
    """1 ground, 2 the dull disc, 3 the bright one."""
    _, y, x = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    bright = (y - 16) ** 2 + (x - 12 - shift) ** 2 < 36
    dull = (y - 14) ** 2 + (x - 26 - shift) ** 2 < 30
    return np.select([bright, dull], [3, 2], 1)


def image_of(truth: Array, seed: int = 0, gain: float = 100.0) -> Volume:
    """Intensities of a truth, with noise."""
    noise = np.random.default_rng(seed).normal(0, 0.12, truth.shape)
    means = np.array([0.0, 0.2, 0.6, 1.0])
    return Volume.from_array(gain * (means[truth] + noise)[np.newaxis], (1.0, 1.0, 1.0), ("t1",))


def prepared(volume: Volume) -> Prepared:
    """The whole image."""
    return prepare(volume, PreparationConfig(mask="none"), preset=find_preset("custom"))


def strokes_on(
    volume: Volume, truth: Array, per_class: int = 2, values: tuple[int, ...] = (1, 2, 3), background: int | None = None
) -> Scribbles:
    """Short horizontal strokes in the first slice, far apart within each class."""
    strokes = []
    for value in values:
        rows = np.flatnonzero((truth[0] == value).sum(1) >= 5)
        for row in rows[np.linspace(0, len(rows) - 1, per_class + 2).astype(int)[1:-1]]:
            columns = np.flatnonzero(truth[0, row] == value)[:5]
            voxels = np.stack([np.zeros_like(columns), np.full_like(columns, row), columns], axis=1)
            strokes.append(Stroke(value, voxels, id=len(strokes) + 1))
    return Scribbles(volume.grid_shape, volume.geometry, CLASSES, tuple(strokes), background)


def labels_on(volume: Volume, truth: Array) -> LabelMap:
    """The truth as a finished mask."""
    return LabelMap(truth.astype(np.uint8), volume.geometry, CLASSES)


def drained(steps: Generator[FitReport, Any, Any]) -> Any:
    """Run a generator to its end, and return what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
