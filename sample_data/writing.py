"""What the scripts of this folder share: reproducible NIfTI files and their checksums."""

from __future__ import annotations

import gzip
import hashlib
import io
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.io.sidecars import bids_text
from napari_gmmseg.volumes import ClassTable

FOLDER = Path(__file__).parent
CHECKSUMS = FOLDER / "checksums.sha256"


def write_nifti(
    name: str,
    array: NDArray[Any],
    affine: NDArray[np.float64],
    description: str,
    *,
    slope: float | None = None,
    sform: str = "scanner",
) -> Path:
    """Write an integer array as `name`.nii.gz with the same bytes each time.

    Parameters
    ----------
    name : str
        File name without suffix.
    array : ndarray (X, Y, Z), integer
        Stored as it is.
    affine : ndarray (4, 4)
        Voxel (x, y, z, 1) to world mm, RAS+.
    description : str
        For the header; 79 characters at most.
    slope : float or None
        What one count means; None for 1.
    sform : str
        Code of sform and qform, "scanner" or "mni".
    """
    if len(description) > 79:
        raise ValueError(f"A NIfTI description holds 79 characters: {description!r}")
    image = nib.Nifti1Image(np.asfortranarray(array), affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = description.encode("ascii")
    image.set_sform(affine, sform)
    image.set_qform(affine, sform)
    if slope is not None:
        image.header.set_slope_inter(slope, 0.0)
    plain = io.BytesIO()
    image.to_file_map({"image": nib.FileHolder(fileobj=plain), "header": nib.FileHolder(fileobj=plain)})
    path = FOLDER / f"{name}.nii.gz"
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=9) as packed:
        packed.write(plain.getvalue())
    return path


def write_classes(case: str, classes: ClassTable) -> None:
    """Write the names and colours of a case's labels beside them."""
    (FOLDER / f"{case}_dseg.tsv").write_text(bids_text(classes), encoding="utf-8")


def record_checksums() -> None:
    """Write sha256 sums of all sample files, in the format of ``sha256sum --check``."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(FOLDER.iterdir())
        if path.name.endswith((".nii.gz", ".tsv", ".json", ".safetensors"))
    ]
    CHECKSUMS.write_text("".join(lines))
