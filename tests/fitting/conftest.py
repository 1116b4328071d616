"""A noisy brain with known labels, and a run of a fit to its end."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_gmmseg.config import FitConfig, PreparationConfig, find_preset
from napari_gmmseg.fitting import fit
from napari_gmmseg.io.sample import load_sample, load_sample_labels
from napari_gmmseg.preparation import prepare
from napari_gmmseg.volumes import Segmentation, Volume

Array = np.ndarray[Any, Any]


@lru_cache(maxsize=1)
def _brain() -> tuple[Array, Array]:
    image = np.array(load_sample("brain").data[0])
    truth = np.array(load_sample_labels("brain").labels)
    return image / image[truth == 3].mean(), truth


@pytest.fixture
def brain() -> tuple[Array, Array]:
    """The sample brain, white matter 1, and its labels: 1 CSF, 2 GM, 3 WM."""
    image, truth = _brain()
    return image.copy(), truth.copy()


@pytest.fixture
def noisy_brain(brain: tuple[Array, Array]) -> tuple[Array, Array]:
    """The same with normal noise of 9 %."""
    image, truth = brain
    return image + np.random.default_rng(0).normal(0, 0.09, image.shape).astype(np.float32), truth


Segment = Callable[..., Segmentation]


@pytest.fixture
def segment() -> Segment:
    """Segment an array inside a mask: (image, mask, spacing=, channels=, preset=, fixed_labels=, **settings)."""

    def run(
        image: Array,
        mask: Array,
        *,
        spacing: tuple[float, float, float] | None = (2.0, 2.0, 2.0),
        channels: tuple[str, ...] = ("t1",),
        preset: str = "brain-t1",
        fixed_labels: Array | None = None,
        **settings: Any,
    ) -> Segmentation:
        volume = Volume.from_array(image, spacing, channels)
        kind = find_preset(preset)
        prepared = prepare(volume, PreparationConfig(mask="given"), mask=mask, preset=kind)
        steps = fit(volume, prepared, FitConfig(threads=1, **settings), kind, fixed_labels=fixed_labels)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    return run


def mean_dice(labels: Array, truth: Array, n_classes: int = 3) -> float:
    """Mean Dice over labels 1 ... K."""
    return float(
        np.mean(
            [
                2 * ((labels == k) & (truth == k)).sum() / ((labels == k).sum() + (truth == k).sum())
                for k in range(1, n_classes + 1)
            ]
        )
    )


@pytest.fixture
def real_data() -> Path:
    """The folder of real MRI beside the checkout."""
    folder = Path(__file__).parents[2].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real images beside the checkout (../shared/data) are not there")
    return folder


@pytest.fixture
def dice() -> Callable[..., float]:
    """Mean Dice of two label arrays."""
    return mean_dice
