from __future__ import annotations

from itertools import pairwise

import numpy as np
from benchmarks.annotator import LONGEST, annotate, correcting_strokes, first_strokes, painted, random_strokes


def truth() -> np.ndarray:
    labels = np.ones((60, 64), dtype=np.uint8)
    labels[10:30, 8:50] = 2
    labels[40:50, 20:30] = 3
    labels[3:6, 55:60] = 3
    return labels


def answer(labels: np.ndarray) -> np.ndarray:
    return np.where(labels > 0, labels, 1).astype(np.uint8)


def test_first_strokes_lie_along_the_middle_of_the_largest_piece() -> None:
    strokes = first_strokes(truth(), np.random.default_rng(0))
    assert set(strokes) == {1, 2, 3}
    y = strokes[2][:, 0]
    assert ((y >= 12) & (y <= 27)).all()
    assert (truth()[tuple(strokes[3].T)] == 3).all()
    assert (strokes[3][:, 0] >= 40).all()
    assert max(len(pixels) for pixels in strokes.values()) <= LONGEST
    steps = np.abs(np.diff(strokes[2], axis=0)).max(1)
    assert (steps == 1).all()


def test_corrections_lie_inside_the_largest_error_and_nowhere_else() -> None:
    found = truth()
    found[10:30, 8:40] = 1
    strokes = correcting_strokes(truth(), found, np.random.default_rng(0))
    assert set(strokes) == {2}
    assert (found[tuple(strokes[2].T)] == 1).all()
    assert (truth()[tuple(strokes[2].T)] == 2).all()


def test_strokes_never_lie_in_another_class() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        for value, pixels in random_strokes(truth(), rng).items():
            assert (truth()[tuple(pixels.T)] == value).all()


def test_the_same_seed_paints_the_same() -> None:
    first, second = (painted(truth().shape, list(annotate(truth(), 4, answer, seed=2))[-1]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.any()


def test_each_round_adds_to_the_rounds_before() -> None:
    rounds = [painted(truth().shape, strokes) for strokes in annotate(truth(), 3, answer, seed=0)]
    for before, after in pairwise(rounds):
        assert (after[before > 0] == before[before > 0]).all()
        assert (after > 0).sum() > (before > 0).sum()
