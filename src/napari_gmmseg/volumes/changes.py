"""What a refinement changed, class by class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_gmmseg.errors import GeometryError
from napari_gmmseg.volumes.classes import TissueClass
from napari_gmmseg.volumes.segmentation import LabelMap


@dataclass(frozen=True)
class ClassChange:
    """One class before and after.

    Parameters
    ----------
    tissue : TissueClass
        The class.
    voxels_before, voxels_after : int
        How many it had and has.
    gained, lost : int
        Voxels that came from and went to other classes.
    """

    tissue: TissueClass
    voxels_before: int
    voxels_after: int
    gained: int
    lost: int

    @property
    def percent(self) -> float:
        """Change of its size in percent of what it was; nan where it was empty."""
        if not self.voxels_before:
            return float("nan")
        return 100.0 * (self.voxels_after - self.voxels_before) / self.voxels_before


def class_changes(before: LabelMap, after: LabelMap) -> tuple[ClassChange, ...]:
    """Return what changed in each class of the later labels.

    Parameters
    ----------
    before, after : LabelMap
        Labels (Z, Y, X) or (T, Z, Y, X) of one grid, with the same label values.

    Raises
    ------
    GeometryError
        Where their grids differ.
    """
    if before.labels.shape != after.labels.shape:
        raise GeometryError(
            f"The labels have {before.labels.shape} and {after.labels.shape} voxels.", "Compare labels of one grid."
        )
    changed = before.labels != after.labels
    left = np.bincount(before.labels[changed], minlength=256)
    came = np.bincount(after.labels[changed], minlength=256)
    had = np.bincount(before.labels.reshape(-1), minlength=256)
    return tuple(
        ClassChange(
            c,
            int(had[c.value]),
            int(had[c.value] + came[c.value] - left[c.value]),
            int(came[c.value]),
            int(left[c.value]),
        )
        for c in after.classes
    )
