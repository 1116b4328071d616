"""Where sessions lie: those to go on with, those that are done, and the folder of them all."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from napari_gmmseg.errors import InputError
from napari_gmmseg.session.journal.history import History, read_history
from napari_gmmseg.session.journal.lines import JOURNAL
from napari_gmmseg.session.journal.locking import LOCK, holder

#: Names a folder for sessions in place of the system's.
VARIABLE = "NAPARI_GMMSEG_SESSIONS"
#: Finished sessions that stay, and for how long, in s.
MOST_FINISHED = 20
LONGEST = 30 * 86400.0
#: Kinds of events that somebody would miss.
_DOINGS = frozenset({"began", "acted", "kept"})
#: What a journal is called from the moment that its session is discarded until all its files are gone.
_DISCARDED = ".discarded"
#: What a session's folder holds; nothing else is ever removed.
_OWN = ("state-*.npz", "start-*.npz", "result-*.npz", "input-*.npz", ".unfinished-*", LOCK)


@dataclass(frozen=True)
class Recoverable:
    """A session that did not end.

    Parameters
    ----------
    folder : Path
        Its folder.
    began, last : float
        When it began, and when something was last recorded, in s since 1970.
    names : tuple of str
        Names of the image's files; empty for arrays.
    running : bool
        Whether a fit was running.
    """

    folder: Path
    began: float
    last: float
    names: tuple[str, ...]
    running: bool


def sessions_root() -> Path:
    """Return the folder in which the plugin records its sessions: the system's for data, or as the environment says."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else user_data_path("napari-gmmseg", appauthor=False) / "sessions"


def new_folder(root: Path | None = None) -> Path:
    """Return a folder for a new session, which is not made yet.

    Parameters
    ----------
    root : Path or None
        In which; None for `sessions_root`.
    """
    base = sessions_root() if root is None else root
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    names = (f"{stamp}_{os.getpid()}{f'_{n}' if n else ''}" for n in range(1_000_000))
    return next(path for name in names if not (path := base / name).exists())


def recoverable(root: Path | None = None) -> list[Recoverable]:
    """Return the sessions that did not end, in which something was done, and that no program has open; last one first.

    Parameters
    ----------
    root : Path or None
        Where they lie; None for `sessions_root`.
    """
    found = []
    for folder in _sessions(sessions_root() if root is None else root):
        if holder(folder) is not None:
            continue
        with suppress(InputError, KeyError, TypeError, ValueError):
            history = read_history(folder)
            if history.finished or not _anything_done(history):
                continue
            files = history.opened["volume"].get("files") or []
            source = history.opened["volume"]["source"] or {}
            paths = [entry["path"] for entry in files] or source.get("paths", [])
            found.append(
                Recoverable(
                    folder,
                    history.events[0]["time"],
                    history.events[-1]["time"],
                    tuple(Path(path).name for path in paths),
                    bool(history.runs) and history.runs[-1].reason is None,
                )
            )
    return sorted(found, key=lambda session: session.last, reverse=True)


def prune(root: Path | None = None, *, now: float | None = None) -> list[Path]:
    """Remove finished sessions that are old or too many, and those in which nothing was done; return their folders.

    Sessions that did not end stay; what is left of one that was being discarded goes.

    Parameters
    ----------
    root : Path or None
        Where they lie; None for `sessions_root`.
    now : float or None
        In s since 1970; None for the present.
    """
    moment = time.time() if now is None else now
    finished: list[tuple[float, Path]] = []
    base = sessions_root() if root is None else root
    for folder in _sessions(base, _DISCARDED):
        _remove(folder)
    for folder in _sessions(base):
        with suppress(InputError, KeyError, TypeError, ValueError):
            history = read_history(folder)
            if holder(folder) is None and (history.finished or not _anything_done(history)):
                last = history.events[-1]["time"] if history.finished else 0.0
                finished.append((last, folder))
    finished.sort(reverse=True)
    old = [f for n, (last, f) in enumerate(finished) if n >= MOST_FINISHED or moment - last > LONGEST]
    for folder in old:
        discard(folder)
    return old


def discard(folder: Path) -> None:
    """Remove a session's files, and its folder where nothing else is in it; without effect where it is in use.

    Parameters
    ----------
    folder : Path
        The session's.
    """
    if not (folder / JOURNAL).exists() or holder(folder) is not None:
        return
    with suppress(OSError):
        # First of all, so that what is left after an interruption is no session any more; `prune` ends it.
        (folder / JOURNAL).replace(folder / _DISCARDED)
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove the files of a session that is discarded, and last what says that it is."""
    with suppress(OSError):
        for pattern in _OWN:
            for path in folder.glob(pattern):
                path.unlink()
        (folder / _DISCARDED).unlink()
        folder.rmdir()


def _anything_done(history: History) -> bool:
    return bool(history.opened) and any(event["kind"] in _DOINGS for event in history.events)


def _sessions(root: Path, name: str = JOURNAL) -> list[Path]:
    with suppress(OSError):
        return [folder for folder in sorted(root.iterdir()) if (folder / name).is_file()]
    return []
