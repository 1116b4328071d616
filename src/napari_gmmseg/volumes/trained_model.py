"""A network that learnt from labels, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes.classes import ClassTable
from napari_gmmseg.volumes.findings import Finding
from napari_gmmseg.volumes.geometry import read_only


@dataclass(frozen=True)
class TrainedModel:
    """A network that learnt from labels, with all that is needed to use it and to judge it.

    Parameters
    ----------
    arrays : mapping of str to ndarray, of any shape
        Weights of the best epoch, named as torch names them.
    settings : mapping of str to object
        Of the training: the fields of `TrainingConfig`, as JSON has them.
    classes : ClassTable
        What the network's outputs after the first, background, mean.
    channels : tuple of str
        Contrast of each channel that it takes.
    attributes : mapping of str to object
        How attributes become numbers, from `AttributeTable.as_dict`.
    parts : mapping of str to tuple of str
        Names of the cases in train, validation and test.
    scores : mapping of str to mapping of str to float
        What was measured on validation and test with these weights.
    history : tuple of mapping of str to float
        Each epoch: mean of every term, learning rate, validation.
    provenance : mapping of str to object
        Versions, device, seconds.
    findings : tuple of Finding
        Doubts about data and training.
    """

    arrays: Mapping[str, NDArray[Any]]
    settings: Mapping[str, Any]
    classes: ClassTable
    channels: tuple[str, ...]
    attributes: Mapping[str, Any]
    parts: Mapping[str, tuple[str, ...]]
    scores: Mapping[str, Mapping[str, float]]
    history: tuple[Mapping[str, float], ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrays", {name: read_only(np.asarray(a)) for name, a in self.arrays.items()})
