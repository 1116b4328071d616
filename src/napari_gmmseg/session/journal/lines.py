"""The journal's own file: one JSON object a line, only ever added to."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_gmmseg.errors import InputError
from napari_gmmseg.session.journal.files import sync_folder
from napari_gmmseg.session.journal.migrating import SCHEMA, migrated
from napari_gmmseg.volumes import Finding

#: Its name in a session's folder.
JOURNAL = "journal.jsonl"
#: Where the system has texts: lines end with one character everywhere.
_BINARY = getattr(os, "O_BINARY", 0)


class LineFile:
    """A file of lines that is only added to; each line is on the disk when `append` returns.

    Parameters
    ----------
    path : Path
        Made where it is not there; a torn last line is cut off.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _BINARY, 0o600)
        whole = _whole_lines(path.read_bytes())
        if whole < os.fstat(self._descriptor).st_size:
            os.ftruncate(self._descriptor, whole)
        # The name of a new file is on the disk before its first line.
        sync_folder(path.parent)

    def append(self, event: Mapping[str, Any]) -> None:
        """Add a line.

        Parameters
        ----------
        event : mapping of str to object
            As JSON has it.

        Raises
        ------
        OSError
            Where the disk is full; a part of the line may be there then.
        """
        # In ASCII alone: a file's name may hold bytes that are no text.
        line = json.dumps({"schema": SCHEMA, **event}).encode() + b"\n"
        while line:
            line = line[os.write(self._descriptor, line) :]
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _whole_lines(content: bytes) -> int:
    """Return how many bytes are whole lines."""
    return content.rfind(b"\n") + 1


def read_lines(path: Path) -> tuple[list[dict[str, Any]], tuple[Finding, ...]]:
    """Read a journal, brought to the present schema.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    events : list of dict
        In their order.
    notes : tuple of Finding
        A note where the last line was torn off and is left out.

    Raises
    ------
    InputError
        Where the file cannot be read, is damaged before its end, or was written by a newer version.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"There is no session in {path.parent}: {error.strerror}.",
            f"Name a folder that `napari-gmmseg segment --session` made; it holds {JOURNAL}.",
        ) from error
    whole = _whole_lines(content)
    events = []
    for number, line in enumerate(content[:whole].splitlines(), 1):
        try:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError("no JSON object")
        except ValueError as error:
            raise InputError(
                f"{path} is damaged: line {number} is no event ({error}).",
                "Put back a copy of the file, or cut it off before that line to lose what came after.",
            ) from error
        events.append(migrated(event))
    if whole == len(content):
        return events, ()
    torn = Finding(
        "torn-line",
        f"The last line of {path} is torn ({len(content) - whole} bytes) and was left out.",
        "The program was ended while it wrote; all that was recorded before is there.",
        "note",
    )
    return events, (torn,)
