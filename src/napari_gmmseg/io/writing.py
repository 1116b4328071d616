"""Write masks and maps on the grid that the image came from: whole, read back and compared, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import NO_SPACE, InputError, OutputError, ResourceError
from napari_gmmseg.io import nifti, pictures, simpleitk
from napari_gmmseg.io.grids import default_source
from napari_gmmseg.io.nifti_writing import save_nibabel
from napari_gmmseg.io.sidecars import bids_path, bids_text, snap_path, snap_text
from napari_gmmseg.io.sniffing import ALL_SUFFIXES, SUFFIXES, members_of, stem_of, suffix_of
from napari_gmmseg.volumes import ClassTable, Geometry, LabelMap, SourceGrid, Volume

_AFFINE_TOLERANCE = 1e-5
#: With fewer bytes free after a failed write, the disk was the reason.
_NEARLY_NOTHING = 65536


@dataclass(frozen=True)
class _Job:
    """One array to write.

    Parameters
    ----------
    array : ndarray (*source.shape, T?, K?), uint8 or float32
        In the source's order.
    source : SourceGrid
        The grid.
    geometry : Geometry
        Unit, and whether it is verified.
    what : str
        "labels" or "map", for the description.
    """

    array: NDArray[Any]
    source: SourceGrid
    geometry: Geometry
    what: str


def describe(geometry: Geometry, what: str) -> str:
    """Return what a file says about itself.

    Parameters
    ----------
    geometry : Geometry
        Unit, and whether it is verified.
    what : str
        "labels" or "map".
    """
    doubt = nifti.UNVERIFIED_MARK if not geometry.verified else ""
    size = nifti.NO_SIZE_MARK if geometry.unit == "pixel" else ""
    return f"{nifti.OWN_MARK}{_version()}{what}{doubt}{size}"


def label_texts(path: Path, classes: ClassTable) -> dict[Path, str]:
    """Return the sidecars of a mask and what they say.

    Parameters
    ----------
    path : Path
        The mask.
    classes : ClassTable
        Names and colours.
    """
    return {bids_path(path): bids_text(classes), snap_path(path): snap_text(classes)}


def _version() -> str:
    """Return the installed version and a blank; nothing where the source is run without being installed."""
    try:
        return f"{version('napari-gmmseg')} "
    except PackageNotFoundError:
        return ""


def write_labels(path: str | Path, label_map: LabelMap, *, sidecars: bool = True) -> Path:
    """Write a mask on the grid and with the header of the image it was made from.

    Parameters
    ----------
    path : path
        Target; its suffix chooses the format: .nii, .nii.gz, .img or .hdr, .mgz, .mgh, .nrrd, .mha, .png, .tif.
    label_map : LabelMap
        Labels (Z, Y, X) or (T, Z, Y, X), 0 ... 255.
    sidecars : bool
        Whether names and colours are written beside it (`_dseg.tsv` for BIDS, `_labels.txt` for ITK-SNAP).

    Returns
    -------
    Path
        The file, after its voxels and affine were read back and compared.

    Raises
    ------
    OutputError
        Where it cannot be written there or in this format, or reads back differently.
    ResourceError
        Where the disk is full.
    """
    path = Path(path)
    labels = np.asarray(label_map.labels)
    if labels.dtype != np.uint8:
        if labels.size and (labels.min() < 0 or labels.max() > 255):
            raise OutputError(
                f"Label values from {labels.min()} to {labels.max()} do not fit into 0 ... 255.",
                "Give the classes values of one byte.",
            )
        labels = labels.astype(np.uint8)
    job = _make_job(path, labels, label_map, "labels")
    return _write(path, job, label_texts(path, label_map.classes) if sidecars else {})


def write_map(path: str | Path, array: NDArray[Any], like: LabelMap) -> Path:
    """Write probabilities, an uncertainty or another map on the grid of the image it was made from.

    Parameters
    ----------
    path : path
        Target; see `write_labels`.
    array : ndarray (*grid) or (K, *grid), float
        Grid as of the label map. K maps become a last axis, after time where there is one.
    like : LabelMap
        Tells grid and source.

    Returns
    -------
    Path
        The file, after its voxels and affine were read back and compared.

    Raises
    ------
    OutputError
        Where it cannot be written there or in this format, or reads back differently.
    ResourceError
        Where the disk is full.
    """
    path = Path(path)
    values = np.asarray(array, dtype=np.float32)
    grid = like.labels.shape
    if values.shape[-len(grid) :] != grid or values.ndim not in (len(grid), len(grid) + 1):
        raise OutputError(
            f"A map of shape {values.shape} does not lie on the grid {grid}.", "Give (*grid) or (K, *grid)."
        )
    return _write(path, _make_job(path, values, like, "map"), {})


def check_writable(path: str | Path, like: Volume, *, n_maps: int = 0) -> None:
    """Refuse a target that cannot hold what is to be made from an image, before any work is done for it.

    Parameters
    ----------
    path : path
        Target.
    like : Volume
        The image.
    n_maps : int
        Number of maps in one file (probabilities of K classes: at least 2; an uncertainty: 1); 0 for a mask.

    Raises
    ------
    OutputError
        Where the folder, the format or its number of axes will not do.
    """
    grid = like.grid_shape
    mask: NDArray[Any] = np.broadcast_to(np.uint8(0), grid)
    maps = np.broadcast_to(np.float32(0), (n_maps, *grid) if n_maps > 1 else grid)
    label_map = LabelMap(labels=mask, geometry=like.geometry, classes=ClassTable(()), source=like.source)
    _make_job(Path(path), maps if n_maps else mask, label_map, "")


def _make_job(path: Path, array: NDArray[Any], like: LabelMap, what: str) -> _Job:
    """Check the target and bring the array (K?, T?, Z, Y, X) to the source's order, then time, then classes."""
    source = like.source or default_source(like.geometry)
    checked_target(path, source)
    ordered = array.transpose(*range(array.ndim - 3, array.ndim), *reversed(range(array.ndim - 3)))
    in_order = source.to_source(ordered)
    suffix = suffix_of(path)
    if suffix in SUFFIXES["picture"]:
        in_order, source = _as_picture(path, in_order, source)
    elif source.format == "picture" or len(source.shape) == 2:
        in_order, source = _from_picture(in_order, source, like.geometry)
    if suffix in SUFFIXES["picture"]:
        pictures.check_picture(path, in_order)
    elif in_order.ndim > 4 and suffix in (*SUFFIXES["itk"], *SUFFIXES["mgh"]):
        raise OutputError(f"{path.name} cannot hold {in_order.ndim} axes.", "Write .nii.gz instead.")
    return _Job(array=in_order, source=source, geometry=like.geometry, what=what)


def _as_picture(path: Path, array: NDArray[Any], source: SourceGrid) -> tuple[NDArray[Any], SourceGrid]:
    """Bring an array to (H, W) or (pages, H, W)."""
    n_spatial = len(source.shape)
    if source.format != "picture":
        if source.format != "array" or source.shape[2] != 1:
            raise OutputError(
                f"{path.name} cannot tell where the voxels of this image lie: pictures hold no affine.",
                "Write .nii.gz instead.",
            )
        # A picture has rows and columns where a volume's file has x and y.
        array, n_spatial = array[:, :, 0].swapaxes(0, 1), 2
    if array.ndim == n_spatial + 1:
        array = np.moveaxis(array, -1, 0)
    if array.ndim > 3:
        raise OutputError(f"{path.name} cannot hold {array.ndim} axes.", "Write .nii.gz instead.")
    return array, source


def _from_picture(array: NDArray[Any], source: SourceGrid, geometry: Geometry) -> tuple[NDArray[Any], SourceGrid]:
    """Bring (H, W, ...) or (pages, H, W, ...) to (X, Y, Z, ...), as volume formats have it."""
    volume = source.to_volume(array)
    plain = default_source(geometry)
    return plain.to_source(volume), plain


def checked_target(path: Path, source: SourceGrid) -> None:
    """Refuse a target before any work is done for it.

    Parameters
    ----------
    path : Path
        Target.
    source : SourceGrid
        The grid of what is written, and the files that it was made from.

    Raises
    ------
    OutputError
        Where the folder or the format will not do.
    """
    suffix = suffix_of(path)
    if suffix not in ALL_SUFFIXES or suffix in SUFFIXES["dicom"] or suffix in (".img.gz", ".hdr.gz", ".nhdr", ".mhd"):
        raise OutputError(
            f"{path.name} has the suffix {suffix or '(none)'}, in which masks cannot be written.",
            "Write .nii.gz, .nii, .img, .mgz, .nrrd, .mha, .png or .tif.",
        )
    if len(members_of(path)) > 1 and path.suffix != suffix:
        raise OutputError(
            f"{path.name} would be a pair of files that other programs do not find.", f"Write the suffix as {suffix}."
        )
    if not path.parent.is_dir():
        raise OutputError(f"There is no folder {path.parent}.", "Make it first, or name another.")
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", "Name a file in it.")
    resolved = members_of(path.resolve())
    for read in source.paths:
        if set(members_of(read.resolve())) & set(resolved):
            raise OutputError(
                f"{path} is the image that this was made from; it is not overwritten.", "Name another file."
            )


@contextmanager
def _output_errors(path: Path) -> Iterator[None]:
    """Turn what a failed write raises into one sentence; the disk is looked at while the failed file is there."""
    try:
        yield
    except (OutputError, InputError) as error:
        # Some libraries report a full disk as any failure, or not at all.
        if shutil.disk_usage(path.parent).free < _NEARLY_NOTHING:
            raise _full(path) from error
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{path.name} was written, but cannot be read back: {error.message}", "Try again.") from error
    except OSError as error:
        if error.errno in NO_SPACE:
            raise _full(path) from error
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}.", "Name a folder that you may write to."
        ) from error


def _full(path: Path) -> ResourceError:
    return ResourceError(f"The disk is full: {path} was not written.", "Make room, or name another folder.")


def _write(path: Path, job: _Job, texts: dict[Path, str]) -> Path:
    return write_whole(path, lambda file: _encode(file, job), lambda file: _compare(file, path, job), texts)


def write_whole(
    path: Path, encode: Callable[[Path], object], compare: Callable[[Path], object], texts: dict[Path, str]
) -> Path:
    """Write everything under temporary names beside the target, compare, then rename all.

    Parameters
    ----------
    path : Path
        Target.
    encode : callable
        Writes the file under the name that it is given.
    compare : callable
        Reads it back under that name, and raises where it is not what was meant.
    texts : dict of Path to str
        Text files that come with it.

    Raises
    ------
    OutputError
        Where it cannot be written there, or reads back differently.
    ResourceError
        Where the disk is full.
    """
    with _output_errors(path):
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        with _output_errors(path):
            # In lower case, which the libraries choose the format by.
            temporary = folder / f"{stem_of(path)}{suffix_of(path)}"
            encode(temporary)
            for target, text in texts.items():
                (folder / target.name).write_text(text, encoding="utf-8")
            for member in folder.iterdir():
                _sync(member)
            compare(temporary)
            for target in texts:
                (folder / target.name).replace(target)
            for member, target in zip(members_of(temporary), members_of(path), strict=True):
                member.replace(target)
    finally:
        with suppress(OSError):
            shutil.rmtree(folder)
    _sync_folder(path.parent)
    return path


def _sync(path: Path) -> None:
    """Have the disk hold a file before it gets its name."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Have the disk hold the new names; not every system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _encode(path: Path, job: _Job) -> None:
    """Write in the format of the suffix."""
    suffix = suffix_of(path)
    if suffix in SUFFIXES["picture"]:
        pictures.save_picture(path, job.array)
    elif suffix in SUFFIXES["itk"]:
        simpleitk.save_itk(path, job.array, job.source)
    else:
        save_nibabel(path, job.array, job.source, job.geometry.unit, describe(job.geometry, job.what))


def _compare(temporary: Path, path: Path, job: _Job) -> None:
    """Read a file back and compare voxels and affine."""
    suffix = suffix_of(temporary)
    readers: dict[bool, Callable[[Path], tuple[NDArray[Any], NDArray[np.float64]]]]
    if suffix in SUFFIXES["picture"]:
        array, affine, wanted = pictures.load_back(temporary), np.eye(4), np.eye(4)
    else:
        readers = {True: simpleitk.load_back, False: nifti.load_back}
        array, affine = readers[suffix in SUFFIXES["itk"]](temporary)
        wanted = job.source.affine
    if array.size != job.array.size or not np.array_equal(array.reshape(job.array.shape), job.array, equal_nan=True):
        raise OutputError(f"{path.name} read back with other values than were written.", "Try again, or another disk.")
    if affine_differs(affine, wanted):
        raise OutputError(
            f"{path.name} cannot hold the place of this image: its affine reads back differently.",
            "Write .nii.gz instead.",
        )


def affine_differs(affine: NDArray[np.float64], wanted: NDArray[np.float64]) -> bool:
    """Tell whether an affine that was read back is another than what was meant.

    Parameters
    ----------
    affine : ndarray (4, 4) float64
        As it was read.
    wanted : ndarray (4, 4) float64
        What was meant.
    """
    # Formats store single precision: tolerate that for places far from the origin.
    return bool(np.abs(affine - wanted).max() > _AFFINE_TOLERANCE * max(1.0, np.abs(wanted).max() / 100))
