"""Affines of every kind, and layers as the readers in the wild make them."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray

SHAPE = (5, 6, 7)
SIGNED_ORDERS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


def rotation(angles: tuple[float, float, float]) -> NDArray[np.float64]:
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(angles)):
        plane = np.eye(3)
        i, j = (k for k in range(3) if k != axis)
        plane[i, i] = plane[j, j] = np.cos(angle)
        plane[i, j], plane[j, i] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ plane
    return matrix


def file_affine(
    order: tuple[int, ...] = (0, 1, 2), signs: tuple[int, ...] = (1, 1, 1), oblique: bool = True
) -> NDArray[np.float64]:
    """Affine of a file whose axis i runs along world axis order[i]."""
    linear = np.zeros((3, 3))
    for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
        linear[world, axis] = sign * (1.0, 1.5, 2.5)[axis]
    affine = np.eye(4)
    affine[:3, :3] = rotation((7.0, -11.0, 5.0)) @ linear if oblique else linear
    affine[:3, 3] = (-13.0, 21.0, 4.5)
    return affine


def like_napari_nifti(path: Path, with_path: bool = True):
    """A layer as napari-nifti 0.0.20 makes it: (S, A, R), negative scale, true affine in the metadata, time last."""
    from napari.layers import Image
    from napari.layers._source import Source

    image = nibabel.as_closest_canonical(nibabel.load(path))
    data = np.asarray(image.dataobj)
    array = data.transpose(2, 1, 0, *range(3, data.ndim))
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)[::-1]
    origin = image.affine[:3, 3][::-1]
    affine = image.affine
    scale, translate = (
        [-s for s in spacing],
        [o + (n - 1) * s for o, n, s in zip(origin, array.shape, spacing, strict=False)],
    )
    if data.ndim == 4:
        affine = np.eye(5)
        affine[:3, :3], affine[:3, 4] = image.affine[:3, :3], image.affine[:3, 3]
        scale, translate = [*scale, 1.0], [*translate, 0.0]
    assert aff2axcodes(image.affine) == ("R", "A", "S")
    metadata = {"affine": affine, "coordinate_system": "RAS+", "header": image.header}
    layer = Image(array, name="image", scale=scale, translate=translate, metadata=metadata)
    if with_path:
        layer._set_source(Source(path=str(path), reader_plugin="napari-nifti"))
    return layer


def like_itk(path: Path):
    """A layer as napari-itk-io makes it: (k, j, i), LPS, the layer's rotation the inverse one, ITK's keys kept."""
    import SimpleITK
    from napari.layers import Image

    image = SimpleITK.ReadImage(str(path))
    direction = np.flip(np.asarray(image.GetDirection()).reshape(3, 3))
    spacing, origin = np.asarray(image.GetSpacing())[::-1], np.asarray(image.GetOrigin())[::-1]
    return Image(
        SimpleITK.GetArrayFromImage(image),
        name="image",
        scale=spacing,
        translate=origin,
        rotate=direction.T,
        metadata={"origin": origin, "spacing": spacing, "direction": direction},
    )


def like_add_image(path: Path, with_path: bool = False):
    """A layer made in the console: nibabel's array and affine as they are."""
    from napari.layers import Image
    from napari.layers._source import Source

    image = nibabel.load(path)
    layer = Image(np.asarray(image.dataobj), name="image", affine=image.affine, axis_labels=("x", "y", "z"))
    if with_path:
        layer.axis_labels = ("-3", "-2", "-1")
        layer._set_source(Source(path=str(path)))
    return layer
