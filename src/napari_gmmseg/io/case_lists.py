"""Lists of cases as CSV: a row a case, with its images, its labels, its patient and what is known of it."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config.presets import numbered_classes
from napari_gmmseg.errors import GeometryError, GmmsegError, InputError
from napari_gmmseg.io.labels import read_labels
from napari_gmmseg.io.lgg import is_lgg_folder, read_lgg
from napari_gmmseg.io.reading import read_channels
from napari_gmmseg.io.sniffing import ALL_SUFFIXES
from napari_gmmseg.volumes import CaseSet, ClassTable, Finding, LabelledCase, LabelMap, Part, TissueClass, Volume

#: Columns that hold images: contrasts by their names, and others by number.
IMAGE = re.compile(r"^(t1|t1gd|t2|flair|pd|bssfp|lge|image(?:_?\d+)?)$")
#: Contrasts as public collections call them.
_ALSO = {"t1ce": "t1gd", "t1c": "t1gd", "t1n": "t1", "t1w": "t1", "t2w": "t2", "t2f": "flair", "pdw": "pd"}
CASE, PATIENT, LABEL, SPLIT = "case", "patient", "label", "split"
#: Headings that mean one of these, but are not called so: as attributes they would do harm that nobody sees.
_MEANT = {
    PATIENT: re.compile(r"^(patients?|subjects?|participants?)(id|no|nr|name|number|code|key|uid|identifier)?$"),
    SPLIT: re.compile(r"^(splits?|folds?|partition|subset|(data|dataset)split)$"),
    LABEL: re.compile(r"^(labels|masks?|seg|segmentation|groundtruth)$"),
}
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
    a patient); `split`, train, validation or test. Capitals do not matter there, and t1ce, t1c, t1w, t2w … are known,
    too. Every other column is an attribute; empty cells are gaps. Paths are relative to the list.

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
        Where the list, or a file in it, cannot be read; the row is told. Where a column seems to be one of these under
        another name, or to hold images.
    GeometryError
        Where channels and labels of a case lie on different grids.
    """
    path = Path(path)
    rows = named_rows(path)
    images = image_columns(path, rows[0])
    if LABEL not in rows[0]:
        raise InputError(
            f"{path.name} has the columns {', '.join(rows[0])}; a list of cases to learn from needs labels.",
            "Name the column label that holds the masks.",
        )
    read = [_read_row(path, number, row, images) for number, row in enumerate(rows, start=2)]
    classes = _classes([labels for _, labels in read if labels is not None])
    unlabelled = sum(labels is None for _, labels in read)
    findings = [
        Finding("cases-without-labels", f"{unlabelled} of {len(read)} cases have no labels.", severity="note"),
    ]
    cases = tuple(case for case, _ in read)
    return CaseSet(cases, classes, (*findings[: bool(unlabelled)], _told(cases)))


def _told(cases: Sequence[LabelledCase]) -> Finding:
    """Say what was read, so that a column that was taken for something else is seen."""
    patients = len({case.patient for case in cases})
    names = list(dict.fromkeys(name for case in cases for name in case.attributes))
    parts = ", ".join(f"{sum(case.part == part for case in cases)} {part}" for part in _PARTS[1:])
    placed = f"; split: {parts}" if any(case.part for case in cases) else ""
    read = f"{_counted(len(cases), 'case')} of {_counted(patients, 'patient')}{placed}"
    return Finding("cases", f"{read}; attributes: {', '.join(names) or 'none'}.", severity="note")


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def named_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a list whose other columns are attributes of patients.

    Parameters
    ----------
    path : Path
        CSV file with a heading.

    Raises
    ------
    InputError
        Where it cannot be read, lists nothing, or has a column that means patients, parts, labels or an image by
        another name.
    """
    rows = rows_of(path)
    if any(IMAGE.match(name) for name in rows[0]):
        for name in rows[0]:
            _check_attribute(path, name, [row[name] for row in rows], rows[0])
    return rows


def image_columns(path: Path, names: Collection[str]) -> list[str]:
    """Return the columns that hold images, in the list's order.

    Parameters
    ----------
    path : Path
        The list.
    names : collection of str
        Of all its columns.

    Raises
    ------
    InputError
        Where there is none.
    """
    found = [name for name in names if IMAGE.match(name)]
    if not found:
        raise InputError(
            f"{path.name} has the columns {', '.join(names)}, and none of them holds images.",
            "Name them t1, t1gd, t2, flair, pd, bssfp, lge or image.",
        )
    return found


def _own_name(heading: str) -> str:
    folded = heading.lower()
    folded = _ALSO.get(folded, folded)
    return folded if folded in (CASE, PATIENT, LABEL, SPLIT) or IMAGE.match(folded) else heading


def _check_attribute(path: Path, heading: str, values: Sequence[str], names: Collection[str]) -> None:
    if heading in (CASE, PATIENT, LABEL, SPLIT) or IMAGE.match(heading):
        return
    plain = re.sub(r"[^a-z]", "", heading.lower())
    meant = next((name for name, pattern in _MEANT.items() if name not in names and pattern.match(plain)), None)
    if meant is not None:
        raise InputError(
            f"{path.name} has a column {heading}, and none called {meant}.",
            f"Call it {meant}, or leave the column out: under this name it would be an attribute of the patient.",
        )
    if file := next((value for value in values if value.lower().endswith(ALL_SUFFIXES)), None):
        raise InputError(
            f"{path.name}: the column {heading} names files, such as {file}, and is no contrast that is known.",
            "Call it t1, t1gd, t2, flair, pd, bssfp, lge, or image; or leave the column out.",
        )


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a list that hold anything, by the names that this module has for columns; spaces are gone.

    Parameters
    ----------
    path : Path
        CSV file with a heading.

    Raises
    ------
    InputError
        Where it cannot be read, lists nothing, or has two columns of one name.
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
    own = {heading: _own_name(heading) for heading in rows[0]}
    if twice := [name for name in own.values() if list(own.values()).count(name) > 1]:
        both = ", ".join(heading for heading, name in own.items() if name == twice[0])
        raise InputError(f"{path.name} has {twice[0]} twice: {both}.", "Leave one of these columns out.")
    return [{own[heading]: value for heading, value in row.items()} for row in rows]


def case_name(path: Path, number: int, row: Mapping[str, str]) -> str:
    """Return the name of a case: its own, else the list's and its row's number.

    Parameters
    ----------
    path : Path
        The list.
    number : int
        Of the row in the file, the heading is 1.
    row : mapping of str to str
        From `named_rows`.
    """
    return row.get(CASE) or f"{path.stem}-{number - 1:03d}"


def _read_row(
    path: Path, number: int, row: dict[str, str], images: Sequence[str]
) -> tuple[LabelledCase, LabelMap | None]:
    where = f"{path.name}, row {number}"
    if missing := [name for name in images if not row[name]]:
        raise InputError(f"{where}: {', '.join(missing)} is empty.", "Give every case the same channels.")
    part = row.get(SPLIT, "").lower()
    if part not in _PARTS:
        raise InputError(f"{where}: split is {part!r}.", f"Leave it empty, or write {', '.join(_PARTS[1:])}.")
    name = case_name(path, number, row)
    taken = {*images, CASE, PATIENT, LABEL, SPLIT}
    try:
        volumes = read_channels([path.parent / row[name] for name in images])
        labels = read_labels(path.parent / row[LABEL]) if row[LABEL] else None
        data = _stacked(volumes, labels)
    except GmmsegError as error:
        raise type(error)(f"{where}: {error.message}", error.hint) from error
    case = LabelledCase(
        name,
        row.get(PATIENT) or name,
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
