"""Lists of cases as CSV: a row a case, with its images, its labels, its patient and what is known of it."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config.presets import numbered_classes
from napari_gmmseg.errors import GeometryError, GmmsegError, InputError
from napari_gmmseg.io.labels import read_labels
from napari_gmmseg.io.lgg import is_lgg_folder, read_lgg
from napari_gmmseg.io.reading import read_channels
from napari_gmmseg.volumes import CaseSet, ClassTable, Finding, LabelledCase, LabelMap, Part, TissueClass, Volume

#: Columns that hold images: contrasts by their names, and others by number.
IMAGE_COLUMN = re.compile(r"^(t1|t1gd|t2|flair|pd|bssfp|lge|image(?:_?\d+)?)$")
_CASE, _PATIENT, _LABEL, _SPLIT = "case", "patient", "label", "split"
_PARTS: tuple[Part, ...] = get_args(Part)


def read_cases(path: str | Path) -> CaseSet:
    """Read cases to learn from: a folder of the LGG data, or a list.

    Parameters
    ----------
    path : path
        A folder, see `read_lgg`; or a CSV file, see `read_case_list`.

    Raises
    ------
    InputError
        Where it is neither, or holds no case.
    """
    path = Path(path)
    if path.is_dir():
        if not is_lgg_folder(path):
            raise InputError(
                f"{path} is not laid out like the LGG data: no folder in it holds a slice with its _mask.tif.",
                "Give such a folder, or a list of cases as CSV with the columns t1, flair, …, label.",
            )
        return read_lgg(path)
    return read_case_list(path)


def read_case_list(path: str | Path) -> CaseSet:
    """Read a list of cases.

    Columns: images by their contrast (`t1`, `t1gd`, `t2`, `flair`, `pd`, `bssfp`, `lge`) or as `image`, `image2` …;
    `label`, the mask, empty where there is none; `case`, a name; `patient`, whose image it is (without it, each row is
    a patient); `split`, train, validation or test. Every other column is an attribute; empty cells are gaps. Paths are
    relative to the list.

    Parameters
    ----------
    path : path
        CSV file with a heading.

    Returns
    -------
    CaseSet
        Each case with the channels of the list, in the order of its columns.

    Raises
    ------
    InputError
        Where the list, or a file in it, cannot be read; the row is told.
    GeometryError
        Where channels and labels of a case lie on different grids.
    """
    path = Path(path)
    rows = read_rows(path)
    images = [name for name in rows[0] if IMAGE_COLUMN.match(name)]
    if not images or _LABEL not in rows[0]:
        raise InputError(
            f"{path.name} has the columns {', '.join(rows[0])}; a list of cases needs images and labels.",
            "Name the columns t1, t1gd, t2, flair, pd or image for the images, and label for the mask.",
        )
    read = [_read_row(path, number, row, images) for number, row in enumerate(rows, start=2)]
    classes = _classes([labels for _, labels in read if labels is not None])
    unlabelled = sum(labels is None for _, labels in read)
    findings = (
        (Finding("cases-without-labels", f"{unlabelled} of {len(read)} cases have no labels.", severity="note"),)
        if unlabelled
        else ()
    )
    return CaseSet(tuple(case for case, _ in read), classes, findings)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a list, by the names of its columns.

    Parameters
    ----------
    path : Path
        CSV file with a heading.

    Raises
    ------
    InputError
        Where it cannot be read, or lists nothing.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [{str(k).strip(): (v or "").strip() for k, v in row.items() if k} for row in csv.DictReader(file)]
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.", "Check the path of the list.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a list of cases: {error}.", "Save it as CSV in UTF-8.") from error
    rows = [row for row in rows if any(row.values())]
    if not rows:
        raise InputError(f"{path.name} lists no case.", "Give a heading and a row for each case.")
    return rows


def _read_row(
    path: Path, number: int, row: dict[str, str], images: Sequence[str]
) -> tuple[LabelledCase, LabelMap | None]:
    where = f"{path.name}, row {number}"
    if missing := [name for name in images if not row[name]]:
        raise InputError(f"{where}: {', '.join(missing)} is empty.", "Give every case the same channels.")
    part = row.get(_SPLIT, "").lower()
    if part not in _PARTS:
        raise InputError(f"{where}: split is {part!r}.", f"Leave it empty, or write {', '.join(_PARTS[1:])}.")
    name = row.get(_CASE) or f"{path.stem}-{number - 1:03d}"
    taken = {*images, _CASE, _PATIENT, _LABEL, _SPLIT}
    try:
        volumes = read_channels([path.parent / row[name] for name in images])
        labels = read_labels(path.parent / row[_LABEL]) if row[_LABEL] else None
        data = _stacked(volumes, labels)
    except GmmsegError as error:
        raise type(error)(f"{where}: {error.message}", error.hint) from error
    case = LabelledCase(
        name,
        row.get(_PATIENT) or name,
        data,
        None if labels is None else labels.labels,
        tuple("" if channel.startswith("image") else channel for channel in images),
        attributes={key: value for key, value in row.items() if key not in taken and value},
        part=part,
    )
    return case, labels


def _stacked(volumes: Sequence[Volume], labels: LabelMap | None) -> NDArray[np.float32]:
    first = volumes[0]
    if first.data.ndim != 4 or any(volume.n_channels != 1 for volume in volumes):
        raise InputError("An image has a fourth axis.", "List one file for each channel, without time.")
    others = [(volume.geometry, "a channel") for volume in volumes[1:]]
    others += [] if labels is None else [(labels.geometry, "the label")]
    for geometry, what in others:
        if geometry.shape != first.geometry.shape or not geometry.same_grid(first.geometry):
            raise GeometryError(
                f"The first channel lies on {first.geometry.describe()}, and {what} on {geometry.describe()}.",
                "Resample them to one grid first.",
            )
    return np.concatenate([volume.data for volume in volumes])


def _classes(maps: Sequence[LabelMap]) -> ClassTable:
    if not maps:
        return numbered_classes(1)
    found: dict[int, TissueClass] = {}
    for labels in maps:
        present = np.flatnonzero(np.bincount(labels.labels.reshape(-1), minlength=256))
        for value in (*labels.classes.values, *(int(v) for v in present if v)):
            known = labels.classes.by_value(value)
            if value not in found and known is not None:
                found[value] = known
    if not found:
        raise InputError("No label map holds a label: all are 0.", "Check the column label.")
    return ClassTable(tuple(found[value] for value in sorted(found)))
