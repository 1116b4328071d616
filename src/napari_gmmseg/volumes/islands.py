"""Small regions of one class that lie apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Island:
    """A connected region of one class.

    Parameters
    ----------
    value : int
        Its label value.
    voxels : int
        How many it has.
    volume_ml : float or None
        Its volume in ml; None where no spacing is known.
    voxel : tuple of int
        One of its voxels, ([t,] z, y, x), near its middle: where to go.
    box : tuple of (int, int)
        The box around it: start and stop along each axis of the labels.
    """

    value: int
    voxels: int
    volume_ml: float | None
    voxel: tuple[int, ...]
    box: tuple[tuple[int, int], ...]

    @property
    def slices(self) -> tuple[slice, ...]:
        """The box as an index into the labels."""
        return tuple(slice(start, stop) for start, stop in self.box)
