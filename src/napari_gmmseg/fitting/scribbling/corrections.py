"""What strokes that correct an answer teach of intensities: they lie where these mislead."""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.mixture.scribble_mixture import class_log_likelihoods
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.volumes import Mixture

#: Density of what was not painted before, as a share of that of the whole mask's Gaussian: what looks like no class so
#: far is new, and teaches.
NEWS = 0.01
#: How much more place counts for each contradicted stroke a class, as a share.
MORE_PLACE = 0.5
#: No voxel counts for less than this.
_LEAST = 1e-3


def painted_later(times: NDArray[np.float64], kinds: NDArray[np.integer], n_classes: int) -> NDArray[np.bool_]:
    """Return which labelled voxels (n,) were painted after each class had its first stroke, and so an answer.

    Parameters
    ----------
    times : ndarray (n,) float64
        When each was painted, in s; 0 where that is not known, which is no later than anything.
    kinds : ndarray (n,) integer
        Class k of each.
    n_classes : int
        K, each with a voxel.
    """
    return np.asarray(times > max(times[kinds == k].min() for k in range(n_classes)))


def teaching_weights(
    samples: Tensor,
    classes: Tensor,
    weights: Tensor,
    later: NDArray[np.bool_],
    scale: Standardisation,
    fit: Callable[[Tensor, Tensor, Tensor], Mixture],
) -> tuple[Tensor, float]:
    """Return how much each labelled voxel counts for what its class looks like, and how much was contradicted.

    A person paints later strokes where the answer is wrong, which is mostly where a voxel of one class has the
    intensity of another. They tell where that class lies. Taken as samples of its intensities, they made every class
    look like every other. So they count as far as their intensity is not another class's, as the first strokes tell:
    (p_k + b) / (sum_j p_j + b), b the density of the whole mask's Gaussian times `NEWS`. What is so taken from them, as
    a share of what the first strokes count, tells how far intensities mislead in this image.

    Parameters
    ----------
    samples : Tensor (C, n) float
        Intensities of the labelled voxels.
    classes : Tensor (n,) integer
        Class k of each.
    weights : Tensor (n,) float
        How much each would count.
    later : ndarray (n,) bool
        Which were painted later; some of each class were not.
    scale : Standardisation
        Of the voxels inside the mask.
    fit : callable
        Gives a mixture of samples (C, m), classes (m,) and weights (m,).
    """
    if not later.any():
        return weights, 0.0
    after = torch.from_numpy(later)
    first = fit(samples[:, ~after], classes[~after], weights[~after])
    here = samples[:, after]
    densities = class_log_likelihoods(first, here, scale)
    own = densities.gather(0, classes[after][None])[0]
    z = (here.double() - torch.from_numpy(scale.centre)[:, None]) / torch.from_numpy(scale.scale)[:, None]
    news = (-0.5 * (z.square() + log(2 * pi)).sum(0)).to(own.dtype) + log(NEWS)
    credit = torch.logaddexp(own, news) - torch.logaddexp(torch.logsumexp(densities, 0), news)
    result = weights.clone()
    result[after] *= credit.exp().clamp_min(_LEAST)
    return result, float((weights - result).sum() / weights[~after].sum())
