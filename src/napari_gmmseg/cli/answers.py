"""What a command gives back: one object for machines, and a way to show it to a person."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
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
    exit_code : int
        1 where there is an answer, and a part of what was asked for failed.
    """

    data: Mapping[str, Any]
    show: Callable[[Console], None]
    exit_code: int = 0


@dataclass
class Errand:
    """One run of a command, and what it leaves on disk.

    Parameters
    ----------
    before : dict of Path to object
        State of each file that is to be written, before it is.
    """

    before: dict[Path, object] = field(default_factory=dict)

    def watch(self, paths: Iterable[Path]) -> None:
        """Note files that are to be written.

        Parameters
        ----------
        paths : iterable of Path
            Files, there or not.
        """
        self.before |= {path: _state(path) for path in paths}

    def kept(self) -> list[Path]:
        """Return the noted files that have been written since."""
        return [path for path, state in self.before.items() if _state(path) not in (None, state)]


def _state(path: Path) -> object:
    """Return what changes when a file is written anew; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


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
