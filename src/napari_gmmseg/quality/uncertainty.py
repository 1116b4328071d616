"""How unsure a result is, voxel by voxel: entropy, margin, and how far an ensemble disagrees."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError, InputError

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

#: Voxels that are computed at a time: K probabilities of as many stay in a processor's cache.
CHUNK = 65536


def entropy(probabilities: FloatArray, mask: BoolArray, *, normalised: bool = False) -> FloatArray:
    """Return the entropy of the class probabilities, H = -sum_k p_k log p_k (Shannon 1948, sec. 6).

    Parameters
    ----------
    probabilities : ndarray (K, *grid) float32
        Of the classes; those of a voxel sum to 1 inside the mask.
    mask : ndarray (*grid) bool
        Where to look.
    normalised : bool
        Whether to divide by log K, so that 1 means that all classes are equally likely.

    Returns
    -------
    ndarray (*grid) float32
        In nat, 0 ... log K, or 0 ... 1 where normalised; 0 outside the mask.

    Raises
    ------
    GeometryError
        Where mask and probabilities lie on different grids.
    """
    most = np.log(max(len(probabilities), 2))
    scale = np.float32(1.0 / most if normalised else 1.0)
    return _map(probabilities, mask, lambda p: scale * _entropy(p), outside=0.0)


def margin(probabilities: FloatArray, mask: BoolArray) -> FloatArray:
    """Return by how much the likeliest class leads the second: p_(1) - p_(2).

    Parameters
    ----------
    probabilities : ndarray (K, *grid) float32
        Of the classes.
    mask : ndarray (*grid) bool
        Where to look.

    Returns
    -------
    ndarray (*grid) float32
        0 = two classes are equally likely, 1 = sure; 1 outside the mask, where nothing was asked.

    Raises
    ------
    GeometryError
        Where mask and probabilities lie on different grids.
    """
    return _map(probabilities, mask, _margin, outside=1.0)


def disagreement(ensemble: Iterable[FloatArray], mask: BoolArray) -> FloatArray:
    """Return how far the members of an ensemble contradict each other, in nat.

    The mutual information of class and member (Houlsby et al. 2011, eq. 2; there over posterior draws):

        I = H( mean_m p_m ) - mean_m H( p_m )

    It is 0 where all members give the same probabilities, however unsure, and log K at most. Members are taken one
    after the other, so only two sets of probabilities are held at a time.

    Parameters
    ----------
    ensemble : iterable of ndarray (K, *grid) float32
        Class probabilities of each member: snapshots of a training, or draws with dropout.
    mask : ndarray (*grid) bool
        Where to look.

    Returns
    -------
    ndarray (*grid) float32
        In nat; 0 outside the mask.

    Raises
    ------
    GeometryError
        Where a member lies on another grid than the mask, or has another number of classes.
    InputError
        Where the ensemble has fewer than two members.
    """
    total: FloatArray | None = None
    own = np.zeros(mask.shape, dtype=np.float32)
    number = 0
    for member in ensemble:
        own += entropy(member, mask)
        if total is None:
            total = member.astype(np.float32)
        elif member.shape != total.shape:
            raise GeometryError(
                f"Members of an ensemble have the shapes {total.shape} and {member.shape}.",
                "Give probabilities of the same classes on the same grid.",
            )
        else:
            total += member
        number += 1
    if total is None or number < 2:
        raise InputError(f"An ensemble of {number} cannot disagree.", "Give the probabilities of two members or more.")
    total /= number
    # Rounding alone can make it a little less than 0.
    return np.maximum(entropy(total, mask) - own / np.float32(number), np.float32(0.0))


def _map(
    probabilities: FloatArray, mask: BoolArray, measure: Callable[[FloatArray], FloatArray], *, outside: float
) -> FloatArray:
    """Return a measure (*grid) of the probabilities (K, n) of some voxels of the mask at a time."""
    if probabilities.shape[1:] != mask.shape:
        raise GeometryError(
            f"The probabilities lie on a grid of {probabilities.shape[1:]} voxels and the mask on {mask.shape}.",
            "Give the mask of these probabilities.",
        )
    result = np.full(mask.size, outside, dtype=np.float32)
    flat = probabilities.reshape(len(probabilities), -1)
    inside = mask.reshape(-1)
    for begin in range(0, mask.size, CHUNK):
        part = slice(begin, begin + CHUNK)
        here = inside[part]
        if here.all():
            result[part] = measure(flat[:, part])
        elif here.any():
            result[part][here] = measure(flat[:, part][:, here])
    return result.reshape(mask.shape)


def _entropy(p: FloatArray) -> FloatArray:
    # p log p tends to 0; the smallest float keeps the logarithm finite.
    return np.asarray(-(p * np.log(np.maximum(p, np.finfo(np.float32).tiny))).sum(axis=0), dtype=np.float32)


def _margin(p: FloatArray) -> FloatArray:
    if len(p) < 2:
        return np.ones(p.shape[1], dtype=np.float32)
    first, second = np.maximum(p[0], p[1]), np.minimum(p[0], p[1])
    for other in p[2:]:
        second = np.maximum(second, np.minimum(first, other))
        first = np.maximum(first, other)
    return np.asarray(first - second, dtype=np.float32)
