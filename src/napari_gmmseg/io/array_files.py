"""Arrays and a header of text in a `.safetensors` file: written whole or not at all, and nothing in it could run."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import NO_SPACE, InputError, OutputError, ResourceError

SUFFIX = ".safetensors"
_KEY = "napari_gmmseg"
Arrays = dict[str, NDArray[Any]]


def write_arrays(
    path: Path, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any], check: Callable[[Path], object]
) -> Path:
    """Write arrays and a header to a file beside the target, look at it, and put it in the target's place.

    Parameters
    ----------
    path : Path
        Target.
    arrays : mapping of str to ndarray, of any shape
        By name.
    header : mapping
        As JSON has it.
    check : callable
        Called with the written file before it takes the target's place; what it raises leaves the target as it was.

    Raises
    ------
    OutputError
        Where it cannot be written there.
    ResourceError
        Where the disk is full.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save

    told = {_KEY: json.dumps(dict(header), ensure_ascii=False)}
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        temporary = folder / path.name
        with temporary.open("wb") as file:
            # Not np.ascontiguousarray, which makes a list of a single number.
            file.write(save({name: np.asarray(array, order="C") for name, array in arrays.items()}, told))
            file.flush()
            os.fsync(file.fileno())
        check(temporary)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            raise ResourceError(f"The disk is full: {path} was not written.", "Make room, or name another.") from error
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{path} cannot be written: {reason}.", "Name a folder that you may write to.") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return path


def read_arrays(path: Path, hint: str) -> tuple[dict[str, Any] | None, Arrays]:
    """Read the header and the arrays of a file.

    Parameters
    ----------
    path : Path
        The file.
    hint : str
        What to give instead, where it cannot be read.

    Returns
    -------
    header : dict or None
        None where another program wrote it.
    arrays : dict of str to ndarray
        By name.

    Raises
    ------
    InputError
        Where there is no such file, or it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            told = (file.metadata() or {}).get(_KEY)
            arrays = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, TypeError, AttributeError) as error:
        if not path.is_file():
            raise InputError(f"There is no file {path}.", "Check the path of the model.") from error
        raise InputError(f"{path.name} cannot be read as a model: it is damaged, or no {SUFFIX} file.", hint) from error
    if told is None:
        return None, arrays
    try:
        header = json.loads(told)
    except ValueError as error:
        raise InputError(f"{path.name} has a damaged header.", hint) from error
    return (header if isinstance(header, dict) else None), arrays


def check_suffix(path: str | Path) -> None:
    """Refuse a name that no network is written under, before any work is done for it.

    Parameters
    ----------
    path : path
        Target.

    Raises
    ------
    OutputError
        Where its suffix is another.
    """
    if Path(path).suffix.lower() != SUFFIX:
        raise OutputError(
            f"{Path(path).name} does not end in {SUFFIX}, and models are written in that format only.",
            f"Name it {Path(path).stem}{SUFFIX}.",
        )
