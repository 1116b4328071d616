"""Files with every kind of geometry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.plugin.layer_making import SHAPE


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[..., Path]:
    def make(affine: NDArray[np.float64], name: str = "image.nii.gz", n_frames: int = 1) -> Path:
        shape = SHAPE if n_frames == 1 else (*SHAPE, n_frames)
        data = np.random.default_rng(5).normal(100, 20, shape).astype(np.float32)
        image = nibabel.Nifti1Image(data, affine)
        image.set_sform(affine, code=1)
        image.set_qform(affine, code=1)
        image.header.set_xyzt_units("mm", "sec")
        nibabel.save(image, tmp_path / name)
        return tmp_path / name

    return make
