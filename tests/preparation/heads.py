"""Whole heads around the brain that ships: CSF, skull and scalp in layers, in air that is noisy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from napari_gmmseg.io.reading import read_channels
from napari_gmmseg.io.sample import sample_path
from napari_gmmseg.volumes import Volume


@dataclass(frozen=True)
class Head:
    """A head and where its brain is.

    Parameters
    ----------
    volume : Volume
        Data (1, Z, Y, X).
    brain : ndarray (Z, Y, X), bool
        The truth.
    """

    volume: Volume
    brain: NDArray[np.bool_]


def make_head(
    *, degrees: float = 0.0, size: float = 1.0, moved_mm: float = 0.0, inverted: bool = False, air: bool = True
) -> Head:
    """Return a head at 3 mm: pitched, resized, its header moved, with inverted tissues, or in zeros instead of air."""
    (brain,) = read_channels(sample_path("brain_t1.nii.gz"))
    t1 = np.pad(brain.data[0], 14)
    mask = t1 > 0
    if inverted:
        t1 = np.where(mask, 4400 - t1, 0)
    depth = ndimage.distance_transform_edt(~mask, sampling=2.0)
    layers = np.select([mask, depth <= 2, depth <= 8, depth <= 15], [t1, 700, 150, 3600], 60.0)
    turn = Rotation.from_euler("z", degrees, degrees=True).as_matrix()[::-1, ::-1]
    scale = 1.5 / size
    middle = (np.array(layers.shape) - 1) / 2
    shape = tuple(int(n / 1.5 * max(size, 1.0)) for n in layers.shape)
    offset = middle - turn @ np.eye(3) * scale @ ((np.array(shape) - 1) / 2)
    told = {"output_shape": shape, "mode": "nearest"}
    image = ndimage.affine_transform(layers, turn * scale, offset, order=1, **told)
    truth = ndimage.affine_transform(mask.astype(np.float32), turn * scale, offset, order=1, **told) >= 0.5
    rng = np.random.default_rng(0)
    noisy = np.hypot(image + rng.normal(0, 60, shape), rng.normal(0, 60, shape))
    if not air:
        outside = ndimage.affine_transform(depth, turn * scale, offset, order=1, **told) > 16
        noisy[outside] = 0
    affine = np.array(brain.geometry.affine)
    affine[:3, 3] += affine[:3, :3] @ np.full(3, -14) + moved_mm
    affine[:3, :3] *= 1.5
    geometry = replace(brain.geometry, shape=shape, affine=affine)
    data = noisy[np.newaxis].astype(np.float32)
    return Head(Volume(data=data, geometry=geometry, channels=("t1",)), truth)


def overlap(one: NDArray[np.bool_], two: NDArray[np.bool_]) -> float:
    """Dice."""
    return float(2 * np.count_nonzero(one & two) / (np.count_nonzero(one) + np.count_nonzero(two)))
