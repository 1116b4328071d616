from __future__ import annotations

import numpy as np

from napari_gmmseg.figures.reliability import reliability_picture

BAR = (86, 180, 233)
GAP = (230, 159, 0)


def count(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((picture == colour).all(axis=-1).sum())


def test_bars_are_as_high_as_the_share_that_is_right() -> None:
    low = reliability_picture([(0.5, 0.6, 0.55, 0.25, 10)], "low")
    high = reliability_picture([(0.5, 0.6, 0.55, 0.5, 10)], "high")
    assert count(high, BAR) > 1.6 * count(low, BAR)


def test_probabilities_that_keep_their_word_leave_no_gap() -> None:
    assert count(reliability_picture([(0.4, 0.5, 0.45, 0.45, 10)], "honest"), GAP) < 20
    assert count(reliability_picture([(0.9, 1.0, 0.95, 0.45, 10)], "boasting"), GAP) > 500


def test_a_bin_without_voxels_is_left_out() -> None:
    empty = reliability_picture([(0.4, 0.5, 0.45, None, 0)], "nothing")
    assert count(empty, BAR) == count(empty, GAP) == 0
    assert empty.dtype == np.uint8
