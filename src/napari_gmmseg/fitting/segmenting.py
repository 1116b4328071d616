"""From a prepared volume to a segmentation."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_gmmseg.config import FitConfig, Preset
from napari_gmmseg.fitting.deep.fitting import fit_deep
from napari_gmmseg.fitting.methods import fit_gmm, fit_spatial
from napari_gmmseg.fitting.naming import name_classes, naming_doubts
from napari_gmmseg.fitting.progress import Fitted, Method, Progress
from napari_gmmseg.fitting.refining import fit_auto
from napari_gmmseg.fitting.runtime import choose_device, choose_threads, torch_threads
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.mixture.labelling import label_winners
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import (
    ClassTable,
    Command,
    Finding,
    FitReport,
    LabelMap,
    Look,
    Segmentation,
    Stop,
    TissueClass,
    Volume,
)

Fit = Generator[FitReport, Command | None, Segmentation]

PHASES = {"gmm": "Gaussian mixture", "svgmm": "Spatially variant mixture"}
#: A class with less than this share of the mask is doubted.
SMALL_SHARE = 0.01


def fit(
    volume: Volume,
    prepared: Prepared,
    config: FitConfig,
    preset: Preset,
    *,
    fixed_labels: NDArray[np.integer[Any]] | None = None,
    look: int | None = None,
) -> Fit:
    """Fit a mixture to one case; a generator of reports that returns the segmentation.

    Send `Stop()` to end with the best so far, `Look(z)` to have another slice previewed; close it to cancel.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        Mask, crop and scale.
    config : FitConfig
        How to fit.
    preset : Preset
        What the classes mean.
    fixed_labels : ndarray (*grid) integer, optional
        Known class k (0 ... K - 1) of a voxel, or -1; the class keeps this number among the fitted ones.
    look : int or None
        The slice of the volume's Z axis that is previewed first while a network is trained.

    Raises
    ------
    SettingsError
        Where settings do not fit the data or the machine.
    """
    began = time.perf_counter()
    device, threads = choose_device(config.device), choose_threads(config.threads)
    task = FitTask.cut(volume, prepared, config, device, fixed_labels, look)
    method = _method(task)
    command: Command | None = None
    looked: Look | None = None
    stopped = False
    history: list[FitReport] = []
    try:
        while True:
            with torch_threads(threads):
                try:
                    progress = next(method) if command is None else method.send(command)
                except StopIteration as end:
                    fitted: Fitted = end.value
                    break
                named_by = progress.named_by or progress.mixture
                table, entry = name_classes(named_by.class_means(), volume, prepared, preset)
                report = _report(progress, task, table, entry, time.perf_counter() - began)
            begins = not history or history[-1].phase != report.phase
            history.append(dataclasses.replace(report, preview=None, mixture=None))
            told = yield report
            looked = told if isinstance(told, Look) else looked
            stopped = stopped or isinstance(told, Stop)
            # A phase that previews slices has not heard of a look that was told to the one before.
            command = Stop() if stopped else told or (looked if begins else None)
    finally:
        method.close()
    with torch_threads(threads):
        seconds = time.perf_counter() - began
        machine = {"device": str(device), "threads": threads, "seconds": seconds}
        result = _segmentation(fitted, task, preset, machine, stopped=stopped)
    return dataclasses.replace(result, history=tuple(history))


def _method(task: FitTask) -> Method:
    """Return what the settings mean."""
    name = task.config.method
    if name == "auto":
        return fit_auto(task)
    if name == "spatial":
        return fit_spatial(task)
    if name in ("deepg", "deepsvg", "blindspot"):
        return fit_deep(task, name)
    return fit_gmm(task, spatially_variant=name == "svgmm")


def _values(table: ClassTable, entry: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the label value of each fitted class, after 0 for background: (K + 1,) uint8."""
    return np.array([0, *(table[int(e)].value for e in entry)], dtype=np.uint8)


def _report(
    progress: Progress, task: FitTask, table: ClassTable, entry: NDArray[np.int64], seconds: float
) -> FitReport:
    preview = None
    if progress.labels is not None:
        preview = _values(table, entry)[task.whole(progress.labels)]
    return FitReport(
        phase=progress.phase or PHASES[task.config.method],
        step=progress.step,
        n_steps=progress.n_steps,
        log_likelihood=progress.log_likelihood,
        terms=dict(progress.terms),
        seconds=seconds,
        preview=preview,
        mixture=progress.mixture,
    )


def _segmentation(
    fitted: Fitted, task: FitTask, preset: Preset, machine: dict[str, Any], *, stopped: bool
) -> Segmentation:
    volume, prepared = task.volume, task.prepared
    naming_means = (fitted.named_by or fitted.mixture).class_means()
    table, entry = name_classes(naming_means, volume, prepared, preset)
    order = np.argsort(entry)
    in_order = torch.from_numpy(order).to(task.mask.device)
    memberships = fitted.memberships[in_order]
    method = fitted.name or task.config.method
    base = None if fitted.base is None else _segmentation(fitted.base, task, preset, machine, stopped=False)
    prior = None if fitted.prior is None else np.asarray(task.whole(fitted.prior[in_order]), dtype=np.float32)
    winner = label_winners(memberships, task.mask)
    classes_found = tuple(table)
    values = np.array([0, *(c.value for c in classes_found)], dtype=np.uint8)
    label_map = LabelMap(values[task.whole(winner)], volume.geometry, table, volume.source)
    mixture = dataclasses.replace(fitted.mixture, class_of=entry[fitted.mixture.class_of])
    doubts = _doubts(label_map, prepared, stopped=stopped)
    told = {doubt.code for doubt in doubts}
    findings = (
        *volume.findings,
        *prepared.findings,
        # What is told of a class by its name in the result need not be told again by its number in the fit.
        *(finding for finding in fitted.findings if finding.code not in told),
        *naming_doubts(naming_means, volume, prepared, preset),
        *doubts,
    )
    provenance = {
        "napari_gmmseg": version("napari-gmmseg"),
        "torch": torch.__version__,
        **machine,
        "preset": preset.name,
        "channels": list(volume.channels),
        "settings": dataclasses.asdict(task.config),
        "method": method,
        "crop": [[s.start, s.stop] for s in prepared.crop],
        "centre": list(prepared.centre),
        "scale": list(prepared.scale),
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
    )


def _doubts(label_map: LabelMap, prepared: Prepared, *, stopped: bool) -> list[Finding]:
    inside = max(int(prepared.mask.sum()), 1)
    counts = label_map.counts()
    doubts = [_doubt(c, counts[c.value] / inside) for c in label_map.classes if counts[c.value] < SMALL_SHARE * inside]
    if stopped:
        doubts.append(
            Finding("stopped-early", "The fit was stopped before it had settled.", "Run it to its end.", "note")
        )
    return doubts


def _doubt(tissue: TissueClass, share: float) -> Finding:
    if share == 0:
        return Finding(
            "empty-class", f"No voxel was given to {tissue.name}.", "Ask for fewer classes, or check the contrast."
        )
    return Finding(
        "small-class",
        f"{tissue.name} holds only {share:.2%} of the mask.",
        "Look at it before you trust its volume, or ask for fewer classes.",
    )
