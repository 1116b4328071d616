"""Small cases for the journal: an image that a network learns in a second, and results made of nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_gmmseg.config import FitConfig, find_preset, numbered_classes
from napari_gmmseg.session import SegmentationRequest
from napari_gmmseg.session.journal import Journal, recorded
from napari_gmmseg.session.state import Session
from napari_gmmseg.volumes import (
    Command,
    FitState,
    Geometry,
    LabelMap,
    Mixture,
    Segmentation,
    Volume,
)

SHAPE = (12, 16, 16)


def noisy_volume(seed: int = 0) -> Volume:
    """Three shells in noise."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))
    radius = np.sqrt((grid**2).sum(0)) + 0.08 * grid[0] + 0.05 * grid[1]
    labels = np.select([radius < 0.5, radius < 0.75, radius < 0.95], [3, 2, 1], 0)
    image = np.array([0.0, 40, 100, 160])[labels] + np.random.default_rng(seed).normal(0, 25, SHAPE)
    inside = np.where(labels > 0, np.maximum(image, 1), 0)
    return Volume.from_array(inside[np.newaxis], (2.0, 1.0, 1.0), channels=("t1",))


def small_request(**settings: object) -> SegmentationRequest:
    """A case with the blind-spot prior, which learns in 60 steps."""
    wanted: dict[str, object] = {"method": "blindspot", "max_steps": 60, "warm_steps": 5, "tolerance": 1e-9}
    wanted |= {"threads": 1, "device": "cpu", **settings}
    return SegmentationRequest(noisy_volume(), find_preset("brain-t1"), config=FitConfig(**wanted))


def made_up_result(seed: int = 0) -> Segmentation:
    """A result that no fit gave."""
    rng = np.random.default_rng(seed)
    geometry = Geometry.from_spacing((2, 3, 4), (1.0, 1.0, 1.0))
    chances = rng.dirichlet((1.0, 1.0), size=(2, 3, 4)).transpose(3, 0, 1, 2).astype(np.float32)
    return Segmentation(
        label_map=LabelMap((chances.argmax(0) + 1).astype(np.uint8), geometry, numbered_classes(2)),
        probabilities=chances,
        mask=np.ones((2, 3, 4), dtype=bool),
        mixture=Mixture(np.array([0.3, 0.7]), rng.normal(size=(2, 1)), np.ones((2, 1, 1)), np.arange(2)),
        method="gmm",
        log_likelihood=-1.5,
        steps=7,
    )


def made_up_state(step: int, *, start: int = 0) -> FitState:
    """A state that no fit had."""
    return FitState(
        {"weights": np.full(5, step, dtype=np.float32)},
        {"memberships": np.full((2, 3), start, dtype=np.float32)},
        "blindspot-0",
        {"step": step},
    )


def run_recorded(
    request: SegmentationRequest,
    folder: Path,
    orders: dict[int, Command] | None = None,
    *,
    ends_after: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Segmentation | None:
    """Fit into a new session; leave it unfinished, as a crash would, after some report."""
    journal = Journal.create(folder)
    journal.record({"kind": "opened", "request": request})
    steps = recorded(request, journal, orders=orders, clock=clock)
    n_reports = 0
    try:
        while True:
            n_reports += next(steps).n_steps > 0
            if n_reports == ends_after:
                return None
    except StopIteration as end:
        result: Segmentation = end.value
        return result
    finally:
        steps.close()
        journal.close(finished=False)


def drive(session: Session, until: Callable[[], bool] = lambda: False) -> None:
    """Poll until nothing is worked on, or until something is so."""
    while (session.running or session.editing) and not until():
        session.poll()
        if session.job is not None:
            session.job.join(0.005)
