"""Rounds of a clean-up look only where something changed, and come to what rounds over everything come to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gmmseg.fitting.settling import settled
from napari_gmmseg.mixture.islands import taken_over
from napari_gmmseg.mixture.outlier_score import surrounding_labels

WINDOWS = ((3, 3, 3), (7, 9, 9))


def noisy(frames: int) -> np.ndarray:
    """Three classes in blobs with specks, and a part without any class; (T, Z, Y, X)."""
    rng = np.random.default_rng(4)
    coarse = rng.integers(1, 4, (frames, 3, 9, 9)).repeat(6, 1).repeat(7, 2).repeat(7, 3)
    labels = np.where(rng.random(coarse.shape) < 0.08, rng.integers(1, 4, coarse.shape), coarse).astype(np.uint8)
    labels[:, :, :3] = 0
    return labels


def everywhere(labels: np.ndarray, most_voxels: int, stays: np.ndarray | None) -> tuple[np.ndarray, int]:
    for rounds in range(60):
        score, other = surrounding_labels(torch.from_numpy(labels), 3, *WINDOWS)
        flagged = (score.numpy() > 0) & ~(np.zeros(labels.shape, bool) if stays is None else stays)
        after = np.where(flagged, other.numpy(), labels)
        if not flagged.any():
            after = labels.copy()
            for value in (1, 2, 3):
                places, around = taken_over(labels, most_voxels, value, stays)
                after[places] = around
        if np.array_equal(after, labels):
            return labels, rounds
        labels = after
    raise AssertionError("it never settled")


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("most_voxels", [0, 27])
@pytest.mark.parametrize("holds", [False, True])
def test_it_settles_where_rounds_over_everything_settle(frames: int, most_voxels: int, holds: bool):
    labels = noisy(frames)
    stays = np.random.default_rng(5).random(labels.shape) < 0.02 if holds else None
    steps = settled(torch.from_numpy(labels.copy()), 3, WINDOWS, {0, 1, 2}, stays, most_voxels)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found, rounds = end.value
            break
    expected, most = everywhere(labels, most_voxels, stays)
    np.testing.assert_array_equal(found.numpy(), expected)
    assert rounds == most
    assert rounds > 1
