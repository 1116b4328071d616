"""From strokes to a segmentation, as a generator like every fit."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import asdict, replace
from importlib.metadata import version

import numpy as np
import torch

from napari_gmmseg.config.scribbles import ScribbleConfig
from napari_gmmseg.fitting.runtime import choose_threads, torch_threads
from napari_gmmseg.fitting.scribbling.at_once import Answer, AtOnce, painted_classes
from napari_gmmseg.fitting.scribbling.network_say import NetworkSay
from napari_gmmseg.fitting.scribbling.placing import extended
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import Command, FitReport, LabelMap, Look, Scribbles, Segmentation, Stop, Volume

PHASE = "Scribbles"


def fit_scribbles(
    volume: Volume,
    prepared: Prepared,
    scribbles: Scribbles,
    config: ScribbleConfig | None = None,
    *,
    look: int | None = None,
    at_once: AtOnce | None = None,
    network: NetworkSay | None = None,
    painted: Scribbles | None = None,
) -> Generator[FitReport, Command | None, Segmentation]:
    """Answer strokes: first the shown slice, then the volume; a generator of reports that returns the segmentation.

    Send it `Look(z)` to preview another slice first, or `Stop()`, which makes no difference to so short a fit.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        Mask and scale.
    scribbles : Scribbles
        Strokes of at least two classes.
    config : ScribbleConfig or None
        How to answer; None for the defaults.
    look : int or None
        The slice of the volume's Z axis that is previewed first; None: no slice is.
    at_once : AtOnce or None
        What answered earlier strokes on this image, so that only what changed is computed; it has its own settings.
    network : NetworkSay or None
        What a network that was fine-tuned on this image says beside.
    painted : Scribbles or None
        What of the scribbles a person painted, for the network; None for all.

    Raises
    ------
    GeometryError
        Where the scribbles lie on another grid.
    SettingsError
        Where fewer than two classes are painted.
    """
    began = time.perf_counter()
    config = config or ScribbleConfig()
    threads = choose_threads(config.threads)
    classes = painted_classes(scribbles, volume)
    engine = at_once or AtOnce(volume, prepared, config)

    def answered(slice_index: int | None = None) -> Answer:
        with torch_threads(threads):
            if network is None:
                return engine.update(scribbles, slice_index)
            return network.answer(engine, scribbles, painted or scribbles, slice_index)

    step = 0
    while look is not None:
        answer = answered(look)
        preview = np.zeros(volume.grid_shape, dtype=np.uint8)
        preview[..., look : look + 1, :, :] = answer.labels
        step += 1
        command = yield FitReport(
            PHASE,
            step,
            step + 1,
            seconds=time.perf_counter() - began,
            preview=preview,
            mixture=answer.mixture,
            classes=classes,
        )
        look = command.slice_index if isinstance(command, Look) and command.slice_index != look else None
        if isinstance(command, Stop):
            break
    answer = answered()
    seconds = time.perf_counter() - began
    yield FitReport(
        PHASE,
        step + 1,
        step + 1,
        log_likelihood=answer.log_likelihood,
        seconds=seconds,
        preview=answer.labels,
        mixture=answer.mixture,
        classes=classes,
    )
    result = segmentation_of_answer(answer, volume, prepared, scribbles, config, seconds)
    if network is None:
        return result
    told = {"network_counts": True, "network_steps": network.weights.steps}
    return replace(result, provenance={**result.provenance, **told})


def segmentation_of_answer(
    answer: Answer,
    volume: Volume,
    prepared: Prepared,
    scribbles: Scribbles,
    config: ScribbleConfig,
    seconds: float,
) -> Segmentation:
    """Return the answer of a volume as a segmentation.

    Parameters
    ----------
    answer : Answer
        Of the whole volume.
    volume : Volume
        The image.
    prepared : Prepared
        Mask and scale.
    scribbles : Scribbles
        The strokes.
    config : ScribbleConfig
        How it was answered.
    seconds : float
        Time that it took, in s.
    """
    provenance = {
        "napari_gmmseg": version("napari-gmmseg"),
        "torch": torch.__version__,
        "device": "cpu",
        "seconds": seconds,
        "channels": list(volume.channels),
        "settings": asdict(config),
        "method": "scribbles",
        "strokes": len(scribbles.strokes),
        "labelled_voxels": scribbles.counts(),
        "background": scribbles.background,
        "centre": list(prepared.centre),
        "scale": list(prepared.scale),
    }
    return Segmentation(
        label_map=LabelMap(answer.labels, volume.geometry, answer.classes, volume.source),
        probabilities=answer.probabilities,
        mask=answer.mask,
        mixture=answer.mixture,
        method="scribbles",
        log_likelihood=answer.log_likelihood,
        steps=config.sweeps,
        findings=(*volume.findings, *prepared.findings, *extended(answer.mask, prepared)),
        provenance=provenance,
    )
