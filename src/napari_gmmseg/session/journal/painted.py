"""Strokes, edits and fine-tuned networks in a journal: each stands there once, and is named by its hash."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError
from napari_gmmseg.session.journal.files import read_arrays, write_arrays
from napari_gmmseg.session.journal.nouns import plain, tissue_of
from napari_gmmseg.session.journal.results import array_hash
from napari_gmmseg.volumes import ClassTable, Edits, Mixture, NetworkWeights, Scribbles, Stroke, Volume

Values = Mapping[str, Any]
_MIXTURE = ("mixing_weights", "means", "covariances", "class_of")
_NETWORK = ("width", "depth", "n_looks", "channels", "background", "geodesic_range", "cases", "steps", "seed")


class PaintedLines:
    """What was painted and stands in the journal already, and what has still to be written there.

    Parameters
    ----------
    known : iterable of str
        Hashes of what stands there.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = set(known)
        self._new: list[dict[str, Any]] = []

    def stroke(self, stroke: Stroke) -> str:
        """Return the hash that stands for a stroke.

        Parameters
        ----------
        stroke : Stroke
            The stroke.
        """
        told = {name: getattr(stroke, name) for name in ("value", "id", "weight", "time")}
        return self._put({**told, "voxels": packed(stroke.voxels, np.int32)})

    def edits(self, edits: Edits) -> str:
        """Return the hash that stands for edits.

        Parameters
        ----------
        edits : Edits
            All of them.
        """
        # Differences of rising numbers are small, and pack well.
        steps = np.diff(edits.positions, prepend=0)
        told = {"positions": packed(steps, np.int64), "values": packed(edits.values, np.uint8)}
        return self._put({**told, "classes": plain(edits.classes)})

    def scribbles(self, scribbles: Scribbles) -> dict[str, Any]:
        """Return what stands for scribbles.

        Parameters
        ----------
        scribbles : Scribbles
            The strokes.
        """
        return {
            "strokes": [self.stroke(stroke) for stroke in scribbles.strokes],
            "classes": plain(scribbles.classes),
            "background": scribbles.background,
        }

    def take(self) -> list[dict[str, Any]]:
        """Return what has to be written before the line that names it."""
        new, self._new = self._new, []
        return new

    def _put(self, noun: dict[str, Any]) -> str:
        name = hashlib.sha256(json.dumps(noun, sort_keys=True).encode()).hexdigest()[:32]
        if name not in self._known:
            self._known.add(name)
            self._new.append({"name": name, "noun": noun})
        return name


def packed(array: NDArray[Any], kind: type[np.generic]) -> dict[str, Any]:
    """Return whole numbers as JSON has them, compressed.

    Parameters
    ----------
    array : ndarray, any shape
        The numbers.
    kind : numpy type
        As which they are written.
    """
    plainly = np.ascontiguousarray(array, dtype=np.dtype(kind).newbyteorder("<"))
    data = base64.b64encode(zlib.compress(plainly.tobytes())).decode()
    return {"shape": list(array.shape), "type": np.dtype(kind).name, "data": data}


def unpacked(values: Values) -> NDArray[Any]:
    """Return an array that was packed.

    Parameters
    ----------
    values : mapping
        From `packed`.
    """
    kind = np.dtype(values["type"]).newbyteorder("<")
    array: NDArray[Any] = np.frombuffer(zlib.decompress(base64.b64decode(values["data"])), dtype=kind)
    return array.reshape(values["shape"]).astype(values["type"])


def scribbles_of(values: Values | None, painted: Mapping[str, Values], volume: Volume) -> Scribbles | None:
    """Return scribbles that were recorded.

    Parameters
    ----------
    values : mapping or None
        From `PaintedLines.scribbles`.
    painted : mapping of str to mapping
        What the journal holds, by hash.
    volume : Volume
        The image that they lie on.

    Raises
    ------
    InputError
        Where the journal lacks a stroke.
    """
    if values is None:
        return None
    strokes = []
    for name in values["strokes"]:
        told = dict(_found(painted, name))
        strokes.append(Stroke(**{**told, "voxels": unpacked(told["voxels"])}))
    classes = ClassTable(tuple(tissue_of(tissue) for tissue in values["classes"]))
    background = values["background"]
    return Scribbles(volume.grid_shape, volume.geometry, classes, tuple(strokes), background, volume.source)


def edits_of(name: str | None, painted: Mapping[str, Values], volume: Volume) -> Edits | None:
    """Return edits that were recorded.

    Parameters
    ----------
    name : str or None
        Their hash.
    painted : mapping of str to mapping
        What the journal holds, by hash.
    volume : Volume
        The image that they lie on.

    Raises
    ------
    InputError
        Where the journal lacks them.
    """
    if name is None:
        return None
    told = _found(painted, name)
    classes = ClassTable(tuple(tissue_of(tissue) for tissue in told["classes"]))
    positions = np.cumsum(unpacked(told["positions"]))
    return Edits(volume.grid_shape, volume.geometry, classes, positions, unpacked(told["values"]), volume.source)


def weights_name(weights: NetworkWeights) -> str:
    """Return the name of a network's file.

    Parameters
    ----------
    weights : NetworkWeights
        The network.
    """
    return f"result-network-{array_hash(*weights.arrays.values())[:16]}.npz"


def write_weights(path: Path, weights: NetworkWeights) -> None:
    """Write a fine-tuned network.

    Parameters
    ----------
    path : Path
        An `.npz` file.
    weights : NetworkWeights
        The network.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    arrays = {f"network/{name}": array for name, array in weights.arrays.items()}
    for number, snapshot in enumerate(weights.snapshots):
        arrays |= {f"snapshot{number}/{name}": array for name, array in snapshot.items()}
    mixture = weights.mixture
    if mixture is not None:
        arrays |= {f"mixture/{name}": getattr(mixture, name) for name in _MIXTURE}
    meta = {name: plain(getattr(weights, name)) for name in (*_NETWORK, "classes", "provenance")}
    write_arrays(path, arrays, meta)


def network_of(values: Values | None, folder: Path) -> NetworkWeights | None:
    """Return a fine-tuned network that was recorded.

    Parameters
    ----------
    values : mapping or None
        What stands for it in a line.
    folder : Path
        The session's.

    Raises
    ------
    InputError
        Where its file is missing or damaged.
    """
    return None if values is None else replace(read_weights(folder / values["file"]), say=values.get("say"))


def read_weights(path: Path) -> NetworkWeights:
    """Read a fine-tuned network.

    Parameters
    ----------
    path : Path
        From `write_weights`.

    Raises
    ------
    InputError
        Where the file is missing or damaged.
    """
    arrays, meta = read_arrays(path)
    parts, network = _under("mixture/", arrays), _under("network/", arrays)
    snapshots = itertools.takewhile(bool, (_under(f"snapshot{number}/", arrays) for number in itertools.count()))
    return NetworkWeights(
        arrays=network,
        snapshots=tuple(snapshots),
        classes=ClassTable(tuple(tissue_of(tissue) for tissue in meta.pop("classes"))),
        mixture=Mixture(**parts) if parts else None,
        **{**meta, "channels": tuple(meta["channels"])},
    )


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _found(painted: Mapping[str, Values], name: str) -> Values:
    if name not in painted:
        raise InputError(
            f"The journal lacks what was painted as {name[:12]}….",
            "It was changed by hand; put back a copy.",
        )
    return painted[name]
