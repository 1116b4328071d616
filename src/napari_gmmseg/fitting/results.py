"""From what a method ended with to a segmentation."""

from __future__ import annotations

from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.config import Preset
from napari_gmmseg.fitting.commands import Names
from napari_gmmseg.fitting.naming import naming_doubts
from napari_gmmseg.fitting.progress import Fitted
from napari_gmmseg.fitting.shading import field_findings
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.mixture.labelling import label_winners
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import ClassTable, Finding, LabelMap, Segmentation, TissueClass
from napari_gmmseg.volumes.segmentation import MIXED_VOXEL_NOISE

#: A class with less than this share of the mask is doubted.
SMALL_SHARE = 0.01
#: And so is a brain's grey or white matter with less than this: something that is no tissue may have taken its place.
SMALL_TISSUE = 0.05


def label_values(table: ClassTable, entry: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the label value of each fitted class, after 0 for background.

    Parameters
    ----------
    table : ClassTable
        Names and values.
    entry : ndarray (K,) int64
        For each fitted class its entry in the table.

    Returns
    -------
    ndarray (K + 1,) uint8
        Label values.
    """
    return np.array([0, *(table[int(e)].value for e in entry)], dtype=np.uint8)


def segmentation_of(
    fitted: Fitted, task: FitTask, preset: Preset, names: Names, machine: dict[str, Any], *, stopped: bool
) -> Segmentation:
    """Return what a method ended with as a segmentation on the whole grid.

    Parameters
    ----------
    fitted : Fitted
        What it ended with.
    task : FitTask
        The case.
    preset : Preset
        What the classes mean.
    names : Names
        What they are called.
    machine : dict
        Device, threads and seconds.
    stopped : bool
        Whether a person ended it.
    """
    volume, prepared = task.volume, task.prepared
    named_by = fitted.named_by or fitted.mixture
    table, entry = names.table(named_by, task)
    order = np.argsort(entry)
    memberships = _in_order(fitted.memberships, order)
    method = fitted.name or task.config.method
    base = None if fitted.base is None else segmentation_of(fitted.base, task, preset, names, machine, stopped=False)
    prior = None if fitted.prior is None else np.asarray(task.whole(_in_order(fitted.prior, order)), dtype=np.float32)
    winner = label_winners(memberships, task.mask)
    classes_found = tuple(table)
    values = np.array([0, *(c.value for c in classes_found)], dtype=np.uint8)
    label_map = LabelMap(values[task.whole(winner)], volume.geometry, table, volume.source)
    mixture = replace(fitted.mixture, class_of=entry[fitted.mixture.class_of])
    doubts = _doubts(label_map, prepared, stopped=stopped)
    told = {doubt.code for doubt in doubts}
    findings = (
        *volume.findings,
        *prepared.findings,
        *field_findings(volume, task.bias_field),
        # What is told of a class by its name in the result need not be told again by its number in the fit.
        *(finding for finding in fitted.findings if finding.code not in told),
        *(() if names.kept else naming_doubts(named_by.class_means(), volume, prepared, preset)),
        *doubts,
    )
    provenance = {
        "napari_gmmseg": version("napari-gmmseg"),
        "torch": torch.__version__,
        **machine,
        "preset": preset.name,
        "channels": list(volume.channels),
        "settings": asdict(task.config),
        "method": method,
        "crop": [[s.start, s.stop] for s in prepared.crop],
        "centre": list(prepared.centre),
        "scale": list(prepared.scale),
        **({} if prepared.brain_confidence is None else {"brain_confidence": prepared.brain_confidence}),
        "bias_field": None if task.bias_field is None else task.bias_field.told(),
        **dict(fitted.notes),
    }
    return Segmentation(
        label_map=label_map,
        probabilities=np.asarray(task.whole(memberships), dtype=np.float32),
        mask=prepared.mask,
        mixture=mixture,
        method=method,
        log_likelihood=fitted.log_likelihood,
        steps=fitted.steps,
        stopped=stopped,
        findings=findings,
        provenance=provenance,
        prior=prior,
        base=base,
        bias_field=task.bias_field,
        image=volume if MIXED_VOXEL_NOISE in provenance else None,
    )


def _in_order(maps: Tensor, order: NDArray[np.int64]) -> Tensor:
    """Return maps (K, *grid) in the order of the class table; themselves where they are."""
    if (order == np.arange(len(order))).all():
        return maps
    return maps[torch.from_numpy(order).to(maps.device)]


def _doubts(label_map: LabelMap, prepared: Prepared, *, stopped: bool) -> list[Finding]:
    counts = label_map.counts()
    inside = max(int(prepared.mask.sum()), 1)
    if prepared.counts is not None:
        held = np.bincount(label_map.labels.reshape(-1), prepared.counts.reshape(-1), 256)
        counts, inside = {c.value: int(held[c.value]) for c in label_map.classes}, int(prepared.counts.sum())
    shares = [(c, counts[c.value] / inside) for c in label_map.classes]
    doubts = [_doubt(c, share) for c, share in shares if share < (SMALL_TISSUE if _is_large(c) else SMALL_SHARE)]
    if stopped:
        doubts.append(
            Finding("stopped-early", "The fit was stopped before it had settled.", "Run it to its end.", "note")
        )
    return doubts


def _is_large(tissue: TissueClass) -> bool:
    return tissue.role in ("gm", "wm")


def _doubt(tissue: TissueClass, share: float) -> Finding:
    if share == 0:
        return Finding(
            "empty-class",
            f"No voxel was given to {tissue.name}.",
            "Ask for fewer classes, try another method, or check the contrast.",
        )
    if _is_large(tissue):
        return Finding(
            "small-class",
            f"{tissue.name} holds only {share:.2%} of the mask, less than in any brain.",
            "Something that is no tissue, such as a lesion, fat or a vessel, may have taken its class: ask for one "
            "class more, or take it out of the mask.",
        )
    return Finding(
        "small-class",
        f"{tissue.name} holds only {share:.2%} of the mask.",
        "Look at it before you trust its volume, or ask for fewer classes.",
    )
