"""Which class of a new result is which of an earlier one of the same image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import new_class
from napari_gmmseg.volumes import ClassTable, Segmentation, TissueClass

#: Classes that share less than this Dice overlap are two tissues.
_LEAST = 0.3


def carry_identities(earlier: Segmentation, result: Segmentation) -> tuple[Segmentation, Mapping[int, int]]:
    """Return a result whose classes have the label values, names and colours that their tissue had before.

    Classes that the new fit could name by contrast keep what it says of them: meaning goes before habit. Others are
    matched by the optimal assignment on the overlap of responsibilities (soft Dice); who finds no partner gets a label
    value of its own.

    Parameters
    ----------
    earlier : Segmentation
        The result before.
    result : Segmentation
        The new one, on the same grid.

    Returns
    -------
    Segmentation
        With other label values and names.
    mapping of int to int
        Label value in `result` to that in what is returned.
    """
    old, new = earlier.label_map.classes, result.label_map.classes
    if any(tissue.role for tissue in new) or earlier.mask.shape != result.mask.shape:
        return result, {}
    partner = _partners(soft_dice(earlier, result))
    taken = ClassTable(tuple(old))
    classes = []
    for k, tissue in enumerate(new):
        if k in partner:
            classes.append(old[partner[k]])
            continue
        fresh = tissue if tissue.value not in taken.values else new_class(taken)
        taken = ClassTable((*taken, fresh))
        classes.append(fresh)
    moved = {before.value: after.value for before, after in zip(new, classes, strict=True)}
    return relabelled(result, moved, {c.value: c for c in classes}), moved


def soft_dice(earlier: Segmentation, result: Segmentation) -> NDArray[np.float64]:
    """Return the overlap of responsibilities (K_old, K_new): 2 sum p q / (sum p + sum q), 0 ... 1.

    Parameters
    ----------
    earlier, result : Segmentation
        Two results on one grid.
    """
    a = earlier.probabilities.reshape(len(earlier.probabilities), -1)
    b = result.probabilities.reshape(len(result.probabilities), -1)
    shared = np.asarray(a @ b.T, dtype=np.float64)
    sums = a.sum(1, dtype=np.float64)[:, None] + b.sum(1, dtype=np.float64)[None]
    overlap: NDArray[np.float64] = 2 * shared / np.maximum(sums, 1e-9)
    return overlap


def _partners(overlap: NDArray[np.float64]) -> dict[int, int]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(overlap, maximize=True)
    return {int(b): int(a) for a, b in zip(rows, columns, strict=True) if overlap[a, b] >= _LEAST}


def relabelled(result: Segmentation, moved: Mapping[int, int], classes: Mapping[int, TissueClass]) -> Segmentation:
    """Return a result with other label values.

    Parameters
    ----------
    result : Segmentation
        Before.
    moved : mapping of int to int
        From label values before to those after, for each class.
    classes : mapping of int to TissueClass
        What those after mean.
    """
    values = np.arange(256, dtype=np.uint8)
    for before, after in moved.items():
        values[before] = after
    table = ClassTable(tuple(classes[moved[t.value]] for t in result.label_map.classes))
    label_map = replace(result.label_map, labels=values[result.label_map.labels], classes=table)
    base = None if result.base is None else relabelled(result.base, moved, classes)
    return replace(result, label_map=label_map, base=base)
