"""What a running fit tells, and what it can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes.mixture import Mixture


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
class Look:
    """Command to a running fit: preview this slice first from now on; changes nothing in the result.

    Parameters
    ----------
    slice_index : int
        Position on the volume's Z axis.
    """

    slice_index: int


Command = Stop | Look
