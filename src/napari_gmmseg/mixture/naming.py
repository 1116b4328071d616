"""Which class is which tissue, by intensity rank and contrast; never by a ground truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_gmmseg.volumes import ClassTable, TissueClass

#: Contrasts of the brain that decide alone, the surest first: where one of them is there, the others may only doubt.
LEADING_CONTRASTS = ("t1", "t2", "flair", "t1gd", "pd")


def match_classes(means: NDArray[np.float64], channels: Sequence[str], table: ClassTable) -> NDArray[np.int64] | None:
    """Return the entry of the class table that each fitted class is.

    Unnamed classes are found first, as those that are brightest in their contrasts. The others are ranked by mean in
    the leading contrast; in a table that knows no T1, such as the heart's, in every channel that is known; the
    assignment with the smallest sum of squared rank differences from the table's expected ranks is taken.

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
    if any(entry.bright_in for entry in table):
        return _match_beside_bright(means, channels, table)
    known = [name for name in channels if all(name in entry.ranks for entry in table)]
    if not known:
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


def _match_beside_bright(
    means: NDArray[np.float64], channels: Sequence[str], table: ClassTable
) -> NDArray[np.int64] | None:
    bright = [k for k, entry in enumerate(table) if entry.bright_in]
    if any(table[k].bright_in not in channels for k in bright):
        return None
    own = means[:, [list(channels).index(table[k].bright_in) for k in bright]]
    spread = np.maximum(np.ptp(own, axis=0), np.finfo(np.float64).tiny)
    chosen = linear_sum_assignment(-((own - own.min(axis=0)) / spread).T)[1]
    others = [k for k in range(len(means)) if k not in chosen]
    tissues = [k for k in range(len(table)) if k not in bright]
    rest = match_classes(means[others], channels, ClassTable(tuple(table[k] for k in tissues)))
    if rest is None:
        return None
    entry = np.empty(len(means), dtype=np.int64)
    entry[chosen] = bright
    entry[others] = np.array(tissues)[rest]
    return entry


def dim_classes(
    means: NDArray[np.float64], channels: Sequence[str], table: ClassTable, entry: NDArray[np.int64]
) -> tuple[TissueClass, ...]:
    """Return the unnamed classes that are not brighter than every tissue in the contrast they are known by.

    Parameters
    ----------
    means : ndarray (K, C) float64
        Mean of each class, in the image's own unit.
    channels : sequence of str (C,)
        Contrast of each channel.
    table : ClassTable
        K classes.
    entry : ndarray (K,) int64
        For each class its index in the table.
    """
    meant = [table[int(e)] for e in entry]
    tissue = [k for k, one in enumerate(meant) if not one.bright_in]
    found = []
    for k, one in enumerate(meant):
        if one.bright_in:
            values = means[:, list(channels).index(one.bright_in)]
            if not (values[k] > values[tissue]).all():
                found.append(one)
    return tuple(found)


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
