"""Derive the sample brain at 2 mm from the MNI152 maps that the nilearn package carries.

Needs nilearn (a development dependency). Every 2 mm voxel is the mean over those of its eight 1 mm voxels that lie in
the brain, so that the rim is not darkened by the zero background; a voxel belongs to the brain where at least half of
the eight do. CSF is the rest of the brain mask: 255 - GM - WM.

    python sample_data/make_mni152.py
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from writing import record_checksums, write_classes, write_nifti

from napari_gmmseg.config.presets import CSF, GM, WM
from napari_gmmseg.volumes import ClassTable

Array = NDArray[np.float64]

MARGIN = 3
T1_MAXIMUM = 4080


def blocks(array: NDArray[np.generic]) -> Array:
    """Sum 2 x 2 x 2 blocks of an array (X, Y, Z); odd ends are padded with zeros."""
    padded = np.pad(np.asarray(array, dtype=np.float64), [(0, n % 2) for n in array.shape])
    x, y, z = (n // 2 for n in padded.shape)
    return padded.reshape(x, 2, y, 2, z, 2).sum(axis=(1, 3, 5))


def main() -> None:
    """Write T1, probability maps and labels of the sample brain."""
    from nilearn.datasets import (
        load_mni152_brain_mask,
        load_mni152_gm_template,
        load_mni152_template,
        load_mni152_wm_template,
    )

    images = [load(resolution=1) for load in (load_mni152_template, load_mni152_gm_template, load_mni152_wm_template)]
    t1, grey, white = (np.asarray(nib.as_closest_canonical(image).dataobj, dtype=np.float64) for image in images)
    inside = np.asarray(nib.as_closest_canonical(load_mni152_brain_mask(resolution=1)).dataobj) > 0
    counts = blocks(inside)
    mask = counts >= 4
    share = np.maximum(counts, 1)
    t1, grey, white = (blocks(array * inside) / share for array in (t1, grey / grey.max(), white / white.max()))
    total = np.maximum(grey + white, 1.0)
    grey_byte = np.rint(np.where(mask, 255 * grey / total, 0)).astype(np.int16)
    white_byte = np.minimum(np.rint(np.where(mask, 255 * white / total, 0)), 255 - grey_byte).astype(np.int16)
    maps = {"csf": np.where(mask, 255 - grey_byte - white_byte, 0), "gm": grey_byte, "wm": white_byte}
    labels = np.where(mask, np.stack(list(maps.values())).argmax(axis=0) + 1, 0)

    affine = np.array(nib.as_closest_canonical(images[0]).affine, dtype=np.float64)
    affine[:3, 3] += affine[:3, :3] @ np.full(3, 0.5)
    affine[:3, :3] *= 2
    where = [np.nonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))[0] for axis in range(3)]
    start = [max(int(w[0]) - MARGIN, 0) for w in where]
    crop = tuple(slice(a, min(int(w[-1]) + MARGIN + 1, n)) for a, w, n in zip(start, where, mask.shape, strict=True))
    affine[:3, 3] += affine[:3, :3] @ start

    intensity = np.where(mask, np.maximum(np.rint(t1 * T1_MAXIMUM), 1), 0)
    notice = "MNI152 (c) 1993-2009 L. Collins, MNI; "
    write_nifti("brain_t1", intensity[crop].astype(np.int16), affine, notice + "T1 at 2 mm, no skull", sform="mni")
    for name, values in maps.items():
        path = f"brain_probability_{name}"
        write_nifti(
            path, values[crop].astype(np.uint8), affine, notice + f"P({name.upper()})", slope=1 / 255, sform="mni"
        )
    write_nifti("brain_dseg", labels[crop].astype(np.uint8), affine, notice + "1 CSF 2 GM 3 WM", sform="mni")
    write_classes("brain", ClassTable((CSF, GM, WM)))
    record_checksums()


if __name__ == "__main__":
    main()
