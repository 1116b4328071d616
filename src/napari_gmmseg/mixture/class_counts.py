"""How many classes the intensities speak for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.mixture.em import em, run_em
from napari_gmmseg.mixture.initialisation import initial_mixtures

#: Voxels that are fitted, and how many of them count as one: neighbours share partial volume and blur.
_DRAWN, _ALIKE = 20_000, 8
_STARTS = 2


def description_lengths(samples: NDArray[np.float32], counts: Sequence[int], *, seed: int = 0) -> Mapping[int, float]:
    """Return for each number of classes how well it describes intensities: less is better, in nat a counted voxel.

    BIC(K) = -2 log L + p log N (Schwarz 1978, Estimating the dimension of a model, section 2), divided by N, with
    Gaussians of diagonal covariance, p = K (2 C) + K - 1 parameters. Departure: an eighth of the voxels counts as N,
    since neighbours are not independent; with all of them, BIC takes partial volume between two tissues for one more.

    Parameters
    ----------
    samples : ndarray (C, N) float32
        Intensities inside the mask, in the image's own unit.
    counts : sequence of int
        Numbers of classes K.
    seed : int
        Of the voxels that are drawn and of the starts.

    Raises
    ------
    SettingsError
        Where there are fewer distinct intensities than classes.
    """
    n_channels, n = samples.shape
    if n > _DRAWN:
        drawn = np.unique(np.random.default_rng(seed).integers(0, n, _DRAWN))
        samples = np.ascontiguousarray(samples[:, drawn])
    counted = samples.shape[1] / _ALIKE
    lengths = {}
    for k in counts:
        starts = initial_mixtures(samples, [1] * k, _STARTS, seed=seed)
        found = run_em(em(samples, starts, max_steps=200))
        parameters = 2 * n_channels * k + k - 1
        lengths[k] = -2 * found.log_likelihood + parameters * float(np.log(counted)) / counted
    return lengths
