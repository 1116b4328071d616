"""Small cases to learn from: bright discs in two channels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from napari_gmmseg.config.presets import MAGENTA
from napari_gmmseg.config.training import TrainingConfig
from napari_gmmseg.fitting.supervised import train
from napari_gmmseg.volumes import (
    CaseSet,
    ClassTable,
    Command,
    FitReport,
    FitState,
    LabelledCase,
    Part,
    TissueClass,
    TrainedModel,
)

CLASSES = ClassTable((TissueClass(2, "Tumour", "T", MAGENTA, "tumour"),))
CHANNELS = ("t1", "flair")


def disc(size: int, centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2


def case(
    seed: int,
    *,
    attributes: Mapping[str, str] | None = None,
    part: Part = "",
    labelled: bool = True,
    size: int = 32,
    inner: bool = False,
    patient: str = "",
) -> LabelledCase:
    """A head with a lesion in the two middle slices of four; `inner`: only its core is labelled."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 3, (2, 4, size, size))
    labels = np.zeros((4, size, size), np.uint8)
    head = disc(size, (size / 2, size / 2), 0.45 * size)
    for z in range(4):
        image[:, z][:, head] += 100
        if z in (1, 2):
            centre = (size / 2 + rng.uniform(-5, 5), size / 2 + rng.uniform(-5, 5))
            image[1, z][disc(size, centre, 6)] += 60
            labels[z][disc(size, centre, 3.5 if inner else 6)] = 2
    name = f"case-{seed}"
    return LabelledCase(
        name,
        patient or f"patient-{seed}",
        image.clip(0, 255).astype(np.uint8),
        labels if labelled else None,
        CHANNELS,
        attributes=dict(attributes or {}),
        part=part,
    )


def case_set(n: int = 4, **options: object) -> CaseSet:
    return CaseSet(tuple(case(seed, **options) for seed in range(n)), CLASSES)  # type: ignore[arg-type]


def config(**settings: object) -> TrainingConfig:
    common = {"threads": 1, "decoder_width": 16, "test_share": 0.0, "epochs": 3, "batch_slices": 4}
    return TrainingConfig(**{**common, **settings})  # type: ignore[arg-type]


def followed(
    cases: CaseSet,
    settings: TrainingConfig,
    *,
    state: FitState | None = None,
    commands: Mapping[int, Command] | None = None,
) -> tuple[TrainedModel, list[FitReport]]:
    """Train to the end; `commands` are sent after so many reports."""
    steps, reports = train(cases, settings, state=state), []
    command: Command | None = None
    while True:
        try:
            reports.append(steps.send(command))
        except StopIteration as end:
            return end.value, reports
        command = (commands or {}).get(len(reports))
