"""Scribbles in and out: label images in any format, and JSON with id, weight and time of each stroke."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import NO_SPACE, GeometryError, GmmsegError, InputError, OutputError, ResourceError
from napari_gmmseg.io.labels import read_labels
from napari_gmmseg.io.sidecars import numbered
from napari_gmmseg.io.writing import write_labels
from napari_gmmseg.volumes import (
    IGNORED,
    ClassTable,
    Geometry,
    LabelMap,
    Scribbles,
    Stroke,
    TissueClass,
    Volume,
    told_apart,
)

FORMAT = "napari-gmmseg scribbles"
VERSION = 1
#: Beyond any image.
_FARTHEST = 2**31


def read_scribbles(path: str | Path, like: Volume, *, background: int | None = None) -> Scribbles:
    """Read strokes that were painted on an image.

    Parameters
    ----------
    path : path
        JSON as `write_scribbles` writes it, or a label image: 0 unlabelled, 255 left out, else the class.
    like : Volume
        The image.
    background : int or None
        The label value that means background; None: what the file says, and a label image says nothing.

    Returns
    -------
    Scribbles
        On the image's grid.

    Raises
    ------
    InputError
        Where it cannot be read, or holds no strokes.
    GeometryError
        Where it lies on another grid.
    SettingsError
        Where no class has the background's value.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        return _from_json(path, like, background)
    label_map = read_labels(path)
    _check_grid(path, label_map.labels.shape, label_map.geometry, like)
    classes = ClassTable(tuple(c for c in label_map.classes if c.value != IGNORED))
    return Scribbles.from_labels(
        label_map.labels, like.geometry, classes, background=background, source=label_map.source
    )


def write_scribbles(path: str | Path, scribbles: Scribbles) -> Path:
    """Write strokes: as JSON with everything, else as a label image with the names of its classes beside it.

    Parameters
    ----------
    path : path
        Target; .json, or any format for masks.
    scribbles : Scribbles
        The strokes.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        Where it cannot be written.
    ResourceError
        Where the disk is full.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        return write_labels(path, LabelMap(scribbles.labels(), scribbles.geometry, scribbles.classes, scribbles.source))
    text = json.dumps(_values(scribbles), ensure_ascii=False)
    folder: Path | None = None
    try:
        # In a folder of its own, and named as the target: the file gets the permissions of any other.
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        temporary = folder / path.name
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno in NO_SPACE:
            raise ResourceError(
                f"The disk is full: {path} was not written.", "Make room, or name another folder."
            ) from error
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}.", "Name a folder that you may write to."
        ) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return path


def _check_grid(path: Path, shape: tuple[int, ...], geometry: Geometry, like: Volume) -> None:
    if tuple(shape) != like.grid_shape or not like.geometry.same_grid(geometry):
        raise GeometryError(
            f"The scribbles {path.name} lie on another grid than the image: "
            f"{told_apart(shape, geometry, like.grid_shape, like.geometry)}.",
            "Give scribbles that were painted on this image, in its own format.",
        )


def _values(scribbles: Scribbles) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "shape": list(scribbles.shape),
        "axes": "tzyx"[-len(scribbles.shape) :],
        "affine": scribbles.geometry.affine.tolist(),
        "unit": scribbles.geometry.unit,
        "background": scribbles.background,
        "classes": [
            {
                "value": c.value,
                "name": c.name,
                "abbreviation": c.abbreviation,
                "colour": list(c.colour),
                "role": c.role,
                "ranks": dict(c.ranks),
            }
            for c in scribbles.classes
        ],
        "strokes": [
            {"id": s.id, "value": s.value, "weight": s.weight, "time": s.time, "voxels": s.voxels.tolist()}
            for s in scribbles.strokes
        ],
    }


def _from_json(path: Path, like: Volume, background: int | None) -> Scribbles:
    try:
        told = json.loads(path.read_text(encoding="utf-8-sig"))
        if told.get("format") != FORMAT or told.get("version") != VERSION:
            raise ValueError(f"its format is {told.get('format')!r}, version {told.get('version')!r}")
        shape = tuple(int(n) for n in told["shape"])
        z, y, x = shape[-3:]
        geometry = Geometry((z, y, x), np.asarray(told["affine"], dtype=np.float64), told["unit"])
        strokes = tuple(_stroke(values, len(shape)) for values in told["strokes"])
        classes = _classes(told["classes"], strokes)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.", "Check the name and the folder.") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, GmmsegError) as error:
        raise InputError(
            f"{path.name} holds no scribbles: {error}.", f"Give a file of the format {FORMAT!r}, or a label image."
        ) from error
    _check_grid(path, shape, geometry, like)
    return Scribbles(
        shape,
        like.geometry,
        classes,
        strokes,
        background=told.get("background") if background is None else background,
        source=like.source,
    )


def _stroke(values: dict[str, Any], n_axes: int) -> Stroke:
    told = np.asarray(values["voxels"]).reshape(-1, n_axes)
    whole = told.dtype.kind in "iuf" and bool(((np.abs(told) < _FARTHEST) & (np.floor(told) == told)).all())
    if not whole:
        raise ValueError("positions are whole numbers of voxels")
    voxels: NDArray[np.int64] = told.astype(np.int64)
    return Stroke(
        _whole(values["value"]),
        voxels,
        _whole(values.get("id", 0)),
        float(values.get("weight", 1)),
        float(values.get("time", 0)),
    )


def _whole(number: float) -> int:
    if int(number) != number:
        raise ValueError(f"{number} is no whole number")
    return int(number)


def _classes(entries: list[dict[str, Any]], strokes: tuple[Stroke, ...]) -> ClassTable:
    named = {
        _whole(e["value"]): TissueClass(
            _whole(e["value"]),
            str(e["name"]),
            str(e["abbreviation"]),
            (float(e["colour"][0]), float(e["colour"][1]), float(e["colour"][2])),
            str(e.get("role", "")),
            {str(name): int(rank) for name, rank in e.get("ranks", {}).items()},
        )
        for e in entries
    }
    missing = sorted({s.value for s in strokes} - {0, IGNORED, *named})
    return ClassTable((*named.values(), *numbered(missing)))
