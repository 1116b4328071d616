"""Lay an average brain over an image: twelve numbers, found from coarse to fine and from several starts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.spatial.transform import Rotation

from napari_gmmseg.preparation.information import FloatArray, Samples, sample
from napari_gmmseg.volumes import AtlasPrior

#: Distance of samples, in mm: coarse, then fine.
_COARSE, _FINE = 8.0, 4.0
#: How far heads lie and how much they differ: rotation in rad, shift in mm, logarithm of the size, shear.
_USUAL = np.array([0.2] * 3 + [30.0] * 3 + [0.1] * 3 + [0.04] * 3)
#: The same for images of a few slices, which tell less.
_USUAL_OF_SLABS = np.array([0.12] * 3 + [30.0] * 3 + [0.06] * 3 + [0.02] * 3)
#: Height in mm below which an image shows a slab of the head.
_SLAB = 120.0
#: Slices of which none is left out.
_FEW_SLICES = 16
#: What one standard deviation costs, in nat.
_PRIOR = 0.001
#: Starts that are followed; of slabs all are.
_FOLLOWED = 3
#: From the skin at the top to the brain, in mm.
_SCALP = 10.0


@dataclass(frozen=True)
class Alignment:
    """Where an average brain lies in an image.

    Parameters
    ----------
    matrix : ndarray (4, 4), float64
        World of the image to world of the atlas, in mm.
    told : float
        Share of the tissues' entropy inside the brain that the image tells, 0 ... 1: where no brain is, next to none.
    """

    matrix: FloatArray
    told: float


def align(image: NDArray[np.float32], affine: FloatArray, inside: NDArray[np.bool_], atlas: AtlasPrior) -> Alignment:
    """Find the affine map from an image to an atlas with the most mutual information, near what is usual.

    Starts are the place that the header tells, and the top of the head with three pitches and three heights; for a
    slab, heights of the brain. Each is judged, and the best are followed at 8 mm by L-BFGS; the best of these goes on
    at 4 mm.

    Parameters
    ----------
    image : ndarray (Z, Y, X), float32
        Intensities, finite; (z, y, x) is (superior, anterior, right).
    affine : ndarray (4, 4), float64
        Voxel (z, y, x, 1) to world, in mm.
    inside : ndarray (Z, Y, X), bool
        The head, and a little around it.
    atlas : AtlasPrior
        The average brain.
    """
    middle = _middle(atlas)
    height = image.shape[0] * float(np.linalg.norm(affine[:3, 0]))
    usual = _USUAL_OF_SLABS if height < _SLAB else _USUAL
    search = _Search(sample(image, affine, inside, atlas, _COARSE), middle[0], usual)
    starts = [
        (search.cost(values, centre)[0], values, centre) for values, centre in _starts(affine, inside, middle, usual)
    ]
    starts.sort(key=lambda start: start[0])
    followed = starts if height < _SLAB else starts[:_FOLLOWED]
    found = [(*search.follow(values, centre, 30), centre) for _, values, centre in followed]
    _, best, centre = min(found, key=lambda one: one[0])
    fine = _Search(sample(image, affine, inside, atlas, _FINE), middle[0], usual)
    _, best = fine.follow(best, centre, 25)
    matrix = fine.matrix(best * usual, centre)
    return Alignment(matrix, fine.samples.told_inside(matrix))


@dataclass(frozen=True)
class _Search:
    """The search at one distance of samples.

    Parameters
    ----------
    samples : Samples
        What is compared.
    middle : ndarray (3,), float64
        Middle of the atlas's brain, in mm: what is turned around.
    usual : ndarray (12,), float64
        One standard deviation of each number.
    """

    samples: Samples
    middle: FloatArray
    usual: FloatArray

    def matrix(self, values: FloatArray, centre: FloatArray) -> FloatArray:
        """Return the map of twelve numbers that takes this place, in mm, to the middle of the atlas."""
        shear = np.eye(3)
        shear[0, 1], shear[0, 2], shear[1, 2] = values[9:]
        linear = Rotation.from_rotvec(values[:3]).as_matrix() @ shear @ np.diag(np.exp(values[6:9]))
        whole = np.eye(4)
        whole[:3, :3] = linear
        whole[:3, 3] = self.middle + values[3:6] - linear @ centre
        return whole

    def cost(self, scaled: FloatArray, centre: FloatArray) -> tuple[float, FloatArray]:
        """Return what is minimised and its gradient, by numbers counted in what is usual."""
        values = scaled * self.usual
        matrix = self.matrix(values, centre)
        information, by_matrix = self.samples.information(matrix)
        gradient = np.empty(12)
        for number in range(12):
            step = 1e-4 * self.usual[number]
            moved = values.copy()
            moved[number] += step
            gradient[number] = ((self.matrix(moved, centre) - matrix)[:3] / step * by_matrix).sum()
        unusual = _PRIOR * float((scaled**2).sum())
        return unusual - information, 2 * _PRIOR * scaled - gradient * self.usual

    def follow(self, scaled: FloatArray, centre: FloatArray, steps: int) -> tuple[float, FloatArray]:
        """Return cost and numbers where the search from here ends."""
        done = optimize.minimize(self.cost, scaled, (centre,), jac=True, method="L-BFGS-B", options={"maxiter": steps})
        return float(done.fun), np.asarray(done.x, dtype=np.float64)


def _middle(atlas: AtlasPrior) -> tuple[FloatArray, float]:
    """Return the middle of the atlas's brain, (z, y, x) in mm, and the height of its top above that."""
    brain = np.argwhere(atlas.maps.sum(axis=0) > 0.5) @ atlas.geometry.affine[:3, :3].T + atlas.geometry.affine[:3, 3]
    middle: FloatArray = (brain.min(axis=0) + brain.max(axis=0)) / 2
    return middle, float(brain[:, 0].max() - middle[0])


def _starts(
    affine: FloatArray, inside: NDArray[np.bool_], atlas: tuple[FloatArray, float], usual: FloatArray
) -> list[tuple[FloatArray, FloatArray]]:
    """Return numbers and centres to start from."""
    middle, rise = atlas
    # Every second voxel, but of few slices each.
    steps = np.array([2 if n > _FEW_SLICES else 1 for n in inside.shape])
    every = tuple(slice(None, None, int(step)) for step in steps)
    head = np.argwhere(inside[every]) * steps @ affine[:3, :3].T + affine[:3, 3]
    top = float(np.percentile(head[:, 0], 99.8))
    upper = head[head[:, 0] > top - _SLAB]
    low, high = np.percentile(upper, (5, 95), axis=0)
    across = (low + high) / 2
    starts = [(np.zeros(12), middle)]
    if inside.shape[0] * np.linalg.norm(affine[:3, 0]) < _SLAB:
        half = (np.array(inside.shape) - 1) / 2
        level = float((affine[:3, :3] @ half + affine[:3, 3])[0])
        heights = [level + float(middle[0]) - shown for shown in range(-50, 71, 15)]
        return [*starts, *((np.zeros(12), np.array([at, across[1], across[2]])) for at in heights)]
    for pitch in (0.0, 0.3, -0.3):
        values = np.zeros(12)
        values[2] = pitch / usual[2]
        starts += [
            (values, np.array([top - _SCALP - rise + shift, across[1], across[2]])) for shift in (0.0, -20.0, 20.0)
        ]
    return starts
