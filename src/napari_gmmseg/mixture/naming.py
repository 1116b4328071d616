"""Which class is which tissue, by intensity rank and contrast; never by a ground truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_gmmseg.volumes import ClassTable

#: Contrasts of the brain that decide alone, the surest first: where one of them is there, the others may only doubt.
LEADING_CONTRASTS = ("t1", "t2", "flair", "t1gd", "pd")


def match_classes(means: NDArray[np.float64], channels: Sequence[str], table: ClassTable) -> NDArray[np.int64] | None:
    """Return the entry of the class table that each fitted class is.

    The classes are ranked by mean in the leading contrast; in a table that knows no T1, such as the heart's, in every
    channel that is known; the assignment with the smallest sum of squared rank differences from the table's expected
    ranks is taken.

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
    known = [name for name in channels if all(name in entry.ranks for entry in table)]
    if len(table) != len(means) or not known:
        return None
    of_brain = all("t1" in entry.ranks for entry in table)
    leading = next((name for name in LEADING_CONTRASTS if of_brain and name in known), None)
    costs = np.zeros((len(means), len(table)))
    for c, contrast in enumerate(channels):
        if contrast in ([leading] if leading else known):
            expected = np.array([entry.ranks[contrast] for entry in table])
            costs += (_ranks(means[:, c])[:, None] - expected[None, :]) ** 2
    assigned: NDArray[np.int64] = np.asarray(linear_sum_assignment(costs)[1], dtype=np.int64)
    return assigned


def contradicting_contrasts(
    means: NDArray[np.float64], channels: Sequence[str], table: ClassTable, entry: NDArray[np.int64]
) -> tuple[str, ...]:
    """Return the contrasts in which the named classes do not lie in the expected order.

    Parameters
    ----------
    means : ndarray (K, C) float64
        Mean of each class, in the image's own unit.
    channels : sequence of str (C,)
        Contrast of each channel.
    table : ClassTable
        K classes with expected ranks.
    entry : ndarray (K,) int64
        For each class its index in the table.
    """
    found = []
    for c, contrast in enumerate(channels):
        if all(contrast in tissue.ranks for tissue in table):
            expected = np.array([table[int(e)].ranks[contrast] for e in entry])
            if (np.argsort(expected, kind="stable") != np.argsort(means[:, c], kind="stable")).any():
                found.append(contrast)
    return tuple(found)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")


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
