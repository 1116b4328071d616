"""Sidecars that name and colour the labels of a mask: BIDS `dseg.tsv` and ITK-SNAP label files."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from napari_gmmseg.errors import InputError
from napari_gmmseg.io.sniffing import stem_of
from napari_gmmseg.volumes import ClassTable, Colour, TissueClass

#: Numbers of BIDS' common derivative labels by role.
_BIDS_MAPPING = {"gm": "1", "wm": "2", "csf": "3"}
_COLUMNS = ("index", "name", "abbreviation", "color", "mapping")
_SNAP_HEAD = """\
################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
"""


def bids_path(path: Path) -> Path:
    """Return the path of a mask's BIDS sidecar.

    Parameters
    ----------
    path : Path
        The mask, e.g. sub-01_dseg.nii.gz or brain.nii.gz.
    """
    return path.with_name(f"{stem_of(path).removesuffix('_dseg')}_dseg.tsv")


def snap_path(path: Path) -> Path:
    """Return the path of a mask's ITK-SNAP label file.

    Parameters
    ----------
    path : Path
        The mask.
    """
    return path.with_name(f"{stem_of(path)}_labels.txt")


def has_own_sidecar(path: Path) -> bool:
    """Tell whether a file's labels are named beside it: by BIDS, or as this program does it.

    The image brain.nii.gz and the mask brain_dseg.nii.gz share brain_dseg.tsv, which is the mask's then.

    Parameters
    ----------
    path : Path
        An image or a mask.
    """
    return bids_path(path).is_file() and (stem_of(path).endswith("_dseg") or snap_path(path).is_file())


def bids_text(classes: ClassTable) -> str:
    """Write a class table as BIDS has it: one line a label, tab between columns.

    Parameters
    ----------
    classes : ClassTable
        The classes.
    """
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerow((0, "Background", "BG", "#000000", "0"))
    for c in classes:
        writer.writerow((c.value, c.name, c.abbreviation, _hex(c.colour), _BIDS_MAPPING.get(c.role, "n/a")))
    return out.getvalue()


def snap_text(classes: ClassTable) -> str:
    """Write a class table as ITK-SNAP has it.

    Parameters
    ----------
    classes : ClassTable
        The classes.
    """
    lines = []
    for c in classes:
        r, g, b = (round(255 * part) for part in c.colour)
        name = c.name.replace('"', "'")
        lines.append(f'{c.value:5d} {r:5d} {g:4d} {b:4d}        1  1  1    "{name}"\n')
    return _SNAP_HEAD + "".join(lines)


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)


def _colour(text: str, value: int) -> Colour:
    """Read #rrggbb; any other word gets the colour of its number."""
    from napari_gmmseg.config.presets import CYCLE

    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return CYCLE[(value - 1) % len(CYCLE)]
    r, g, b = (int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return r, g, b


def _known(name: str, abbreviation: str) -> TissueClass | None:
    """Find the preset class of a name, for its role and expected intensities."""
    from napari_gmmseg.config.presets import PRESETS

    known = (c for preset in PRESETS.values() for c in preset.classes or ())
    return next((c for c in known if (c.name, c.abbreviation) == (name, abbreviation)), None)


def numbered(values: list[int]) -> ClassTable:
    """Make classes without meaning for label values.

    Parameters
    ----------
    values : list of int
        1 ... 255.
    """
    from napari_gmmseg.config.presets import CYCLE

    return ClassTable(tuple(TissueClass(v, f"Class {v}", f"C{v}", CYCLE[(v - 1) % len(CYCLE)]) for v in values))


def read_classes(path: Path, present: list[int]) -> ClassTable:
    """Read the classes of a mask from its sidecar; what that does not name is numbered.

    Parameters
    ----------
    path : Path
        The mask.
    present : list of int
        Label values in it, 1 ... 255.

    Raises
    ------
    InputError
        Where the sidecar is there, but is no table of labels.
    """
    sidecar = bids_path(path)
    classes: dict[int, TissueClass] = {}
    if sidecar.is_file():
        try:
            rows = list(csv.DictReader(io.StringIO(sidecar.read_text(encoding="utf-8-sig")), delimiter="\t"))
            for row in rows:
                value = int(row["index"])
                if 1 <= value <= 255:
                    classes[value] = _row_class(value, row)
        except (KeyError, TypeError, ValueError, OSError, csv.Error) as error:
            raise InputError(
                f"{sidecar.name} is no table of labels: {error}.",
                f"Repair or remove it; it has the columns {', '.join(_COLUMNS)}, with tabs between.",
            ) from error
    for extra in numbered([v for v in present if v not in classes]):
        classes[extra.value] = extra
    return ClassTable(tuple(classes[value] for value in sorted(classes)))


def _row_class(value: int, row: dict[str, str]) -> TissueClass:
    """Make the class of one line of a BIDS table."""
    name = row["name"]
    abbreviation = row.get("abbreviation") or f"C{value}"
    known = _known(name, abbreviation)
    roles = {number: role for role, number in _BIDS_MAPPING.items()}
    return TissueClass(
        value=value,
        name=name,
        abbreviation=abbreviation,
        colour=_colour(row.get("color") or "", value),
        role=known.role if known else roles.get(row.get("mapping") or "", ""),
        ranks=dict(known.ranks) if known else {},
    )
