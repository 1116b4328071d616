"""Hard edits of a result: a layer of their own that wins over every rerun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.volumes.classes import ClassTable, TissueClass
from napari_gmmseg.volumes.geometry import Geometry, SourceGrid, read_only
from napari_gmmseg.volumes.segmentation import LabelMap

#: The label value of background.
BACKGROUND = 0
#: In a layer or file of edits: a voxel that was not edited.
NOT_EDITED = 0
#: In a layer or file of edits: a voxel that was made background.
ERASED = 255


@dataclass(frozen=True, eq=False)
class Edits:
    """Voxels whose label a person has set in the result; where one was set twice, the last label counts.

    Only the edited voxels are stored. A voxel keeps its label value whatever happens to the classes: where a later
    result has no such class any more, `apply` keeps it in the class table.

    Parameters
    ----------
    shape : tuple of int
        The grid: (Z, Y, X) or (T, Z, Y, X).
    geometry : Geometry
        Of the last three axes.
    classes : ClassTable
        What the label values meant when they were set.
    positions : ndarray (n,) int64
        Flat index of each edited voxel in C order, rising.
    values : ndarray (n,) uint8
        Label value of each; 0 is background.
    source : SourceGrid or None
        The grid to write edits back on.
    """

    shape: tuple[int, ...]
    geometry: Geometry
    classes: ClassTable
    positions: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    values: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))
    source: SourceGrid | None = None

    def __post_init__(self) -> None:
        if tuple(self.shape[-3:]) != tuple(self.geometry.shape):
            raise GeometryError(
                f"The edits lie on a grid of {self.shape} voxels, and their geometry has {self.geometry.shape}.",
                "Give the geometry of the result that was edited.",
            )
        positions, values = np.asarray(self.positions, np.int64), _label_values(self.values)
        rising = len(positions) < 2 or bool((np.diff(positions) > 0).all())
        inside = not len(positions) or (positions[0] >= 0 and positions[-1] < np.prod(self.shape))
        if positions.shape != values.shape or not rising or not inside:
            raise GeometryError(
                f"{positions.shape} positions and {values.shape} values are no edits of {self.shape} voxels.",
                "Give each edited voxel once, in rising order, inside the grid.",
            )
        unknown = sorted(set(np.unique(values).tolist()) - {BACKGROUND, *self.classes.values})
        if unknown:
            raise SettingsError(
                f"Voxels were set to label values that no class has: {', '.join(map(str, unknown))}.",
                f"Use 0 for background, or one of {', '.join(map(str, self.classes.values))}.",
            )
        object.__setattr__(self, "positions", read_only(positions))
        object.__setattr__(self, "values", read_only(values))

    @classmethod
    def none(cls, like: LabelMap) -> Edits:
        """Return no edits, on the grid and with the classes of a result.

        Parameters
        ----------
        like : LabelMap
            The result.
        """
        return cls(like.labels.shape, like.geometry, like.classes, source=like.source)

    @classmethod
    def from_difference(cls, before: LabelMap, after: LabelMap) -> Edits:
        """Return what a person painted in a result: every voxel whose label differs.

        Parameters
        ----------
        before, after : LabelMap
            Labels (Z, Y, X) or (T, Z, Y, X) of one grid; the class table is that of `after`.

        Raises
        ------
        GeometryError
            Where their grids differ.
        """
        if before.labels.shape != after.labels.shape or not before.geometry.same_grid(after.geometry):
            raise GeometryError(
                f"The result has {before.labels.shape} voxels and its edited copy {after.labels.shape}, "
                "or they lie in other places.",
                "Compare a result with an edited copy of itself.",
            )
        changed = np.flatnonzero(before.labels != after.labels)
        table = _kept(after.classes, before.classes, after.labels.reshape(-1)[changed])
        return cls(after.labels.shape, after.geometry, table, changed, after.labels.reshape(-1)[changed], after.source)

    @classmethod
    def from_layer(cls, layer: NDArray[np.integer[Any]], like: LabelMap) -> Edits:
        """Make edits from an array: `NOT_EDITED`, a label value, or `ERASED`; the inverse of `layer`.

        Parameters
        ----------
        layer : ndarray (*grid) integer
            What was set.
        like : LabelMap
            Tells grid, classes and source.

        Raises
        ------
        GeometryError
            Where the shape is another.
        SettingsError
            Where it holds values that no class has.
        """
        if layer.shape != like.labels.shape:
            raise GeometryError(
                f"The edits have {layer.shape} voxels and the result {like.labels.shape}.",
                "Give edits of this result.",
            )
        positions = np.flatnonzero(layer)
        found = layer.reshape(-1)[positions].astype(np.int64)
        if len(found) and (found.min() < 0 or found.max() > ERASED):
            raise SettingsError(
                f"The edits hold values from {found.min()} to {found.max()}.", "Label values lie between 1 and 254."
            )
        values: NDArray[np.uint8] = np.where(found == ERASED, BACKGROUND, found).astype(np.uint8)
        return cls(like.labels.shape, like.geometry, like.classes, positions, values, like.source)

    @classmethod
    def from_label_map(cls, label_map: LabelMap) -> Edits:
        """Make edits from what `label_map` gave, such as after it was written to a file and read back.

        Parameters
        ----------
        label_map : LabelMap
            Labels (*grid): `NOT_EDITED`, a label value, or `ERASED`.
        """
        known = ClassTable(tuple(tissue for tissue in label_map.classes if tissue.value != ERASED))
        return cls.from_layer(label_map.labels, replace(label_map, classes=known))

    def __len__(self) -> int:
        """Return the number of edited voxels."""
        return len(self.positions)

    @property
    def voxels(self) -> NDArray[np.int64]:
        """Positions (n, 3) or (n, 4) of the edited voxels on the grid's axes."""
        return np.stack(np.unravel_index(self.positions, self.shape), axis=-1)

    def paint(self, voxels: NDArray[np.integer[Any]], value: int) -> Edits:
        """Return edits with further voxels set to a class; the last one counts.

        Parameters
        ----------
        voxels : ndarray (n, 3) or (n, 4), integer
            Positions on the grid's axes.
        value : int
            Label value of one of the classes, or 0 for background.

        Raises
        ------
        GeometryError
            Where a voxel lies outside the grid.
        SettingsError
            Where no class has that value.
        """
        added = self._flat(voxels)
        return self.merged(replace(self, positions=added, values=_label_values(np.full(len(added), value))))

    def erase(self, voxels: NDArray[np.integer[Any]]) -> Edits:
        """Return edits with further voxels made background.

        Parameters
        ----------
        voxels : ndarray (n, 3) or (n, 4), integer
            Positions on the grid's axes.
        """
        return self.paint(voxels, BACKGROUND)

    def without(self, voxels: NDArray[np.integer[Any]]) -> Edits:
        """Return edits that leave some voxels to the model again.

        Parameters
        ----------
        voxels : ndarray (n, 3) or (n, 4), integer
            Positions on the grid's axes; those that were not edited do not matter.
        """
        kept = ~np.isin(self.positions, self._flat(voxels))
        return replace(self, positions=self.positions[kept], values=self.values[kept])

    def merged(self, later: Edits) -> Edits:
        """Return these edits and later ones; where both set a voxel, the later label counts.

        Parameters
        ----------
        later : Edits
            Of the same grid.

        Raises
        ------
        GeometryError
            Where their grids differ.
        """
        if later.shape != self.shape:
            raise GeometryError(
                f"The edits lie on grids of {self.shape} and {later.shape} voxels.", "Join edits of one result."
            )
        kept = ~np.isin(self.positions, later.positions)
        positions = np.concatenate((self.positions[kept], later.positions))
        values = np.concatenate((self.values[kept], later.values))
        order = np.argsort(positions)
        table = _kept(later.classes, self.classes, values)
        return replace(self, classes=table, positions=positions[order], values=values[order])

    def renamed(self, values: Mapping[int, int], classes: ClassTable) -> Edits:
        """Return edits whose classes were merged or numbered otherwise by the person.

        Parameters
        ----------
        values : mapping of int to int
            Old label value to new; what it does not name stays.
        classes : ClassTable
            What the label values mean now.
        """
        table = np.arange(256, dtype=np.uint8)
        for old, new in values.items():
            table[old] = new
        renamed = table[self.values]
        return replace(self, values=renamed, classes=_kept(classes, self.classes, renamed))

    def apply(self, label_map: LabelMap) -> LabelMap:
        """Return a result with the edited voxels as the person set them.

        A class that the result has lost and that edited voxels still have is put back at the end of its class table,
        so that nobody meets a label value without a name, and no new class takes that value.

        Parameters
        ----------
        label_map : LabelMap
            A result on the same grid: of a rerun, a fine-tuned network, another number of classes.

        Raises
        ------
        GeometryError
            Where the grids differ.
        """
        if label_map.labels.shape != self.shape or not label_map.geometry.same_grid(self.geometry):
            raise GeometryError(
                f"The edits belong to {self.geometry.describe()}, and the result is {label_map.geometry.describe()}.",
                "Apply edits to a result of the image that they were made on.",
            )
        if not len(self):
            return label_map
        labels = label_map.labels.copy()
        labels.reshape(-1)[self.positions] = self.values
        return replace(label_map, labels=labels, classes=_kept(label_map.classes, self.classes, self.values))

    def layer(self) -> NDArray[np.uint8]:
        """Return the edits as an array (*grid): `NOT_EDITED`, the label value, or `ERASED` for background.

        Raises
        ------
        SettingsError
            Where a class has the label value that stands for erased voxels.
        """
        if (self.values == ERASED).any():
            raise SettingsError(
                f"Voxels were set to label value {ERASED}, which stands for erased ones in a layer of edits.",
                "Give that class another value.",
            )
        layer = np.zeros(self.shape, dtype=np.uint8)
        layer.reshape(-1)[self.positions] = np.where(self.values == BACKGROUND, ERASED, self.values)
        return layer

    def label_map(self) -> LabelMap:
        """Return the edits as a label map that can be written to a file and read back with `from_label_map`."""
        erased = TissueClass(ERASED, "Erased by hand", "ERASED", (0.25, 0.25, 0.25))
        known = tuple(tissue for tissue in self.classes if tissue.value != ERASED)
        return LabelMap(self.layer(), self.geometry, ClassTable((*known, erased)), self.source)

    def _flat(self, voxels: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the flat index of each voxel, once and rising."""
        voxels = np.asarray(voxels)
        inside = (
            voxels.ndim == 2
            and voxels.shape[1] == len(self.shape)
            and bool(((voxels >= 0) & (voxels < np.asarray(self.shape))).all())
        )
        if not inside:
            raise GeometryError(
                f"Positions of shape {voxels.shape} leave the grid of {self.shape} voxels.", "Edit inside the image."
            )
        return np.unique(np.ravel_multi_index(tuple(voxels.T), self.shape)).astype(np.int64)


def _label_values(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return label values (n,) as bytes, and refuse what is none."""
    told = np.asarray(values)
    wrong = told if told.dtype.kind not in "iu" else told[(told < 0) | (told > ERASED)]
    if wrong.size:
        raise SettingsError(
            f"Voxels were set to what is no label value: {', '.join(str(v) for v in np.unique(wrong)[:5])}.",
            f"Label values are whole numbers between 0 and {ERASED - 1}.",
        )
    return told.astype(np.uint8)


def _kept(table: ClassTable, known: ClassTable, used: NDArray[np.uint8]) -> ClassTable:
    """Return a class table with the classes that it lacks and that voxels use at its end."""
    missing = set(np.unique(used).tolist()) - {BACKGROUND, *table.values}
    lost = tuple(tissue for tissue in known if tissue.value in missing)
    return ClassTable((*table.classes, *lost)) if lost else table
