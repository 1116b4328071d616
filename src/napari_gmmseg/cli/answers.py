"""What a command gives back: one object for machines, and a way to show it to a person."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Answer:
    """The result of one command.

    Parameters
    ----------
    data : mapping
        What `--json` prints.
    show : callable
        Prints the same for a person, on standard output.
    """

    data: Mapping[str, Any]
    show: Callable[[Console], None]


@dataclass
class Errand:
    """One run of a command, and what it has left on disk so far.

    Parameters
    ----------
    kept : list of Path
        Files that are finished; told when a person interrupts.
    """

    kept: list[Path] = field(default_factory=list)


def to_json(data: Mapping[str, Any]) -> str:
    """Return one JSON object; numbers that are not finite become null.

    Parameters
    ----------
    data : mapping
        Plain values, paths, numpy numbers and arrays, nested as one likes.
    """
    return json.dumps(_plain(data), indent=2, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)
