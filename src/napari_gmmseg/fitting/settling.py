"""Rounds of a clean-up: outliers and small regions take the class around them, until nothing changes any more."""

from __future__ import annotations

import math
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.mixture.islands import taken_over
from napari_gmmseg.mixture.outlier_score import surrounding_labels
from napari_gmmseg.mixture.tensors import as_tensor

#: Rounds after which a clean-up ends, settled or not.
MOST_ROUNDS = 60


def settled(
    labels: Tensor,
    n_classes: int,
    windows: tuple[Sequence[int], Sequence[int]],
    classes: Collection[int],
    stays: NDArray[np.bool_] | None,
    most_voxels: int,
) -> Generator[int, None, tuple[Tensor, int]]:
    """Give outliers and small regions the class around them, round by round, until that changes nothing.

    What small regions leave is scored again: they may have been all that there was of a class near.

    Parameters
    ----------
    labels : Tensor (T, Z, Y, X) uint8
        Class numbers 1 ... K, 0 for none.
    n_classes : int
        K.
    windows : (sequence of int, sequence of int)
        i and j: odd voxels along (z, y, x).
    classes : collection of int
        Classes 0 ... K - 1 whose voxels may go.
    stays : ndarray (T, Z, Y, X) bool or None
        Voxels that stay.
    most_voxels : int
        Of a region that goes for its size; 0: none does.

    Yields
    ------
    int
        How many rounds are done.

    Returns
    -------
    labels : Tensor (T, Z, Y, X) uint8
        Class numbers afterwards.
    rounds : int
        How many changed any of them; `MOST_ROUNDS` where it did not settle.
    """
    free = None if stays is None else as_tensor(~stays)
    labels = labels.clone()
    # Where nothing changed within the outer window, the score is what it was: it was 0, or the voxel stays.
    changed = _Box.whole(labels.shape[1:])
    for rounds in range(MOST_ROUNDS):
        yield rounds
        own, seen = changed.grown(windows[1], 1), changed.grown(windows[1], 2)
        score, around = surrounding_labels(labels[seen.index], n_classes, *windows, classes=classes)
        inside = own.within(seen)
        flagged = score[inside] > 0 if free is None else (score[inside] > 0) & free[own.index]
        if bool(flagged.any()):
            labels[own.index] = torch.where(flagged, around[inside], labels[own.index])
            changed = own.around([places.numpy() for places in flagged.nonzero().T[1:]])
            continue
        before, places = labels.numpy().copy(), []
        for k in sorted(classes) if most_voxels else ():
            yield rounds
            found, touching = taken_over(before, most_voxels, k + 1, stays)
            labels.numpy()[found] = touching
            places.append(found[1:])
        changed = _Box.whole(labels.shape[1:]).around([np.concatenate(axis) for axis in zip(*places, strict=True)])
        if not changed.size:
            return labels, rounds
    return labels, MOST_ROUNDS


@dataclass(frozen=True)
class _Box:
    """A part of a grid (Z, Y, X): start and stop along each axis."""

    edges: tuple[tuple[int, int], ...]
    shape: tuple[int, ...]

    @classmethod
    def whole(cls, shape: Sequence[int]) -> _Box:
        return cls(tuple((0, n) for n in shape), tuple(shape))

    @property
    def size(self) -> int:
        return math.prod(stop - start for start, stop in self.edges)

    @property
    def index(self) -> tuple[slice, ...]:
        """Index into maps (T, Z, Y, X)."""
        return (slice(None), *(slice(start, stop) for start, stop in self.edges))

    def grown(self, window: Sequence[int], times: int) -> _Box:
        """Return it with so many half windows more on each side, as far as the grid goes."""
        reach = [times * (width // 2) for width in window]
        wide = [(max(a - r, 0), min(b + r, n)) for (a, b), r, n in zip(self.edges, reach, self.shape, strict=True)]
        return _Box(tuple(wide), self.shape)

    def within(self, other: _Box) -> tuple[slice, ...]:
        """Return the index of it in maps of a larger box."""
        starts = [start for start, _ in other.edges]
        return (slice(None), *(slice(a - s, b - s) for (a, b), s in zip(self.edges, starts, strict=True)))

    def around(self, places: Sequence[NDArray[np.int64]]) -> _Box:
        """Return the box around places in it, told along each axis; an empty one where there are none."""
        if not places or not len(places[0]):
            return _Box(((0, 0),) * len(self.shape), self.shape)
        edges = [(a + int(p.min()), a + int(p.max()) + 1) for (a, _), p in zip(self.edges, places, strict=True)]
        return _Box(tuple(edges), self.shape)
