"""Images that are taken for larger than memory: of a few thousand voxels, and read in tiny pieces."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_gmmseg import api
from napari_gmmseg.volumes import Segmentation, StreamedSegmentation

SHAPE = (40, 44, 36)
MEANS = (300.0, 6000.0, 9000.0, 14000.0)


def tiny_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slabs of a few layers, and every second voxel for the mask."""
    monkeypatch.setattr("napari_gmmseg.io.slabs.SLAB_VOXELS", 5 * 40 * 44)
    monkeypatch.setattr("napari_gmmseg.preparation.coarse_mask.MOST_VOXELS", 10_000)


def truth() -> np.ndarray:
    """Shells of three tissues, unlike themselves in every mirror, with a dark hole and a bright speck outside."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))
    radius = np.sqrt((grid**2).sum(0)) + 0.08 * grid[0] + 0.05 * grid[1] - 0.06 * grid[2]
    return np.select([radius < 0.45, radius < 0.7, radius < 0.85], [3, 2, 1], 0)


def image(background: str = "zero", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    labels = truth()
    noisy = np.array(MEANS)[labels] + rng.normal(0, 500, SHAPE)
    if background == "zero":
        return np.where(labels > 0, np.maximum(noisy, 1), 0)
    # A hole in the middle, and a speck that hangs together with nothing.
    noisy[18:24, 20:26, 16:21] = 100
    noisy[1:5, 1:5, 1:5] = 12000
    return np.where(labels > 0, noisy, np.where(noisy > 5000, noisy, np.abs(rng.normal(0, 300, SHAPE))))


def saved(path: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    made = nibabel.Nifti1Image(data, np.diag([1.5, 1.0, 2.0, 1.0]) if affine is None else affine)
    made.header.set_xyzt_units("mm", "sec")
    nibabel.save(made, path)
    return path


def both(path: Path, tmp_path: Path, **settings: object) -> tuple[Segmentation, StreamedSegmentation, np.ndarray]:
    """Segment a file in memory and slab by slab; the mask of the latter as its file has it."""
    told = {"preset": "custom", "n_classes": 3, **settings}
    in_memory = api.segment(path, method="gmm", bias_field="off", **told)
    streamed = api.segment_to_file(path, tmp_path / "streamed.nii.gz", **told)
    return in_memory, streamed, np.asarray(nibabel.load(tmp_path / "streamed.nii.gz").dataobj)


def on_file(result: Segmentation) -> np.ndarray:
    source = result.label_map.source
    assert source is not None
    return source.to_source(result.label_map.labels)
