"""How two results agree, class by class: quick, for a table beside the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_gmmseg.errors import GeometryError
from napari_gmmseg.volumes import LabelMap, TissueClass


@dataclass(frozen=True)
class ClassAgreement:
    """One class in two results.

    Parameters
    ----------
    tissue : TissueClass
        The class, as the first result calls it, or the second where only that has it.
    voxels_a, voxels_b : int
        How many it has in each.
    dice : float
        2 |A and B| / (|A| + |B|), 0 ... 1; 1 where both are empty.
    """

    tissue: TissueClass
    voxels_a: int
    voxels_b: int
    dice: float


@dataclass(frozen=True)
class Agreement:
    """Two results side by side.

    Parameters
    ----------
    classes : tuple of ClassAgreement
        One entry a label value, rising.
    """

    classes: tuple[ClassAgreement, ...]

    @property
    def mean_dice(self) -> float:
        """Mean of the classes' Dice, 0 ... 1."""
        return sum(c.dice for c in self.classes) / max(1, len(self.classes))


def agreement(a: LabelMap, b: LabelMap) -> Agreement:
    """Compare two label maps of one grid by label value; neither is taken for the truth.

    Parameters
    ----------
    a, b : LabelMap
        Labels (Z, Y, X) or (T, Z, Y, X).

    Raises
    ------
    GeometryError
        Where their grids differ.
    """
    if a.labels.shape != b.labels.shape:
        raise GeometryError(
            f"One result has {a.labels.shape} voxels and the other {b.labels.shape}.", "Compare results of one image."
        )
    n_a, n_b = (np.bincount(m.labels.reshape(-1), minlength=256) for m in (a, b))
    both = np.bincount(a.labels[a.labels == b.labels], minlength=256)
    tissues = {t.value: t for t in (*b.classes, *a.classes)}
    return Agreement(
        tuple(
            ClassAgreement(tissues[v], int(n_a[v]), int(n_b[v]), _dice(int(n_a[v]), int(n_b[v]), int(both[v])))
            for v in sorted(tissues)
        )
    )


def _dice(n_a: int, n_b: int, n_both: int) -> float:
    return 2 * n_both / (n_a + n_b) if n_a + n_b else 1.0
