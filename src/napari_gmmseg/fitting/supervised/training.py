"""Train a network on labelled cases: the best epoch on patients that it has not seen is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config.training import TrainingConfig
from napari_gmmseg.errors import ResourceError, SettingsError
from napari_gmmseg.fitting.runtime import ran_out, torch_threads
from napari_gmmseg.fitting.scribbling.tuned_weights import versions
from napari_gmmseg.fitting.supervised.learner import Learner
from napari_gmmseg.fitting.supervised.splitting import Split, split
from napari_gmmseg.fitting.supervised.states import restore, state_of
from napari_gmmseg.volumes import CaseSet, Command, Finding, FitReport, FitState, Stop, TrainedModel

PHASE = "Training"
_STOPPED = Finding("stopped-early", "The training was stopped by hand.", "", "note")


def train(
    cases: CaseSet,
    config: TrainingConfig | None = None,
    *,
    state: FitState | None = None,
    encoder_weights: Mapping[str, NDArray[np.float32]] | None = None,
) -> Generator[FitReport, Command | None, TrainedModel]:
    """Train a network on labelled cases; a generator of reports that returns the network with its history.

    After each epoch the patients of the validation part are predicted, and a report holds the state from which a later
    call goes on to the same bits, whatever ended this one. Send `Stop()` to end with the best epoch so far.

    Parameters
    ----------
    cases : CaseSet
        With labels; those without count only by the mixture's likelihood.
    config : TrainingConfig or None
        How to learn; None for the defaults.
    state : FitState or None
        From where to go on: of the last report of an earlier training with the same cases and settings.
    encoder_weights : mapping of str to ndarray, of any shape, or None
        Public weights of the encoder; None: drawn from the seed. A state has its own.

    Where the loss is no finite number any more, the training ends with the best epoch before, and says so.

    Raises
    ------
    SettingsError
        Where cases and settings do not go together, the state is of another training, or the first epoch already gives
        no finite numbers.
    ResourceError
        Where memory runs out.
    """
    config = config or TrainingConfig()
    began = time.perf_counter()
    parts = split(cases.cases, config)
    learner = Learner(parts, cases.classes, config, encoder_weights)
    findings = (*cases.findings, *learner.findings)
    if state is not None:
        restore(learner, state)
    yield FitReport(PHASE, learner.steps, learner.all_steps, terms={}, findings=learner.findings)
    ended = None
    while not learner.done and ended is None:
        ended = yield from _epoch(learner, began)
    findings += () if ended is None else (ended,)
    return _model(learner, parts, cases, findings, time.perf_counter() - began)


def _epoch(learner: Learner, began: float) -> Generator[FitReport, Command | None, Finding | None]:
    """Train one epoch and look at the validation part; return why the training is over, None where it goes on."""
    try:
        for terms in learner.epoch():
            command = yield FitReport(
                PHASE, learner.steps, learner.all_steps, terms=terms, seconds=time.perf_counter() - began
            )
            if isinstance(command, Stop):
                return _STOPPED
            if not math.isfinite(terms["loss"]):
                return _diverged(learner)
        if not learner.finite:
            learner.drop_epoch()
            return _diverged(learner)
        with torch_threads(learner.threads):
            learner.look()
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        raise ResourceError(
            "The memory ran out while the network was trained.",
            "Take fewer slices a step (--batch-slices), or --encoder small; --resume goes on from the last epoch.",
        ) from error
    command = yield FitReport(
        PHASE,
        learner.steps,
        learner.all_steps,
        terms=learner.history[-1],
        seconds=time.perf_counter() - began,
        state=state_of(learner),
    )
    return _STOPPED if isinstance(command, Stop) else None


def _diverged(learner: Learner) -> Finding:
    """Return that a step gave no numbers: no later one would, so the epoch is not kept, nor a state to go on from."""
    epoch, rate = len(learner.history) + 1, learner.config.learning_rate
    told = Finding(
        "diverged",
        f"In epoch {epoch}, loss or weights were no finite numbers any more: the training ended there.",
        f"Train anew with a smaller --learning-rate than {rate:g}, such as {rate / 10:g}.",
    )
    if not learner.history:
        raise SettingsError(told.message, told.hint)
    return told


def _model(
    learner: Learner, parts: Split, cases: CaseSet, findings: tuple[Finding, ...], seconds: float
) -> TrainedModel:
    if not learner.history:
        raise SettingsError(
            "The training was stopped before its first epoch was done: there is nothing to keep.", "Let it run longer."
        )
    best = learner.best_epoch
    return TrainedModel(
        arrays={name: value.numpy() for name, value in learner.best.items()},
        settings=asdict(learner.config),
        classes=cases.classes,
        channels=cases.cases[0].channels,
        attributes=learner.table.as_dict(),
        parts=parts.names(),
        scores={},
        history=tuple(learner.history),
        provenance={
            **versions(),
            "device": str(learner.device),
            "threads": learner.threads,
            "seconds": seconds,
            "best_epoch": best,
            "epochs": len(learner.history),
            "parameters": sum(p.numel() for p in learner.network.parameters()),
        },
        findings=findings,
    )
