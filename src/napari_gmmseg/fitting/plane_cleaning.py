"""Outliers of one plane of a result, scored as in the volume, quickly enough to follow a slider."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError
from napari_gmmseg.fitting.cleaning import Windows
from napari_gmmseg.fitting.solid_labels import SolidLabels
from napari_gmmseg.mixture.outlier_score import Outliers, find_outliers_of_plane
from napari_gmmseg.mixture.tensors import as_tensor
from napari_gmmseg.mixture.window_sums import PlaneCounts
from napari_gmmseg.volumes import Segmentation


class ScoredPlane:
    """One plane of a result, and what windows that change make of it.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    plane : tuple of (int or slice)
        Index into the grid ([T,] Z, Y, X): one number for a frame, and one across the plane.

    Raises
    ------
    GeometryError
        Where that is no plane of one frame.
    """

    def __init__(self, segmentation: Segmentation, plane: Sequence[int | slice]) -> None:
        labels, mask = segmentation.label_map.labels, segmentation.mask
        across = [axis for axis, index in enumerate(plane[-3:]) if isinstance(index, int)]
        frame = plane[0] if len(plane) == 4 else None
        if len(plane) != labels.ndim or len(across) != 1 or isinstance(frame, slice):
            raise GeometryError(f"{tuple(plane)} is no plane of a grid of {labels.shape} voxels.", "Show one slice.")
        if isinstance(frame, int):
            labels, mask = labels[frame], mask[frame]
        self._axis = across[0]
        position = plane[-3:][self._axis]
        assert isinstance(position, int)
        self._held = segmentation.label_map.classes.values
        self._solid = SolidLabels.of(segmentation)
        # Only what the largest window sees is looked up, when it is asked for.
        self._labels, self._mask, self._position = labels, mask, position
        self._counts: PlaneCounts | None = None
        self._reach = -1

    def score(self, windows: Windows, *, spared: Collection[int] = ()) -> NDArray[np.float32]:
        """Return how much of an outlier each voxel of the plane is, as `outlier_map` has it there.

        Parameters
        ----------
        windows : (tuple of int, tuple of int)
            i and j: odd voxels along (z, y, x).
        spared : collection of int
            Label values whose voxels are never outliers.

        Returns
        -------
        ndarray (H, W) float32
            0 ... 1.
        """
        score: NDArray[np.float32] = self._outliers(windows, spared).score[0].numpy()
        return score

    def cleaned(self, windows: Windows, *, spared: Collection[int] = ()) -> NDArray[np.uint8]:
        """Return the labels of the plane after one round of a clean-up.

        Parameters
        ----------
        windows : (tuple of int, tuple of int)
            i and j: odd voxels along (z, y, x).
        spared : collection of int
            Label values whose voxels stay.

        Returns
        -------
        ndarray (H, W) uint8
            Label values.
        """
        found = self._outliers(windows, spared)
        labels = self.labels.copy()
        if len(found.places):
            most = found.surround.argmax(1).numpy()
            labels.reshape(-1)[found.places.numpy()] = self._solid.masked_values[1:][most]
        return labels

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Label values of the plane; (H, W) uint8."""
        return self._labels[self._index]

    @cached_property
    def solid_labels(self) -> NDArray[np.uint8]:
        """The same with the label value that stands for background where 0 is an answer; (H, W) uint8."""
        return self._solid.labels(self.labels, self._mask[self._index])

    @property
    def _index(self) -> tuple[int | slice, ...]:
        return tuple(self._position if axis == self._axis else slice(None) for axis in range(3))

    def _outliers(self, windows: Windows, spared: Collection[int]) -> Outliers:
        inner, outer = (self._across_first(window) for window in windows)
        counts = self._counts_for(outer[0] // 2)
        classes = {k for k, value in enumerate(self._held) if value not in set(spared)}
        with torch.no_grad():
            return find_outliers_of_plane(counts, inner, outer, classes=classes)

    def _across_first(self, window: Sequence[int]) -> tuple[int, ...]:
        return (window[self._axis], *(w for axis, w in enumerate(window) if axis != self._axis))

    def _counts_for(self, reach: int) -> PlaneCounts:
        if self._counts is None or reach > self._reach:
            # Some more than is needed now: the next windows are near these.
            self._reach = max(2 * reach, 8)
            low = max(self._position - self._reach, 0)
            near = slice(low, self._position + self._reach + 1)
            index = tuple(near if axis == self._axis else slice(None) for axis in range(3))
            numbers = self._solid.numbers(self._labels[index], self._mask[index])
            stack = np.ascontiguousarray(np.moveaxis(numbers, self._axis, 0))
            self._counts = PlaneCounts(as_tensor(stack), len(self._solid.values), self._position - low)
        return self._counts
