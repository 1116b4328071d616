"""How noisy an image is, from the image itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree
from torch import Tensor

#: Median of |x| for a standard normal x.
_MEDIAN_OF_NORMAL = 0.6744897501960817
#: A slice thicker than this many in-plane voxels says nothing about noise: its neighbours show other anatomy.
_THICKEST = 2.0
#: Noise ratio above which class shares count less: from there on a large class swallows its neighbours in noise.
_SWALLOWS = 0.15
#: Fewer differences than this are no ground for an estimate.
_FEWEST = 64
#: So many differences are enough; of more, every n-th is taken.
_MOST = 500_000


def noise_std(image: Tensor, mask: Tensor, spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Estimate the standard deviation of the noise of each channel.

    The median absolute value of the finest diagonal Haar wavelet coefficients (Donoho & Johnstone 1994), along every
    axis on which neighbours are near enough, inside the mask. Anatomy along an edge cancels; noise does not.

    Parameters
    ----------
    image : Tensor (C, ..., Z, Y, X) float32
        Intensities.
    mask : Tensor (..., Z, Y, X) bool
        Voxels that count.
    spacing : (dz, dy, dx)
        Voxel size in mm or pixels.

    Returns
    -------
    ndarray (C,) float64
        In the image's own unit; 0 where there is too little to measure.
    """
    finest = min(size for size, n in zip(spacing, image.shape[-3:], strict=True) if n > 1 or size == min(spacing))
    inside, axes = mask, 0
    detail = image
    for axis, size in zip((-3, -2, -1), spacing, strict=True):
        n = image.shape[axis]
        if n < 2 or size > _THICKEST * finest:
            continue
        detail = detail.narrow(axis, 1, n - 1) - detail.narrow(axis, 0, n - 1)
        inside = inside.narrow(axis, 1, n - 1) & inside.narrow(axis, 0, n - 1)
        axes += 1
    chosen = detail[:, inside]
    if axes == 0 or chosen.shape[1] < _FEWEST:
        return np.zeros(len(image))
    chosen = chosen[:, :: -(-chosen.shape[1] // _MOST)].abs()
    medians = chosen.median(dim=1).values.cpu().double().numpy()
    stds: NDArray[np.float64] = medians / (_MEDIAN_OF_NORMAL * 2 ** (axes / 2))
    return stds


def noise_ratio(class_means: NDArray[np.float64], stds: NDArray[np.float64]) -> float:
    """Return the noise's standard deviation as a share of the distance between neighbouring classes.

    Distances are Euclidean after each channel is divided by its noise; neighbours are the edges of the classes'
    minimum spanning tree, so that for one channel they are the gaps between successive means.

    Parameters
    ----------
    class_means : ndarray (K, C) float64
        In the image's own unit.
    stds : ndarray (C,) float64
        Noise, in the image's own unit.

    Returns
    -------
    float
        0 for a clean image, 1 where the classes cannot be told apart voxel by voxel.
    """
    spread = np.maximum(np.ptp(class_means, axis=0), np.finfo(np.float64).tiny)
    # From the lowest mean on: a channel without spread or noise would overflow, and has no say.
    scaled = (class_means - class_means.min(axis=0)) / np.maximum(stds, 1e-6 * spread)
    distances = np.sqrt(((scaled[:, None] - scaled[None]) ** 2).sum(-1))
    tree = minimum_spanning_tree(distances)
    return float(1.0 / max(tree.sum() / (len(class_means) - 1), 1e-12))


def trust_in_neighbours(ratio: float) -> float:
    """Return how far the neighbours are to be trusted, 0 ... 1, from the noise ratio.

    Below a ratio of .08 a voxel's own intensity says more than its neighbours, whose pull erodes CSF in thin sulci;
    above .12 the pull is full. Both ends were chosen on phantoms of 3, 5 and 9 % noise and on real brains.

    Parameters
    ----------
    ratio : float
        From `noise_ratio`.
    """
    return float(np.clip((ratio - 0.08) / (0.12 - 0.08), 0.0, 1.0))


def size_weight(ratio: float) -> float:
    """Return the power of the class shares in the spatial mixture, 0 ... 1, from the noise ratio.

    In a clean image shares say nothing that a voxel's intensity does not say better (and would eat CSF in thin sulci).
    At a ratio of .12 they count in full, as Bayes' rule has it. Above .15 classes overlap so much that mean field lets
    the large ones swallow the small, and the power falls as 1 / ratio. Chosen on phantoms of 3, 5 and 9 % noise.

    Parameters
    ----------
    ratio : float
        From `noise_ratio`.
    """
    return trust_in_neighbours(ratio) ** 2 * min(1.0, _SWALLOWS / max(ratio, 1e-12))
