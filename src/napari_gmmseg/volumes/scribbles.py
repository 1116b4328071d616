"""What a person painted: sparse voxels of known class, stroke by stroke."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.volumes.classes import ClassTable
from napari_gmmseg.volumes.geometry import Geometry, SourceGrid, read_only

#: A stroke's value where the person took labels away.
UNLABELLED = 0
#: A stroke's value where nothing is to be learnt: these voxels count neither for nor against any class.
IGNORED = 255


@dataclass(frozen=True)
class Stroke:
    """Voxels painted in one go.

    Parameters
    ----------
    value : int
        Label value of the class, 1 ... 254; `UNLABELLED` takes labels away, `IGNORED` leaves voxels out.
    voxels : ndarray (n, 3) or (n, 4), integer
        Positions on the grid's axes, (z, y, x) or (t, z, y, x).
    id : int
        Number of the stroke, unlike that of any other of the same scribbles.
    weight : float
        How much the stroke counts beside the others, > 0.
    time : float
        When it was painted, in s since 1970 (UTC); 0 where unknown. What was painted later corrects an answer.
    """

    value: int
    voxels: NDArray[np.integer[Any]]
    id: int = 0
    weight: float = 1.0
    time: float = 0.0

    def __post_init__(self) -> None:
        voxels = np.asarray(self.voxels)
        if voxels.ndim != 2 or not np.issubdtype(voxels.dtype, np.integer):
            raise SettingsError(
                f"A stroke has positions of shape {voxels.shape} and type {voxels.dtype}.",
                "Give whole numbers of shape (n, 3), or (n, 4) where there are frames.",
            )
        if not 0 <= self.value <= IGNORED or not 0 < self.weight < float("inf"):
            raise SettingsError(
                f"A stroke has the value {self.value} and the weight {self.weight}.",
                "Values lie between 0 and 255, and a weight is a number above 0.",
            )
        object.__setattr__(self, "voxels", read_only(voxels))


@dataclass(frozen=True)
class Scribbles:
    """Strokes on one grid, in the order in which they were painted; where they overlap, the last one counts.

    Parameters
    ----------
    shape : tuple of int
        The grid: (Z, Y, X) or (T, Z, Y, X).
    geometry : Geometry
        Of the last three axes.
    classes : ClassTable
        What the label values mean.
    strokes : tuple of Stroke
        Oldest first.
    background : int or None
        The label value that means background: it is 0 in a mask. None where every class is a tissue.
    source : SourceGrid or None
        The grid to write strokes back on.
    """

    shape: tuple[int, ...]
    geometry: Geometry
    classes: ClassTable
    strokes: tuple[Stroke, ...] = ()
    background: int | None = None
    source: SourceGrid | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if tuple(self.shape[-3:]) != tuple(self.geometry.shape):
            raise GeometryError(
                f"The scribbles lie on a grid of {self.shape} voxels, and their geometry has {self.geometry.shape}.",
                "Give the geometry of the image that was painted on.",
            )
        known = {*self.classes.values, UNLABELLED, IGNORED}
        for stroke in self.strokes:
            self._check(stroke, known)
        if self.background is not None and self.background not in self.classes.values:
            raise SettingsError(
                f"Class {self.background} is to be background, and the classes are {self.classes.values}.",
                "Name one of the classes.",
            )

    def _check(self, stroke: Stroke, known: set[int]) -> None:
        if stroke.value not in known:
            raise SettingsError(
                f"A stroke has the label value {stroke.value}, which none of the classes has: {self.classes.values}.",
                "Paint with the values of the class table.",
            )
        inside = stroke.voxels.shape[1] == len(self.shape) and bool(
            ((stroke.voxels >= 0) & (stroke.voxels < np.asarray(self.shape))).all()
        )
        if not inside:
            raise GeometryError(
                f"Stroke {stroke.id} leaves the grid of {self.shape} voxels.", "Paint inside the image."
            )

    @classmethod
    def from_labels(
        cls,
        labels: NDArray[np.integer[Any]],
        geometry: Geometry,
        classes: ClassTable,
        *,
        background: int | None = None,
        source: SourceGrid | None = None,
    ) -> Scribbles:
        """Make a stroke of each connected piece of each label value.

        Parameters
        ----------
        labels : ndarray (*grid) integer
            0 where nothing was painted, `IGNORED` where nothing is to be learnt, else a label value.
        geometry : Geometry
            Of the last three axes.
        classes : ClassTable
            What the label values mean.
        background : int or None
            The label value that means background.
        source : SourceGrid or None
            The grid to write strokes back on.
        """
        strokes: list[Stroke] = []
        for value in np.unique(labels[labels != UNLABELLED]):
            for piece in _pieces(np.argwhere(labels == value), labels.shape):
                strokes.append(Stroke(int(value), piece, id=len(strokes) + 1))
        return cls(tuple(labels.shape), geometry, classes, tuple(strokes), background, source)

    def with_strokes(self, strokes: Iterable[Stroke]) -> Scribbles:
        """Return scribbles with further strokes, numbered on.

        Parameters
        ----------
        strokes : iterable of Stroke
            What was painted since.
        """
        first = 1 + max((s.id for s in self.strokes), default=0)
        return replace(self, strokes=(*self.strokes, *(replace(s, id=n) for n, s in enumerate(strokes, start=first))))

    def labels(self) -> NDArray[np.uint8]:
        """Return the label value of each voxel (*grid): 0 unlabelled, `IGNORED` where nothing is to be learnt."""
        labels = np.zeros(self.shape, dtype=np.uint8)
        for stroke in self.strokes:
            labels[tuple(stroke.voxels.T)] = stroke.value
        return labels

    def told(self, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return the label value of each voxel (*grid) as `labels`, 0 where background lies outside a mask.

        Background is there already: such strokes say nothing.

        Parameters
        ----------
        mask : ndarray (*grid) bool
            Voxels that are answered without a stroke.
        """
        labels = self.labels()
        if self.background is not None:
            labels[(labels == self.background) & ~mask] = UNLABELLED
        return labels

    def class_indices(self) -> NDArray[np.int64]:
        """Return the class k of each voxel (*grid), in the order of the class table; -1 where none is known."""
        indices = np.full(256, -1, dtype=np.int64)
        indices[list(self.classes.values)] = np.arange(len(self.classes))
        known: NDArray[np.int64] = indices[self.labels()]
        return known

    def weights(self) -> NDArray[np.float32]:
        """Return the weight of each voxel (*grid): a stroke's weight over the root of its size; 0 where unlabelled.

        So a long stroke counts for more than a dot, and does not outvote it.
        """
        weights = np.zeros(self.shape, dtype=np.float32)
        for stroke in self.strokes:
            paints = stroke.value not in (UNLABELLED, IGNORED) and len(stroke.voxels)
            weights[tuple(stroke.voxels.T)] = stroke.weight / np.sqrt(len(stroke.voxels)) if paints else 0.0
        return weights

    def times(self) -> NDArray[np.float64]:
        """Return when the stroke was painted that tells of each voxel (*grid), in s; 0 where unknown or unlabelled."""
        times = np.zeros(self.shape)
        for stroke in self.strokes:
            times[tuple(stroke.voxels.T)] = stroke.time
        return times

    def counts(self) -> dict[int, int]:
        """Return the number of labelled voxels of each label value of the class table."""
        found = np.bincount(self._painted()[1], minlength=256)
        return {value: int(found[value]) for value in self.classes.values}

    def _painted(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return the flat index of each voxel of a stroke, once, and the value that counts there: without the grid."""
        if not self.strokes:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint8)
        newest_first = self.strokes[::-1]
        flat = np.concatenate([np.ravel_multi_index(tuple(s.voxels.T), self.shape) for s in newest_first])
        values = np.repeat([s.value for s in newest_first], [len(s.voxels) for s in newest_first]).astype(np.uint8)
        positions, first = np.unique(flat, return_index=True)
        return positions, values[first]


def _pieces(voxels: NDArray[np.int64], shape: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """Return the connected pieces of voxels (n, 3) or (n, 4) in scan order; those that share a corner touch."""
    padded = tuple(n + 2 for n in shape)
    place = np.ravel_multi_index(tuple(voxels.T + 1), padded)
    strides = np.cumprod((1, *padded[:0:-1]))[::-1]
    steps = np.stack(np.meshgrid(*[(-1, 0, 1)] * len(shape), indexing="ij"), -1).reshape(-1, len(shape)) @ strides
    pairs = []
    for step in steps[steps > 0]:
        at = np.minimum(np.searchsorted(place, place + step), len(place) - 1)
        found = np.flatnonzero(place[at] == place + step)
        pairs.append((found, at[found]))
    first, second = (np.concatenate(side) for side in zip(*pairs, strict=True))
    root = np.arange(len(place))
    while True:
        before = root.copy()
        least = np.minimum(root[first], root[second])
        np.minimum.at(root, root[first], least)
        np.minimum.at(root, root[second], least)
        root = root[root]
        if (root == before).all():
            return [voxels[root == one] for one in np.unique(root)]
