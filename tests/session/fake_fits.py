"""A fit of nothing that heeds every command, and tells in its result what it heard and when."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from napari_gmmseg.config import FitConfig, Preset, new_class, numbered_classes
from napari_gmmseg.config.liveness import liveness
from napari_gmmseg.volumes import (
    Adjust,
    ClassTable,
    Command,
    Finding,
    FitReport,
    FitState,
    LabelMap,
    Merge,
    Mixture,
    Retune,
    SaveState,
    Segmentation,
    Split,
    Stop,
    TissueClass,
    Volume,
)

N_STEPS = 12


class FakeFit:
    """What a fit knows between two steps."""

    def __init__(self, volume: Volume, config: FitConfig, preset: Preset) -> None:
        self.volume, self.config, self.preset = volume, config, preset
        self.step = 0
        self.heard: list[tuple[int, str]] = []
        self.refused: Finding | None = None
        self.saving = False
        self.begin()

    def begin(self) -> None:
        named = self.preset.classes
        k = self.config.n_classes
        self.table = named if named is not None and len(named) == k else numbered_classes(k)
        self.means = {tissue.value: 60 * (n + 0.5) / k for n, tissue in enumerate(self.table)}

    def hear(self, command: Command | None) -> None:
        self.saving = isinstance(command, SaveState)
        self.refused = None
        if isinstance(command, Retune):
            self._retune(command)
        elif isinstance(command, Merge):
            self._remove(command.other)
        elif isinstance(command, Split):
            self._add()
        elif isinstance(command, Adjust):
            self.means.update({value: mean[0] for value, mean in command.means.items()})
        if command is not None and not isinstance(command, SaveState):
            self.heard.append((self.step, type(command).__name__))

    def _retune(self, command: Retune) -> None:
        new = replace(self.config, **dict(command.settings))
        free = [value for value in self.table.values if value not in command.protected]
        if len(self.table) - new.n_classes > len(free):
            self.refused = Finding("refused", "All classes are named or locked.")
            return
        restarts = liveness(self.config, new) == "restart"
        self.config = new
        if restarts:
            self.begin()
        while len(self.table) > new.n_classes:
            self._remove(free.pop())
        while len(self.table) < new.n_classes:
            self._add()

    def _add(self) -> None:
        fresh = new_class(self.table)
        self._put((*self.table, fresh))
        self.means[fresh.value] = 10.0 * fresh.value

    def _remove(self, value: int) -> None:
        if value in self.table.values:
            self._put(tuple(tissue for tissue in self.table if tissue.value != value))

    def _put(self, classes: tuple[TissueClass, ...]) -> None:
        self.table = ClassTable(classes)
        self.config = replace(self.config, n_classes=len(classes))

    def mixture(self) -> Mixture:
        k = len(self.table)
        means = np.array([[self.means[value]] for value in self.table.values])
        return Mixture(np.full(k, 1 / k), means, np.full((k, 1, 1), 25.0), np.arange(k))

    def report(self) -> FitReport:
        return FitReport(
            "Fake",
            self.step,
            N_STEPS,
            log_likelihood=-1.0 / self.step,
            mixture=self.mixture(),
            classes=self.table,
            state=self.state() if self.saving else None,
            refused=self.refused,
            preview=self.result().label_map.labels,
        )

    def state(self) -> FitState:
        meta = {
            "step": self.step,
            "config": asdict(self.config),
            "table": self.table,
            "means": dict(self.means),
            "heard": list(self.heard),
        }
        return FitState({"weights": np.full(100, self.step)}, {"start": np.zeros(1000)}, "fake-0", meta)

    def restore(self, state: FitState) -> None:
        meta = state.meta
        self.step, self.config = meta["step"], FitConfig(**meta["config"])
        self.table, self.means, self.heard = meta["table"], dict(meta["means"]), list(meta["heard"])

    def result(self, *, stopped: bool = False) -> Segmentation:
        mixture, image = self.mixture(), self.volume.data[0]
        logits = -((image - mixture.means[:, 0].reshape(-1, 1, 1, 1)) ** 2) / 50.0
        powers = np.exp(logits - logits.max(0)).astype(np.float32)
        probabilities = powers / powers.sum(0)
        values = np.array(self.table.values, dtype=np.uint8)
        return Segmentation(
            label_map=LabelMap(values[probabilities.argmax(0)], self.volume.geometry, self.table),
            probabilities=probabilities,
            mask=np.ones(image.shape, dtype=bool),
            mixture=mixture,
            method="gmm",
            log_likelihood=0.0,
            steps=self.step,
            stopped=stopped,
            provenance={"heard": tuple(self.heard)},
        )


def fake_fit(
    volume: Volume,
    _prepared: Any,
    config: FitConfig,
    preset: Preset,
    *,
    start: Segmentation | None = None,
    state: FitState | None = None,
    **_: Any,
) -> Generator[FitReport, Command | None, Segmentation]:
    """Fit nothing, in 12 steps."""
    fit = FakeFit(volume, config, preset)
    if start is not None:
        fit.table = start.label_map.classes
        fit.means = {v: float(m) for v, m in zip(fit.table.values, start.mixture.class_means()[:, 0], strict=True)}
    if state is not None:
        fit.restore(state)
    while fit.step < N_STEPS:
        fit.step += 1
        command = yield fit.report()
        if isinstance(command, Stop):
            return fit.result(stopped=True)
        fit.hear(command)
    return fit.result()
