"""Where voxels lie: spacing, affine, and the way back to the grid that a volume came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError

Unit = Literal["mm", "pixel"]


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view of an array.

    Parameters
    ----------
    array : ndarray, any shape
        The array; its own flags stay as they are.
    """
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class SourceGrid:
    """The grid of the file or layer a volume was read from, and the way back to it.

    Parameters
    ----------
    shape : tuple of int
        Shape of the *spatial* axes in the source's own order, e.g. (X, Y, Z) for NIfTI, (H, W) for a picture.
    affine : ndarray (4, 4) float64
        Source voxel index (in the source's own axis order, padded to three axes with zeros for a
        picture) to world mm in (x, y, z) order, RAS+.
    axes : tuple of three int
        For each of the volume's axes (Z, Y, X) the source axis that it came from; -1 for an axis that was added.
    flips : tuple of three bool
        For each of the volume's axes whether it runs against its source axis.
    format : str
        "nifti1", "nifti2", "analyze", "mgh", "nrrd", "mha", "dicom", "picture", "layer" or "array".
    header : bytes
        The source's own header, where its format has one that a mask inherits (NIfTI, MGH); else empty.
    paths : tuple of Path
        Files read, in channel order.
    details : dict of str to str
        What a writer or report of this format needs besides (DICOM UIDs, layer names ...).
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    format: str
    header: bytes = b""
    paths: tuple[Path, ...] = ()
    details: dict[str, str] = field(default_factory=dict)

    def to_volume(self, array: NDArray[Any]) -> NDArray[Any]:
        """Bring an array from source order to volume order.

        Parameters
        ----------
        array : ndarray (*shape, ...)
            Spatial axes first, in the source's order; further axes follow.

        Returns
        -------
        ndarray (Z, Y, X, ...)
            A view where numpy allows one.
        """
        added = [axis for axis in self.axes if axis < 0]
        kept = [axis for axis in self.axes if axis >= 0]
        rest = range(len(self.shape), array.ndim)
        moved = array.transpose(*kept, *rest)
        moved = moved[(np.newaxis,) * len(added)]
        return moved[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]

    def to_source(self, array: NDArray[Any]) -> NDArray[Any]:
        """Bring an array from volume order back to source order, the inverse of `to_volume`.

        Parameters
        ----------
        array : ndarray (Z, Y, X, ...)
            Spatial axes first.

        Returns
        -------
        ndarray (*shape, ...)
            In the source's axis order.
        """
        unflipped = array[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]
        added = sum(axis < 0 for axis in self.axes)
        squeezed: NDArray[Any] = unflipped[(0,) * added]
        kept = [axis for axis in self.axes if axis >= 0]
        order = [kept.index(axis) for axis in range(len(self.shape))]
        return squeezed.transpose(*order, *range(len(self.shape), squeezed.ndim))


@dataclass(frozen=True)
class Geometry:
    """Shape, spacing and place of a volume.

    Parameters
    ----------
    shape : (Z, Y, X)
        Number of voxels; a slice has Z = 1.
    affine : ndarray (4, 4) float64
        Voxel (z, y, x, 1) to world (z, y, x, 1) = (superior, anterior, right) in `unit`.
    unit : "mm" or "pixel"
        "pixel" where the source tells no spacing: mm and ml are then refused.
    verified : bool
        False where the source's geometry was broken or doubtful; exports are marked so.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    unit: Unit = "mm"
    verified: bool = True

    def __post_init__(self) -> None:
        affine = np.asarray(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-12:
            raise GeometryError(
                f"The affine is not an invertible 4 x 4 matrix: {affine.tolist()}.",
                "Repair the header, or open the file with its geometry marked as unverified.",
            )
        object.__setattr__(self, "affine", read_only(affine))

    @classmethod
    def from_spacing(
        cls, shape: tuple[int, int, int], spacing: tuple[float, float, float], unit: Unit = "mm"
    ) -> Geometry:
        """Make an axis-aligned geometry with its origin at the first voxel's centre.

        Parameters
        ----------
        shape : (Z, Y, X)
            Number of voxels.
        spacing : (dz, dy, dx)
            In `unit`.
        unit : "mm" or "pixel"
            Unit of the spacing.
        """
        return cls(shape=shape, affine=np.diag([*spacing, 1.0]), unit=unit)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size (dz, dy, dx) in `unit`: lengths of the affine's columns."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(lengths[0]), float(lengths[1]), float(lengths[2])

    @property
    def origin(self) -> tuple[float, float, float]:
        """World position (z, y, x) of the first voxel's centre in `unit`."""
        z, y, x = self.affine[:3, 3]
        return float(z), float(y), float(x)

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in ml.

        Raises
        ------
        GeometryError
            Where no spacing is known.
        """
        if self.unit != "mm":
            raise GeometryError(
                "This image has no voxel size, so there are no mm and no ml.",
                "Give the spacing (--spacing DY DX, or the layer's scale), or read the counts in pixels.",
            )
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def same_grid(self, other: Geometry, tolerance: float = 1e-3) -> bool:
        """Whether another geometry has the same shape and places each corner within `tolerance` voxels.

        Where one of the two tells no voxel size, its axes may run any way: the shape alone decides only if the other's
        place is not verified either, as with two pictures of which one was given a spacing.

        Parameters
        ----------
        other : Geometry
            The grid to compare with.
        tolerance : float
            Largest distance allowed, in voxels of this grid.
        """
        if self.shape != other.shape:
            return False
        if self.unit != other.unit:
            return not (self if self.unit == "mm" else other).verified
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1)
        homogeneous = np.vstack([corners, np.ones(8)])
        there = np.linalg.inv(self.affine) @ other.affine @ homogeneous
        return bool(np.abs(there[:3] - corners).max() <= tolerance)

    def describe(self) -> str:
        """Return one line that tells shape and spacing, for messages."""
        size = " x ".join(str(n) for n in self.shape)
        step = " x ".join(f"{s:.4g}" for s in self.spacing)
        place = ", ".join(f"{v:.4g}" for v in self.origin)
        return f"{size} voxels (z, y, x) of {step} {self.unit} from ({place})"


def told_apart(shape: Sequence[int], geometry: Geometry, image_shape: Sequence[int], image: Geometry) -> str:
    """Return what tells a grid and an image's apart, for messages: size and place, else frames, else directions.

    Parameters
    ----------
    shape, image_shape : sequence of int
        (Z, Y, X) or (T, Z, Y, X).
    geometry, image : Geometry
        Of the last three axes.
    """
    own, other = geometry.describe(), image.describe()
    if own != other:
        return f"{own}, and the image {other}"
    if tuple(shape) != tuple(image_shape):
        return f"{_series(shape)}, and the image {_series(image_shape)}"
    return f"both {own}, with axes in other directions"


def _series(shape: Sequence[int]) -> str:
    return "one volume" if len(shape) == 3 else f"a series of {shape[0]}"
