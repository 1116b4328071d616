"""Small images for the command line: a ball of three tissues in zeros, written as a person would have it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from napari_gmmseg.cli import main

SHAPE = (24, 20, 16)
MEANS = (40.0, 100.0, 160.0)


def tissues(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Shells of three tissues, 3 inside and 1 outside, 0 around them; unlike itself in every mirror."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    radius = np.sqrt((grid**2).sum(0)) + 0.08 * grid[0] + 0.05 * grid[1] - 0.06 * grid[2]
    return np.select([radius < 0.45, radius < 0.7, radius < 0.88], [3, 2, 1], 0)


def intensities(labels: np.ndarray, seed: int = 0, means: tuple[float, ...] = MEANS) -> np.ndarray:
    """A T1-weighted image of tissues, in whole numbers."""
    noisy = np.array([0.0, *means])[labels] + np.random.default_rng(seed).normal(0, 6, labels.shape)
    return np.where(labels > 0, np.maximum(noisy, 1), 0).round().astype(np.int16)


def save(path: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """Write a NIfTI file, in mm and seconds."""
    image = nibabel.Nifti1Image(data, np.diag([1.5, 1.0, 2.0, 1.0]) if affine is None else affine)
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return path


@pytest.fixture
def t1(tmp_path: Path) -> Path:
    """A T1-weighted brain, 24 x 20 x 16 voxels."""
    return save(tmp_path / "sub-01_T1w.nii.gz", intensities(tissues()))


@pytest.fixture
def flair(tmp_path: Path) -> Path:
    """A FLAIR image of the same brain: CSF < WM < GM."""
    return save(tmp_path / "sub-01_FLAIR.nii.gz", intensities(tissues(), 1, (30.0, 150.0, 100.0)))


@dataclass(frozen=True)
class Outcome:
    """What one run of the command line left."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `main` with arguments of any kind."""

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Outcome(code, told.out, told.err)

    return call
