"""Read label maps and masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError, InputError, MaskError
from napari_gmmseg.io.grids import RawImage, place
from napari_gmmseg.io.reading import read_raw
from napari_gmmseg.io.sidecars import bids_path, read_classes
from napari_gmmseg.volumes import Finding, Geometry, LabelMap, SourceGrid, Volume
from napari_gmmseg.volumes.resampling import resample_nearest

#: More label values than this are believed only where a sidecar names them.
_MOST_UNNAMED = 64
_NO_IMAGE = "Give the mask, not the image or a probability map."


def _read(path: Path) -> tuple[NDArray[np.float32], SourceGrid, Geometry]:
    """Read an image as (Z, Y, X), or as (T, Z, Y, X) where it has a fourth axis."""
    raw: RawImage = read_raw(path)
    source, geometry = place(raw, path)
    array = source.to_volume(raw.load(None))
    return (np.moveaxis(array, -1, 0) if raw.n_extra > 1 else array), source, geometry


def read_labels(path: str | Path) -> LabelMap:
    """Read a label map; a fourth axis is time.

    Parameters
    ----------
    path : path
        Image of whole numbers 0 ... 255 in any format that can be read. A sidecar `<stem>_dseg.tsv` names and
        colours them; without one they are numbered.

    Returns
    -------
    LabelMap
        Labels (Z, Y, X) or (T, Z, Y, X), uint8.

    Raises
    ------
    InputError
        Where it cannot be read, holds other values, or so many without a sidecar that it must be an image.
    """
    path = Path(path)
    array, source, geometry = _read(path)
    if not np.isfinite(array).all() or (array != np.round(array)).any():
        raise InputError(
            f"{path.name} holds values that are no whole numbers, so it is no label map.",
            _NO_IMAGE,
        )
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 255:
        raise InputError(
            f"{path.name} holds values from {low:g} to {high:g}; label values lie between 0 and 255.", _NO_IMAGE
        )
    labels: NDArray[np.uint8] = np.ascontiguousarray(array.astype(np.uint8))
    present = [int(v) for v in np.flatnonzero(np.bincount(labels.reshape(-1), minlength=256)) if v > 0]
    if len(present) > _MOST_UNNAMED and not bids_path(path).is_file():
        raise InputError(
            f"{path.name} looks like an image, not like labels: it holds {len(present)} different values.",
            f"{_NO_IMAGE} Where they are labels, name them in {bids_path(path).name}.",
        )
    return LabelMap(labels=labels, geometry=geometry, classes=read_classes(path, present), source=source)


def read_mask(path: str | Path, like: Volume, resample: bool = False) -> NDArray[np.bool_]:
    """Read a mask on the grid of a volume; see `read_mask_with_notes`.

    Parameters
    ----------
    path : path
        Image.
    like : Volume
        The volume to be masked.
    resample : bool
        Whether a mask on another grid is resampled by the nearest voxel.

    Returns
    -------
    ndarray (Z, Y, X) or (T, Z, Y, X), bool
        On the volume's grid; a mask without a time axis holds for all frames.

    Raises
    ------
    GmmsegError
        As `read_mask_with_notes`.
    """
    return read_mask_with_notes(path, like, resample)[0]


def read_mask_with_notes(
    path: str | Path, like: Volume, resample: bool = False
) -> tuple[NDArray[np.bool_], tuple[Finding, ...]]:
    """Read a mask on the grid of a volume, and say how it was understood where that is not plain.

    Parameters
    ----------
    path : path
        Image; a voxel is inside where it is not 0, or, if all values lie between 0 and 1 and some are fractions, where
        it is 0.5 or more.
    like : Volume
        The volume to be masked.
    resample : bool
        Whether a mask on another grid is resampled by the nearest voxel.

    Returns
    -------
    mask : ndarray (Z, Y, X) or (T, Z, Y, X), bool
        On the volume's grid; a mask without a time axis holds for all frames.
    findings : tuple of Finding
        A note where a map of fractions was cut.

    Raises
    ------
    GeometryError
        Where it lies on another grid.
    MaskError
        Where it is empty, or has other frames.
    InputError
        Where it cannot be read.
    """
    path = Path(path)
    array, _, geometry = _read(path)
    mask, cut = _inside(array)
    if not mask.any():
        raise MaskError(f"The mask {path.name} is empty.", "Give a mask that holds at least two voxels of each class.")
    if not like.geometry.same_grid(geometry):
        mask = _to_grid(path, mask, geometry, like.geometry, resample)
    n_frames = mask.shape[0] if mask.ndim == 4 else 1
    if mask.ndim == 4 and mask.shape != like.grid_shape:
        raise MaskError(
            f"The mask {path.name} has {n_frames} frames and the image {like.n_frames}.",
            "Give a mask without a time axis, or one frame of it for each frame of the image.",
        )
    whole: NDArray[np.bool_] = np.broadcast_to(mask, like.grid_shape)
    return whole, (soft_mask_cut(path),) if cut else ()


def soft_mask_cut(path: Path) -> Finding:
    """Return the note that a mask was understood as a map of fractions.

    Parameters
    ----------
    path : Path
        The mask.
    """
    return Finding(
        "soft-mask-cut",
        f"The mask {path.name} holds fractions between 0 and 1, as a map of probabilities does: it was cut at 0.5.",
        "Give a mask of 0 and 1 to choose another threshold.",
        "note",
    )


def _inside(array: NDArray[np.float32]) -> tuple[NDArray[np.bool_], bool]:
    """Tell which voxels a mask, a brain image or a probability map means, and whether a map was cut."""
    finite = np.isfinite(array)
    values = np.where(finite, array, 0)
    fractions = values.min() >= 0 and values.max() <= 1 and (values != np.round(values)).any()
    inside: NDArray[np.bool_] = values >= 0.5 if fractions else values != 0
    return inside, bool(fractions)


def _to_grid(path: Path, mask: NDArray[Any], own: Geometry, wanted: Geometry, resample: bool) -> NDArray[np.bool_]:
    """Bring a mask of another grid to the image's, if that was asked for."""
    grids = f"Mask: {own.describe()}; image: {wanted.describe()}."
    if own.unit != wanted.unit and own.shape == wanted.shape:
        raise GeometryError(
            f"Only one of the mask {path.name} and the image tells where its voxels lie, so that they may be turned "
            f"against each other. {grids}",
            "Save the mask in the format of the image, such as NIfTI for NIfTI.",
        )
    if not resample or "pixel" in (own.unit, wanted.unit):
        raise GeometryError(
            f"The mask {path.name} lies on another grid than the image. {grids}",
            "Add --resample to bring it to the image's grid, or give a mask drawn on this image.",
        )
    moved = resample_nearest(mask, own, wanted)
    if not moved.any():
        raise MaskError(
            f"The mask {path.name} does not overlap with the image. {grids}", "Give a mask drawn on this image."
        )
    return moved
