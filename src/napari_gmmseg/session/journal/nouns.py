"""Small nouns as JSON has them, and back: commands, classes, findings, grids."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from napari_gmmseg.errors import InputError
from napari_gmmseg.volumes import (
    Adjust,
    ClassTable,
    Command,
    Finding,
    Geometry,
    Look,
    Merge,
    Retune,
    SaveState,
    SourceGrid,
    Split,
    Stop,
    TissueClass,
)

_COMMANDS: Mapping[str, type] = {
    kind.__name__.lower(): kind for kind in (Stop, Look, Retune, Merge, Split, Adjust, SaveState)
}


def plain(value: Any) -> Any:
    """Return a value as JSON has it: dataclasses as objects, sets sorted, paths and keys as text.

    Parameters
    ----------
    value : object
        Numbers, words, commands, settings, findings, class tables, nested as one likes.
    """
    if isinstance(value, Enum):
        return value.name.lower()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | frozenset | set):
        return [plain(entry) for entry in (sorted(value) if isinstance(value, frozenset | set) else value)]
    if is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    return str(value)


def _fields(value: Any) -> Any:
    told = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, ClassTable):
        return told["classes"]
    return {"do": type(value).__name__.lower(), **told} if type(value) in _COMMANDS.values() else told


def command_of(values: Mapping[str, Any]) -> Command:
    """Return a command that was recorded.

    Parameters
    ----------
    values : mapping
        From `plain`.

    Raises
    ------
    InputError
        Where there is no such command, or it has other fields.
    """
    told = dict(values)
    name = str(told.pop("do", ""))
    for key in ("means", "stds"):
        if key in told:
            told[key] = numbers_of(told[key])
    for key in ("protected", "locked"):
        if key in told:
            told[key] = frozenset(told[key])
    try:
        command: Command = _COMMANDS[name](**told)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"The journal holds a command that is not known: {dict(values)}.",
            "It was changed by hand, or recorded by another version of the program.",
        ) from error
    return command


def numbers_of(values: Mapping[str, Any]) -> dict[int, tuple[float, ...]]:
    """Return numbers by label value that were recorded.

    Parameters
    ----------
    values : mapping
        Label values as text.
    """
    return {int(value): tuple(numbers) for value, numbers in values.items()}


def tissue_of(values: Mapping[str, Any]) -> TissueClass:
    """Return a class that was recorded.

    Parameters
    ----------
    values : mapping
        Fields of `TissueClass`.
    """
    red, green, blue = values["colour"]
    return TissueClass(**{**values, "colour": (red, green, blue)})


def finding_of(values: Mapping[str, Any]) -> Finding:
    """Return a finding that was recorded.

    Parameters
    ----------
    values : mapping
        Fields of `Finding`.
    """
    return Finding(**values)


def geometry_of(values: Mapping[str, Any]) -> Geometry:
    """Return a geometry that was recorded, with the same bits.

    Parameters
    ----------
    values : mapping
        Fields of `Geometry`.
    """
    z, y, x = values["shape"]
    return Geometry(**{**values, "shape": (z, y, x), "affine": np.array(values["affine"], dtype=np.float64)})


def source_values(source: SourceGrid | None) -> dict[str, Any] | None:
    """Return the grid of a source as JSON has it.

    Parameters
    ----------
    source : SourceGrid or None
        The grid.
    """
    if source is None:
        return None
    told: dict[str, Any] = plain(source)
    return {**told, "header": base64.b64encode(source.header).decode(), "paths": [str(path) for path in source.paths]}


def source_of(values: Mapping[str, Any] | None) -> SourceGrid | None:
    """Return the grid of a source that was recorded.

    Parameters
    ----------
    values : mapping or None
        From `source_values`.
    """
    if values is None:
        return None
    told = dict(values)
    for name in ("shape", "axes", "flips"):
        told[name] = tuple(told[name])
    told["affine"] = np.array(told["affine"], dtype=np.float64)
    told["header"] = base64.b64decode(told["header"])
    told["paths"] = tuple(Path(path) for path in told["paths"])
    return SourceGrid(**told)
