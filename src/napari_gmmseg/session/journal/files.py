"""Files that are there whole or not at all: arrays with what JSON can hold beside them."""

from __future__ import annotations

import json
import os
import secrets
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError

#: Files begin with it as long as they are not whole.
_UNFINISHED = ".unfinished-"
_META = "meta.json"


def write_whole(path: Path, write: Callable[[BinaryIO], None], *, private: bool = True) -> None:
    """Write a file beside its place, have it reach the disk, and only then give it its name.

    Parameters
    ----------
    path : Path
        Its place; what is there stays until the new file is whole.
    write : callable
        Writes into the open file.
    private : bool
        Whether only its owner may read it; else whoever the process's mask lets.

    Raises
    ------
    OSError
        Where the disk is full or must not be written; nothing is left then.
    """
    name = path.parent / f"{_UNFINISHED}{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(name, flags, 0o600 if private else 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        name.replace(path)
    except BaseException:
        with suppress(OSError):
            name.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder reach the disk, where the system can.

    Parameters
    ----------
    folder : Path
        The folder.
    """
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(folder: Path, *, private: bool = True) -> None:
    """Make a folder and its parents, and have their names reach the disk.

    Parameters
    ----------
    folder : Path
        There or not.
    private : bool
        Whether only its owner may look into it; else whoever the process's mask lets.

    Raises
    ------
    OSError
        Where it cannot be made.
    """
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    folder.mkdir(mode=0o700 if private else 0o777, parents=True, exist_ok=True)
    for made in (folder, *folder.parents):
        if made == there:
            break
        sync_folder(made.parent)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
    """Write arrays, uncompressed, with what belongs to them.

    Parameters
    ----------
    path : Path
        An `.npz` file.
    arrays : mapping of str to ndarray, any shape
        What to write.
    meta : mapping of str to object
        As JSON has it.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    noted = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)

    def write(file: BinaryIO) -> None:
        np.savez(file, allow_pickle=False, **{_META: noted, **arrays})

    write_whole(path, write)


def read_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `write_arrays` wrote.

    Parameters
    ----------
    path : Path
        An `.npz` file.

    Returns
    -------
    arrays : dict of str to ndarray, any shape
        Arrays.
    meta : dict of str to object
        What belongs to them.

    Raises
    ------
    InputError
        Where it is missing or damaged.
    """
    try:
        # numpy leaves a damaged file open that it opened itself.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as there:
            arrays = {name: there[name] for name in there.files}
        meta: dict[str, Any] = json.loads(arrays.pop(_META).tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read: {error}.", "The session has lost a part; resume it without that, or start anew."
        ) from error
    return arrays, meta


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed program left half-written.

    Parameters
    ----------
    folder : Path
        Of a session that nobody else writes to.
    """
    for path in folder.glob(f"{_UNFINISHED}*"):
        with suppress(OSError):
            path.unlink()
