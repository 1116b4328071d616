"""Read and write trained networks as `.safetensors`: arrays and a header of text, nothing that could run."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import NO_SPACE, InputError, OutputError, ResourceError, SettingsError
from napari_gmmseg.volumes import ClassTable, Mixture, NetworkWeights, TissueClass

SUFFIX = ".safetensors"
#: What the header says the file is, and which layout of it this program writes and reads.
FORMAT, LAYOUT = "napari-gmmseg network", 1
_KEY = "napari_gmmseg"
_MIXTURE = ("mixing_weights", "means", "covariances", "class_of")
_PLAIN = ("width", "depth", "n_looks", "background", "geodesic_range", "cases", "steps", "seed")


def check_weights_path(path: str | Path) -> None:
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


def write_weights(path: str | Path, weights: NetworkWeights) -> Path:
    """Write a trained network: whole, read back and compared, or not at all.

    Parameters
    ----------
    path : path
        Target, ending in `.safetensors`.
    weights : NetworkWeights
        The network.

    Raises
    ------
    OutputError
        Where it cannot be written there, or reads back differently.
    ResourceError
        Where the disk is full.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save

    path = Path(path)
    check_weights_path(path)
    arrays = {f"network/{name}": np.ascontiguousarray(array) for name, array in weights.arrays.items()}
    if weights.mixture is not None:
        arrays |= {f"mixture/{name}": np.array(getattr(weights.mixture, name)) for name in _MIXTURE}
    header = {_KEY: json.dumps(_header(weights), ensure_ascii=False)}
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        temporary = folder / path.name
        with temporary.open("wb") as file:
            file.write(save(arrays, header))
            file.flush()
            os.fsync(file.fileno())
        _compare(path, read_weights(temporary), weights)
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


def read_weights(path: str | Path) -> NetworkWeights:
    """Read a trained network.

    Parameters
    ----------
    path : path
        From `write_weights`.

    Raises
    ------
    InputError
        Where there is no such file, it is damaged, or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    try:
        with safe_open(str(path), framework="numpy") as file:
            told = (file.metadata() or {}).get(_KEY)
            arrays = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118 - no mapping
    # NumPy has no bfloat16: TypeError.
    except (OSError, SafetensorError, TypeError) as error:
        if not path.is_file():
            raise InputError(f"There is no file {path}.", "Check the path of the model.") from error
        raise InputError(
            f"{path.name} cannot be read as a model: it is damaged, or no {SUFFIX} file.",
            "Give a file that `finetune --save-model` wrote.",
        ) from error
    return _weights(path, told, arrays)


def _header(weights: NetworkWeights) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "layout": LAYOUT,
        "architecture": "U-Net, instance norm, Schwab et al.",
        "standardisation": "mean 0 and standard deviation 1 inside the mask, each channel",
        "classes": [asdict(tissue) for tissue in weights.classes],
        "channels": list(weights.channels),
        **{name: getattr(weights, name) for name in _PLAIN},
        "provenance": dict(weights.provenance),
    }


def _weights(path: Path, told: str | None, arrays: dict[str, NDArray[Any]]) -> NetworkWeights:
    """Return what a file's parts mean."""
    foreign = InputError(
        f"{path.name} holds other arrays than a model of this program.",
        "Give a file that `finetune --save-model` wrote.",
    )
    if told is None:
        raise foreign
    try:
        header = json.loads(told)
        if header["format"] != FORMAT:
            raise foreign
        if header["layout"] != LAYOUT:
            raise InputError(
                f"{path.name} has the layout {header['layout']}, and this program reads {LAYOUT}.",
                "Take the program that wrote it, or a newer one.",
            )
        network, mixture = _part(arrays, "network/"), _part(arrays, "mixture/")
        if any(not np.isfinite(array).all() for array in arrays.values()):
            raise InputError(f"{path.name} holds weights that are no numbers.", "Train the model anew.")
        classes = ClassTable(tuple(_tissue(tissue) for tissue in header["classes"]))
        gaussians = Mixture(**mixture) if mixture else None
        if gaussians is not None and not _belongs(gaussians, len(classes)):
            raise foreign
        return NetworkWeights(
            arrays=network,
            classes=classes,
            channels=tuple(header["channels"]),
            mixture=gaussians,
            provenance=header["provenance"],
            **{name: header[name] for name in _PLAIN},
        )
    except (ValueError, LookupError, TypeError, AttributeError, SettingsError) as error:
        raise foreign from error


def _belongs(mixture: Mixture, n_classes: int) -> bool:
    """Return whether a mixture has as many of everything, and Gaussians of these classes."""
    n = len(mixture.class_of)
    same = len(mixture.means) == len(mixture.covariances) == len(mixture.mixing_weights) == n
    return same and bool(((mixture.class_of >= 0) & (mixture.class_of < n_classes)).all())


def _tissue(values: dict[str, Any]) -> TissueClass:
    return TissueClass(**{**values, "colour": tuple(values["colour"])})


def _part(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _compare(path: Path, found: NetworkWeights, meant: NetworkWeights) -> None:
    same = found.arrays.keys() == meant.arrays.keys() and all(
        np.array_equal(found.arrays[name], array) for name, array in meant.arrays.items()
    )
    if not same or _plain(found) != _plain(meant):
        raise OutputError(f"{path.name} was written, but reads back differently.", "Try again.")


def _plain(weights: NetworkWeights) -> Any:
    return json.loads(json.dumps(_header(weights)))
