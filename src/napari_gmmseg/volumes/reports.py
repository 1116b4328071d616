"""What a running fit tells, and what it can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes.classes import ClassTable
from napari_gmmseg.volumes.findings import Finding
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
        Parameters so far; class k is the k-th of `classes`.
    classes : ClassTable or None
        What the preview's values mean.
    state : FitState or None
        Where it stands, after `SaveState`.
    refused : Finding or None
        Why what was told before was not taken up.
    findings : tuple of Finding
        Doubts that came up since the report before, such as memory that ran out; the result has them, too.
    plan : mapping of str to object, or None
        How the fit is done within the memory that there is, where that was decided since the report before.
    """

    phase: str
    step: int
    n_steps: int
    log_likelihood: float | None = None
    terms: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    preview: NDArray[np.uint8] | None = None
    mixture: Mixture | None = None
    classes: ClassTable | None = None
    state: FitState | None = None
    refused: Finding | None = None
    findings: tuple[Finding, ...] = ()
    plan: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class FitState:
    """All that a fit needs to go on from here, in another process if need be: the same bits as without a break.

    Parameters
    ----------
    arrays : mapping of str to ndarray, of any shape
        What changes from step to step: a network's weights, its optimiser's, random states.
    start : mapping of str to ndarray, of any shape
        What stays as long as `start_key` does: the spatial mixture's memberships; large.
    start_key : str
        Changes when `start` does.
    meta : mapping of str to object
        Numbers and words, as JSON has them: phase, step, settings, classes.
    """

    arrays: Mapping[str, NDArray[Any]]
    start: Mapping[str, NDArray[Any]]
    start_key: str
    meta: Mapping[str, Any]


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


@dataclass(frozen=True)
class Retune:
    """Command to a running fit: go on with other settings, from where it is.

    What each setting asks for (a patch, another number of classes, a new beginning) stands in
    `napari_gmmseg.config.liveness`.

    Parameters
    ----------
    settings : mapping of str to object
        Fields of `FitConfig` that change, with their values.
    protected : frozenset of int
        Label values of classes that must not disappear when there are to be fewer.
    """

    settings: Mapping[str, Any]
    protected: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Merge:
    """Command to a running fit: make two classes one.

    Parameters
    ----------
    into, other : int
        Label values; the first keeps its identity.
    """

    into: int
    other: int


@dataclass(frozen=True)
class Split:
    """Command to a running fit: make two classes of one, along its main axis.

    Parameters
    ----------
    value : int
        Its label value.
    """

    value: int


@dataclass(frozen=True)
class Adjust:
    """Command to a running fit: set the Gaussian of some classes, and hold some.

    Parameters
    ----------
    means, stds : mapping of int to tuple of float
        By label value: mean and standard deviation in each channel, in the image's own unit. Others stay.
    locked : frozenset of int
        Label values of classes whose Gaussian is held as it is from now on.
    """

    means: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    stds: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    locked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class SaveState:
    """Command to a running fit: put `FitState` into the next report."""


Command = Stop | Look | Retune | Merge | Split | Adjust | SaveState
