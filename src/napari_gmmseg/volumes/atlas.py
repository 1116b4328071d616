"""What an average brain looks like: a probability of each tissue at each place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes.geometry import Geometry, read_only


@dataclass(frozen=True)
class AtlasPrior:
    """Probability maps of the tissues of an average brain.

    Parameters
    ----------
    names : tuple of str
        Tissues, e.g. "csf", "gm", "wm".
    maps : ndarray (K, Z, Y, X), float32
        Probability of each tissue, 1; what they leave of 1 is no brain.
    geometry : Geometry
        Where the maps lie, in mm.
    """

    names: tuple[str, ...]
    maps: NDArray[np.float32]
    geometry: Geometry

    def __post_init__(self) -> None:
        object.__setattr__(self, "maps", read_only(np.asarray(self.maps, dtype=np.float32)))
