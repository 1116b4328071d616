"""Write NIfTI, Analyze and MGH files, through nibabel."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.volumes import SourceGrid, Unit


def save_nibabel(path: Path, array: NDArray[Any], source: SourceGrid, unit: Unit, description: str) -> None:
    """Write an array as NIfTI or MGH, with the source's own header where it has one of that family.

    Parameters
    ----------
    path : Path
        Target; the suffix (.nii, .nii.gz, .img, .hdr, .mgz, .mgh) chooses the format.
    array : ndarray (*source.shape, ...), uint8 or float32
        In the source's order; time, then classes follow.
    source : SourceGrid
        The grid it lies on.
    unit : "mm" or "pixel"
        Unit of the affine; "pixel" is written as unknown.
    description : str
        At most 79 letters, for NIfTI's `descrip`.
    """
    import nibabel

    if path.name.endswith((".mgz", ".mgh")):
        header = nibabel.MGHImage.header_class(source.header) if source.header and source.format == "mgh" else None
        image = nibabel.MGHImage(array, source.affine, header)
        image.set_data_dtype(array.dtype)
        _save(image, path)
        return
    _save(_nifti_of(array, source, unit, description, pair=path.suffix in {".img", ".hdr"}), path)


def label_header(source: SourceGrid, unit: Unit, description: str) -> bytes:
    """Return all that a NIfTI file of labels has before its voxels.

    Parameters
    ----------
    source : SourceGrid
        The grid.
    unit : "mm" or "pixel"
        Unit of the affine.
    description : str
        At most 79 letters.
    """
    # Stands for the labels, and takes no memory.
    nothing = np.broadcast_to(np.uint8(0), source.shape)
    header = _nifti_of(nothing, source, unit, description, pair=False).header
    header.set_slope_inter(1, 0)
    block: bytes = header.binaryblock
    filled = -(-(len(block) + 4) // 16) * 16
    header["vox_offset"] = filled
    block = header.binaryblock
    return block + bytes(filled - len(block))


def _nifti_of(array: NDArray[Any], source: SourceGrid, unit: Unit, description: str, *, pair: bool) -> Any:
    """Make an image that is not written yet."""
    import nibabel

    if source.header and source.format in {"nifti1", "nifti2"}:
        image = _inherited(nibabel, pair, array, source)
    else:
        image = (nibabel.Nifti1Pair if pair else nibabel.Nifti1Image)(array, source.affine)
        code = 1 if source.format in {"dicom", "mgh"} else 2
        image.set_sform(source.affine, code=code)
        image.set_qform(source.affine, code=code if _orthogonal(source.affine) else 0)
        image.header.set_xyzt_units(xyz="mm" if unit == "mm" else "unknown")
    image.header.set_data_dtype(array.dtype)
    image.header["descrip"] = description.encode("ascii", "replace")[:79]
    return image


def _save(image: Any, path: Path) -> None:
    """Write an image to files that are closed whatever happens, which nibabel leaves open on a full disk."""
    with ExitStack() as stack:
        for part, holder in image.file_map.items():
            target = path if len(image.file_map) == 1 else path.with_suffix({"header": ".hdr", "image": ".img"}[part])
            holder.fileobj = stack.enter_context(opened_to_write(target))
        image.to_file_map(image.file_map)


@contextmanager
def opened_to_write(path: Path) -> Iterator[Any]:
    """Open a file to write, compressed where its suffix says so; the same voxels give the same bytes.

    Parameters
    ----------
    path : Path
        Target.
    """
    with path.open("wb") as file:
        if path.suffix.lower() not in {".gz", ".mgz"}:
            yield file
            return
        with gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed:
            yield packed


def _inherited(nibabel: Any, pair: bool, array: NDArray[Any], source: SourceGrid) -> Any:
    """Make an image with the source's header, without what belonged to its intensities."""
    family = "Nifti1" if source.format == "nifti1" else "Nifti2"
    module = getattr(nibabel, family.lower())
    own = getattr(module, f"{family}PairHeader")(source.header, check=False)
    header = getattr(module, f"{family}PairHeader" if pair else f"{family}Header").from_header(own, check=False)
    header["scl_slope"], header["scl_inter"] = math.nan, math.nan
    header["cal_min"], header["cal_max"] = 0, 0
    header["aux_file"] = b""
    header.set_intent("none")
    header.set_data_shape(array.shape)
    image_class = getattr(nibabel, f"{family}{'Pair' if pair else 'Image'}")
    return image_class(array, None, header)


def _orthogonal(affine: NDArray[np.float64]) -> bool:
    """Whether a qform, which knows no shear, can hold an affine."""
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.abs(columns.T @ columns - np.eye(3)).max() < 1e-6)
