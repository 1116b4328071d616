"""Which class is which tissue, by intensity rank and contrast; never by a ground truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_gmmseg.volumes import ClassTable


def match_classes(means: NDArray[np.float64], channels: Sequence[str], table: ClassTable) -> NDArray[np.int64] | None:
    """Return the entry of the class table that each fitted class is.

    In each channel of a known contrast the classes are ranked by mean; the assignment with the smallest sum of squared
    rank differences from the table's expected ranks is taken.

    Parameters
    ----------
    means : ndarray (K, C) float64
        Mean of each class, in the image's own unit.
    channels : sequence of str (C,)
        Contrast of each channel, e.g. "t1".
    table : ClassTable
        K classes with expected ranks.

    Returns
    -------
    ndarray (K,) int64 or None
        For class k its index in the table; None where no channel's contrast is known, or the numbers differ.
    """
    if len(table) != len(means):
        return None
    costs = np.zeros((len(means), len(table)))
    known = False
    for c, contrast in enumerate(channels):
        if not all(contrast in entry.ranks for entry in table):
            continue
        known = True
        ranks = np.argsort(np.argsort(means[:, c], kind="stable"), kind="stable")
        expected = np.array([entry.ranks[contrast] for entry in table])
        costs += (ranks[:, None] - expected[None, :]) ** 2
    if not known:
        return None
    assigned: NDArray[np.int64] = np.asarray(linear_sum_assignment(costs)[1], dtype=np.int64)
    return assigned


def order_by_mean(means: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each class its place by rising mean of the first channel, ties by the following ones.

    Parameters
    ----------
    means : ndarray (K, C) float64
        Mean of each class, in the image's own unit.
    """
    order = np.lexsort(means.T[::-1])
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return places
