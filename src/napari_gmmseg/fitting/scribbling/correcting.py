"""Strokes that correct a finished mask where they were painted, and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace

import numpy as np
import torch

from napari_gmmseg.config.presets import GREY
from napari_gmmseg.config.scribbles import ScribbleConfig
from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.fitting.runtime import choose_threads, torch_threads
from napari_gmmseg.fitting.scribbling.answering import PHASE, segmentation_of_answer
from napari_gmmseg.fitting.scribbling.at_once import Answer, AtOnce
from napari_gmmseg.fitting.scribbling.plane import LEAST_PROBABILITY
from napari_gmmseg.mixture import mean_log_likelihood
from napari_gmmseg.mixture.geodesics import GeodesicGrid
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import (
    IGNORED,
    UNLABELLED,
    ClassTable,
    Command,
    FitReport,
    LabelMap,
    Mixture,
    Scribbles,
    Segmentation,
    Stroke,
    TissueClass,
    Volume,
    told_apart,
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
    the mask. There the strokes and the mask around them are answered as any other strokes. Of a class that lies wholly
    there, the half that is farthest from the strokes keeps its label.

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
        Where the background's value is one of the mask's own, where mask and strokes both have the value `IGNORED`, or
        where there is nothing: no class in the mask, and no stroke.
    """
    began = time.perf_counter()
    config = config or ScribbleConfig()
    _check(volume, init, scribbles)
    inner = _without_ignored(init, scribbles)
    if not _contradicted(inner, scribbles):
        answer = _as_it_is(volume, init)
        yield FitReport(PHASE, 1, 1, preview=init.labels, mixture=answer.mixture, classes=answer.classes)
        told = scribbles or Scribbles(volume.grid_shape, volume.geometry, answer.classes)
        return segmentation_of_answer(answer, volume, prepared, told, config, time.perf_counter() - began)
    held, background = _as_scribbles(volume, inner, scribbles, config)
    everywhere = replace(prepared, mask=np.ones(volume.grid_shape, dtype=bool))
    with torch_threads(choose_threads(config.threads)):
        answer = AtOnce(volume, everywhere, config).update(held)
    labels, table = answer.labels, held.classes
    if inner is not init:
        (carried,) = set(inner.classes.values) - set(init.classes.values)
        labels = np.where(labels == carried, IGNORED, labels).astype(np.uint8)
        table = ClassTable(tuple(replace(c, value=IGNORED) if c.value == carried else c for c in table))
    inside = labels > 0
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
                f"The {what} and the image lie on different grids: "
                f"{told_apart(shape, geometry, volume.grid_shape, volume.geometry)}.",
                "Give one that was made for this image.",
            )
    if scribbles is not None and scribbles.background is not None and (init.labels == scribbles.background).any():
        raise SettingsError(
            f"Class {scribbles.background} is to be background, and the mask to start from has voxels of that class.",
            "In a mask background is 0: give the background's strokes a value that the mask has not.",
        )


def _without_ignored(init: LabelMap, scribbles: Scribbles | None) -> LabelMap:
    """Return a mask in which 255 has a free value, since strokes of 255 mean "ignore": many masks are 0 and 255."""
    if not (init.labels == IGNORED).any():
        return init
    if scribbles is not None and any(stroke.value == IGNORED for stroke in scribbles.strokes):
        raise SettingsError(
            f"The mask to start from has a class {IGNORED}, and strokes of {IGNORED} mean that a region is ignored.",
            "Give that class of the mask another value, such as 1, and paint with it.",
        )
    taken = {*init.classes.values, *(() if scribbles is None else scribbles.classes.values)}
    free = next(value for value in range(1, IGNORED) if value not in taken)
    classes = tuple(replace(c, value=free) if c.value == IGNORED else c for c in init.classes)
    labels = np.where(init.labels == IGNORED, free, init.labels).astype(np.uint8)
    return replace(init, labels=labels, classes=ClassTable(classes))


def _contradicted(init: LabelMap, scribbles: Scribbles | None) -> bool:
    """Return whether a stroke says something else than the mask."""
    if scribbles is None:
        return False
    painted = scribbles.labels()
    if scribbles.background is not None:
        painted = np.where((painted == scribbles.background) & (init.labels == UNLABELLED), UNLABELLED, painted)
    known = (painted != UNLABELLED) & (painted != IGNORED)
    return bool((painted[known] != init.labels[known]).any())


def _as_it_is(volume: Volume, init: LabelMap) -> Answer:
    """Return a mask as an answer: a Gaussian of each class, and no doubt."""
    there = [tissue for tissue in init.classes if (init.labels == tissue.value).any()]
    if not there:
        raise SettingsError(
            "The mask to start from is empty, and there is no stroke.",
            "Paint what is to be found, or give another mask.",
        )
    inside = init.labels > 0
    held = np.stack([init.labels == tissue.value for tissue in there])
    image = np.nan_to_num(volume.data, nan=0.0, posinf=0.0, neginf=0.0)
    samples = [image[:, own].astype(np.float64) for own in held]
    mixture = Mixture(
        held.reshape(len(held), -1).mean(1) / inside.mean(),
        np.stack([s.mean(1) for s in samples]),
        np.stack([np.atleast_2d(np.cov(s, ddof=0)) + 1e-6 * np.eye(len(s)) for s in samples]),
        np.arange(len(there)),
    )
    likelihood = mean_log_likelihood(mixture, torch.from_numpy(image[:, inside]), dtype=torch.float32)
    certain = held.astype(np.float32)
    evidence = np.log(np.maximum(certain, LEAST_PROBABILITY))
    table, pull = ClassTable(tuple(there)), (0.0, 0.0, 0.0)
    return Answer(table, init.labels, certain, inside, mixture, None, likelihood, evidence, pull)


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
        distances = _distances(volume, contradicts, config)
        labels = _opened(labels, np.where(known, painted, UNLABELLED), distances, config.extension)
    labels[known] = painted[known]
    present = set(np.unique(labels).tolist()) | {int(v) for v in np.unique(init.labels) if v}
    classes = ClassTable(tuple(named[v] for v in sorted(named) if v in present))
    strokes = tuple(
        Stroke(value, np.argwhere(labels == value), id=n) for n, value in enumerate(classes.values, start=1)
    )
    declared = background if background in present else None
    return Scribbles(volume.grid_shape, volume.geometry, classes, strokes, declared), background


def _opened(labels: np.ndarray, painted: np.ndarray, distances: np.ndarray, reach: float) -> np.ndarray:
    """Return labels (*grid) without those within reach; of a class that would have none left, the farther half stays.

    So only strokes over all of it can take a class away: without a voxel of it, nothing would tell how it looks.
    """
    opened = np.where(distances <= reach, UNLABELLED, labels).astype(np.uint8)
    free = painted == UNLABELLED
    for value in np.unique(labels[free]):
        own = (labels == value) & free
        if not ((opened == value) & free | (painted == value)).any():
            opened[own & (distances >= np.median(distances[own]))] = value
    return opened


def _distances(volume: Volume, contradicts: np.ndarray, config: ScribbleConfig) -> np.ndarray:
    """Return geodesic distances (*grid), in mm, from strokes that contradict the mask; infinite out of their reach."""
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
    distances = np.full(contradicts.shape, np.inf, dtype=np.float32)
    distances[box] = GeodesicGrid(unit, whole, spacing, config.edge_weight).distances(contradicts[box])
    return distances
