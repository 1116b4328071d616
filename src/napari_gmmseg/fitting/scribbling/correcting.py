"""Strokes that correct a finished mask where they were painted, and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace

import numpy as np

from napari_gmmseg.config.presets import GREY
from napari_gmmseg.config.scribbles import ScribbleConfig
from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.fitting.runtime import choose_threads, torch_threads
from napari_gmmseg.fitting.scribbling.answering import PHASE, segmentation_of_answer
from napari_gmmseg.fitting.scribbling.at_once import AtOnce
from napari_gmmseg.mixture.geodesics import GeodesicGrid
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import (
    IGNORED,
    UNLABELLED,
    ClassTable,
    Command,
    FitReport,
    LabelMap,
    Scribbles,
    Segmentation,
    Stroke,
    TissueClass,
    Volume,
)


def correct_mask(
    volume: Volume,
    prepared: Prepared,
    init: LabelMap,
    scribbles: Scribbles | None,
    config: ScribbleConfig | None = None,
) -> Generator[FitReport, Command | None, Segmentation]:
    """Correct a mask by strokes; without a stroke that contradicts it, it comes back unchanged.

    Every voxel keeps its label, except within `config.extension` mm of geodesic distance of a stroke that contradicts
    the mask. There the strokes and the mask around them are answered as any other strokes.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        Scale of its intensities; strokes and masks may lie anywhere.
    init : LabelMap
        The mask; its 0 is background.
    scribbles : Scribbles or None
        Strokes with the mask's label values, or new ones; `scribbles.background`, if told, is 0 in the mask.
    config : ScribbleConfig or None
        How to answer; None for the defaults.

    Raises
    ------
    GeometryError
        Where mask or scribbles lie on another grid than the image.
    SettingsError
        Where the background's value is one of the mask's own.
    """
    began = time.perf_counter()
    config = config or ScribbleConfig()
    _check(volume, init, scribbles)
    held, background = _as_scribbles(volume, init, scribbles, config)
    everywhere = replace(prepared, mask=np.ones(volume.grid_shape, dtype=bool))
    with torch_threads(choose_threads(config.threads)):
        answer = AtOnce(volume, everywhere, config).update(held)
    labels = answer.labels
    kept = held.labels()
    same = (kept == init.labels) | ((kept == background) & (init.labels == UNLABELLED))
    if bool(same.all()):
        labels = init.labels
    inside = labels > 0
    table = ClassTable(tuple(c for c in held.classes))
    answer = replace(answer, classes=table, labels=labels, mask=inside)
    seconds = time.perf_counter() - began
    yield FitReport(PHASE, 1, 1, seconds=seconds, preview=labels, mixture=answer.mixture, classes=table)
    told = scribbles or replace(held, strokes=())
    result = segmentation_of_answer(answer, volume, prepared, told, config, seconds)
    return replace(result, provenance={**result.provenance, "background": background})


def _check(volume: Volume, init: LabelMap, scribbles: Scribbles | None) -> None:
    grids = [("mask to start from", init.labels.shape, init.geometry)]
    if scribbles is not None:
        grids.append(("scribbles", tuple(scribbles.shape), scribbles.geometry))
    for what, shape, geometry in grids:
        if tuple(shape) != volume.grid_shape or not volume.geometry.same_grid(geometry):
            raise GeometryError(
                f"The {what} and the image lie on different grids: {geometry.describe()}, and the image "
                f"{volume.geometry.describe()}.",
                "Give one that was made for this image.",
            )
    if scribbles is not None and scribbles.background is not None and (init.labels == scribbles.background).any():
        raise SettingsError(
            f"Class {scribbles.background} is to be background, and the mask to start from has voxels of that class.",
            "In a mask background is 0: give the background's strokes a value that the mask has not.",
        )


def _as_scribbles(
    volume: Volume, init: LabelMap, scribbles: Scribbles | None, config: ScribbleConfig
) -> tuple[Scribbles, int]:
    """Return the mask, opened around strokes that contradict it, together with the strokes, as one set of strokes."""
    painted = np.zeros(volume.grid_shape, dtype=np.uint8) if scribbles is None else scribbles.labels()
    named = {c.value: c for c in (*(() if scribbles is None else scribbles.classes), *init.classes)}
    background = None if scribbles is None else scribbles.background
    if background is None:
        background = next(v for v in range(254, 0, -1) if v not in named)
    old = named.get(background)
    named[background] = old or TissueClass(background, "Background", "BG", GREY, "background")
    labels = np.where(init.labels == UNLABELLED, background, init.labels).astype(np.uint8)
    known = (painted != UNLABELLED) & (painted != IGNORED)
    contradicts = known & (painted != labels)
    if contradicts.any():
        labels[_near(volume, contradicts, config)] = UNLABELLED
    labels[known] = painted[known]
    present = set(np.unique(labels).tolist()) | {int(v) for v in np.unique(init.labels) if v}
    classes = ClassTable(tuple(named[v] for v in sorted(named) if v in present))
    strokes = tuple(
        Stroke(value, np.argwhere(labels == value), id=n) for n, value in enumerate(classes.values, start=1)
    )
    return Scribbles(volume.grid_shape, volume.geometry, classes, strokes, background), background


def _near(volume: Volume, contradicts: np.ndarray, config: ScribbleConfig) -> np.ndarray:
    """Return the voxels (*grid) within reach of strokes that contradict the mask."""
    z, y, x = volume.geometry.spacing
    least = 1.0 if volume.geometry.unit == "mm" else min(z, y, x)
    spacing = (z / least, y / least, x / least)
    margin = [int(np.ceil(config.extension / d)) + 1 for d in spacing]
    places = np.argwhere(contradicts)
    low, high = places.min(0), places.max(0) + 1
    box = tuple(
        slice(max(0, int(a) - m), int(b) + m)
        for a, b, m in zip(low, high, (0,) * (len(low) - 3) + tuple(margin), strict=True)
    )
    image = np.nan_to_num(volume.data[(slice(None), *box)], nan=0.0, posinf=0.0, neginf=0.0)
    axes = tuple(range(1, image.ndim))
    bottom, top = np.percentile(image, (1, 99), axis=axes, keepdims=True)
    unit = np.clip((image - bottom) / np.where(top > bottom, top - bottom, 1.0), -0.5, 1.5).astype(np.float32)
    whole = np.ones(unit.shape[1:], dtype=bool)
    near = np.zeros(contradicts.shape, dtype=bool)
    near[box] = GeodesicGrid(unit, whole, spacing, config.edge_weight).distances(contradicts[box]) <= config.extension
    return near
