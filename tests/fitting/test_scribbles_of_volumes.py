"""Strokes on volumes that are too large for every voxel to be walked from."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.config import PreparationConfig, find_preset, numbered_classes
from napari_gmmseg.fitting.scribbling import AtOnce
from napari_gmmseg.fitting.scribbling.plane import COARSE_FROM
from napari_gmmseg.preparation import prepare
from napari_gmmseg.volumes import Scribbles, Stroke, Volume

SIDE = 70
#: A ridge of eight voxels, and the rest.
RIDGE = [(10, 10, x) for x in range(6, 14)]


def answered(beside: int, background: int | None) -> np.ndarray:
    """Answer a line of class 3 with a thicker line of class 1 so many voxels beside it."""
    shape = (SIDE, SIDE, SIDE)
    assert np.prod(shape) > COARSE_FROM
    image = np.random.default_rng(0).normal(20, 3, shape).astype(np.float32)
    image[30:50, 30:50, 30:50] += 40
    image[5:15, 5:15, 5:15] += 20
    volume = Volume.from_array(image, (1, 1, 1))
    prepared = prepare(volume, PreparationConfig(mask="none"), preset=find_preset("custom"))
    thick = [(z, 10 + beside, x) for z in (10, 11) for x in range(6, 14)]
    drawn = [
        (1, [(20, 20, x) for x in range(10, 60)]),
        (2, [(40, 40, x) for x in range(34, 46)]),
        (3, RIDGE),
        (1, thick),
    ]
    strokes = tuple(Stroke(value, np.array(voxels), id=n) for n, (value, voxels) in enumerate(drawn, start=1))
    scribbles = Scribbles(shape, volume.geometry, numbered_classes(3), strokes, background=background)
    return AtOnce(volume, prepared).update(scribbles).labels


@pytest.mark.parametrize("background", [None, 1])
def test_a_stroke_right_beside_a_wider_one_is_not_lost(background: int | None) -> None:
    beside, apart = ((answered(n, background) == 3).sum() for n in (1, 2))
    assert apart > 10 * len(RIDGE)
    assert beside > 0.7 * apart


def test_a_small_mask_in_a_large_image_is_answered_as_it_is_alone() -> None:
    image = np.random.default_rng(0).normal(20, 3, (40, 60, 60)).astype(np.float32)
    image[16:20, 26:34, 26:34] += 30
    box = (slice(12, 25), slice(20, 41), slice(21, 40))
    mask = np.zeros(image.shape, dtype=bool)
    mask[box] = True
    # Blocks of two begin at even voxels.
    alone = tuple(slice(part.start - part.start % 2, part.stop) for part in box)
    answers = []
    for where in (tuple(slice(0, n) for n in image.shape), alone):
        volume = Volume.from_array(np.ascontiguousarray(image[where]), (1, 1, 1))
        prepared = prepare(volume, mask=mask[where].copy(), preset=find_preset("custom"))
        first = [part.start for part in where]
        drawn = [(1, [(18, 22, x) for x in range(23, 38)]), (2, [(18, 30, x) for x in range(28, 32)])]
        strokes = tuple(Stroke(v, np.array(voxels) - first, id=v) for v, voxels in drawn)
        scribbles = Scribbles(mask[where].shape, volume.geometry, numbered_classes(2), strokes)
        answers.append(AtOnce(volume, prepared).update(scribbles))
    whole, small = answers
    assert (whole.labels[alone] == small.labels).all()
    assert not whole.labels[~mask].any()
    assert (whole.labels == 2).sum() == pytest.approx(4 * 8 * 8, rel=0.2)
    np.testing.assert_array_equal(whole.probabilities[(slice(None), *alone)], small.probabilities)
    assert whole.log_likelihood == pytest.approx(small.log_likelihood, rel=1e-6)
