"""k-means++ and Lloyd's algorithm on weighted points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import SettingsError

Points = NDArray[np.float64]

N_RESTARTS = 5
MOST_LLOYD_STEPS = 100


def k_means(points: Points, counts: NDArray[np.float64], k: int, rng: np.random.Generator) -> Points:
    """Return the centres of the best of several seeded k-means runs, ordered by first coordinate.

    Arthur & Vassilvitskii (2007) for the seeds, Lloyd for the rest. Draws are made on the running sum of the
    points' weights: where points are histogram bins, the order of voxels does not matter.

    Parameters
    ----------
    points : ndarray (C, n) float64
        In standardised intensities (1).
    counts : ndarray (n,) float64
        How often each point counts.
    k : int
        Number of centres.
    rng : numpy.random.Generator
        The source of the seeds.

    Returns
    -------
    ndarray (k, C) float64
        Centres in standardised intensities (1).

    Raises
    ------
    SettingsError
        If there are fewer distinct points than centres.
    """
    best, least = None, np.inf
    for _ in range(N_RESTARTS):
        centres, inertia = _lloyd(points, counts, _seeds(points, counts, k, rng))
        if inertia < least * (1 - 1e-9):
            best, least = centres, inertia
    if best is None:
        best = centres
    return best[np.lexsort(best.T[::-1])]


def nearest(points: Points, centres: Points) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the index (n,) int64 of the nearest centre and the squared distance (n,) float64 to it.

    Parameters
    ----------
    points : ndarray (C, n) float64
        In standardised intensities (1).
    centres : ndarray (k, C) float64
        In the same unit.
    """
    distances = np.stack([((points - centre[:, None]) ** 2).sum(0) for centre in centres])
    index = distances.argmin(0)
    return index, np.take_along_axis(distances, index[None], 0)[0]


def _seeds(points: Points, counts: NDArray[np.float64], k: int, rng: np.random.Generator) -> Points:
    chosen = [_draw(counts, rng)]
    distances = ((points - points[:, chosen[0], None]) ** 2).sum(0)
    while len(chosen) < k:
        masses = counts * distances
        if not masses.sum() > 0:
            raise SettingsError(
                f"The voxels have only {len(chosen)} intensities that can be told apart, for {k} classes.",
                "Ask for fewer classes, or look for voxels of extreme intensity in the mask.",
            )
        chosen.append(_draw(masses, rng))
        distances = np.minimum(distances, ((points - points[:, chosen[-1], None]) ** 2).sum(0))
    return points[:, chosen].T.copy()


def _draw(masses: NDArray[np.float64], rng: np.random.Generator) -> int:
    running = np.cumsum(masses)
    index = int(np.searchsorted(running, rng.random() * running[-1], side="right"))
    return min(index, int(np.flatnonzero(masses)[-1]))


def _lloyd(points: Points, counts: NDArray[np.float64], centres: Points) -> tuple[Points, float]:
    k = len(centres)
    previous = np.inf
    for _ in range(MOST_LLOYD_STEPS):
        index, distances = nearest(points, centres)
        inertia = float(counts @ distances)
        masses = np.bincount(index, counts, k)
        sums = np.stack([np.bincount(index, counts * row, k) for row in points], axis=1)
        centres = np.where(masses[:, None] > 0, sums / np.maximum(masses, 1e-300)[:, None], centres)
        if previous - inertia <= 1e-9 * inertia:
            break
        previous = inertia
    return centres, inertia
