"""A trained network as data, and a segmentation that came with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.volumes.classes import ClassTable
from napari_gmmseg.volumes.geometry import read_only
from napari_gmmseg.volumes.mixture import Mixture
from napari_gmmseg.volumes.segmentation import Segmentation


@dataclass(frozen=True)
class NetworkWeights:
    """A U-Net that was trained on strokes or labels, with all that is needed to use it on another image.

    Parameters
    ----------
    arrays : mapping of str to ndarray, of any shape
        Its weights, named as torch names them.
    width, depth : int
        Channels of its first level, and how often it halves the image.
    n_looks : int
        Slices that it sees at once: 1, or the slice with its neighbours.
    classes : ClassTable
        What its outputs mean, in their order.
    channels : tuple of str
        Contrast of each image channel that it takes, "" where unknown.
    background : int or None
        The label value that means background.
    mixture : Mixture or None
        Gaussians of the classes in standardised intensity (1), for the mixture of the next image to start from.
    geodesic_range : float
        Range of the strokes that it sees, in mm.
    cases : int
        Number of cases that it was trained on.
    steps : int
        Steps that it was trained for.
    seed : int
        Of the training.
    provenance : mapping of str to object
        Versions, as JSON has them.
    say : float or None
        How much it counts beside the answer to strokes on the image that it was tuned on last, 0 ... 1: 0 where the
        answer at once was the better one. None on any other image: there it counts far from strokes.
    snapshots : tuple of mapping of str to ndarray, of any shape
        The weights as they were earlier in the training, oldest first: how far these disagree shows what is unsure.
    """

    arrays: Mapping[str, NDArray[Any]]
    width: int
    depth: int
    n_looks: int
    classes: ClassTable
    channels: tuple[str, ...]
    background: int | None = None
    mixture: Mixture | None = None
    geodesic_range: float = 10.0
    cases: int = 1
    steps: int = 0
    seed: int = 0
    provenance: Mapping[str, Any] = field(default_factory=dict)
    say: float | None = None
    snapshots: tuple[Mapping[str, NDArray[Any]], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrays", {name: read_only(np.asarray(a)) for name, a in self.arrays.items()})
        held = tuple({name: read_only(np.asarray(a)) for name, a in one.items()} for one in self.snapshots)
        object.__setattr__(self, "snapshots", held)
        if not self.arrays or len(self.classes) < 2 or not self.channels:
            raise SettingsError(
                f"A network with {len(self.arrays)} arrays, {len(self.classes)} classes and {len(self.channels)} "
                "channels is none.",
                "Give the weights of a trained network, at least two classes and one channel.",
            )

    @property
    def members(self) -> tuple[NetworkWeights, ...]:
        """The network and its snapshots, each as a network of its own."""
        earlier = (replace(self, arrays=arrays, snapshots=()) for arrays in self.snapshots)
        return (*earlier, replace(self, snapshots=()))

    @property
    def n_inputs(self) -> int:
        """Number of maps that the network takes: image channels and classes, in each slice that it sees."""
        return self.n_looks * (len(self.channels) + len(self.classes))

    def takes(self, channels: tuple[str, ...]) -> bool:
        """Return whether an image has the channels that the network was trained on, as far as both are named.

        Parameters
        ----------
        channels : tuple of str
            Contrast of each channel of the image, "" where unknown.
        """
        if len(channels) != len(self.channels):
            return False
        return all(a == b for a, b in zip(channels, self.channels, strict=True) if a and b)


@dataclass(frozen=True)
class FinetunedSegmentation(Segmentation):
    """A segmentation with the network that gave it.

    Parameters
    ----------
    weights : NetworkWeights or None
        The trained network; None where it took no step.
    """

    weights: NetworkWeights | None = None
