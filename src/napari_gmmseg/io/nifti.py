"""Read NIfTI, Analyze and MGH files, through nibabel."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError, ResourceError
from napari_gmmseg.io.grids import RawImage, rows, to_float32
from napari_gmmseg.io.loggers import quiet
from napari_gmmseg.volumes import Finding, Unit

#: NIfTI's codes of spatial units: metre, millimetre, micrometre; 0 (unknown) is read as mm, as all tools do.
_TO_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 1e-3}
#: What our files say of themselves in `descrip`, beside their version.
OWN_MARK = "napari-gmmseg "
UNVERIFIED_MARK = "; geometry unverified"
NO_SIZE_MARK = "; no voxel size"
#: Where MGH files tell whether their orientation is meant.
_GOOD_RAS = slice(28, 30)
#: Affine to world mm, its unit, whether it can be relied on, and doubts.
_Placement = tuple[NDArray[np.float64], Unit, bool, tuple[Finding, ...]]


@contextmanager
def _nibabel_errors(path: Path) -> Iterator[None]:
    """Turn what nibabel raises about a broken file into one sentence, and keep its log quiet."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.freesurfer.mghformat import MGHError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    damaged = (ImageFileError, HeaderDataError, WrapStructError, MGHError)
    try:
        with quiet("nibabel.global"):
            yield
    except (OSError, EOFError, ValueError, TypeError, LookupError, OverflowError, zlib.error, *damaged) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path.name} cannot be read: {reason}.",
            "The file is cut off or damaged: copy or export it again.",
        ) from error
    except MemoryError as error:
        raise ResourceError(
            f"{path.name} needs more memory than there is.",
            "Close other programs, or check that its header tells the true size.",
        ) from error


def read_nibabel(path: Path) -> RawImage:
    """Read a NIfTI-1, NIfTI-2, Analyze or MGH file.

    Parameters
    ----------
    path : Path
        The file; either half of a pair.

    Returns
    -------
    RawImage
        Singleton axes past the third are dropped; of the others there may be one, whichever its place.

    Raises
    ------
    InputError
        Where it cannot be read, or holds colours, complex numbers or too many axes.
    """
    image = _open(path)
    shape = tuple(int(n) for n in image.shape)
    _check_kind(path, image.get_data_dtype())
    extra = [axis for axis in range(3, len(shape)) if shape[axis] != 1]
    if len(extra) > 1:
        raise InputError(
            f"{path.name} has {len(shape)} axes with {' x '.join(map(str, shape))} voxels; only three are space.",
            "Split it into files with one time or channel axis.",
        )
    spatial = (*shape[:3], *(1,) * (3 - len(shape)))
    n_extra = shape[extra[0]] if extra else 1

    def load(frame: int | None) -> NDArray[np.float32]:
        with _nibabel_errors(path), np.errstate(over="ignore", invalid="ignore"):
            if frame is None or not extra:
                data = image.get_fdata(dtype=np.float32, caching="unchanged")
                return to_float32(data).reshape(spatial if n_extra == 1 else (*spatial, n_extra), order="F")
            index = tuple(frame if axis == extra[0] else slice(None) for axis in range(len(shape)))
            return to_float32(image.dataobj[index]).reshape(spatial, order="F")

    affine, unit, verified, findings = _placement(path, image)
    return RawImage(
        shape=spatial,
        n_extra=n_extra,
        load=load,
        affine=affine,
        format=_format_name(image),
        unit=unit,
        verified=verified,
        header=image.header.binaryblock if _format_name(image) != "analyze" else b"",
        findings=findings,
    )


@dataclass(frozen=True)
class StoredVoxels:
    """Where and how a file holds its voxels.

    Parameters
    ----------
    path : Path
        The file that holds them.
    offset : int
        Bytes before the first.
    dtype : numpy dtype
        Of one, with its byte order.
    slope, inter : float
        intensity = stored * slope + inter.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    slope: float
    inter: float


def stored_voxels(path: Path) -> StoredVoxels:
    """Tell where and how a NIfTI file holds its voxels, to read them without nibabel.

    Parameters
    ----------
    path : Path
        The file; either half of a pair.

    Raises
    ------
    InputError
        Where it cannot be read.
    """
    image = _open(path)
    with _nibabel_errors(path):
        proxy = image.dataobj
        voxels = Path(image.file_map["image"].filename)
        return StoredVoxels(voxels, int(proxy.offset), np.dtype(proxy.dtype), float(proxy.slope), float(proxy.inter))


def _open(path: Path) -> Any:
    """Open a file; its voxels are read when they are asked for, those of MGH files at once."""
    import nibabel

    with _nibabel_errors(path):
        if not path.name.lower().endswith((".mgz", ".mgh")):
            return nibabel.load(path, mmap=False)
        # nibabel leaves MGH files open.
        with gzip.open(path) if path.suffix.lower() == ".mgz" else path.open("rb") as file:
            return nibabel.MGHImage.from_bytes(file.read())


def _placement(path: Path, image: Any) -> _Placement:
    """Find where the voxels lie, the unit, whether that is verified, and what is doubtful about it."""
    if not _format_name(image).startswith("nifti"):
        return _other_affine(path, image)
    with _nibabel_errors(path):
        return _nifti_affine(path, _unrepaired(image))


def _check_kind(path: Path, dtype: np.dtype[Any]) -> None:
    """Refuse voxels that are not one real number each."""
    if dtype.kind == "c":
        raise InputError(f"{path.name} holds complex numbers.", "Export the magnitude image.")
    if dtype.fields is not None:
        raise InputError(f"{path.name} holds RGB colours.", "Export grey values, one image a channel.")


def _format_name(image: Any) -> str:
    """Name a nibabel image's format as `SourceGrid.format` does."""
    name = type(image).__name__.lower()
    return next((f for f in ("nifti2", "nifti1", "mgh") if name.startswith(f)), "analyze")


def _invertible(affine: Any) -> bool:
    """Whether a matrix places voxels in space."""
    if affine is None or not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return bool(lengths.min() > 0 and abs(np.linalg.det(affine[:3, :3])) > 1e-6 * lengths.prod())


def _unrepaired(image: Any) -> Any:
    """Read the header again as it is stored: nibabel puts 1 for a missing voxel size."""
    holder = image.file_map.get("header", image.file_map["image"])
    with holder.get_prepare_fileobj("rb") as file:
        block = file.read(len(image.header.binaryblock))
    return type(image.header)(block, check=False)


def _qform(header: Any) -> Any:
    """Return the qform's matrix where it is set and can be worked out, else None."""
    from nibabel.spatialimages import HeaderDataError

    try:
        return header.get_qform(coded=True)[0]
    except (HeaderDataError, ValueError):
        return None


def _nifti_affine(path: Path, header: Any) -> _Placement:
    """Choose between sform, qform and voxel size as NIfTI says, and tell what is doubtful."""
    sform, qform = header.get_sform(coded=True)[0], _qform(header)
    sform_set, qform_set = int(header["sform_code"]) > 0, int(header["qform_code"]) > 0
    scale = _TO_MM.get(int(header["xyzt_units"]) & 7, 1.0)
    findings: list[Finding] = []
    broken = [
        name for name, on, m in (("sform", sform_set, sform), ("qform", qform_set, qform)) if on and not _invertible(m)
    ]
    if broken:
        findings.append(
            Finding(
                "broken-affine",
                f"The {' and '.join(broken)} of {path.name} cannot place voxels in space.",
                "Check left and right by eye; exports are marked as unverified.",
            )
        )
    verified = not broken
    if sform_set and _invertible(sform):
        affine = sform
        if qform_set and _invertible(qform):
            differing, same_side = _disagreement(path, header, sform, qform)
            findings += differing
            verified = verified and same_side
    elif qform_set and _invertible(qform):
        affine = qform
    else:
        affine, unit = _size_affine(header)
        if not broken:
            findings.append(_no_orientation(path))
        return rows(affine, scale if unit == "mm" else 1.0), unit, False, tuple(findings)
    affine = rows(np.asarray(affine, dtype=np.float64), scale)
    doubts = _unlikely_size(path, affine)
    mark = bytes(header["descrip"]).decode("latin-1")
    own = mark if mark.startswith(OWN_MARK) else ""
    verified = verified and not doubts and UNVERIFIED_MARK not in own
    return affine, "pixel" if NO_SIZE_MARK in own else "mm", verified, (*findings, *doubts)


def _no_orientation(path: Path) -> Finding:
    return Finding(
        "orientation-unknown",
        f"{path.name} does not tell which side is left.",
        "Check left and right by eye; exports are marked as unverified.",
    )


def _size_affine(header: Any) -> tuple[NDArray[np.float64], Unit]:
    """Make an affine from the voxel size alone: x to the left, the origin in the middle, as nibabel has it."""
    sizes = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    shape = (*header.get_data_shape(), 1, 1, 1)[:3]
    # A slice need not tell how thick it is.
    told = np.isfinite(sizes) & (np.abs(sizes) > 0)
    known = bool((told | (np.asarray(shape) == 1)).all() and told.any())
    steps = np.where(told, np.abs(sizes), 1.0) if known else np.ones(3)
    linear = np.diag([-steps[0], steps[1], steps[2]])
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = -linear @ ((np.asarray(shape) - 1) / 2.0)
    return affine, "mm" if known else "pixel"


def _disagreement(path: Path, header: Any, sform: Any, qform: Any) -> tuple[list[Finding], bool]:
    """Compare the two places that a NIfTI header gives; also say whether they agree on the sides."""
    shape = (*header.get_data_shape(), 1, 1, 1)[:3]
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape], indexing="ij")).reshape(3, -1)
    apart = np.abs((sform - qform) @ np.vstack([corners, np.ones(8)])).max()
    step = float(np.linalg.norm(sform[:3, :3], axis=0).min())
    if apart <= 0.5 * step:
        return [], True
    same_side = bool(np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) > 0)
    registered = int(header["sform_code"]) != int(header["qform_code"])
    finding = Finding(
        "qform-sform-differ",
        f"The sform and qform of {path.name} place voxels up to {apart:.3g} apart; the sform is used.",
        "Where the sform is a registration to a template this is as it should be; else repair the header.",
        "note" if registered and same_side else "warning",
    )
    return [finding], same_side


def _unlikely_size(path: Path, affine: NDArray[np.float64]) -> tuple[Finding, ...]:
    """Doubt a voxel size that no MRI has: mostly a wrong unit in the header."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if sizes.min() >= 0.005 and sizes.max() <= 100:
        return ()
    text = " x ".join(f"{s:.3g}" for s in sizes)
    return (
        Finding(
            "unlikely-voxel-size",
            f"{path.name} has voxels of {text} mm by its header.",
            "Its unit (mm, micrometre, metre) is probably wrong: volumes in ml would be too.",
        ),
    )


def _other_affine(path: Path, image: Any) -> _Placement:
    """Take the affine of an Analyze or MGH image."""
    affine = np.asarray(image.affine, dtype=np.float64)
    header = image.header
    if _format_name(image) == "mgh":
        # nibabel puts a default orientation where the file says that it has none.
        placed = image.file_map["image"].fileobj.getvalue()[_GOOD_RAS] == b"\0\1"
        if placed and _invertible(affine):
            return affine, "mm", True, _unlikely_size(path, affine)
    elif _invertible(affine):
        return affine, "mm", False, (_no_orientation(path),)
    sizes = np.asarray(header.get_zooms()[:3], dtype=np.float64)
    known = sizes.size == 3 and bool(np.isfinite(sizes).all() and (sizes > 0).all())
    if not known:
        return np.diag([-1.0, 1.0, 1.0, 1.0]), "pixel", False, (_no_orientation(path),)
    return np.diag([-sizes[0], sizes[1], sizes[2], 1.0]), "mm", False, (_no_orientation(path),)


def load_back(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Read voxels and affine of a file just written, to compare.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    array, affine : ndarray
        As stored; the affine in mm, RAS+.
    """
    image = _open(path)
    with _nibabel_errors(path):
        return np.asanyarray(image.dataobj), _placement(path, image)[0]
