"""The journal of one session: everything that a person does, on the disk at once."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_gmmseg.errors import GmmsegError, OutputError
from napari_gmmseg.session.journal.encoding import ResultFiles, encoded, files_in
from napari_gmmseg.session.journal.files import make_folder, remove_unfinished
from napari_gmmseg.session.journal.history import History, read_history
from napari_gmmseg.session.journal.lines import JOURNAL, LineFile
from napari_gmmseg.session.journal.locking import FolderLock, holder
from napari_gmmseg.session.journal.requests import Opened, opened_values
from napari_gmmseg.session.journal.states import Place, SavedState, StateFiles, state_sign
from napari_gmmseg.session.journal.writing import Writer
from napari_gmmseg.volumes import Finding, FitState, Volume

_log = logging.getLogger(__name__)


class Journal:
    """Record a session in a folder; a `Recorder`.

    Nothing that is recorded waits for the disk: a thread writes it, in its order. Where it cannot be written any more,
    the journal says so once, and all that comes later is not recorded.

    Parameters
    ----------
    folder : Path
        The session's, which it holds as long as it is not closed.
    history : History or None
        What is recorded there; None for a new session.
    warn : callable or None
        Called once, on the writing thread, if recording ends.
    failed : OSError or None
        Why the folder could not be made; nothing is recorded then.

    Raises
    ------
    OutputError
        Where another one records in the folder.
    """

    def __init__(
        self,
        folder: Path,
        history: History | None = None,
        warn: Callable[[Finding], object] | None = None,
        *,
        failed: OSError | None = None,
    ) -> None:
        self.folder = folder
        #: Why it records no more; None as long as it does.
        self.warning: Finding | None = None
        self._warn = warn
        self._lock = threading.Lock()
        self._run = 0 if history is None else history.n_runs
        self._runs: dict[int, int] = {}
        self._signs: dict[str, Place] = {}
        self._spent: set[Place] = set()
        self._newest: dict[str, int] = {}
        self._states_waiting = 0
        self._known_volume: Volume | None = None
        self._writer: Writer | None = None
        self._closed = False
        try:
            if failed is not None:
                raise failed
            self._open(history)
        except OSError as error:
            self._fail(error)

    def _open(self, history: History | None) -> None:
        try:
            self._held = FolderLock(self.folder)
        except BlockingIOError as error:
            raise OutputError(
                f"The session in {self.folder} is in use by process {holder(self.folder) or '(unknown)'}.",
                "Close that program first, or name another folder.",
            ) from error
        try:
            remove_unfinished(self.folder)
            self._lines = LineFile(self.folder / JOURNAL)
            painted = () if history is None else history.painted
            self._states, self._results = StateFiles(self.folder), ResultFiles(self.folder, painted)
        except OSError:
            self._held.release()
            raise
        if history is not None:
            self._results.used = dict(history.used)
            self._spent = {(run.number, after) for run in history.runs for after, _ in run.told}
            self._signs = {sign: place for place, sign in history.signs.items()}
            # Its file is there before its line: a kill between the two leaves the file alone.
            alone = self._states.unknown({*history.signs, *((run.number, 0) for run in history.runs)})
            self._signs |= {state_sign(saved.state): (saved.run, saved.report) for saved in alone}
        self._writer = Writer(self._fail)

    @classmethod
    def create(cls, folder: Path, warn: Callable[[Finding], object] | None = None) -> Journal:
        """Begin a session in a folder that is empty or not there.

        Parameters
        ----------
        folder : Path
            Made with its parents, readable by its owner alone.
        warn : callable or None
            Called once, on the writing thread, if recording ends.

        Raises
        ------
        OutputError
            See `check_folder`.
        """
        cls.check_folder(folder)
        try:
            make_folder(folder)
        except OSError as error:
            return cls(folder, None, warn, failed=error)
        return cls(folder, None, warn)

    @staticmethod
    def check_folder(folder: Path) -> None:
        """Refuse a folder in which no session can begin.

        Parameters
        ----------
        folder : Path
            The folder, there or not.

        Raises
        ------
        OutputError
            Where it holds another session or anything else, or is a file.
        """
        with suppress(OSError):
            _check_free(folder)

    @classmethod
    def reopen(cls, folder: Path, warn: Callable[[Finding], object] | None = None) -> tuple[Journal, History]:
        """Go on with the session of a folder.

        Parameters
        ----------
        folder : Path
            The session's.
        warn : callable or None
            Called once, on the writing thread, if recording ends.

        Returns
        -------
        journal : Journal
            That adds to it.
        history : History
            What was recorded.

        Raises
        ------
        InputError
            Where there is no session, or it cannot be read.
        OutputError
            Where another process records in it.
        """
        history = read_history(folder)
        return cls(folder, history, warn), history

    @property
    def recording(self) -> bool:
        """Whether what happens is written down."""
        return self._writer is not None and self.warning is None and not self._closed

    @property
    def ready_for_state(self) -> bool:
        """Whether a state would be written at once: none waits for the disk."""
        return self.recording and self._states_waiting == 0

    def record(self, event: Mapping[str, Any]) -> None:
        """Take one event: see `Recorder`; of states and results that wait for the disk the newest are written.

        Parameters
        ----------
        event : mapping
            With a "kind"; "store" False where no file is made of its result.
        """
        if self._writer is None or not self.recording:
            return
        taken = {"time": time.time(), **event}
        with self._lock:
            kind = "state" if event["kind"] == "state" else "situation" if "situation" in event else ""
            number = self._newest[kind] = self._newest.get(kind, 0) + 1
            self._states_waiting += kind == "state"
        self._writer.put(lambda: self._write(taken, kind, number))

    def goes_on_with(self, volume: Volume) -> None:
        """Take what is recorded next, where it opens this image, as more of what is recorded already.

        Parameters
        ----------
        volume : Volume
            The session's image, read again.
        """
        self._known_volume = volume

    def flush(self) -> None:
        """Wait until all that was recorded is on the disk, or recording has failed."""
        if self._writer is not None:
            self._writer.flush()

    def close(self, *, finished: bool, wait: bool = True) -> None:
        """Write what was recorded, and let go of the folder.

        Parameters
        ----------
        finished : bool
            Whether nothing is left to go on with: states and results are removed then. Else the session is offered at
            the next start.
        wait : bool
            Whether to wait until that is done; a window does not.
        """
        if self._closed or self._writer is None:
            return
        if finished:
            self.record({"kind": "closed"})
            self._writer.put(self._remove_large)
        self._closed = True
        self._writer.put_last(self._let_go)
        self._writer.close(wait=wait)

    def wait(self) -> None:
        """Wait until a journal that was closed has let go of its folder."""
        if self._closed and self._writer is not None:
            self._writer.close()

    def _let_go(self) -> None:
        self._lines.close()
        self._held.release()

    def _remove_large(self) -> None:
        """Keep of a finished session what it takes to do it again: nothing goes on from its states and results."""
        self._states.clear()
        self._results.used.clear()
        self._results.remove_unused()

    def _write(self, event: dict[str, Any], kind: str, number: int) -> None:
        newest = not kind or number == self._newest[kind]
        if event["kind"] == "state":
            self._write_state(event, newest=newest)
            return
        if event["kind"] == "opened":
            event = self._opened(event)
        parts = event.pop("then", ())
        line = self._line(event, write=event.pop("store", True) and newest)
        then = [self._line({**part, "time": event["time"]}, write=True) for part in parts]
        self._lines.append(line | ({"then": then} if then else {}))
        for told in (line, *then):
            self._note_use(told, newest=newest)
        self._results.remove_unused()

    def _line(self, event: dict[str, Any], *, write: bool) -> dict[str, Any]:
        self._number(event)
        line = {name: encoded(part, self._results, write=write) for name, part in event.items()}
        if event["kind"] == "began" and isinstance(event.get("state"), FitState):
            line["state"] = self._put_began(event)
        for painted in self._results.painted.take():
            self._lines.append({"time": event["time"], "kind": "painted", **painted})
        return line

    def _opened(self, event: dict[str, Any]) -> dict[str, Any]:
        request = event.pop("request", None)
        if request is not None and request.volume is self._known_volume:
            return {"time": event["time"], "kind": "reopened"}
        return {**event, **opened_values(event.pop("case", None) or Opened(request), self.folder)}

    def _number(self, event: dict[str, Any]) -> None:
        """Put the number of a run, which is its own in this folder, in the place of the job's."""
        if "generation" not in event:
            return
        generation = event.pop("generation")
        if event["kind"] == "began":
            self._run += 1
            self._runs[generation] = self._run
        event["run"] = self._runs[generation]
        if event["kind"] == "told":
            self._spent.add((event["run"], event["after"]))

    def _write_state(self, event: dict[str, Any], *, newest: bool) -> None:
        with self._lock:
            self._states_waiting -= 1
        self._number(event)
        state: FitState = event.pop("state")
        place = event["run"], int(event["after"])
        sign = state_sign(state)
        self._signs[sign] = place
        if newest and place not in self._spent:
            event["file"] = self._states.put(SavedState(*place, event["time"], state), self._spent)
        self._lines.append({**event, "sign": sign})

    def _put_began(self, event: dict[str, Any]) -> dict[str, Any]:
        """Write the state that a run begins with as the run's own, and tell where it was reached."""
        state: FitState = event["state"]
        name = self._states.put(SavedState(event["run"], 0, event["time"], state), self._spent)
        return {"file": name, "reached": self._signs.get(state_sign(state))}

    def _note_use(self, line: dict[str, Any], *, newest: bool) -> None:
        used = self._results.used
        if line["kind"] == "kept":
            used[f"kept {line['kept']['name']}"] = files_in(line)
        elif line["kind"] == "dropped":
            used.pop(f"kept {line['name']}", None)
        elif line["kind"] == "began":
            used["start"], used["before"] = files_in(line.get("start")), files_in(line.get("before"))
        elif "situation" in line and newest:
            used["situation"] = files_in(line)
        if line["kind"] == "ended":
            used.pop("before", None)

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, OSError):
            _log.error("recording failed", exc_info=error)
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        if isinstance(error, GmmsegError):
            reason = error.message
        self.warning = Finding(
            "not-recorded",
            f"The session is no longer recorded in {self.folder}: {reason}.",
            "Work goes on; after a crash, what is done from now on would be lost. Free some space, or choose another "
            "folder.",
        )
        if self._warn is not None:
            try:
                self._warn(self.warning)
            except Exception:  # noqa: BLE001 - the work must not end because nobody could be told
                _log.exception("the warning that recording ended could not be told")


def _check_free(folder: Path) -> None:
    if (folder / JOURNAL).exists():
        raise OutputError(
            f"The folder {folder} holds another session.",
            f"Go on with it by `napari-gmmseg resume {folder} -o mask.nii.gz`, or name a new folder.",
        )
    if folder.is_dir():
        if any(folder.iterdir()):
            raise OutputError(f"The folder {folder} is not empty.", "Name a new folder for the session.")
    elif next(there for there in (folder, *folder.parents) if there.exists()).is_file():
        raise OutputError(f"The folder {folder} cannot be made: a file is in the way.", "Name a new folder.")
