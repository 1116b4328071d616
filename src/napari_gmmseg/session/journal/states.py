"""Where fits stood: a file for each state, the last ones of them kept."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError
from napari_gmmseg.session.journal.files import read_arrays, write_arrays
from napari_gmmseg.session.journal.results import array_hash
from napari_gmmseg.volumes import FitState

#: The last may be damaged.
_KEPT = 2
#: A run, and how many reports of its fit there were.
Place: TypeAlias = tuple[int, int]
_NAME = re.compile(r"state-(\d+)\.npz")
#: Values of a large array that are compared before all are.
_SAMPLED = 4096


@dataclass(frozen=True)
class SavedState:
    """Where a fit stood, and where in its run that was.

    Parameters
    ----------
    run : int
        Number of the run.
    report : int
        Reports of the fit up to there.
    time : float
        When it stood there, in s since 1970.
    state : FitState
        What the fit goes on with.
    """

    run: int
    report: int
    time: float
    state: FitState


class StateFiles:
    """The states of a session's folder. What changes rarely and is large is written once, for all that share it.

    Parameters
    ----------
    folder : Path
        The session's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = max((number for number, _ in self._files()), default=0)
        self._start: tuple[str, str] | None = None
        self._places: dict[str, tuple[str | None, Place]] = {}
        for _, path in self._files():
            with suppress(InputError, KeyError):
                meta = read_arrays(path)[1]
                self._places[path.name] = meta["start"], (meta["run"], meta["report"])

    def put(self, saved: SavedState, spent: Collection[Place] = ()) -> str:
        """Write a state, and then remove old ones; return the name of its file.

        The last two stay, and of those from which a fit can go on the last.

        Parameters
        ----------
        saved : SavedState
            The state.
        spent : collection of (int, int)
            Runs and reports after which the fit was told something: no fit can go on from there, since it takes a step
            before it listens.

        Raises
        ------
        OSError
            Where it cannot be written; those before are still there.
        """
        state = saved.state
        start = self._put_start(state) if state.start else None
        meta = {
            "run": saved.run,
            "report": saved.report,
            "time": saved.time,
            "start": start,
            "start_key": state.start_key,
            "state": dict(state.meta),
        }
        self._number += 1
        path = self._folder / f"state-{self._number}.npz"
        write_arrays(path, state.arrays, meta)
        self._places[path.name] = start, (saved.run, saved.report)
        self._remove_old(spent)
        return path.name

    def newest(self) -> Iterator[SavedState]:
        """Yield the states that can be read, the last one first."""
        for _, path in sorted(self._files(), reverse=True):
            with suppress(InputError, KeyError):
                yield self._read(path)

    def unknown(self, known: Collection[Place]) -> Iterator[SavedState]:
        """Yield the states of other places than these.

        Parameters
        ----------
        known : collection of (int, int)
            Runs and reports, such as the journal has lines of.
        """
        for name, (_, place) in list(self._places.items()):
            if place not in known:
                with suppress(InputError, KeyError):
                    yield self._read(self._folder / name)

    def clear(self) -> None:
        """Remove all states: nothing goes on from them."""
        for pattern in ("state-*.npz", "start-*.npz"):
            for path in self._folder.glob(pattern):
                with suppress(OSError):
                    path.unlink()
        self._places.clear()
        self._start = None

    def _read(self, path: Path) -> SavedState:
        arrays, meta = read_arrays(path)
        start = read_arrays(self._folder / meta["start"])[0] if meta["start"] else {}
        state = FitState(arrays, start, meta["start_key"], meta["state"])
        return SavedState(meta["run"], meta["report"], meta["time"], state)

    def _files(self) -> list[tuple[int, Path]]:
        found = ((_NAME.fullmatch(path.name), path) for path in self._folder.glob("state-*.npz"))
        return [(int(match[1]), path) for match, path in found if match]

    def _put_start(self, state: FitState) -> str:
        """Write what stays, unless it is there; told by its content, since two runs may use the same key."""
        sign = state.start_key + _sampled_hash(state.start)
        if self._start is not None and self._start[0] == sign:
            return self._start[1]
        content = array_hash(*(state.start[name] for name in sorted(state.start)))
        path = self._folder / f"start-{content[:16]}.npz"
        if not path.exists():
            write_arrays(path, state.start, {"start_key": state.start_key})
        self._start = sign, path.name
        return path.name

    def _remove_old(self, spent: Collection[Place]) -> None:
        newest_first = [path for _, path in sorted(self._files(), reverse=True)]
        kept = set(newest_first[:_KEPT])
        usable = (
            path for path in newest_first if path.name in self._places and self._places[path.name][1] not in spent
        )
        kept.update(islice(usable, 1))
        for path in newest_first:
            if path not in kept:
                with suppress(OSError):
                    path.unlink()
                self._places.pop(path.name, None)
        used = {start for start, _ in self._places.values()}
        for path in self._folder.glob("start-*.npz"):
            if path.name not in used:
                with suppress(OSError):
                    path.unlink()


def state_sign(state: FitState) -> str:
    """Return by what a state is known again: a hash of what its meta tells and of some values of each array.

    Parameters
    ----------
    state : FitState
        The state.
    """
    noted = json.dumps(dict(state.meta), sort_keys=True, default=str).encode()
    return _sampled_hash({**state.arrays, "meta": np.frombuffer(noted, dtype=np.uint8)})


def _sampled_hash(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return a hash of some values of each array: cheap enough for every state, and another for every mixture."""
    return array_hash(*(_sample(arrays[name]) for name in sorted(arrays)))


def _sample(array: NDArray[Any]) -> NDArray[Any]:
    flat = array.reshape(-1)
    return np.ascontiguousarray(flat[:: max(1, flat.size // _SAMPLED)])
