"""What a method tells its driver, and what it ends with."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from torch import Tensor

from napari_gmmseg.fitting.live import Change
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.volumes import Finding, FitState, Look, Mixture, SaveState, Stop


@dataclass(frozen=True)
class Progress:
    """A step of any method: parameters, and labels where they cost little.

    Parameters
    ----------
    step, n_steps : int
        Done, and the most that there will be.
    mixture : Mixture
        In the image's own unit.
    log_likelihood : float or None
        In nat per voxel.
    labels : Tensor (*crop) uint8 or None
        Class k + 1 of each voxel, 0 outside the mask.
    terms : tuple of (str, float)
        Further figures.
    phase : str or None
        What is being done, where a method has several phases.
    named_by : Mixture or None
        Whose means name the classes, where that is not `mixture`: what starts from named classes keeps their names.
    task : FitTask or None
        The task as it is now, with its classes' identities; None where it is as it was given.
    refused : Finding or None
        Why the last change was not taken up.
    state : FitState or None
        Where it stands, where that was asked for.
    findings : tuple of Finding
        Doubts that came up since the report before.
    """

    step: int
    n_steps: int
    mixture: Mixture
    log_likelihood: float | None = None
    labels: Tensor | None = None
    terms: tuple[tuple[str, float], ...] = ()
    phase: str | None = None
    named_by: Mixture | None = None
    task: FitTask | None = None
    refused: Finding | None = None
    state: FitState | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Fitted:
    """What a method ends with.

    Parameters
    ----------
    memberships : Tensor (K, *crop) float32
        Posterior of each class, 0 outside the mask.
    mixture : Mixture
        In the image's own unit.
    log_likelihood : float
        In nat per voxel.
    steps : int
        Done.
    findings : tuple of Finding
        Doubts.
    notes : tuple of (str, float)
        Figures that the method found in the image.
    prior : Tensor (K, *crop) float32 or None
        The prior that a network gave.
    base : Fitted or None
        What was refined.
    name : str or None
        The method that gave it, where that was not settled before.
    named_by : Mixture or None
        See `Progress`.
    task : FitTask or None
        See `Progress`.
    start : Fitted or None
        The spatial mixture that a training started from.
    """

    memberships: Tensor
    mixture: Mixture
    log_likelihood: float
    steps: int
    findings: tuple[Finding, ...] = ()
    notes: tuple[tuple[str, float], ...] = ()
    prior: Tensor | None = None
    base: Fitted | None = None
    name: str | None = None
    named_by: Mixture | None = None
    task: FitTask | None = None
    start: Fitted | None = None


#: What a method takes: commands, with changes in terms of classes' identities.
Told = Stop | Look | SaveState | Change
Method = Generator[Progress, Told | None, Fitted]
