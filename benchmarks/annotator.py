"""A simulated annotator: seeded strokes from a ground truth, as a person would paint them on one slice.

The first stroke of each class runs along the medial axis of its largest component. Each later one runs along the medial
axis of the largest region where the truth has the class and the current answer has not (as the robots of ScribblePrompt
and RITM do); a class without such a region gets none. `random_strokes` paints anywhere in a class instead. Strokes are
one pixel wide and no longer than `LONGEST` pixels; which part of a longer axis is painted is drawn from the generator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

#: Longest stroke, in pixels.
LONGEST = 30
#: Errors of fewer pixels are not painted over.
SMALLEST = 4
_TOUCHING = np.ones((3, 3), dtype=bool)


def largest_component(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest 8-connected component (Y, X) of a region; ties go to the first."""
    pieces, n_pieces = ndimage.label(region, structure=_TOUCHING)
    if n_pieces < 2:
        return region
    return np.asarray(pieces == 1 + np.bincount(pieces.reshape(-1))[1:].argmax())


def medial_stroke(region: NDArray[np.bool_], rng: np.random.Generator, longest: int = LONGEST) -> NDArray[np.int64]:
    """Return pixels (n, 2) along the longest path on a region's medial axis, cut to `longest` at a drawn place."""
    path = _longest_path(skeletonize(region))
    if not len(path):
        # A region as small as a pixel has no axis: its innermost pixel stands for it.
        depth = ndimage.distance_transform_edt(region)
        path = np.asarray([np.unravel_index(int(depth.argmax()), region.shape)])
    begin = int(rng.integers(max(1, len(path) - longest + 1)))
    return path[begin : begin + longest]


def _longest_path(skeleton: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the pixels of the longest shortest path in a skeleton, between two pixels farthest from each other."""
    pixels = np.argwhere(skeleton)
    if not len(pixels):
        return pixels
    index = {(int(y), int(x)): n for n, (y, x) in enumerate(pixels)}
    before = _walk(pixels, index, 0)[1]
    end, before = _walk(pixels, index, before)[1], _walk(pixels, index, before)
    path = []
    node = end
    while node >= 0:
        path.append(pixels[node])
        node = before[0][node]
    return np.asarray(path)


def _walk(pixels: NDArray[np.int64], index: dict[tuple[int, int], int], start: int) -> tuple[NDArray[np.int64], int]:
    """Return each pixel's predecessor on the way from a start, and the pixel reached last."""
    before = np.full(len(pixels), -2)
    before[start] = -1
    queue, last = [start], start
    for node in queue:
        last = node
        y, x = (int(v) for v in pixels[node])
        for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)):
            other = index.get((y + dy, x + dx))
            if other is not None and before[other] == -2:
                before[other] = node
                queue.append(other)
    return before, last


def first_strokes(truth: NDArray[np.uint8], rng: np.random.Generator) -> dict[int, NDArray[np.int64]]:
    """Return one stroke (n, 2) for each label value of a truth (Y, X) above 0."""
    return {int(value): medial_stroke(largest_component(truth == value), rng) for value in np.unique(truth[truth > 0])}


def correcting_strokes(
    truth: NDArray[np.uint8], answer: NDArray[np.uint8], rng: np.random.Generator
) -> dict[int, NDArray[np.int64]]:
    """Return one stroke (n, 2) inside the largest error region of each label value, where there is one."""
    strokes = {}
    for value in np.unique(truth[truth > 0]):
        missed = largest_component((truth == value) & (answer != value))
        if missed.sum() >= SMALLEST:
            strokes[int(value)] = medial_stroke(missed, rng)
    return strokes


def random_strokes(truth: NDArray[np.uint8], rng: np.random.Generator) -> dict[int, NDArray[np.int64]]:
    """Return one stroke (n, 2) for each label value, along the axis of its part around a pixel drawn from the class."""
    strokes = {}
    for value in np.unique(truth[truth > 0]):
        own = truth == value
        pixels = np.argwhere(own)
        y, x = pixels[int(rng.integers(len(pixels)))]
        near = np.zeros_like(own)
        half = LONGEST // 3
        near[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1] = True
        pieces, _ = ndimage.label(own & near, structure=_TOUCHING)
        strokes[int(value)] = medial_stroke(pieces == pieces[y, x], rng)
    return strokes


def painted(shape: tuple[int, int], strokes: Sequence[dict[int, NDArray[np.int64]]]) -> NDArray[np.uint8]:
    """Return rounds of strokes as labels (Y, X), 0 unlabelled; the last stroke counts."""
    labels = np.zeros(shape, dtype=np.uint8)
    for one in strokes:
        for value, pixels in one.items():
            labels[tuple(pixels.T)] = value
    return labels


def annotate(
    truth: NDArray[np.uint8], rounds: int, answer_of, seed: int
) -> Iterator[list[dict[int, NDArray[np.int64]]]]:
    """Yield all strokes so far after each round; `answer_of` takes labels (Y, X) and gives the answer (Y, X)."""
    rng = np.random.default_rng(seed)
    strokes = [first_strokes(truth, rng)]
    yield strokes
    for _ in range(rounds - 1):
        answer = answer_of(painted(truth.shape, strokes))
        strokes = [*strokes, correcting_strokes(truth, answer, rng)]
        yield strokes
