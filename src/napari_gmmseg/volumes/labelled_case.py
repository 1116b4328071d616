"""Cases with labels, from which a network learns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError, InputError
from napari_gmmseg.volumes.attributes import Attributes
from napari_gmmseg.volumes.classes import ClassTable
from napari_gmmseg.volumes.findings import Finding
from napari_gmmseg.volumes.geometry import read_only

Part = Literal["", "train", "validation", "test"]


@dataclass(frozen=True)
class LabelledCase:
    """One image with its labels, and what is known of the patient.

    Parameters
    ----------
    name : str
        Of the case.
    patient : str
        Whose image it is: all images of a patient go to the same part of the data.
    image : ndarray (C, Z, Y, X), any real kind
        Intensities in the file's own unit.
    labels : ndarray (Z, Y, X) uint8, or None
        Label values, 0 for background; None where there are none.
    channels : tuple of str
        Contrast of each channel, "" where unknown.
    positions : tuple of float
        Of each slice, 0 ... 1; empty: evenly from 0 to 1.
    attributes : mapping of str to str or number
        What is known of the patient.
    part : "", "train", "validation" or "test"
        Where a person has put it; "": where the seed does.
    """

    name: str
    patient: str
    image: NDArray[Any]
    labels: NDArray[np.uint8] | None
    channels: tuple[str, ...]
    positions: tuple[float, ...] = ()
    attributes: Attributes = field(default_factory=dict)
    part: Part = ""

    def __post_init__(self) -> None:
        if self.image.ndim != 4 or len(self.channels) != self.image.shape[0]:
            raise InputError(
                f"{self.name} has the shape {self.image.shape} and {len(self.channels)} channel names.",
                "A case to learn from has the axes (channel, z, y, x) and one name a channel.",
            )
        if self.labels is not None and self.labels.shape != self.image.shape[1:]:
            raise GeometryError(
                f"{self.name} has {self.image.shape[1:]} voxels (z, y, x) and labels of {self.labels.shape}.",
                "Give labels on the grid of the image.",
            )
        n = self.image.shape[1]
        positions = self.positions or tuple(z / max(n - 1, 1) for z in range(n))
        if len(positions) != n:
            raise InputError(f"{self.name} has {n} slices and {len(positions)} positions.", "Give one a slice.")
        object.__setattr__(self, "image", read_only(self.image))
        if self.labels is not None:
            object.__setattr__(self, "labels", read_only(self.labels))
        object.__setattr__(self, "positions", positions)


@dataclass(frozen=True)
class CaseSet:
    """Cases to learn from.

    Parameters
    ----------
    cases : tuple of LabelledCase
        With the same channels.
    classes : ClassTable
        What label values mean; without background.
    findings : tuple of Finding
        What was left out while reading, with a count.
    """

    cases: tuple[LabelledCase, ...]
    classes: ClassTable
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if not self.cases:
            raise InputError("There is no case to learn from.", "Check the folder or the list.")
        names = [case.name for case in self.cases]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"Two cases are named {twice!r}.", "Give each case a name of its own.")
        first = self.cases[0]
        for case in self.cases[1:]:
            if case.channels != first.channels:
                raise InputError(
                    f"{case.name} has the channels {_told(case.channels)}, and {first.name} {_told(first.channels)}.",
                    "Give every case the same channels, in the same order.",
                )


def _told(channels: tuple[str, ...]) -> str:
    return ", ".join(name or "?" for name in channels)
