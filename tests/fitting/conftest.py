"""Noisy brains and shapes with known labels, and a fit begun or run to its end."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_gmmseg.config import FitConfig, PreparationConfig, find_preset
from napari_gmmseg.fitting import fit
from napari_gmmseg.io.sample import load_sample, load_sample_labels, load_sample_maps
from napari_gmmseg.preparation import prepare
from napari_gmmseg.volumes import Command, FitReport, Segmentation, Volume

Array = np.ndarray[Any, Any]
Steps = Generator[FitReport, Command | None, Segmentation]


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


@lru_cache(maxsize=1)
def _slice() -> tuple[Array, Array]:
    image, labels = _brain()
    means = [image[labels == k].mean() for k in (1, 2, 3)]
    truth = labels[45:46]
    mixed = np.tensordot(means, load_sample_maps().data[:, 45:46], axes=1)
    noise = np.random.default_rng(0).normal(0, 0.09, truth.shape)
    return (np.where(truth > 0, mixed, 0) + noise).astype(np.float32), truth


@pytest.fixture
def noisy_slice() -> tuple[Array, Array]:
    """An axial slice mixed from the sample brain's maps with the tissues' mean T1, noise 9 %; 1 CSF, 2 GM, 3 WM."""
    image, truth = _slice()
    return image.copy(), truth.copy()


@pytest.fixture
def squares() -> tuple[Array, Array]:
    """Three nested squares (1, 32, 40), intensities 1, 2 and 3, normal noise of 0.3: so much that auto refines it."""
    truth = np.ones((1, 32, 40), np.uint8)
    truth[:, 4:28, 5:35] = 2
    truth[:, 10:22, 12:28] = 3
    noise = np.random.default_rng(0).normal(0, 0.3, truth.shape)
    return (truth + noise).astype(np.float32), truth


@pytest.fixture
def balls() -> tuple[Array, Array]:
    """Three nested balls in the slices 2 to 8 of a volume (10, 20, 22), background 0, noise of 0.3."""
    z, y, x = np.meshgrid(np.arange(10) - 5, np.arange(20) - 9, np.arange(22) - 11, indexing="ij")
    radius = np.sqrt((3 * z) ** 2 + y**2 + x**2)
    truth = np.select([radius < 4, radius < 7, radius < 9.5], [3, 2, 1], 0).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 0.3, truth.shape)
    return np.where(truth > 0, truth + noise, 0).astype(np.float32), truth


def begin_fit(
    image: Array,
    mask: Array,
    *,
    spacing: tuple[float, float, float] | None = (2.0, 2.0, 2.0),
    channels: tuple[str, ...] = ("t1",),
    preset: str = "brain-t1",
    fixed_labels: Array | None = None,
    look: int | None = None,
    **settings: Any,
) -> Steps:
    """Begin to segment an array inside a mask, on one thread unless told otherwise."""
    volume = Volume.from_array(image, spacing, channels)
    kind = find_preset(preset)
    prepared = prepare(volume, PreparationConfig(mask="given"), mask=mask, preset=kind)
    config = FitConfig(**{"threads": 1, **settings})
    return fit(volume, prepared, config, kind, fixed_labels=fixed_labels, look=look)


def run_to_end(steps: Steps, command: Command | None = None) -> Segmentation:
    """Return what a fit returns; its first step is sent the command."""
    try:
        steps.send(command)
        while True:
            next(steps)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


Segment = Callable[..., Segmentation]


@pytest.fixture
def begin() -> Callable[..., Steps]:
    """Begin a fit: (image, mask, spacing=, channels=, preset=, fixed_labels=, look=, **settings)."""
    return begin_fit


@pytest.fixture
def finish() -> Callable[..., Segmentation]:
    """Run a fit to its end: (steps, command=), the command is sent to its next step."""
    return run_to_end


@pytest.fixture
def segment() -> Segment:
    """Begin a fit and run it to its end; takes what `begin` takes."""

    def run(image: Array, mask: Array, **how: Any) -> Segmentation:
        return run_to_end(begin_fit(image, mask, **how))

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
