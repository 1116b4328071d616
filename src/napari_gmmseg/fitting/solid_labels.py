"""Labels in which background is a class like any other wherever it was found, and 0 is nothing at all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes import LabelMap, Segmentation


@dataclass(frozen=True, eq=False)
class SolidLabels:
    """How a result's label values become class numbers, and come back.

    Background that was declared, or that a network predicts, is 0 in a mask, as what lies outside the mask is. For what
    surrounds a voxel they are not the same: inside the mask, 0 is an answer.

    Parameters
    ----------
    values : tuple of int
        Label value of each class 1 ... K; background's is the last, where no class of the table stands for it.
    background : int or None
        The value that stands for 0 inside the mask; None where 0 is found outside of it only.
    declared : bool
        Whether that is a class of the table: it has probabilities, and its islands may go. What a person erased has
        none: it may be around an island, and goes nowhere itself.
    """

    values: tuple[int, ...]
    background: int | None
    declared: bool

    @classmethod
    def of(cls, segmentation: Segmentation) -> SolidLabels:
        """Return those of a result.

        Parameters
        ----------
        segmentation : Segmentation
            The result.
        """
        values = segmentation.label_map.classes.values
        declared = segmentation.provenance.get("background")
        if declared in values:
            return cls(values, declared, True)
        if not ((segmentation.label_map.labels == 0) & segmentation.mask).any():
            return cls(values, None, False)
        free = next(value for value in range(255, 0, -1) if value not in values)
        return cls((*values, free), free, False)

    def labels(self, labels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return labels of the result, in which 0 is nothing at all.

        Parameters
        ----------
        labels : ndarray (*S) uint8
            Label values of the result, or of a part of it.
        mask : ndarray (*S) bool
            Its mask there.

        Returns
        -------
        ndarray (*S) uint8
            Label values.
        """
        if self.background is None:
            return labels
        solid: NDArray[np.uint8] = np.where((labels == 0) & mask, np.uint8(self.background), labels)
        return solid

    def label_map(self, segmentation: Segmentation) -> LabelMap:
        """Return the result's label map with such labels.

        Parameters
        ----------
        segmentation : Segmentation
            The result.
        """
        label_map = segmentation.label_map
        return replace(label_map, labels=self.labels(label_map.labels, segmentation.mask))

    def numbers(self, labels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return labels of the result as class numbers.

        Parameters
        ----------
        labels : ndarray (*S) uint8
            Label values of the result, or of a part of it.
        mask : ndarray (*S) bool
            Its mask there.

        Returns
        -------
        ndarray (*S) uint8
            1 ... K, 0 outside the mask.
        """
        table = np.zeros(256, dtype=np.uint8)
        table[list(self.values)] = np.arange(1, len(self.values) + 1)
        if self.background is not None:
            table[0] = table[self.background]
        return table[labels] * mask

    def value_of(self, value: int) -> int:
        """Return what a label value is in the mask: 0 for background.

        Parameters
        ----------
        value : int
            Label value of a class here.
        """
        return 0 if value == self.background else value

    @property
    def masked_values(self) -> NDArray[np.uint8]:
        """Label values of the numbers 0 ... K in the mask; (K + 1,) uint8."""
        return np.array([0, *(self.value_of(value) for value in self.values)], dtype=np.uint8)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Row of the probabilities of each label value 0 ... 255, -1 where it has none; (256,) int64."""
        row = np.full(256, -1)
        own = self.values if self.declared or self.background is None else self.values[:-1]
        row[list(own)] = np.arange(len(own))
        if self.declared:
            row[0] = row[self.background]
        return row
