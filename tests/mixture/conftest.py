"""Small mixtures drawn from a seed, and real brains where they are at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

Array = NDArray[Any]
ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data"

MEANS = np.array([[10.0, 60.0, 35.0], [30.0, 40.0, 30.0], [50.0, 20.0, 50.0]])


def draw(n_channels: int = 1, n: int = 6000, seed: int = 0, noise: float = 7.0) -> Array:
    """Return samples (C, n) float32 of three overlapping classes, in shuffled order."""
    rng = np.random.default_rng(seed)
    classes = rng.choice(3, n, p=[0.2, 0.5, 0.3])
    mix = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, -0.4], [0.0, 0.0, 0.8]])[:n_channels, :n_channels]
    samples = MEANS[classes][:, :n_channels] + noise * rng.standard_normal((n, n_channels)) @ mix
    return np.ascontiguousarray(samples.T, dtype=np.float32)


def read(path: Path) -> Array:
    """Return a NIfTI file's array."""
    import nibabel

    return np.asarray(nibabel.load(path).dataobj)  # type: ignore[attr-defined]


@pytest.fixture
def samples() -> Callable[..., Array]:
    return draw


@pytest.fixture(scope="session")
def sample_brain() -> Array:
    """The bundled brain's voxels (1, N) float32, 2 mm."""
    image = read(ROOT / "sample_data" / "brain_t1.nii.gz")
    inside = read(ROOT / "sample_data" / "brain_dseg.nii.gz") > 0
    return np.ascontiguousarray(image[inside][None], dtype=np.float32)


@pytest.fixture(scope="session")
def philips() -> Array:
    """A real head's brain voxels (1, N) float32, 2 mm."""
    path = REAL / "philips_mprage" / "demo_2mm_t1.nii.gz"
    if not path.exists():
        pytest.skip(f"needs the real MRI beside the checkout: no {path.name}")
    image = read(path)
    return np.ascontiguousarray(image[image > 0][None], dtype=np.float32)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Set torch's number of threads for a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
