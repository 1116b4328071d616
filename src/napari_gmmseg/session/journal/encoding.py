"""Events with nouns in them, as lines with references to files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.session.journal.nouns import plain
from napari_gmmseg.session.journal.painted import PaintedLines, weights_name, write_weights
from napari_gmmseg.session.journal.results import array_hash, result_hash, write_result
from napari_gmmseg.session.situation import Kept, Situation
from napari_gmmseg.volumes import Edits, NetworkWeights, Scribbles, Segmentation, Stroke

_SITUATION = ("config", "result", "fitted", "means", "stds", "locked", "given")
_PAINTED = ("scribbles", "edits", "model", "seeds", "answered", "weights")
#: Results whose hashes are remembered: what is shown, what it was fitted as, without edits, and one before.
_REMEMBERED = 4


class ResultFiles:
    """The results of a session's folder: one file for all that have the same arrays, whatever their names.

    Parameters
    ----------
    folder : Path
        The session's.
    painted : iterable of str
        Hashes of the strokes and edits that stand in its journal.
    """

    def __init__(self, folder: Path, painted: Iterable[str] = ()) -> None:
        self._folder = folder
        #: Strokes and edits, which stand in the journal itself.
        self.painted = PaintedLines(painted)
        self._known: dict[tuple[int, ...], tuple[str, str, Segmentation]] = {}
        #: What each part of a session refers to; other results are removed.
        self.used: dict[str, frozenset[str]] = {}

    def reference(self, segmentation: Segmentation, *, write: bool = True) -> dict[str, Any]:
        """Return what stands for a result in a line: its hash, its file, and the names of its classes.

        Parameters
        ----------
        segmentation : Segmentation
            The result.
        write : bool
            Whether its file is written where it is not there; else there is none.

        Raises
        ------
        OSError
            Where it cannot be written.
        """
        told, name = self._hashes(segmentation)
        if write and not (self._folder / name).exists():
            write_result(self._folder / name, segmentation)
        there = (self._folder / name).exists()
        classes = plain(segmentation.label_map.classes)
        return {"hash": told, "name": name, "file": name if there else None, "classes": classes}

    def network(self, weights: NetworkWeights) -> dict[str, Any]:
        """Return what stands for a fine-tuned network in a line, and write its file: nothing makes it again.

        Parameters
        ----------
        weights : NetworkWeights
            The network.

        Raises
        ------
        OSError
            Where it cannot be written.
        """
        name = weights_name(weights)
        if not (self._folder / name).exists():
            write_weights(self._folder / name, weights)
        return {"hash": name, "file": name, "say": weights.say}

    def remove_unused(self) -> None:
        """Remove the results that nothing refers to any more."""
        used = frozenset().union(*self.used.values())
        for path in self._folder.glob("result-*.npz"):
            if path.name not in used:
                with suppress(OSError):
                    path.unlink()

    def _hashes(self, segmentation: Segmentation) -> tuple[str, str]:
        key = tuple(_address(array) for array in (segmentation.label_map.labels, segmentation.probabilities))
        mixture = segmentation.mixture
        numbers = (mixture.mixing_weights, mixture.means, mixture.covariances, mixture.class_of)
        key = (*key, hash(array_hash(*numbers)))
        if key not in self._known:
            told = result_hash(segmentation)
            whole = array_hash(np.frombuffer(told.encode(), np.uint8), *numbers)
            # The segmentation is held, so that no other array can come to lie at its address.
            self._known[key] = told, f"result-{whole[:16]}.npz", segmentation
            for old in list(self._known)[:-_REMEMBERED]:
                del self._known[old]
        told, name, _ = self._known[key]
        return told, name


def _address(array: NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def encoded(value: Any, results: ResultFiles, *, write: bool = True) -> Any:
    """Return a part of an event as JSON has it, with references for results.

    Parameters
    ----------
    value : object
        Nouns, nested as one likes.
    results : ResultFiles
        Where results are written.
    write : bool
        Whether they are.

    Raises
    ------
    OSError
        Where a result cannot be written.
    """
    if isinstance(value, Segmentation):
        return results.reference(value, write=write)
    if isinstance(value, Situation):
        parts = {name: getattr(value, name) for name in _SITUATION}
        told = {name: encoded(part, results, write=write) for name, part in parts.items()}
        told |= {name: encoded(getattr(value, name), results, write=write) for name in _PAINTED}
        return told | {"running": value.run is not None}
    if isinstance(value, Stroke | Edits | Scribbles | NetworkWeights):
        return _painted(value, results)
    if isinstance(value, list | tuple) and any(isinstance(part, Stroke) for part in value):
        return [encoded(part, results, write=write) for part in value]
    if isinstance(value, Kept):
        return {"name": value.name, "config": plain(value.config), "result": encoded(value.segmentation, results)}
    if isinstance(value, Mapping):
        return {str(key): encoded(part, results, write=write) for key, part in value.items()}
    return plain(value)


def _painted(value: Stroke | Edits | Scribbles | NetworkWeights, results: ResultFiles) -> Any:
    if isinstance(value, NetworkWeights):
        return results.network(value)
    if isinstance(value, Scribbles):
        return results.painted.scribbles(value)
    return results.painted.edits(value) if isinstance(value, Edits) else results.painted.stroke(value)


def files_in(values: Any) -> frozenset[str]:
    """Return the names of the result files that a part of a line refers to.

    Parameters
    ----------
    values : object
        As JSON has it.
    """
    if isinstance(values, dict):
        own = {values["file"]} if "hash" in values and values.get("file") else set()
        return frozenset(own).union(*(files_in(part) for part in values.values()))
    if isinstance(values, list):
        return frozenset().union(*(files_in(part) for part in values))
    return frozenset()
