"""Networks that learnt from labels, and trainings that are not at their end, as `.safetensors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GmmsegError, InputError, OutputError
from napari_gmmseg.io.array_files import SUFFIX, check_suffix, read_arrays, write_arrays
from napari_gmmseg.volumes import ClassTable, Finding, FitState, TissueClass, TrainedModel

#: What the header says the file is, and which layout of it this program writes and reads.
MODEL, STATE, LAYOUT = "napari-gmmseg trained network", "napari-gmmseg unfinished training", 1
_HINT = "Give a file that `train` wrote."
_PLAIN = ("settings", "channels", "attributes", "parts", "scores", "history", "provenance")


def write_model(path: str | Path, model: TrainedModel) -> Path:
    """Write a trained network: whole, read back and compared, or not at all.

    Parameters
    ----------
    path : path
        Target, ending in `.safetensors`.
    model : TrainedModel
        The network.

    Raises
    ------
    OutputError
        Where it cannot be written there, or reads back differently.
    ResourceError
        Where the disk is full.
    """
    path = Path(path)
    check_suffix(path)
    header = _header(model)

    def compare(written: Path) -> None:
        found = read_model(written)
        same = found.arrays.keys() == model.arrays.keys() and all(
            np.array_equal(found.arrays[name], array) for name, array in model.arrays.items()
        )
        if not same or _plain(_header(found)) != _plain(header):
            raise OutputError(f"{path.name} was written, but reads back differently.", "Try again.")

    return write_arrays(path, model.arrays, header, compare)


def read_model(path: str | Path) -> TrainedModel:
    """Read a trained network.

    Parameters
    ----------
    path : path
        From `write_model`.

    Raises
    ------
    InputError
        Where there is no such file, it is damaged, or holds something else.
    """
    path = Path(path)
    header, arrays = _opened(path, MODEL)
    if any(not np.isfinite(array).all() for array in arrays.values()):
        raise InputError(f"{path.name} holds weights that are no numbers.", "Train the model anew.")
    try:
        return TrainedModel(
            arrays=arrays,
            settings=header["settings"],
            classes=ClassTable(tuple(_tissue(tissue) for tissue in header["classes"])),
            channels=tuple(header["channels"]),
            attributes=header["attributes"],
            parts={part: tuple(names) for part, names in header["parts"].items()},
            scores=header["scores"],
            history=tuple(header["history"]),
            provenance=header["provenance"],
            findings=tuple(Finding(**finding) for finding in header["findings"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, GmmsegError) as error:
        raise InputError(f"{path.name} has a header that cannot be understood.", _HINT) from error


def write_state(path: str | Path, state: FitState) -> Path:
    """Write where a training stands, in place of where it stood before.

    Parameters
    ----------
    path : path
        Target.
    state : FitState
        From the training's report.

    Raises
    ------
    OutputError
        Where it cannot be written there.
    ResourceError
        Where the disk is full.
    """
    header = {"format": STATE, "layout": LAYOUT, "meta": dict(state.meta)}
    return write_arrays(Path(path), state.arrays, header, lambda _: None)


def read_state(path: str | Path) -> FitState:
    """Read where a training stood.

    Parameters
    ----------
    path : path
        From `write_state`.

    Raises
    ------
    InputError
        Where there is no such file, it is damaged, or holds something else.
    """
    header, arrays = _opened(Path(path), STATE)
    return FitState(arrays=arrays, start={}, start_key="", meta=header["meta"])


def state_path(model: str | Path) -> Path:
    """Return where a training stands until its model is written: beside it.

    Parameters
    ----------
    model : path
        The model's file.
    """
    model = Path(model)
    return model.with_name(f"{model.stem}.unfinished{SUFFIX}")


def read_public_weights(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read the weights of an encoder from a file of any program.

    Parameters
    ----------
    path : path
        A `.safetensors` file.

    Returns
    -------
    dict of str to ndarray
        By name.

    Raises
    ------
    InputError
        Where there is no such file, or it is damaged or of another format.
    """
    hint = f"Give a {SUFFIX} file with the encoder's weights, such as timm publishes."
    return read_arrays(Path(path), hint)[1]


def _opened(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    header, arrays = read_arrays(path, _HINT)
    if header is None or header.get("format") != kind:
        raise InputError(f"{path.name} is no {kind.removeprefix('napari-gmmseg ')} of this program.", _HINT)
    if header.get("layout") != LAYOUT:
        raise InputError(
            f"{path.name} has the layout {header.get('layout')}, and this program reads {LAYOUT}.",
            "Take the program that wrote it, or a newer one.",
        )
    return header, arrays


def _header(model: TrainedModel) -> dict[str, Any]:
    return {
        "format": MODEL,
        "layout": LAYOUT,
        "classes": [asdict(tissue) for tissue in model.classes],
        "findings": [asdict(finding) for finding in model.findings],
        **{name: getattr(model, name) for name in _PLAIN},
    }


def _tissue(values: Mapping[str, Any]) -> TissueClass:
    return TissueClass(**{**values, "colour": tuple(values["colour"])})


def _plain(header: dict[str, Any]) -> Any:
    return json.loads(json.dumps(header))
