"""Cases of a list as their files, read one by one: a case that cannot be read does not keep the others from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_gmmseg.errors import InputError
from napari_gmmseg.io.case_lists import CASE, LABEL, PATIENT, SPLIT, case_name, image_columns, named_rows

_FORBIDDEN = frozenset('/\\:*?"<>|\0')


@dataclass(frozen=True)
class ListedCase:
    """One row of a list.

    Parameters
    ----------
    name : str
        Of the case; it can be a file's name.
    files : tuple of Path
        One image a channel; empty cells are left out.
    contrasts : tuple of str
        Of each file, "" where it is not known.
    attributes : dict of str to str
        What is known of the patient.
    label : Path or None
        Its mask, which is not read, but must not be overwritten either; None where there is none.
    """

    name: str
    files: tuple[Path, ...]
    contrasts: tuple[str, ...]
    attributes: dict[str, str]
    label: Path | None = None


def read_listed(path: str | Path, channels: Sequence[str] = ()) -> tuple[ListedCase, ...]:
    """Read a list of cases, see `read_case_list`, without their images; labels are not opened, `split` is not used.

    Parameters
    ----------
    path : path
        CSV file with a heading.
    channels : sequence of str
        Contrasts that are wanted, in this order, where the list has a column for each; else all, in the list's order.

    Raises
    ------
    InputError
        Where the list cannot be read, has no images, or two cases would have the same file name.
    """
    path = Path(path)
    rows = named_rows(path)
    columns = image_columns(path, rows[0])
    wanted = list(channels) if channels and all(name in columns for name in channels) else columns
    found = []
    for number, row in enumerate(rows, start=2):
        name = case_name(path, number, row)
        if not name.strip(". ") or _FORBIDDEN & set(name):
            raise InputError(
                f"{path.name}, row {number}: the case {name!r} cannot be the name of a file.",
                "Name cases with letters, digits, dots, dashes and underscores.",
            )
        given = [column for column in wanted if row[column]]
        taken = {*columns, CASE, PATIENT, LABEL, SPLIT}
        found.append(
            ListedCase(
                name,
                tuple(path.parent / row[column] for column in given),
                tuple("" if column.startswith("image") else column for column in given),
                {key: value for key, value in row.items() if key not in taken and value},
                path.parent / row[LABEL] if row.get(LABEL) else None,
            )
        )
    seen: set[str] = set()
    for case in found:
        if case.name.lower() in seen:
            raise InputError(
                f"{path.name} lists the case {case.name} twice: both would be written to one file.",
                "Give every case a name of its own.",
            )
        seen.add(case.name.lower())
    return tuple(found)
