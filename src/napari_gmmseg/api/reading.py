"""Read the channels of one case."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_gmmseg.api.options import PathLike
from napari_gmmseg.errors import InputError, MaskError, SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_gmmseg.volumes import Finding, LabelMap, Volume


def read(
    paths: PathLike | Sequence[PathLike],
    *,
    contrasts: Sequence[str] = (),
    axis4: Literal["time", "channel"] | None = None,
    frame: int | None = None,
    series: str | None = None,
    resample: bool = False,
    spacing: tuple[float, ...] | None = None,
) -> Volume:
    """Read the channels of one case.

    Parameters
    ----------
    paths : path or sequence of paths
        One file (or DICOM folder) a channel, or one file with a channel axis.
    contrasts : sequence of str
        Contrast of each channel, such as "t1", "t2", "flair", "pd"; empty: as far as the files tell.
    axis4 : "time", "channel" or None
        What a fourth axis is; None refuses to guess.
    frame : int or None
        The one position on the fourth axis to read, from 0.
    series : str or None
        The DICOM series to read where a folder holds several.
    resample : bool
        Whether channels on other grids are resampled to the first one's.
    spacing : tuple of float or None
        Voxel size in mm for files that tell none, (dy, dx) or (dz, dy, dx).

    Returns
    -------
    Volume
        (C, Z, Y, X), or (C, T, Z, Y, X) with a time axis, in the file's own intensity unit.

    Raises
    ------
    InputError
        Where a file cannot be read, or does not hold an image.
    GeometryError
        Where channels lie on different grids and `resample` is not set.

    Examples
    --------
    >>> volume = read(["T1.nii.gz", "FLAIR.nii.gz"], contrasts=("t1", "flair"))  # doctest: +SKIP
    """
    from napari_gmmseg.io import read_channels
    from napari_gmmseg.preparation import stack_channels

    files = [Path(paths)] if isinstance(paths, (str, os.PathLike)) else [Path(path) for path in paths]
    if not files:
        raise InputError("No file was given.", "Give at least one image.")
    volumes = read_channels(files, axis4=axis4, frame=frame, series=series, spacing=spacing_of(spacing))
    return stack_channels(volumes, contrasts=tuple(contrasts), resample=resample)


def opened_mask(
    mask: PathLike | NDArray[Any] | LabelMap | None, volume: Volume, resample: bool, words: str = ""
) -> tuple[NDArray[Any] | LabelMap | None, tuple[Finding, ...]]:
    """Return a mask, read where it is a path, and what there is to say of it.

    Parameters
    ----------
    mask : path, ndarray (Z, Y, X) or (T, Z, Y, X), LabelMap, or None
        The mask.
    volume : Volume
        The image that it is for.
    resample : bool
        Whether a mask on another grid is resampled.
    words : str
        What else may be given, for the hint.

    Raises
    ------
    GmmsegError
        Where it cannot be read, or does not fit.
    """
    from napari_gmmseg.io import read_mask_with_notes

    if not isinstance(mask, (str, os.PathLike)):
        return mask, ()
    if not Path(mask).exists():
        raise MaskError(f"There is no mask file {mask}.", f"Give {words}the path of a file that is there.")
    return read_mask_with_notes(Path(mask), volume, resample)


def spacing_of(values: tuple[float, ...] | None) -> tuple[float, float] | tuple[float, float, float] | None:
    """Return a voxel size as two or three numbers.

    Parameters
    ----------
    values : tuple of float or None
        As it was given, in mm.

    Raises
    ------
    SettingsError
        Where there are more or fewer.
    """
    if values is None or len(values) == 2:
        return None if values is None else (values[0], values[1])
    if len(values) == 3:
        return values[0], values[1], values[2]
    raise SettingsError(
        f"A spacing has two or three numbers; {len(values)} were given.", "Give DY DX or DZ DY DX in mm."
    )
