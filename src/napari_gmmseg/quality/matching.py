"""Matching of label values to those of a ground truth, for evaluation only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


def joint_counts(prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the voxels of each pair of label values.

    Parameters
    ----------
    prediction, truth : ndarray, any shape, uint8
        Two label arrays of one shape.

    Returns
    -------
    ndarray (256, 256) int64
        Entry (p, t): voxels labelled p in the prediction and t in the truth.
    """
    pairs = prediction.reshape(-1).astype(np.uint16) * np.uint16(256) + truth.reshape(-1)
    return np.bincount(pairs, minlength=65536).reshape(256, 256)


def dice(counts: NDArray[np.int64], predicted: int, true: int) -> float:
    """Return Dice of a label value in the prediction with one in the truth: 2 |A and B| / (|A| + |B|).

    Parameters
    ----------
    counts : ndarray (256, 256) int64
        From `joint_counts`.
    predicted, true : int
        Label values in prediction and truth.

    Returns
    -------
    float
        0 ... 1; 1 where both are empty.
    """
    total = int(counts[predicted].sum() + counts[:, true].sum())
    return 2.0 * int(counts[predicted, true]) / total if total else 1.0


def match_labels_to_ground_truth(
    prediction: NDArray[np.uint8], truth: NDArray[np.uint8], predicted: tuple[int, ...], true: tuple[int, ...]
) -> dict[int, int]:
    """Return the one-to-one match of label values with the largest sum of Dice. This looks at the ground truth.

    It serves to compare classes that have no meaning, such as those of another program. It is no part of any
    segmentation: there, classes are named by intensity and contrast alone.

    Parameters
    ----------
    prediction, truth : ndarray, any shape, uint8
        Two label arrays of one shape.
    predicted, true : tuple of int
        Label values to match.

    Returns
    -------
    dict of int to int
        Predicted value to true value, as many pairs as the smaller side has values; the rest stay unmatched.
    """
    counts = joint_counts(prediction, truth)
    overlap = np.array([[dice(counts, p, t) for t in true] for p in predicted]).reshape(len(predicted), len(true))
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    return {predicted[r]: true[c] for r, c in zip(rows, columns, strict=True)}
