"""What the segmentation of an image that is larger than memory leaves in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes.geometry import Geometry, SourceGrid
from napari_gmmseg.volumes.segmentation import Segmentation


@dataclass(frozen=True)
class StreamedSegmentation:
    """A segmentation by intensity alone: labels of a table of intensities, which the image's voxels are looked up in.

    Parameters
    ----------
    table : Segmentation
        Of a volume (1, 1, V) with one voxel for each intensity that the mask holds.
    occurrences : ndarray (V,) float64
        How many voxels of the mask have it.
    geometry : Geometry
        The image's grid.
    source : SourceGrid
        The grid of its file.
    """

    table: Segmentation
    occurrences: NDArray[np.float64]
    geometry: Geometry
    source: SourceGrid

    @property
    def n_voxels(self) -> int:
        """Number of voxels in the mask."""
        return int(self.occurrences.sum())

    @property
    def mean_uncertainty(self) -> float:
        """1 - the largest probability, mean over the mask."""
        return float(np.average(self.table.uncertainty.reshape(-1), weights=self.occurrences))

    def counts(self) -> dict[int, int]:
        """Return the number of voxels of each label value of the class table."""
        labels = self.table.label_map.labels.reshape(-1)
        found = np.bincount(labels, self.occurrences, minlength=256)
        return {c.value: round(found[c.value]) for c in self.table.label_map.classes}

    def soft_counts(self) -> NDArray[np.float64]:
        """Return the sum of each class's probabilities over the mask, (K,) float64."""
        probabilities = self.table.probabilities.reshape(len(self.table.probabilities), -1)
        return np.asarray(probabilities.astype(np.float64) @ self.occurrences)
