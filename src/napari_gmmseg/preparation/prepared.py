"""What preparation hands to a fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes import Finding, read_only


@dataclass(frozen=True)
class Prepared:
    """The voxels to fit, and what was noticed on the way.

    Parameters
    ----------
    mask : ndarray (Z, Y, X) or (T, Z, Y, X), bool
        Voxels that enter the likelihood; finite in every channel.
    tissue_names : bool
        False where scalp and skull may be in the mask: classes are then numbered, not named as tissues.
    crop : tuple of slice
        Bounding box of the mask on the grid's axes.
    centre, scale : tuple of float
        Mean and standard deviation of each channel inside the mask, in the image's own unit: what a
        standardised intensity is counted in.
    findings : tuple of Finding
        Doubts about the data.
    brain_confidence : float or None
        0 ... 1 where a brain was looked for in a whole head; below 0.5 there was none, and the mask is the head.
    counts : ndarray (Z, Y, X) float64, or None
        How many voxels of an image each voxel stands for, where the volume is a table of its intensities; None: one.
    """

    mask: NDArray[np.bool_]
    tissue_names: bool
    crop: tuple[slice, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    findings: tuple[Finding, ...] = ()
    brain_confidence: float | None = None
    counts: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", read_only(np.asarray(self.mask, dtype=bool)))
