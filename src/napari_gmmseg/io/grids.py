"""Bring what a file holds to the one grid order, and remember the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes import Finding, Geometry, SourceGrid, Unit

#: Exchanges x-y-z for z-y-x in homogeneous coordinates.
REVERSED = np.eye(4)[[2, 1, 0, 3]]
#: Exchanges the L-P-S world of DICOM and ITK for R-A-S.
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class RawImage:
    """An image as its file holds it, before it is known what a fourth axis means.

    Parameters
    ----------
    shape : tuple of int
        Spatial axes in the file's own order; two for a picture.
    n_extra : int
        Length of the one further axis; 1 where there is none.
    load : callable
        Called with a position on the further axis or None, it returns (*shape) or (*shape, n_extra) float32.
    affine : ndarray (4, 4) float64
        Index in the file's own order (padded to three axes) to world (x, y, z), RAS+, in `unit`.
    format : str
        As in `SourceGrid.format`.
    unit : "mm" or "pixel"
        "pixel" where the file tells no voxel size.
    verified : bool
        False where the file's geometry is broken or doubtful.
    header : bytes
        The file's own header, if a mask inherits it.
    contrast : str
        Contrast that the content names, or "".
    details : dict of str to str
        See `SourceGrid.details`.
    findings : tuple of Finding
        Doubts met on the way.
    """

    shape: tuple[int, ...]
    n_extra: int
    load: Callable[[int | None], NDArray[np.float32]]
    affine: NDArray[np.float64]
    format: str
    unit: Unit = "mm"
    verified: bool = True
    header: bytes = b""
    contrast: str = ""
    details: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def closest_axes(affine: NDArray[np.float64]) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Find for each of (superior, anterior, right) the source axis closest to it, and whether that runs against it.

    Parameters
    ----------
    affine : ndarray (4, 4) float64
        Source index to world (x, y, z), RAS+; invertible.

    Returns
    -------
    axes, flips : tuple
        In the order z, y, x. The shear is removed by the polar decomposition first; the permutation with the
        largest sum of cosines wins.
    """
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(columns)
    rotation = np.round(left @ right, 6)
    orders = list(permutations((2, 1, 0)))
    scores = [sum(abs(rotation[world, axis]) for world, axis in zip((2, 1, 0), order, strict=True)) for order in orders]
    z, y, x = orders[int(np.argmax(np.round(scores, 5)))]
    return (z, y, x), (bool(rotation[2, z] < 0), bool(rotation[1, y] < 0), bool(rotation[0, x] < 0))


def place(raw: RawImage, path: Path) -> tuple[SourceGrid, Geometry]:
    """Work out the volume's geometry, and the way back to the file's grid.

    Parameters
    ----------
    raw : RawImage
        What the file holds.
    path : Path
        The file.
    """
    found, flips = closest_axes(raw.affine)
    index = np.zeros((4, 4))
    index[3, 3] = 1.0
    sizes = (*raw.shape, *(1,) * (3 - len(raw.shape)))
    for axis, (source_axis, flip) in enumerate(zip(found, flips, strict=True)):
        index[source_axis, axis] = -1.0 if flip else 1.0
        index[source_axis, 3] = sizes[source_axis] - 1 if flip else 0
    z, y, x = (axis if axis < len(raw.shape) else -1 for axis in found)
    source = SourceGrid(
        shape=raw.shape,
        affine=raw.affine,
        axes=(z, y, x),
        flips=flips,
        format=raw.format,
        header=raw.header,
        paths=(path,),
        details=raw.details,
    )
    geometry = Geometry(
        shape=(sizes[found[0]], sizes[found[1]], sizes[found[2]]),
        affine=REVERSED @ raw.affine @ index,
        unit=raw.unit,
        verified=raw.verified,
    )
    return source, geometry


def default_source(geometry: Geometry) -> SourceGrid:
    """Return the grid to write a volume on that came from no file: axes (x, y, z), nothing flipped.

    Parameters
    ----------
    geometry : Geometry
        The volume's.
    """
    z, y, x = geometry.shape
    return SourceGrid(
        shape=(x, y, z),
        affine=REVERSED @ geometry.affine @ REVERSED,
        axes=(2, 1, 0),
        flips=(False, False, False),
        format="array",
    )


def to_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    """Convert to float32, copying only where the type differs; what is too large becomes infinite.

    Parameters
    ----------
    array : ndarray, any shape and real type
        Intensities.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array).astype(np.float32, copy=False)


def rows(affine: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Scale the world coordinates of an affine.

    Parameters
    ----------
    affine : ndarray (4, 4) float64
        Index to world.
    scale : float
        Factor, e.g. 1e-3 from micrometres to mm.
    """
    return np.diag([scale, scale, scale, 1.0]) @ affine
