"""How a volume is cut for a network: along which axis, and what of the neighbouring slices it sees."""

from __future__ import annotations

from collections.abc import Sequence

from napari_gmmseg.config.deep import View

#: Voxels along each side of a 3-D patch.
PATCH = 48
#: Neighbouring slices on each side that a 2.5-D network sees.
NEIGHBOURS = 2
#: Slices further apart than this many in-plane voxels show other anatomy: they are no neighbours.
_THICKEST = 2.0


def slice_axis(shape: Sequence[int], spacing: Sequence[float]) -> int:
    """Return the axis 0, 1 or 2 across which a volume is sliced: one without extent, else the coarsest, else the first.

    Parameters
    ----------
    shape : (Z, Y, X)
        Voxels.
    spacing : (dz, dy, dx)
        Voxel size.
    """
    for axis in range(3):
        if shape[axis] == 1:
            return axis
    coarsest = max(range(3), key=lambda axis: (spacing[axis], -axis))
    return coarsest if spacing[coarsest] > 1.2 * min(spacing) else 0


def neighbours_seen(shape: Sequence[int], spacing: Sequence[float], view: View, axis: int) -> int:
    """Return how many slices on each side a network sees beside the slice itself.

    Parameters
    ----------
    shape : (Z, Y, X)
        Voxels.
    spacing : (dz, dy, dx)
        Voxel size.
    view : "auto", "2d", "2.5d" or "3d"
        What the network shall see.
    axis : int
        That is sliced.
    """
    others = [size for a, size in enumerate(spacing) if a != axis]
    near = spacing[axis] <= _THICKEST * min(others) and shape[axis] > 1
    return min(NEIGHBOURS, shape[axis] - 1) if view == "2.5d" or (view == "auto" and near) else 0
