"""Images on every kind of grid, made for the tests."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes import ClassTable, LabelMap, TissueClass, Volume

SIZE = (6, 5, 4)
SPACING = (1.2, 0.9, 2.5)


def rotation(x: float = 0.15, y: float = -0.1, z: float = 0.2) -> NDArray[np.float64]:
    """A rotation by three angles in radians, small enough to keep the closest axes."""
    cx, sx, cy, sy, cz, sz = np.cos(x), np.sin(x), np.cos(y), np.sin(y), np.cos(z), np.sin(z)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


ORDERS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


def world_affine(oblique: bool = True) -> NDArray[np.float64]:
    """The affine of the image in (x, y, z) order."""
    affine = np.eye(4)
    affine[:3, :3] = (rotation() if oblique else np.eye(3)) * SPACING
    affine[:3, 3] = (-31.5, 12.25, 7.75)
    return affine


def reordered(
    array: NDArray[np.float32], affine: NDArray[np.float64], order: tuple[int, ...], signs: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The same image in another order of axes (x, y, z, ...), with the affine that belongs to it."""
    moved = array.transpose(*order, *range(3, array.ndim))
    moved = moved[tuple(slice(None, None, sign) for sign in signs)]
    index = np.zeros((4, 4))
    index[3, 3] = 1
    for new, (old, sign) in enumerate(zip(order, signs, strict=True)):
        index[old, new] = sign
        index[old, 3] = 0 if sign > 0 else array.shape[old] - 1
    return np.ascontiguousarray(moved), affine @ index


def world_image(*further: int) -> NDArray[np.float32]:
    """An image (x, y, z, ...) in which every voxel has a value of its own."""
    shape = (*SIZE, *further)
    return np.random.default_rng(3).permutation(int(np.prod(shape))).reshape(shape).astype(np.float32)


def save_nifti(
    path: Path,
    array: NDArray[np.generic],
    affine: NDArray[np.float64],
    *,
    units: str = "mm",
    sform: int = 1,
    qform: int = 1,
) -> Path:
    """Write a NIfTI file with the codes asked for."""
    image = nibabel.Nifti1Image(array, None)
    image.header.set_sform(affine if sform else None, code=sform)
    image.header.set_qform(affine if qform else None, code=qform)
    if not qform:
        image.header["pixdim"][1:4] = np.linalg.norm(affine[:3, :3], axis=0)
    image.header.set_xyzt_units(xyz=units, t="sec")
    image.to_filename(path)
    return path


def labels_of(volume: Volume, threshold: float | None = None) -> LabelMap:
    """A mask of two classes by thresholds on the first channel."""
    data = volume.data[0]
    cut = float(np.nanmedian(data)) if threshold is None else threshold
    labels = np.where(data > cut, 2, 1).astype(np.uint8)
    labels[..., 0, 0] = 0
    classes = ClassTable(
        (
            TissueClass(1, "Dark", "DK", (0.2, 0.4, 0.6)),
            TissueClass(2, "Bright", "BR", (0.8, 0.6, 0.4)),
        )
    )
    return LabelMap(labels=labels, geometry=volume.geometry, classes=classes, source=volume.source)
