"""Propose where the brain is in a whole head, and say how credible that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from napari_gmmseg.preparation.aligning import align
from napari_gmmseg.preparation.block_grid import BlockGrid
from napari_gmmseg.preparation.information import FloatArray
from napari_gmmseg.preparation.masks import bounding_box
from napari_gmmseg.volumes import AtlasPrior

BoolArray = NDArray[np.bool_]
Spacing = NDArray[np.float64]

#: Size of the voxels in mm in which the brain is found, and then its border.
_WORKING, _BORDER = 2.0, 1.0
#: Confidence from which on there is more for a brain than against it.
_CREDIBLE = 0.5
#: A brain takes up so much, in ml.
_PLAUSIBLE_ML = (600.0, 2400.0)
#: An average brain is stretched at most so much to fit a person's.
_PLAUSIBLE_STRETCH = (0.7, 1.45)
#: Share of the tissues' entropy that an image of a brain tells at least, seen whole; and how soft that bound is.
_TOLD, _SOFT = 0.055, 0.012
#: What is asked for beyond that of an image that shows a small part of the brain: there is less to go wrong against.
_TOLD_OF_PARTS = 0.06
#: Width of what the aligned maps are smoothed with, in mm: how far persons differ from the average.
_PERSONS_DIFFER = 3.0
#: Radii in mm: bridges to what is no brain are thinner, and furrows narrower, than twice that.
_OPEN, _CLOSE = 3.0, 6.0
#: How far outside of the tissue the skull is looked for, and half of how thick it is where it is darkest, in mm.
_REACH, _SKULL = 5.0, 2.3
#: What the image is smoothed with before the ridge is looked for, in mm.
_RIDGE = 1.2
_N_BINS = 48


@dataclass(frozen=True)
class BrainProposal:
    """A brain mask that nobody has looked at yet.

    Parameters
    ----------
    mask : ndarray (Z, Y, X), bool
        The brain with the CSF around it; empty where none is credible.
    confidence : float
        0 ... 1; below 0.5 there is no credible brain.
    """

    mask: BoolArray
    confidence: float

    @property
    def credible(self) -> bool:
        """Whether there is more for a brain than against it."""
        return self.confidence >= _CREDIBLE


def looks_like_a_head(image: NDArray[np.float32], object_: BoolArray, spacing: Spacing) -> bool:
    """Whether what is not background has a dark layer around its largest bright part, and something bright outside.

    Skull is dark in every usual contrast, and scalp is bright; a brain alone has next to nothing outside of it.

    Parameters
    ----------
    image : ndarray (Z, Y, X), float32
        Intensities.
    object_ : ndarray (Z, Y, X), bool
        What is not background.
    spacing : ndarray (3,), float64
        Voxel size in mm.
    """
    thin = tuple(slice(None, None, max(1, int(_WORKING / size + 0.01))) for size in spacing)
    every = np.array([cut.step for cut in thin])
    image, object_, spacing = image[thin], object_[thin], spacing * every
    if not object_.any():
        return False
    bright = object_ & (image > 0.15 * np.percentile(image[object_], 95))
    dark = 1 - np.count_nonzero(bright) / np.count_nonzero(object_)
    if dark <= 0.06:
        return False
    core = _largest(_deeper(bright, spacing, 5.0))
    outside = bright & _farther(core, spacing, 8.0)
    return bool(core.any() and np.count_nonzero(outside) > 0.02 * np.count_nonzero(bright))


def propose_brain(image: NDArray[np.float32], affine: FloatArray, head: BoolArray, atlas: AtlasPrior) -> BrainProposal:
    """Propose a brain mask for a whole head.

    The atlas is aligned (`align`); its maps and the image's own intensities then tell brain from no brain, voxel by
    voxel, as a mixture with histograms for densities; opening, the largest part, closing and filling make one piece
    of it, which grows to half the way through the skull, the dark ridge around it: a watershed, after Hahn and Peitgen
    (MICCAI 2000). The confidence is a logistic function of what the image tells of the tissues inside (`told`): an
    atlas can be laid over anything, but only in a brain do grey and white matter lie where it expects them.

    Parameters
    ----------
    image : ndarray (Z, Y, X), float32
        Intensities, finite; (z, y, x) is (superior, anterior, right).
    affine : ndarray (4, 4), float64
        Voxel (z, y, x, 1) to world, in mm.
    head : ndarray (Z, Y, X), bool
        What stands out from the background.
    atlas : AtlasPrior
        The average brain, in mm.
    """
    nothing = BrainProposal(np.zeros(image.shape, dtype=bool), 0.0)
    grid = BlockGrid.of(affine, image.shape, _WORKING)
    small, inside = grid.take(image), grid.take(head.astype(np.float32)) >= 0.5
    if np.count_nonzero(inside) < 1000 or float(small[inside].min()) == float(small[inside].max()):
        return nothing
    found = align(small, grid.affine, ~_farther(inside, grid.spacing, 6.0), atlas)
    stretch = np.linalg.svd(found.matrix[:3, :3], compute_uv=False)
    if stretch.max() > _PLAUSIBLE_STRETCH[1] or stretch.min() < _PLAUSIBLE_STRETCH[0]:
        return nothing
    maps = _laid_over(small.shape, grid.affine, found.matrix, atlas)
    brain = _tissue(small, maps, grid.spacing)
    shown = _shown(found.matrix, grid.affine, small.shape, atlas)
    volume = np.count_nonzero(brain) * float(np.prod(grid.spacing)) / 1000 / max(shown, 1e-3)
    if not _PLAUSIBLE_ML[0] <= volume <= _PLAUSIBLE_ML[1]:
        return nothing
    least = _TOLD + _TOLD_OF_PARTS * (1 - shown)
    confidence = float(1 / (1 + np.exp((least - found.told) / _SOFT)))
    if confidence < _CREDIBLE:
        return BrainProposal(nothing.mask, confidence)
    return BrainProposal(_up_to_the_skull(image, affine, brain, maps.sum(axis=0) > 0.5, grid), confidence)


def _tissue(image: NDArray[np.float32], maps: NDArray[np.float32], spacing: Spacing) -> BoolArray:
    """Return the brain (Z, Y, X) that the aligned maps and the intensities tell together, as one piece."""
    tissue = _posterior(image, maps) > 0.5
    core = _largest(_deeper(tissue, spacing, _OPEN))
    if not core.any():
        return core
    return _closed(tissue & ~_farther(core, spacing, _OPEN + 0.5), spacing)


def _laid_over(
    shape: tuple[int, ...], affine: FloatArray, matrix: FloatArray, atlas: AtlasPrior
) -> NDArray[np.float32]:
    """Return the atlas's smoothed maps on the image's grid, (K, Z, Y, X)."""
    of_atlas = atlas.geometry.affine
    width = _PERSONS_DIFFER / np.linalg.norm(of_atlas[:3, :3], axis=0) / 2.355
    there = np.linalg.inv(of_atlas) @ matrix @ affine
    smooth = (ndimage.gaussian_filter(tissue, width) for tissue in atlas.maps)
    return np.stack(
        [ndimage.affine_transform(one, there[:3, :3], there[:3, 3], output_shape=shape, order=1) for one in smooth]
    )


def _posterior(image: NDArray[np.float32], maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability of brain, (Z, Y, X): a mixture of the maps' classes and the rest, six steps of EM."""
    total = maps.sum(axis=0)
    near = total > 2e-3
    if not near.any():
        return np.zeros(image.shape, dtype=np.float32)
    values = image[near]
    low, high = np.percentile(values, (0.5, 99.5))
    levels = np.clip((values - low) / max(high - low, 1e-12) * _N_BINS, 0, _N_BINS - 1).astype(np.int64)
    prior = np.maximum(np.concatenate([maps[:, near], 1 - total[near][np.newaxis]]), 1e-5).astype(np.float64)
    prior /= prior.sum(axis=0)
    posterior = prior
    for _ in range(6):
        counts = np.stack([np.bincount(levels, weights, _N_BINS) for weights in posterior])
        densities = ndimage.gaussian_filter1d(counts, 1.0, axis=1) + 1e-3
        posterior = prior * (densities / densities.sum(axis=1, keepdims=True))[:, levels]
        posterior /= posterior.sum(axis=0)
    whole = np.zeros(image.shape, dtype=np.float32)
    whole[near] = 1 - posterior[-1]
    return whole


def _up_to_the_skull(
    image: NDArray[np.float32], affine: FloatArray, brain: BoolArray, expected: BoolArray, grid: BlockGrid
) -> BoolArray:
    """Grow a brain through the CSF around it, up to the skull: the dark ridge between it and what lies outside.

    Brain and expected brain are those of the working grid; the border is found on a finer one, and the mask is
    returned on the image's.
    """
    fine = BlockGrid.of(affine, image.shape, _BORDER, divide=True)
    shown = fine.take(image)
    box = _around(brain, grid, fine, shown.shape)
    near, far = (fine.read(_signed(mask, grid.spacing), grid, shown.shape)[box] for mask in (brain, expected))
    # Deep inside there is nothing to decide.
    band = (near > -_REACH) & (near <= _REACH + 3)
    outside = band & ((near > _REACH + 1) | (far > _REACH + 2))
    height = -ndimage.gaussian_filter(shown[box], _RIDGE / fine.spacing)
    inner = near <= 0
    basin = inner | (watershed(height, inner + 2 * outside.astype(np.int32), mask=band) == 1)
    whole = np.zeros(shown.shape, dtype=bool)
    whole[box] = inner | _deeper(basin, fine.spacing, _SKULL)
    return fine.give(whole)


def _around(brain: BoolArray, grid: BlockGrid, fine: BlockGrid, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the part of the fine grid that holds a brain of the working grid and what is around it."""
    there = np.linalg.inv(fine.affine) @ grid.affine
    margin = (_REACH + 6) / fine.spacing
    box = []
    for axis, cut in enumerate(bounding_box(brain)):
        low, high = (there[axis, axis] * end + there[axis, 3] for end in (cut.start, cut.stop - 1))
        box.append(slice(max(0, int(low - margin[axis])), min(shape[axis], int(high + margin[axis]) + 2)))
    return tuple(box)


def _signed(mask: BoolArray, spacing: Spacing) -> NDArray[np.float32]:
    """Return the distance from a mask's border in mm, negative inside; the border lies between voxels."""
    out, within = (ndimage.distance_transform_edt(side, sampling=spacing) for side in (~mask, mask))
    half = float(spacing.min()) / 2
    return np.asarray(np.where(mask, half - within, out - half), np.float32)


def _closed(mask: BoolArray, spacing: Spacing) -> BoolArray:
    """Close furrows and fill holes."""
    wide = np.pad(mask, 8)
    near = ~_farther(wide, spacing, _CLOSE)
    closed = _deeper(near, spacing, _CLOSE)[8:-8, 8:-8, 8:-8] | mask
    return np.asarray(ndimage.binary_fill_holes(closed))


def _shown(matrix: FloatArray, affine: FloatArray, shape: tuple[int, ...], atlas: AtlasPrior) -> float:
    """Return which share of the atlas's brain lies in the image."""
    brain = np.argwhere(atlas.maps.sum(axis=0) > 0.5)[::7]
    there = np.linalg.inv(affine) @ np.linalg.inv(matrix) @ atlas.geometry.affine
    voxels = brain @ there[:3, :3].T + there[:3, 3]
    return float(((voxels >= -0.5) & (voxels <= np.array(shape) - 0.5)).all(axis=1).mean())


def _deeper(mask: BoolArray, spacing: Spacing, mm: float) -> BoolArray:
    """Return what lies deeper than this in a mask; beyond the image it goes on."""
    return np.asarray(ndimage.distance_transform_edt(mask, sampling=spacing) > mm)


def _farther(mask: BoolArray, spacing: Spacing, mm: float) -> BoolArray:
    """Return what is farther than this from a mask; everything where it is empty."""
    if not mask.any():
        return np.ones(mask.shape, dtype=bool)
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing) > mm)


def _largest(mask: BoolArray) -> BoolArray:
    """Return the largest connected part."""
    labels, n = ndimage.label(mask)
    if n <= 1:
        return mask
    sizes = np.bincount(labels.reshape(-1))
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())
