"""The yardstick: phantoms on the MNI152 maps that nilearn carries (1 mm), with known truth.

Names are ``t1_n9b0`` (the template's own T1, noise 9 %, no bias), ``pv_n5b40`` (true partial volume, noise 5 %, bias
40 %). With g, w the grey and white maps divided by their maximum and c = clip(1 - g - w, 0, 1), truth is
argmax(c, g, w) inside the brain mask M, numbered 1 CSF, 2 GM, 3 WM; the grid is cropped to M plus 4 voxels (none below:
the template ends there); mu_k is the
mean T1 intensity of each truth class and s the largest of them.

- t1: the template; pv: sum_k mu_k map_k / sum_k map_k inside M, 0 outside.
- bias b %: times (1 + field * b / 200), field = 0.6 x + 0.4 y + 0.5 y z - 0.7 z^2 in coordinates from -1 to 1 along
  the cropped array's axes in RAS order, rescaled to [-1, 1] inside M. A letter behind b names another field:
  ``t1_n3b40s`` has a random cubic B-spline with four knots along each axis, ``t1_n3b40c`` the sensitivity
  1 / (0.3 + r^2) of a coil, r being the distance from a pole outside the head. No family is the basis that is fitted.
- noise n %: plus N(0, n/100 s), one field from ``default_rng(0)`` on the cropped grid for all; another seed gives
  another field. At last all is divided by s.

Run as a script to write a phantom as NIfTI: ``python benchmarks/phantoms.py t1_n9b0 -o benchmarks/output``.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config.presets import PRESETS
from napari_gmmseg.volumes import ClassTable, Geometry, LabelMap, Volume

Array = NDArray[np.float32]

CACHE = Path(__file__).parent / "output" / "mni152-1mm.npz"
MARGIN = 4
NAMES = tuple(f"{kind}_n{noise}b0" for kind in ("t1", "pv") for noise in (3, 5, 9))


@dataclass(frozen=True)
class YardstickPhantom:
    """A phantom of the yardstick family.

    Parameters
    ----------
    name : str
        E.g. "t1_n9b0".
    volume : Volume
        One channel, 1 mm, in units of the white matter's mean.
    truth : LabelMap
        1 CSF, 2 GM, 3 WM inside the mask.
    mask : ndarray (Z, Y, X) bool
        The brain.
    """

    name: str
    volume: Volume
    truth: LabelMap
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class TissueMaps:
    """The MNI152 brain, cropped; arrays (Z, Y, X) with rising (superior, anterior, right).

    Parameters
    ----------
    t1 : ndarray float32
        Template, 0 ... 1.
    maps : ndarray (3, Z, Y, X) float32
        CSF, GM, WM.
    mask : ndarray bool
        The brain.
    affine : ndarray (4, 4)
        Voxel (z, y, x, 1) to world (z, y, x, 1) in mm.
    """

    t1: Array
    maps: Array
    mask: NDArray[np.bool_]
    affine: NDArray[np.float64]

    @property
    def truth(self) -> NDArray[np.uint8]:
        """Most likely class inside the mask, 0 outside."""
        return np.where(self.mask, self.maps.argmax(axis=0) + 1, 0).astype(np.uint8)

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean T1 intensity of each class."""
        truth = self.truth
        return np.array([self.t1[truth == k].mean(dtype=np.float64) for k in (1, 2, 3)])


def _from_nilearn() -> TissueMaps:
    import nibabel as nib
    from nilearn.datasets import (
        load_mni152_brain_mask,
        load_mni152_gm_template,
        load_mni152_template,
        load_mni152_wm_template,
    )

    images = [
        nib.as_closest_canonical(load(resolution=1))
        for load in (load_mni152_template, load_mni152_gm_template, load_mni152_wm_template, load_mni152_brain_mask)
    ]
    t1, grey, white, mask = (np.asarray(image.dataobj, dtype=np.float32) for image in images)
    inside = mask > 0
    grey, white = grey / grey.max(), white / white.max()
    maps = np.stack([np.clip(1 - grey - white, 0, 1), grey, white])
    where = np.nonzero(inside)
    start = np.array([max(int(w.min()) - MARGIN, 0) for w in where])
    stop = [min(int(w.max()) + MARGIN + 1, n) for w, n in zip(where, inside.shape, strict=True)]
    crop = tuple(slice(int(a), b) for a, b in zip(start, stop, strict=True))
    affine = np.array(images[0].affine, dtype=np.float64)
    affine[:3, 3] += affine[:3, :3] @ start
    reverse = np.eye(4)[[2, 1, 0, 3]]
    return TissueMaps(
        t1=np.ascontiguousarray(t1[crop].T),
        maps=np.ascontiguousarray(maps[(slice(None), *crop)].transpose(0, 3, 2, 1)),
        mask=np.ascontiguousarray(inside[crop].T),
        affine=reverse @ affine @ reverse,
    )


@lru_cache(maxsize=1)
def tissue_maps() -> TissueMaps:
    """Return the cropped MNI152 maps at 1 mm; made once, then read from benchmarks/output/."""
    if not CACHE.exists():
        made = _from_nilearn()
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        partial = CACHE.with_suffix(".partial.npz")
        np.savez(partial, t1=made.t1, maps=made.maps, mask=made.mask, affine=made.affine)
        partial.rename(CACHE)
    with np.load(CACHE) as stored:
        return TissueMaps(stored["t1"], stored["maps"], stored["mask"], stored["affine"])


def bias_polynomial(mask: NDArray[np.bool_]) -> Array:
    """Return the smooth second-order field, rescaled to [-1, 1] inside the mask; (Z, Y, X)."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in mask.shape), indexing="ij", sparse=True)
    field = 0.6 * x + 0.4 * y + 0.5 * y * z - 0.7 * z**2
    return _rescaled(field, mask)


def bias_spline(mask: NDArray[np.bool_]) -> Array:
    """Return a cubic B-spline of random coefficients, rescaled to [-1, 1] inside the mask; (Z, Y, X)."""
    from scipy.interpolate import BSpline

    coefficients = np.random.default_rng(7).uniform(-1, 1, size=(6, 6, 6))
    knots = np.arange(-3.0, 7.0)
    axes = [BSpline.design_matrix(np.linspace(0, 3, n), knots, 3).toarray() for n in mask.shape]
    return _rescaled(np.einsum("ijk,zi,yj,xk->zyx", coefficients, *axes, optimize=True), mask)


def bias_coil(mask: NDArray[np.bool_]) -> Array:
    """Return the sensitivity of a coil beside the head, rescaled to [-1, 1] inside the mask; (Z, Y, X)."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in mask.shape), indexing="ij", sparse=True)
    squared = (x - 1.1) ** 2 + (y + 0.9) ** 2 + (z - 0.4) ** 2
    return _rescaled(1 / (0.3 + squared), mask)


def _rescaled(field: NDArray[np.float64], mask: NDArray[np.bool_]) -> Array:
    low, high = field[mask].min(), field[mask].max()
    return (2 * (field - low) / (high - low) - 1).astype(np.float32)


FIELDS = {"": bias_polynomial, "s": bias_spline, "c": bias_coil}


def noise_field(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float64]:
    """Return a standard normal field, the same for all phantoms of a seed, (Z, Y, X); drawn in (x, y, z) order."""
    return np.random.default_rng(seed).standard_normal(shape[::-1]).T


def make(name: str, seed: int = 0) -> YardstickPhantom:
    """Return a phantom by its name, e.g. "pv_n5b40", with the noise field of a seed; 0 is the yardstick's own.

    Raises
    ------
    ValueError
        Where the name is not of this family.
    """
    match = re.fullmatch(r"(t1|pv)_n(\d+(?:\.\d+)?)b(\d+(?:\.\d+)?)([sc]?)", name)
    if match is None:
        raise ValueError(f"{name!r} is no phantom's name: t1_n9b0, pv_n5b40 ...")
    kind, noise, bias = match[1], float(match[2]), float(match[3])
    brain = tissue_maps()
    means = brain.means
    scale = float(means.max())
    if kind == "t1":
        image = brain.t1.astype(np.float64)
    else:
        mixed = np.tensordot(means, brain.maps, axes=1) / brain.maps.sum(axis=0)
        image = np.where(brain.mask, mixed, 0.0)
    if bias:
        image *= 1 + FIELDS[match[4]](brain.mask) * bias / 200
    if noise:
        image += noise_field(image.shape, seed) * (noise / 100 * scale)
    return _wrapped(name, (image / scale).astype(np.float32)[np.newaxis], brain, ("t1",))


def make_three_channels(noise: float = 5.0) -> YardstickPhantom:
    """Return T1 and two contrasts mixed from the same maps with means from ``default_rng(1)``, each with noise n %."""
    brain = tissue_maps()
    rng = np.random.default_rng(1)
    total = brain.maps.sum(axis=0)
    channels = [brain.t1 / float(brain.means.max())]
    for _ in range(2):
        levels = rng.uniform(0.2, 1.0, size=3)
        channels.append(np.where(brain.mask, np.tensordot(levels, brain.maps, axes=1) / total, 0.0))
    image = np.stack(channels)
    image += rng.normal(0.0, noise / 100, size=image.shape)
    return _wrapped(f"three_n{noise:g}b0", image.astype(np.float32), brain, ("t1", "", ""))


def _wrapped(name: str, data: Array, brain: TissueMaps, channels: tuple[str, ...]) -> YardstickPhantom:
    shape = (int(data.shape[1]), int(data.shape[2]), int(data.shape[3]))
    geometry = Geometry(shape=shape, affine=brain.affine)
    classes = PRESETS["brain-t1"].classes
    assert isinstance(classes, ClassTable)
    return YardstickPhantom(
        name=name,
        volume=Volume(data=data, geometry=geometry, channels=channels),
        truth=LabelMap(labels=brain.truth, geometry=geometry, classes=classes),
        mask=brain.mask,
    )


def write(phantom: YardstickPhantom, folder: Path) -> list[Path]:
    """Write image, truth and mask as NIfTI for tools that read files."""
    import nibabel as nib

    reverse = np.eye(4)[[2, 1, 0, 3]]
    affine = reverse @ phantom.volume.geometry.affine @ reverse
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    arrays = {
        "": phantom.volume.data[0],
        "_truth": phantom.truth.labels,
        "_mask": phantom.mask.astype(np.uint8),
    }
    for suffix, array in arrays.items():
        path = folder / f"{phantom.name}{suffix}.nii.gz"
        nib.save(nib.Nifti1Image(np.ascontiguousarray(array.T), affine), path)
        written.append(path)
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write phantoms of the yardstick family as NIfTI.")
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("-o", "--output", type=Path, default=CACHE.parent)
    arguments = parser.parse_args()
    for one in arguments.names:
        print(*write(make(one), arguments.output), sep="\n")
