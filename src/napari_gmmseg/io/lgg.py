"""Folders of the LGG segmentation data (Buda et al. 2019): a folder a patient, a TIFF a slice and a mask beside it."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config.presets import MAGENTA
from napari_gmmseg.errors import InputError
from napari_gmmseg.io.pictures import read_pixels
from napari_gmmseg.volumes import CaseSet, ClassTable, Finding, LabelledCase, TissueClass

#: What the three colours of the pictures are; of the two T1 images, the last is that with gadolinium.
CHANNELS = ("t1", "flair", "t1gd")
CLASSES = ClassTable((TissueClass(1, "FLAIR abnormality", "FA", MAGENTA, "abnormality"),))
TABLE = "data.csv"
_SLICE = re.compile(r"^(?P<case>.+)_(?P<number>\d+)\.tiff?$", re.IGNORECASE)
_MASK = re.compile(r"^(?P<slice>.+_\d+)_mask\.tiff?$", re.IGNORECASE)
#: What TCGA calls a patient, before the date of the examination.
_PATIENT = re.compile(r"^(TCGA_[A-Z0-9]{2}_[A-Z0-9]{4})(?:_\d{8})?$", re.IGNORECASE)
#: Names that are told of what was left out; the rest is counted.
_NAMED = 5


@dataclass
class _LeftOut:
    """Slices and patients that were left out or lack something, by reason."""

    damaged: list[str] = field(default_factory=list)
    without_mask: list[str] = field(default_factory=list)
    without_image: list[str] = field(default_factory=list)
    other_size: list[str] = field(default_factory=list)
    without_row: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    def findings(self) -> tuple[Finding, ...]:
        """Return what there is to tell."""
        told = (
            ("damaged-slices", self.damaged, "slices cannot be read, and were left out", "Copy them again."),
            ("slices-without-mask", self.without_mask, "slices have no mask, and were left out", "Copy it, too."),
            ("masks-without-slice", self.without_image, "masks have no slice, and were left out", "Copy it, too."),
            ("slices-of-other-size", self.other_size, "slices are of another size, and were left out", "Check them."),
            ("patients-without-row", self.without_row, f"patients are not in {TABLE}: nothing is known of them", ""),
            ("folders-without-slices", self.empty, "folders hold no usable slice, and were left out", ""),
        )
        return tuple(
            Finding(code, f"{len(names)} {words}: {_listed(names)}.", hint)
            for code, names, words, hint in told
            if names
        )


def is_lgg_folder(folder: Path) -> bool:
    """Tell whether a folder holds folders of patients with slices and masks.

    Parameters
    ----------
    folder : Path
        The folder.
    """
    return any(_MASK.match(path.name) for path in folder.glob("*/*_mask.tif*"))


def read_lgg(folder: str | Path) -> CaseSet:
    """Read a folder of the LGG segmentation data.

    A slice that cannot be read, has no mask, or is of another size than the others of its patient is left out; so is a
    mask without its slice. Each is counted in a finding. A slice's position is its number among those of the patient,
    so that gaps do not move the others. Attributes are the columns of `data.csv`, gaps left out; without the file, or
    without the patient's row, nothing is known.

    Parameters
    ----------
    folder : path
        With a folder for each patient, and `data.csv`.

    Returns
    -------
    CaseSet
        Channels t1, flair, t1gd as they are in the files (uint8); one class, the abnormality in FLAIR.

    Raises
    ------
    InputError
        Where there is no such folder, no usable slice in it, or `data.csv` cannot be understood.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", "Check its path.")
    rows = _read_table(folder / TABLE)
    left_out = _LeftOut()
    cases = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        case = _read_case(place, rows, left_out)
        if case is not None:
            cases.append(case)
    if not cases:
        raise InputError(
            f"{folder} holds no slice with its mask.",
            "It should hold a folder for each patient, with NAME_1.tif and NAME_1_mask.tif and so on.",
        )
    return CaseSet(tuple(cases), CLASSES, left_out.findings())


def _read_case(place: Path, rows: Mapping[str, dict[str, str]] | None, left_out: _LeftOut) -> LabelledCase | None:
    slices = {int(m["number"]): path for path in place.iterdir() if (m := _SLICE.match(path.name))}
    masks = {m["slice"]: path for path in place.iterdir() if (m := _MASK.match(path.name))}
    stems = {path.stem for path in slices.values()}
    left_out.without_image += [path.name for stem, path in sorted(masks.items()) if stem not in stems]
    kept: list[tuple[int, NDArray[Any], NDArray[np.bool_]]] = []
    for number, path in sorted(slices.items()):
        mask_path = masks.get(path.stem)
        if mask_path is None:
            left_out.without_mask.append(path.name)
            continue
        try:
            image, mask = _image(path), _mask(mask_path)
        except InputError:
            left_out.damaged.append(path.name)
            continue
        size = kept[0][1].shape if kept else image.shape
        if image.shape != size or mask.shape != image.shape[1:]:
            left_out.other_size.append(path.name)
            continue
        kept.append((number, image, mask))
    if not kept:
        if slices or masks:
            left_out.empty.append(place.name)
        return None
    first, last = min(slices), max(slices)
    patient = _patient_of(place.name)
    attributes = _attributes(patient, rows, left_out)
    return LabelledCase(
        place.name,
        patient,
        np.stack([image for _, image, _ in kept], axis=1),
        np.stack([mask for _, _, mask in kept]).astype(np.uint8),
        CHANNELS,
        tuple((number - first) / max(last - first, 1) for number, _, _ in kept),
        attributes,
    )


def _image(path: Path) -> NDArray[Any]:
    pixels = read_pixels(path)
    if pixels.ndim != 3 or pixels.shape[2] != len(CHANNELS):
        raise InputError(f"{path.name} has the shape {pixels.shape}, not three colours.")
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _mask(path: Path) -> NDArray[np.bool_]:
    pixels = read_pixels(path)
    if pixels.ndim != 3:
        raise InputError(f"{path.name} has the shape {pixels.shape}.")
    drawn: NDArray[np.bool_] = np.asarray((pixels > 0).any(axis=2))
    return drawn


def _patient_of(name: str) -> str:
    found = _PATIENT.match(name)
    return found[1] if found else name


def _read_table(path: Path) -> dict[str, dict[str, str]] | None:
    if not path.is_file():
        return None
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table: {error}.", "Export it as CSV in UTF-8.") from error
    if not rows or "Patient" not in rows[0]:
        raise InputError(f"{path} has no column Patient.", "Copy the table that came with the data.")
    return {
        str(row["Patient"]): {name: value for name, value in row.items() if name and name != "Patient" and value}
        for row in rows
    }


def _attributes(patient: str, rows: Mapping[str, dict[str, str]] | None, left_out: _LeftOut) -> dict[str, str]:
    found = None if rows is None else rows.get(patient)
    if found is None:
        left_out.without_row.append(patient)
    return found or {}


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
