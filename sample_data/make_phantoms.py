"""Generate the sample heart and the sample glioma from their seeds. Run make_mni152.py before: the glioma needs it.

python sample_data/make_phantoms.py
"""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray
from writing import FOLDER, record_checksums, write_classes, write_nifti

from napari_gmmseg.io.phantom import Phantom
from napari_gmmseg.io.phantom_glioma import glioma_phantom
from napari_gmmseg.io.phantom_heart import heart_phantom

HEART_SEED = 0
GLIOMA_SEED = 0


def affine_of(phantom: Phantom) -> NDArray[np.float64]:
    """Return the affine from voxel (x, y, z, 1) to world mm (x, y, z, 1)."""
    reverse = np.eye(4)[[2, 1, 0, 3]]
    return np.asarray(reverse @ phantom.volume.geometry.affine @ reverse)


def write_phantom(case: str, phantom: Phantom, sform: str) -> None:
    """Write channels, truth, class names and attributes of a phantom."""
    affine = affine_of(phantom)
    for channel, data in zip(phantom.volume.channels, phantom.volume.data, strict=True):
        text = f"generated {case}, {channel}; no patient"
        write_nifti(f"{case}_{channel}", np.rint(data).astype(np.int16).T, affine, text, sform=sform)
    names = " ".join(f"{c.value} {c.abbreviation}" for c in phantom.truth.classes)
    write_nifti(f"{case}_dseg", phantom.truth.labels.T, affine, f"generated {case}: {names}", sform=sform)
    write_classes(case, phantom.truth.classes)
    (FOLDER / f"{case}.json").write_text(json.dumps(dict(phantom.attributes), indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Write both phantoms."""
    heart = heart_phantom(HEART_SEED)
    write_phantom("heart", heart, "scanner")
    region = "generated heart: left ventricle"
    write_nifti("heart_mask", heart.mask.astype(np.uint8).T, affine_of(heart), region)
    write_phantom("glioma", glioma_phantom(GLIOMA_SEED), "mni")
    record_checksums()


if __name__ == "__main__":
    main()
