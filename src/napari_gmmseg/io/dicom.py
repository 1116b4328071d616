"""DICOM: find the series of a folder, choose one, and stack its slices by where they lie."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError
from napari_gmmseg.io.dicom_slices import Slice, frames_of, is_dicom, read_header, slices_of, words
from napari_gmmseg.io.dicom_stacks import stack
from napari_gmmseg.io.grids import RawImage
from napari_gmmseg.io.sniffing import SUFFIXES, suffix_of
from napari_gmmseg.volumes import Finding

#: Suffixes of volumes that are no DICOM.
_VOLUMES = {suffix for family in ("nifti", "mgh", "itk") for suffix in SUFFIXES[family]}
_LOCALISER = re.compile(r"(?<![a-z])(?:loc|localis?z?er|scout|survey|smartbrain|3[- ]?plane)(?![a-z])", re.IGNORECASE)


class Series:
    """The images of one DICOM series.

    Parameters
    ----------
    uid : str
        SeriesInstanceUID.
    headers : list of (Path, Dataset)
        One entry a file, pixels left out.
    """

    def __init__(self, uid: str, headers: list[tuple[Path, Any]]) -> None:
        self.uid = uid
        self.headers = headers
        first = headers[0][1]
        self.number = str(first.get("SeriesNumber") or "")
        self.description = str(first.get("SeriesDescription") or first.get("ProtocolName") or "")
        self.modality = str(first.get("Modality") or "")
        kinds = words(first.get("ImageType"))
        self.localiser = "LOCALIZER" in kinds or bool(_LOCALISER.search(self.description))
        self.derived = kinds[:1] == ("DERIVED",) or kinds[1:2] == ("SECONDARY",)
        self.n_images = sum(frames_of(h) for _, h in headers)

    @property
    def ordinary(self) -> bool:
        """Whether it is an original series of images, neither localiser nor derived."""
        return not self.localiser and not self.derived

    def describe(self) -> str:
        """Return one line for messages."""
        kind = "localiser" if self.localiser else "derived" if self.derived else "original"
        images = f"{self.n_images} image{'' if self.n_images == 1 else 's'}"
        return f"{self.number or '?'} {self.description!r} ({images}, {kind})"

    @property
    def folder(self) -> str:
        """Where its files lie."""
        folders = sorted({str(path.parent) for path, _ in self.headers})
        return folders[0] if len(folders) == 1 else f"{len(folders)} folders below {os.path.commonpath(folders)}"


def list_series(path: Path) -> list[Series]:
    """Find the image series of a folder and those below it, or of a file's neighbours.

    Parameters
    ----------
    path : Path
        A folder, or one DICOM file: then its own series alone is listed.

    Returns
    -------
    list of Series
        In the order of their numbers.

    Raises
    ------
    InputError
        Where there is no DICOM image, or a folder holds images of other formats too.
    """
    if path.is_dir():
        files = [p for p in sorted(path.rglob("*")) if p.is_file() and not p.name.startswith(".")]
        own = None
    else:
        own = str(read_header(path).get("SeriesInstanceUID") or "")
        files = [p for p in sorted(path.parent.iterdir()) if p.is_file() and not p.name.startswith(".")]
    found: dict[str, list[tuple[Path, Any]]] = {}
    seen: set[str] = set()
    for file in files:
        if not is_dicom(file):
            continue
        header = read_header(file)
        instance = str(header.get("SOPInstanceUID") or file)
        if "Rows" not in header or instance in seen:
            continue
        uid = str(header.get("SeriesInstanceUID") or "")
        if own is None or uid == own:
            seen.add(instance)
            found.setdefault(uid, []).append((file, header))
    if not found:
        raise InputError(_nothing(path, files), "Name an image file, or a folder that holds DICOM images.")
    if own is None:
        _refuse_other_images(path, files, {file for headers in found.values() for file, _ in headers})
    return sorted((Series(uid, headers) for uid, headers in found.items()), key=lambda s: (s.number.zfill(8), s.uid))


def _nothing(path: Path, files: list[Path]) -> str:
    """Say what a folder without DICOM images holds instead."""
    if not path.is_dir():
        return f"{path.name} is DICOM, but no image."
    names = ", ".join(p.name for p in files[:5])
    return f"The folder {path} holds no DICOM image; it holds {names or 'no file'}{' ...' if len(files) > 5 else ''}."


def _refuse_other_images(path: Path, files: list[Path], dicom: set[Path]) -> None:
    """Refuse a folder with volumes of other formats beside DICOM; pictures are often thumbnails of the series."""
    others = [file for file in files if suffix_of(file) in _VOLUMES and file not in dicom and not is_dicom(file)]
    if others:
        names = ", ".join(str(file) for file in others[:4])
        folders = ", ".join(sorted({str(file.parent) for file in dicom})[:4])
        raise InputError(
            f"The folder {path} holds DICOM images (in {folders}) and {len(others)} of other formats: "
            f"{names}{' ...' if len(others) > 4 else ''}.",
            "Name the files you mean, or the DICOM folder alone; where they share one folder, name one DICOM file.",
        )


def choose_series(path: Path, listed: list[Series], wanted: str | None) -> tuple[Series, tuple[Finding, ...]]:
    """Choose the series to read.

    Parameters
    ----------
    path : Path
        Folder, for messages.
    listed : list of Series
        What is there.
    wanted : str or None
        UID, number or description; None chooses the largest original primary series.

    Returns
    -------
    series, findings
        With a finding that lists the others, where there are any.

    Raises
    ------
    InputError
        Where none fits, or several fit equally.
    """
    lines = "; ".join(s.describe() for s in listed)
    if wanted is not None:
        text = wanted.strip().lower()
        fits = [s for s in listed if text in (s.uid, s.number, s.description.lower())]
        fits = fits or [s for s in listed if text in s.description.lower()]
        if len(fits) != 1:
            seen = "no series" if not fits else f"{len(fits)} series"
            raise InputError(
                f"{path.name} has {seen} named {wanted!r}. It holds: {lines}.",
                "Give --series a number, or a UID: " + ", ".join(s.uid for s in (fits or listed)[:4]) + ".",
            )
        return fits[0], ()
    if len(listed) == 1:
        return listed[0], ()
    candidates = [s for s in listed if s.ordinary] or [s for s in listed if not s.localiser] or listed
    largest = max(s.n_images for s in candidates)
    best = [s for s in candidates if s.n_images == largest]
    if len(best) > 1:
        raise InputError(
            f"{path.name} mixes {len(listed)} series, and {len(best)} of them are equally large: {lines}.",
            f"Name one: --series {best[0].number or best[0].uid}.",
        )
    finding = Finding(
        "several-series",
        f"{path.name} holds {len(listed)} series; {best[0].describe()} was read. It holds: {lines}.",
        "Name another with --series.",
        "warning" if len(candidates) > 1 else "note",
    )
    return best[0], (finding,)


def read_dicom(path: Path, series: str | None = None) -> RawImage:
    """Read one DICOM series.

    Parameters
    ----------
    path : Path
        A folder, or one file of the series.
    series : str or None
        UID, number or description; None chooses.

    Returns
    -------
    RawImage
        Of shape (columns, rows, slices); further images at the same places (echoes, times) are the further axis.

    Raises
    ------
    InputError
        Where there is no image, no one series, slices are missing or uneven, or orientations are mixed.
    """
    chosen, findings = choose_series(path, list_series(path), series)
    read = Finding("dicom-series", f"DICOM series {chosen.describe()} in {chosen.folder} was read.", severity="note")
    slices = [s for file, header in chosen.headers for s in slices_of(file, header)]
    slices, unlike = _one_kind(chosen, slices)
    raw = stack(chosen.describe(), slices)
    first = chosen.headers[0][1]
    details = {
        name: str(first.get(name) or "")
        for name in (
            "StudyInstanceUID",
            "SeriesInstanceUID",
            "FrameOfReferenceUID",
            "SeriesDescription",
            "SeriesNumber",
        )
    }
    return replace(
        raw,
        contrast=chosen.description,
        details=details,
        findings=(read, *findings, *unlike, *raw.findings),
    )


def _one_kind(series: Series, slices: list[Slice]) -> tuple[list[Slice], tuple[Finding, ...]]:
    """Refuse a series whose images differ in orientation or size."""
    sizes = Counter(s.size for s in slices)
    orientations: list[NDArray[np.float64]] = []
    for s in slices:
        if s.orientation is not None and not any(np.abs(s.orientation - o).max() < 1e-3 for o in orientations):
            orientations.append(s.orientation)
    if len(orientations) > 1:
        raise InputError(
            f"Series {series.describe()} has images in {len(orientations)} orientations.",
            "It is probably a localiser: name another series with --series, or convert it to NIfTI.",
        )
    if len(sizes) > 1:
        seen = ", ".join(f"{n} of {size[0]} x {size[1]}" for size, n in sizes.items())
        raise InputError(
            f"Series {series.describe()} mixes images of several sizes (rows x columns): {seen}.",
            "Put each kind into a folder of its own.",
        )
    spacings = {s.spacing for s in slices if s.spacing is not None}
    if any(not np.allclose(spacing, min(spacings), rtol=1e-3) for spacing in spacings):
        seen = ", ".join(f"{rows:g} x {columns:g}" for rows, columns in sorted(spacings))
        raise InputError(
            f"Series {series.describe()} mixes pixels of several sizes in mm: {seen}.",
            "Put each kind into a folder of its own.",
        )
    kinds = Counter(s.kind for s in slices)
    if len(kinds) == 1:
        return slices, ()
    magnitude = [kind for kind in kinds if kind == "M"]
    if not magnitude:
        return slices, ()
    kept = [s for s in slices if s.kind == "M"]
    finding = Finding(
        "only-magnitude",
        f"Series {series.describe()} has magnitude, phase or real images; the {len(kept)} of magnitude were read.",
        severity="note",
    )
    return kept, (finding,)
