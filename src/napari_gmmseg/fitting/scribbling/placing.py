"""From maps of a crop to a segmentation on the whole grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.fitting.scribbling.training_cases import TrainingCase
from napari_gmmseg.mixture.labelling import label_winners
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import (
    ClassTable,
    Finding,
    FinetunedSegmentation,
    LabelMap,
    Mixture,
    NetworkWeights,
    Volume,
)


@dataclass(frozen=True)
class Place:
    """The whole grid, and what labels mean on it.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        For what was noticed of it.
    classes : ClassTable
        The network's.
    background : int or None
        The label value that is 0 in a mask.
    """

    volume: Volume
    prepared: Prepared
    classes: ClassTable
    background: int | None

    def maps(self, maps: Tensor, case: TrainingCase) -> NDArray[np.float32]:
        """Return maps (M, *crop) on the grid (M, *grid) float32, 0 outside the crop.

        Parameters
        ----------
        maps : Tensor (M, *crop) float32
            Any maps.
        case : TrainingCase
            The crop.
        """
        whole = np.zeros((len(maps), *self.volume.grid_shape), dtype=np.float32)
        whole[(slice(None), *case.crop)] = maps.cpu().numpy()
        return whole

    def labels(self, probabilities: Tensor, case: TrainingCase) -> NDArray[np.uint8]:
        """Return label values (*grid) uint8 of the likeliest classes; 0 outside the mask and where background is.

        Parameters
        ----------
        probabilities : Tensor (K, *crop) float32
            Of each class.
        case : TrainingCase
            The crop and its mask.
        """
        values = np.array([0, *self.classes.values], dtype=np.uint8)
        if self.background in self.classes.values:
            values[1 + self.classes.values.index(self.background)] = 0
        result = np.zeros(self.volume.grid_shape, dtype=np.uint8)
        result[case.crop] = values[label_winners(probabilities, case.mask).cpu().numpy()]
        return result

    def segmentation(
        self,
        probabilities: Tensor,
        prior: Tensor | None,
        case: TrainingCase,
        mixture: Mixture,
        *,
        method: str,
        steps: int = 0,
        stopped: bool = False,
        log_likelihood: float = 0.0,
        findings: Sequence[Finding] = (),
        provenance: Mapping[str, Any],
        weights: NetworkWeights | None,
    ) -> FinetunedSegmentation:
        """Return an answer as a segmentation.

        Parameters
        ----------
        probabilities : Tensor (K, *crop) float32
            The answer.
        prior : Tensor (K, *crop) float32 or None
            What the network says by itself.
        case : TrainingCase
            The crop and its mask.
        mixture : Mixture
            In the image's own unit.
        method : str
            What gave it.
        steps : int
            Of the network.
        stopped : bool
            Whether a person ended it.
        log_likelihood : float
            In nat per voxel.
        findings : sequence of Finding
            Doubts.
        provenance : mapping of str to object
            How it was made.
        weights : NetworkWeights or None
            The network.
        """
        mask = np.zeros(self.volume.grid_shape, dtype=bool)
        mask[case.crop] = case.mask.cpu().numpy()
        labels = self.labels(probabilities, case)
        return FinetunedSegmentation(
            label_map=LabelMap(labels, self.volume.geometry, self.classes, self.volume.source),
            probabilities=self.maps(probabilities, case),
            mask=mask,
            mixture=mixture,
            method=method,
            log_likelihood=log_likelihood,
            steps=steps,
            stopped=stopped,
            findings=(*self.volume.findings, *self.prepared.findings, *extended(mask, self.prepared), *findings),
            provenance={**provenance, "method": method, "background": self.background},
            prior=None if prior is None else self.maps(prior, case),
            weights=weights,
        )


def extended(mask: NDArray[np.bool_], prepared: Prepared) -> tuple[Finding, ...]:
    """Return what is said where strokes extended a mask.

    Parameters
    ----------
    mask : ndarray (*grid) bool
        Voxels that are answered.
    prepared : Prepared
        The mask without strokes.
    """
    n_added = int((mask & ~prepared.mask).sum())
    if not n_added:
        return ()
    return (
        Finding(
            "mask-extended",
            f"Strokes lie outside the mask: they extended it by {n_added} voxels, their own and what is near, "
            "connected and alike.",
            "Paint background there if that is too much, or give another mask.",
            "note",
        ),
    )
