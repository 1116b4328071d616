"""Volumes of one head at 1 mm and at 2 mm, counted by labels (hard) and summed over fractions (soft).

    python benchmarks/volumes.py [--methods spatial] [--noise 3] [--only t1 flair philips]

T1-like and FLAIR-like phantoms are mixed from the MNI152 maps (benchmarks/phantoms.py), so true fractions are known;
noise is 3 % of the brightest tissue. The FLAIR-like one has dark CSF and grey matter brighter than white. The 2 mm head
is the 1 mm head in blocks of 2 x 2 x 2 voxels, noise and all: mean intensity of the voxels in the mask, and true
fractions alike; half of a block or more in the mask is in the mask. The Philips head is real, and nobody knows its true
volumes: its two resolutions can only be compared with each other. Beside volumes stands the mean absolute error of the
fractions, and of labels taken for fractions of 0 and 1. FAST and SPM were not run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accuracy import REAL
from napari_gmmseg import api
from napari_gmmseg.io import read_channels
from napari_gmmseg.preparation import stack_channels
from napari_gmmseg.volumes import Geometry, Segmentation, Volume, class_volumes
from phantoms import noise_field, tissue_maps

OUTPUT = Path(__file__).parent / "output"
TISSUES = ("CSF", "GM", "WM")
#: Intensities of CSF, GM, WM; T1: of the template.
FLAIR = (0.2, 1.0, 0.75)
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """A head: image (Z, Y, X), mask, affine, contrast, and the true fractions (3, Z, Y, X) where they are known."""

    name: str
    image: Array
    mask: NDArray[np.bool_]
    affine: NDArray[np.float64]
    contrast: str
    fractions: Array | None

    def coarser(self) -> Head:
        """Return the head in blocks of 2 x 2 x 2 voxels."""
        share = blocks(self.mask.astype(np.float32))
        filled = np.maximum(share, 1e-6)
        parts = None
        if self.fractions is not None:
            parts = np.stack([blocks(part * self.mask) / filled for part in self.fractions])
        affine = self.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
        affine[:3, 3] = self.affine[:3, 3] + self.affine[:3, :3].sum(axis=1) / 2
        return Head(self.name, blocks(self.image * self.mask) / filled, share >= 0.5, affine, self.contrast, parts)

    def segmented(self, method: str) -> Segmentation:
        """Return our result, in the head's own mask, no setting made by hand."""
        geometry = Geometry((self.image.shape[0], self.image.shape[1], self.image.shape[2]), self.affine)
        volume = Volume(self.image[np.newaxis], geometry, channels=(self.contrast,))
        return api.segment(volume, mask=self.mask, preset="brain-t1", method=method)


def blocks(array: Array) -> Array:
    """Return the means of blocks of 2 x 2 x 2 voxels; an odd edge is filled with zeros."""
    padded = np.pad(array, [(0, n % 2) for n in array.shape])
    a, b, c = (n // 2 for n in padded.shape)
    means: Array = padded.reshape(a, 2, b, 2, c, 2).mean(axis=(1, 3, 5), dtype=np.float64).astype(np.float32)
    return means


def heads(noise: float, only: list[str]) -> Iterator[Head]:
    """Yield the three heads at 1 mm."""
    maps = tissue_maps()
    fractions = np.where(maps.mask, maps.maps / maps.maps.sum(axis=0), 0).astype(np.float32)
    for name, means in (("t1", maps.means / maps.means.max()), ("flair", np.array(FLAIR))):
        if not only or name in only:
            image = np.tensordot(means, fractions, axes=1) + noise_field(maps.mask.shape) * (noise / 100)
            yield Head(f"{name}-like", image.astype(np.float32), maps.mask, maps.affine, name, fractions)
    path = REAL / "philips_mprage" / "t1_brain_nospheres.nii.gz"
    if path.exists() and (not only or "philips" in only):
        volume = stack_channels(read_channels([path]), contrasts=("t1",))
        image = np.array(volume.data[0], dtype=np.float32)
        yield Head("Philips", image, image > 0, np.array(volume.geometry.affine), "t1", None)


def rows(head: Head, size: str, method: str) -> list[dict[str, object]]:
    """Return a row for each tissue."""
    began = time.perf_counter()
    result = head.segmented(method)
    fitted = time.perf_counter()
    sizes = {volume.tissue.abbreviation: volume for volume in class_volumes(result)}
    summed = time.perf_counter()
    assert set(sizes) == set(TISSUES), f"{head.name} was named {list(sizes)}"
    ml = result.label_map.geometry.voxel_volume_ml
    found = []
    for k, tissue in enumerate(TISSUES):
        row: dict[str, object] = {"head": head.name, "voxel": size, "method": result.method, "tissue": tissue}
        row |= {"hard": sizes[tissue].volume_ml_hard, "soft": sizes[tissue].volume_ml_soft}
        row |= {"fit_s": fitted - began, "sums_s": summed - fitted, "basis": result.fraction_basis}
        if head.fractions is not None:
            true, inside = head.fractions[k][head.mask], head.mask
            entry = [t.abbreviation for t in result.label_map.classes].index(tissue)
            row["true"] = float(true.sum(dtype=np.float64)) * ml
            labels = result.label_map.labels[inside] == result.label_map.classes[entry].value
            row["hard_error"] = float(np.abs(labels - true).mean())
            row["soft_error"] = float(np.abs(result.fractions[entry][inside] - true).mean())
        found.append(row)
    return found


def cell(row: dict[str, object], how: str) -> str:
    """Return a volume, and how far it is from the true one."""
    value = float(row[how])  # type: ignore[arg-type]
    if "true" not in row:
        return f"{value:.0f}"
    return f"{value:.0f} ({100 * (value / float(row['true']) - 1):+.1f} %)"  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["spatial"])
    parser.add_argument("--noise", type=float, default=3.0)
    parser.add_argument("--only", nargs="*", default=[], choices=["t1", "flair", "philips"])
    arguments = parser.parse_args()
    kept: list[dict[str, object]] = []
    print("| head | voxel | method | tissue | true ml | hard ml | soft ml | labels off | fractions off | soft from |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for head in heads(arguments.noise, arguments.only):
        for size, one in (("1 mm", head), ("2 mm", head.coarser())):
            for method in arguments.methods:
                for row in rows(one, size, method):
                    kept.append(row)
                    true = f"{row['true']:.0f}" if "true" in row else "?"
                    off = [f"{row[key]:.3f}" if key in row else "–" for key in ("hard_error", "soft_error")]
                    told = [str(row[key]) for key in ("head", "voxel", "method", "tissue")]
                    cells = [*told, true, cell(row, "hard"), cell(row, "soft"), *off, str(row["basis"])]
                    print("|", " | ".join(cells), "|", flush=True)
    print("\n| head | method | tissue | hard, 2 mm against 1 mm | soft, 2 mm against 1 mm |\n|---|---|---|---|---|")
    fine = {(row["head"], row["tissue"]): row for row in kept if row["voxel"] == "1 mm"}
    for row in kept:
        if row["voxel"] == "2 mm" and len(arguments.methods) == 1:
            other = fine[row["head"], row["tissue"]]
            change = [f"{100 * (float(row[how]) / float(other[how]) - 1):+.1f} %" for how in ("hard", "soft")]  # type: ignore[arg-type]
            print(f"| {row['head']} | {other['method']}, {row['method']} | {row['tissue']} | {' | '.join(change)} |")
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / "volumes.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
