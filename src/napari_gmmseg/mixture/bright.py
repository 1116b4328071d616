"""What is brighter than any tissue in a contrast: voxels to begin a class with that has no name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config.fit import Covariance
from napari_gmmseg.mixture.moments import VARIANCE_FLOOR
from napari_gmmseg.volumes import Mixture

#: So many standard deviations above its middle a contrast is bright: a voxel in a thousand of tissue alone.
BRIGHT = 3.0
#: The same for what a contrast agent adds to T1, a difference of two images with heavier tails.
ENHANCED = 4.5
#: A voxel is enhanced only where it is as bright as this share of all are not, as much white matter is.
_WHITE = 90.0
#: Without a T1 beside it, as many percent of the voxels begin the class.
_TOP = 1.0
#: A class begins with at least this share of the voxels: the brightest ones.
_LEAST = 5e-4
_QUARTILE = 0.6744897501960817


def bright_voxels(
    samples: NDArray[np.floating], channels: Sequence[str], contrasts: Sequence[str]
) -> NDArray[np.int64]:
    """Return which voxels are brighter than tissue, and in which contrast.

    Tissue's spread is taken from the upper quartile, which neither CSF below nor a lesion above moves much. Of T1 with
    gadolinium the T1 without is subtracted first, where there is one, both as standardised intensities: blood and fat
    that are bright in both are then no enhancement.

    Parameters
    ----------
    samples : ndarray (C, N), any real kind
        Intensities inside the mask.
    channels : sequence of str (C,)
        Contrast of each channel.
    contrasts : sequence of str
        Those in which to look; a voxel that is bright in several counts for the last one.

    Returns
    -------
    ndarray (N,) int64
        Index into `contrasts`, or -1.
    """
    groups = np.full(samples.shape[1], -1, dtype=np.int64)
    least = max(int(_LEAST * samples.shape[1]), len(samples) + 1)
    for index, contrast in enumerate(contrasts):
        score, threshold = _score(samples, channels, contrast)
        bright = score > threshold
        if bright.sum() < least:
            bright = np.zeros_like(bright)
            bright[np.argsort(score, kind="stable")[-least:]] = True
        groups[bright] = index
    return groups


def _score(samples: NDArray[np.floating], channels: Sequence[str], contrast: str) -> tuple[NDArray[np.float64], float]:
    own = _standardised(samples[channels.index(contrast)])
    if contrast != "t1gd":
        return own, BRIGHT
    if "t1" not in channels:
        return own, float(np.percentile(own, 100 - _TOP))
    added = _standardised(own - _standardised(samples[channels.index("t1")]))
    return np.where(own > np.percentile(own, _WHITE), added, -np.inf), ENHANCED


def _standardised(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return values in standard deviations from their median, the deviation taken from the upper quartile."""
    x = np.asarray(values, dtype=np.float64)
    middle, upper = np.percentile(x, (50, 75))
    return np.asarray((x - middle) / max((upper - middle) / _QUARTILE, 1e-12 + 1e-6 * float(np.ptp(x))))


def with_bright(
    tissues: Mixture, samples: NDArray[np.floating], groups: NDArray[np.int64], *, covariance: Covariance
) -> Mixture:
    """Return a mixture of tissues with one more class for each group of bright voxels.

    Parameters
    ----------
    tissues : Mixture
        Of the voxels in no group.
    samples : ndarray (C, N), any real kind
        Intensities inside the mask.
    groups : ndarray (N,) int64
        From `bright_voxels`.
    covariance : "diagonal" or "full"
        Of the new Gaussians.
    """
    x = np.asarray(samples, dtype=np.float64)
    n_groups = int(groups.max(initial=-1)) + 1
    floor = np.diag(np.maximum(VARIANCE_FLOOR * x.var(axis=1), np.finfo(np.float64).tiny))
    own = [x[:, groups == g] for g in range(n_groups)]
    spreads = [np.atleast_2d(np.cov(values, bias=True)) + floor for values in own]
    if covariance == "diagonal":
        spreads = [np.diag(np.diag(spread)) for spread in spreads]
    shares = np.array([values.shape[1] for values in own]) / x.shape[1]
    return replace(
        tissues,
        mixing_weights=np.concatenate([tissues.mixing_weights * (1 - shares.sum()), shares]),
        means=np.concatenate([tissues.means, [values.mean(axis=1) for values in own]]),
        covariances=np.concatenate([tissues.covariances, spreads]),
        class_of=np.concatenate([tissues.class_of, tissues.n_classes + np.arange(n_groups)]),
    )
