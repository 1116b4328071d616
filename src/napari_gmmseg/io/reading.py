"""Read images: one `Volume` a file, whatever its format, and never a fourth axis by silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError, ResourceError, SettingsError
from napari_gmmseg.io.contrasts import guess_contrast
from napari_gmmseg.io.dicom import read_dicom
from napari_gmmseg.io.grids import RawImage, place
from napari_gmmseg.io.nifti import read_nibabel
from napari_gmmseg.io.pictures import read_picture
from napari_gmmseg.io.simpleitk import read_itk
from napari_gmmseg.io.sniffing import family_of, stem_of
from napari_gmmseg.volumes import Finding, Volume

Axis4 = Literal["time", "channel"]
Spacing = tuple[float, float] | tuple[float, float, float]


def read_channels(
    paths: str | Path | Sequence[str | Path],
    *,
    axis4: Axis4 | None = None,
    frame: int | None = None,
    series: str | None = None,
    spacing: Spacing | None = None,
) -> tuple[Volume, ...]:
    """Read files, one volume each.

    Parameters
    ----------
    paths : path or sequence of paths
        NIfTI, Analyze, MGH, NRRD, MetaImage, PNG, TIFF or JPEG files, DICOM files, or folders of DICOM files.
    axis4 : "time", "channel" or None
        What a fourth axis is: "time" gives data (1, T, Z, Y, X), "channel" gives (C, Z, Y, X). Three-dimensional
        files are read as they are.
    frame : int or None
        Position on the fourth axis to read alone, from 0.
    series : str or None
        DICOM series to read: its UID, number or description.
    spacing : (dy, dx) or (dz, dy, dx) in mm, or None
        Voxel size of images that tell none, in the order of the volume's axes.

    Returns
    -------
    tuple of Volume
        With data float32; values that are not finite are kept, with a finding.

    Raises
    ------
    InputError
        Where a file cannot be read, or holds no image.
    SettingsError
        Where a file has a fourth axis and it is not said what it is, or settings do not fit the file.
    ResourceError
        Where memory runs out.
    """
    several = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if not several:
        raise InputError("No file was given.", "Name at least one image.")
    if axis4 is not None and axis4 not in ("time", "channel"):
        raise SettingsError(f"A fourth axis is time or channel, not {axis4!r}.", "Give --axis4 time|channel.")
    return tuple(_read_one(Path(p), axis4, frame, series, spacing) for p in several)


def read_raw(path: Path, series: str | None = None) -> RawImage:
    """Read one file or folder as it is.

    Parameters
    ----------
    path : Path
        File or folder.
    series : str or None
        DICOM series, see `read_channels`.

    Raises
    ------
    InputError
        Where there is nothing to read.
    """
    try:
        there = path.exists()
    except OSError as error:
        raise InputError(f"{path} cannot be reached: {error.strerror}.", "Check the name and the folder.") from error
    if not there:
        raise InputError(f"There is no file {path}.", "Check the name and the folder.")
    family = "dicom" if path.is_dir() else family_of(path)
    readers = {"nifti": read_nibabel, "mgh": read_nibabel, "itk": read_itk, "picture": read_picture}
    raw = read_dicom(path, series) if family == "dicom" else readers[family](path)
    if series is not None and family != "dicom":
        raise SettingsError(f"{path.name} is not DICOM, so it has no series {series!r}.", "Leave --series out.")
    if not raw.shape or min(*raw.shape, raw.n_extra) < 1:
        size = " x ".join(str(n) for n in raw.shape)
        raise InputError(f"{path.name} has no voxels ({size}).", "Export it again.")
    return raw


def _read_one(
    path: Path, axis4: Axis4 | None, frame: int | None, series: str | None, spacing: Spacing | None
) -> Volume:
    raw = read_raw(path, series)
    if spacing is not None:
        raw = with_spacing(raw, spacing, path)
    chosen = _frame_to_load(raw, path, axis4, frame)
    try:
        array = raw.load(chosen)
        return assemble(raw, path, array, axis4 if raw.n_extra > 1 and chosen is None else None)
    except MemoryError as error:
        raise ResourceError(
            f"{path.name} needs more memory than there is.", "Close other programs, or read one frame with --frame N."
        ) from error


def _frame_to_load(raw: RawImage, path: Path, axis4: Axis4 | None, frame: int | None) -> int | None:
    """Decide what is read of a fourth axis; None for all."""
    if frame is not None:
        if not 0 <= frame < raw.n_extra:
            raise SettingsError(
                f"{path.name} has {raw.n_extra} frame{'s' if raw.n_extra > 1 else ''}; there is no frame {frame}.",
                f"Give --frame 0 to {raw.n_extra - 1}.",
            )
        return frame if raw.n_extra > 1 else None
    if raw.n_extra > 1 and axis4 is None:
        size = " x ".join(str(n) for n in (*raw.shape, raw.n_extra))
        raise SettingsError(
            f"{path.name} has one axis more than space has ({size}), and it is not said what it is.",
            "Give --axis4 time|channel, or one frame with --frame N.",
        )
    return None


def with_spacing(raw: RawImage, spacing: Spacing, path: Path) -> RawImage:
    """Give an image that tells no voxel size the one that a person has told.

    Parameters
    ----------
    raw : RawImage
        The image.
    spacing : (dy, dx) or (dz, dy, dx)
        In mm.
    path : Path
        Its file, for messages.

    Raises
    ------
    SettingsError
        Where the spacing is not positive, or the file tells another.
    """
    sizes = np.asarray(spacing, dtype=np.float64)
    if sizes.shape not in {(2,), (3,)} or not np.isfinite(sizes).all() or (sizes <= 0).any():
        raise SettingsError(
            f"A spacing has two or three lengths above 0 mm; seen: {tuple(spacing)}.",
            "Give --spacing DY DX or DZ DY DX.",
        )
    three = np.concatenate([[1.0], sizes]) if sizes.size == 2 else sizes
    grid, geometry = place(raw, path)
    if raw.unit == "mm":
        if np.allclose(geometry.spacing, three, rtol=1e-3):
            return raw
        raise SettingsError(
            f"{path.name} tells its own spacing, {' x '.join(f'{s:.4g}' for s in geometry.spacing)} mm (z, y, x).",
            "Leave --spacing out, or repair the file's header.",
        )
    scale = np.ones(3)
    for axis, source_axis in enumerate(grid.axes):
        scale[source_axis if source_axis >= 0 else 2] = three[axis] / geometry.spacing[axis]
    # The header no longer tells where the voxels are, so masks must not inherit it; nobody has told which side is left.
    return replace(raw, affine=raw.affine @ np.diag([*scale, 1.0]), unit="mm", verified=False, header=b"")


def assemble(raw: RawImage, path: Path, array: NDArray[np.float32], axis4: Axis4 | None) -> Volume:
    """Make a volume of loaded voxels: order the axes, look for what is not finite, guess the contrast.

    Parameters
    ----------
    raw : RawImage
        The image they are of.
    path : Path
        Its file.
    array : ndarray (*raw.shape) or (*raw.shape, E), float32
        Voxels in the file's own order.
    axis4 : "time", "channel" or None
        What the last axis is, where there are more than the spatial ones.

    Raises
    ------
    InputError
        Where no voxel is finite.
    """
    source, geometry = place(raw, path)
    data = source.to_volume(array)
    data = data[np.newaxis] if axis4 is None else np.moveaxis(data, -1, 0)
    if axis4 == "time":
        data = data[np.newaxis]
    data = np.ascontiguousarray(data)
    contrast = guess_contrast(raw.contrast, stem_of(path))
    n_channels = data.shape[0]
    return Volume(
        data=data,
        geometry=geometry,
        channels=(contrast,) if n_channels == 1 else ("",) * n_channels,
        source=source,
        findings=(*raw.findings, *_not_finite(path, data)),
    )


def _not_finite(path: Path, data: NDArray[np.float32]) -> tuple[Finding, ...]:
    """Count voxels that are NaN or infinite, a slab at a time to spare memory."""
    slabs = data.reshape(-1, *data.shape[-2:])
    n_bad = sum(slab.size - int(np.count_nonzero(np.isfinite(slab))) for slab in slabs)
    if n_bad == data.size:
        raise InputError(f"{path.name} holds no number: every voxel is NaN or infinite.", "Export it again.")
    if not n_bad:
        return ()
    return (
        Finding(
            "non-finite-voxels",
            f"{n_bad} voxels ({100 * n_bad / data.size:.2g} %) of {path.name} are NaN or infinite.",
            "They are left out of the mask.",
        ),
    )
