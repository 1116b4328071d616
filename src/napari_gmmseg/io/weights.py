"""Read and write trained networks as `.safetensors`: arrays and a header of text, nothing that could run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError, OutputError, SettingsError
from napari_gmmseg.io.array_files import check_suffix, read_arrays, write_arrays
from napari_gmmseg.volumes import ClassTable, Mixture, NetworkWeights, TissueClass

#: What the header says the file is, and which layout of it this program writes and reads.
FORMAT, LAYOUT = "napari-gmmseg network", 1
_HINT = "Give a file that `finetune --save-model` wrote."
_MIXTURE = ("mixing_weights", "means", "covariances", "class_of")
_PLAIN = ("width", "depth", "n_looks", "background", "geodesic_range", "cases", "steps", "seed")


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
    path = Path(path)
    check_suffix(path)
    arrays = {f"network/{name}": array for name, array in weights.arrays.items()}
    if weights.mixture is not None:
        arrays |= {f"mixture/{name}": np.array(getattr(weights.mixture, name)) for name in _MIXTURE}
    return write_arrays(path, arrays, _header(weights), lambda written: _compare(path, read_weights(written), weights))


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
    path = Path(path)
    header, arrays = read_arrays(path, _HINT)
    return _weights(path, header, arrays)


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


def _weights(path: Path, header: dict[str, Any] | None, arrays: dict[str, NDArray[Any]]) -> NetworkWeights:
    """Return what a file's parts mean."""
    foreign = InputError(
        f"{path.name} holds other arrays than a model of this program.",
        _HINT,
    )
    if header is None:
        raise foreign
    try:
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
