"""Strokes on a small image with two halves, and a session whose answers are waited for."""

from __future__ import annotations

import hashlib
import threading

import numpy as np

from napari_gmmseg.config import FitConfig, PreparationConfig, find_preset
from napari_gmmseg.session import SegmentationRequest, Session
from napari_gmmseg.volumes import Stroke, Volume

SHAPE = (3, 12, 16)
DARK, BRIGHT = 1, 2


def halves_request(n_classes: int = 2) -> SegmentationRequest:
    """A dark left half and a bright right half, with noise."""
    rng = np.random.default_rng(0)
    image = np.where(np.arange(SHAPE[2]) < SHAPE[2] // 2, 20.0, 80.0) + rng.normal(0, 3, SHAPE)
    return SegmentationRequest(
        Volume.from_array(image.astype(np.float32), (1, 1, 1)),
        find_preset("custom"),
        preparation=PreparationConfig(mask="none"),
        config=FitConfig(n_classes=n_classes),
    )


def stroke(value: int, x: int, *, z: int = 1, rows: tuple[int, int] = (3, 8)) -> Stroke:
    """Return a stroke down a column of a slice."""
    return Stroke(value, np.array([(z, y, x) for y in range(*rows)]))


def await_answer(session: Session) -> None:
    """Look at a session until its strokes are answered and nothing is on."""
    for _ in range(2000):
        session.poll()
        if not (session.answering or session.running or session.editing or session.tuning):
            return
        threading.Event().wait(0.005)
    raise AssertionError("never answered")


def mask_hash(session: Session) -> str:
    """Return the SHA-256 of the session's mask."""
    assert session.result is not None
    return hashlib.sha256(session.result.label_map.labels.tobytes()).hexdigest()
