"""The image of one case: channels on one grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError, InputError
from napari_gmmseg.volumes.findings import Finding
from napari_gmmseg.volumes.geometry import Geometry, SourceGrid, read_only


@dataclass(frozen=True)
class Volume:
    """An image of C channels on one grid, with the way back to its source.

    Parameters
    ----------
    data : ndarray (C, Z, Y, X) or (C, T, Z, Y, X), float32
        Intensities in the source's own unit, axes closest to (superior, anterior, right), all rising. With a
        time axis all T frames are fitted together, and masks are (T, Z, Y, X); neighbours never
        cross frames.
    geometry : Geometry
        Grid of the last three axes.
    channels : tuple of str
        One contrast name a channel, lower case ("t1", "t2", "flair", "pd", "t1gd", "bssfp", "lge"), or "" if unknown.
    source : SourceGrid or None
        Where it came from; None for arrays made in memory.
    findings : tuple of Finding
        Doubts met while reading.
    """

    data: NDArray[np.float32]
    geometry: Geometry
    channels: tuple[str, ...] = ()
    source: SourceGrid | None = None
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        data = np.asarray(self.data, dtype=np.float32)
        if data.ndim not in (4, 5):
            raise InputError(
                f"A volume has the axes (channel, z, y, x) or (channel, time, z, y, x); this array has the shape "
                f"{data.shape}.",
                "Add the missing axes, or choose one frame.",
            )
        if data.shape[-3:] != tuple(self.geometry.shape):
            raise GeometryError(
                f"The array has {data.shape[-3:]} voxels (z, y, x) and its geometry {self.geometry.shape}.",
                "Give the geometry of this array.",
            )
        names = self.channels or ("",) * data.shape[0]
        if len(names) != data.shape[0]:
            raise InputError(
                f"{len(names)} channel names were given for {data.shape[0]} channels.",
                "Give one name a channel.",
            )
        object.__setattr__(self, "data", read_only(data))
        object.__setattr__(self, "channels", tuple(names))

    @classmethod
    def from_array(
        cls, array: Any, spacing: tuple[float, float, float] | None = None, channels: tuple[str, ...] = ()
    ) -> Volume:
        """Make a volume from an array in memory.

        Parameters
        ----------
        array : array (Y, X), (Z, Y, X), (C, Z, Y, X) or (C, T, Z, Y, X)
            Intensities.
        spacing : (dz, dy, dx) or None
            In mm; None where it is not known (pixels).
        channels : tuple of str
            Contrast names.

        Raises
        ------
        InputError
            Where the array has another number of axes.
        """
        data = np.asarray(array, dtype=np.float32)
        if data.ndim not in (2, 3, 4, 5):
            raise InputError(f"An array of shape {data.shape} is no volume.", "Give 2 to 5 axes, (C, T, Z, Y, X).")
        while data.ndim < 4:
            data = data[np.newaxis]
        shape = (int(data.shape[-3]), int(data.shape[-2]), int(data.shape[-1]))
        if spacing is None:
            geometry = Geometry.from_spacing(shape, (1.0, 1.0, 1.0), unit="pixel")
        else:
            geometry = Geometry.from_spacing(shape, spacing)
        return cls(data=data, geometry=geometry, channels=channels)

    @property
    def n_channels(self) -> int:
        """Number of channels C."""
        return int(self.data.shape[0])

    @property
    def n_frames(self) -> int:
        """Number of time frames T; 1 without a time axis."""
        return int(self.data.shape[1]) if self.data.ndim == 5 else 1

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """Shape of masks and label maps: (Z, Y, X), or (T, Z, Y, X) with a time axis."""
        return tuple(int(n) for n in self.data.shape[1:])
