"""Label maps, and what a fit returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError
from napari_gmmseg.volumes.classes import ClassTable
from napari_gmmseg.volumes.findings import Finding
from napari_gmmseg.volumes.geometry import Geometry, SourceGrid, read_only
from napari_gmmseg.volumes.mixture import Mixture


@dataclass(frozen=True)
class LabelMap:
    """A mask: one label value a voxel.

    Parameters
    ----------
    labels : ndarray (Z, Y, X) or (T, Z, Y, X), uint8
        0 is background.
    geometry : Geometry
        Grid of the last three axes.
    classes : ClassTable
        What the label values mean.
    source : SourceGrid or None
        The grid to write it back on.
    """

    labels: NDArray[np.uint8]
    geometry: Geometry
    classes: ClassTable
    source: SourceGrid | None = None

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if labels.shape[-3:] != tuple(self.geometry.shape):
            raise GeometryError(
                f"The labels have {labels.shape[-3:]} voxels and their geometry {self.geometry.shape}.",
                "Give the geometry of these labels.",
            )
        object.__setattr__(self, "labels", read_only(labels))

    def counts(self) -> dict[int, int]:
        """Return the number of voxels of each label value of the class table."""
        found = np.bincount(self.labels.reshape(-1), minlength=256)
        return {c.value: int(found[c.value]) for c in self.classes}


@dataclass(frozen=True)
class FitReport:
    """What a fit tells between two steps.

    Parameters
    ----------
    phase : str
        What is being done, as words for a person, e.g. "Spatial mixture".
    step, n_steps : int
        Steps done and the most that there will be (n_steps is an upper bound).
    log_likelihood : float or None
        Mean over the mask's voxels, in nat per voxel.
    terms : mapping of str to float
        Each loss or energy term, in nat per voxel unless its name says otherwise.
    seconds : float
        Wall time since the fit began, in s.
    preview : ndarray (Z, Y, X) or (T, Z, Y, X) uint8, or None
        Labels so far on the volume's whole grid, where the step has them.
    mixture : Mixture or None
        Parameters so far.
    """

    phase: str
    step: int
    n_steps: int
    log_likelihood: float | None = None
    terms: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    preview: NDArray[np.uint8] | None = None
    mixture: Mixture | None = None


@dataclass(frozen=True)
class Stop:
    """Command to a running fit: end now and return the best so far."""


@dataclass(frozen=True)
class Segmentation:
    """A finished segmentation.

    Parameters
    ----------
    label_map : LabelMap
        The answer.
    probabilities : ndarray (K, *grid) float32
        Posterior of each class, 0 outside the mask.
    mask : ndarray (*grid) bool
        Voxels that were fitted.
    mixture : Mixture
        Fitted parameters.
    method : str
        The method that gave it: "gmm", "svgmm" or "spatial".
    log_likelihood : float
        Of the intensities under the mixture alone, without neighbours: mean over the mask, in nat per voxel.
    steps : int
        Steps done.
    stopped : bool
        True where a person ended it before it had converged.
    findings : tuple of Finding
        Doubts about data and result.
    provenance : dict
        Settings, seed, versions, device, seconds: what is needed to do it again.
    """

    label_map: LabelMap
    probabilities: NDArray[np.float32]
    mask: NDArray[np.bool_]
    mixture: Mixture
    method: str
    log_likelihood: float
    steps: int
    stopped: bool = False
    findings: tuple[Finding, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def uncertainty(self) -> NDArray[np.float32]:
        """Return 1 - max_k p_k inside the mask, 0 outside; (*grid) float32, 0 = sure."""
        return np.where(self.mask, 1.0 - self.probabilities.max(axis=0), 0.0).astype(np.float32)
