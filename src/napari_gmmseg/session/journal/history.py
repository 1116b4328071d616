"""What a journal tells, put in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_gmmseg.config import FitConfig
from napari_gmmseg.errors import InputError
from napari_gmmseg.session.journal.encoding import files_in
from napari_gmmseg.session.journal.lines import JOURNAL, read_lines
from napari_gmmseg.session.journal.nouns import command_of
from napari_gmmseg.session.journal.states import Place
from napari_gmmseg.volumes import Command, Finding, Look, SaveState

Values = Mapping[str, Any]


@dataclass
class RunRecord:
    """One run as it was recorded.

    Parameters
    ----------
    number : int
        Of the run in its folder, from 1.
    config : FitConfig
        Settings at its start.
    start : mapping or None
        The result that it went on from: its hash and file.
    state : mapping or None
        The state that it went on from: its file, and the run and report where it was reached.
    wanted : list of (int or None, Command)
        What it was to be told from the beginning: after so many reports, or as soon as could be.
    told : list of (int, Command)
        What its fit heard, after so many of its reports.
    reason : str or None
        Why it ended; None where it did not.
    result : mapping or None
        What it ended with: its hash and file.
    moved : dict of int to int
        Label values of the fit, and what they became.
    before : mapping or None
        Settings, result, locks and names before the act that began it.
    """

    number: int
    config: FitConfig
    start: Values | None = None
    state: Values | None = None
    wanted: list[tuple[int | None, Command]] = field(default_factory=list)
    told: list[tuple[int, Command]] = field(default_factory=list)
    reason: str | None = None
    result: Values | None = None
    moved: dict[int, int] = field(default_factory=dict)
    before: Values | None = None

    @property
    def orders(self) -> dict[int, Command]:
        """What a fit has to be told after which of its reports to come to the same end."""
        return {after: command for after, command in self.told if not isinstance(command, Look | SaveState)}

    @property
    def waiting(self) -> list[tuple[int | None, Command]]:
        """What was wanted from the beginning and was not told yet."""
        left = list(self.wanted)
        for _, command in self.told:
            place = next((n for n, (_, wanted) in enumerate(left) if wanted == command), None)
            if place is not None:
                del left[place]
        return left


@dataclass
class History:
    """What was recorded since an image was opened last.

    Parameters
    ----------
    folder : Path
        The session's.
    events : list of dict
        All of it, in its order.
    notes : tuple of Finding
        What was noticed while it was read.
    opened : mapping
        The image and all that a fit depends on.
    runs : list of RunRecord
        In their order.
    situation : mapping or None
        Settings, result, locks and names as they were last.
    kept : dict of str to mapping
        Results that were kept, by name.
    before : mapping or None
        The situation before that.
    n_runs : int
        How many there were of all images.
    signs : dict of (int, int) to str
        By which the states reached in a run after some report are known.
    painted : dict of str to mapping
        Strokes and edits, by their hash.
    finished : bool
        Whether nothing was left to go on with.
    """

    folder: Path
    events: list[dict[str, Any]]
    notes: tuple[Finding, ...]
    opened: Values = field(default_factory=dict)
    runs: list[RunRecord] = field(default_factory=list)
    situation: Values | None = None
    kept: dict[str, Values] = field(default_factory=dict)
    before: Values | None = None
    n_runs: int = 0
    signs: dict[Place, str] = field(default_factory=dict)
    painted: dict[str, Values] = field(default_factory=dict)
    finished: bool = False

    @property
    def used(self) -> dict[str, frozenset[str]]:
        """Which result files each part refers to."""
        used = {f"kept {name}": files_in(kept) for name, kept in self.kept.items()}
        used["situation"] = files_in(self.situation)
        if self.runs:
            used["situation"] |= files_in(self.runs[-1].result)
            used["start"] = files_in(self.runs[-1].start)
        return used

    def run(self, number: int) -> RunRecord | None:
        """Return a run by its number; None where there is none.

        Parameters
        ----------
        number : int
            Of the run in its folder.
        """
        return next((run for run in self.runs if run.number == number), None)


def read_history(folder: Path) -> History:
    """Read what was recorded in a folder.

    Parameters
    ----------
    folder : Path
        The session's.

    Raises
    ------
    InputError
        Where there is no session, or it cannot be read.
    """
    events, notes = read_lines(folder / JOURNAL)
    history = History(folder, events, notes)
    for number, event in enumerate(events, 1):
        try:
            _take(history, event)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{folder / JOURNAL} is damaged: line {number} does not hold what its kind has ({error!r}).",
                "It was changed by hand or by another program; put back a copy.",
            ) from error
    return history


def _take(history: History, event: dict[str, Any]) -> None:
    kind = event["kind"]
    history.finished = kind == "closed"
    run = history.run(event["run"]) if "run" in event else None
    if kind == "opened":
        history.opened, history.situation = event, None
        history.runs.clear()
        history.kept.clear()
        history.before = None
    elif kind == "began":
        _begin(history, event)
    elif kind == "told" and run is not None:
        run.told.append((event["after"], command_of(event["command"])))
    elif kind == "state" and run is not None:
        history.signs[run.number, event["after"]] = event["sign"]
    elif kind == "ended" and run is not None:
        run.reason, run.result = event["reason"], event["result"]
        run.moved = {int(old): new for old, new in (event.get("moved") or {}).items()}
    elif kind in ("painted", "kept", "dropped"):
        _note(history, event)
    elif kind in ("undone", "redone") and history.runs and not event["situation"]["running"]:
        history.runs[-1].reason = history.runs[-1].reason or "left"
    if event.get("situation"):
        history.before, history.situation = history.situation, event["situation"]


def _note(history: History, event: dict[str, Any]) -> None:
    if event["kind"] == "painted":
        history.painted[event["name"]] = event["noun"]
    elif event["kind"] == "kept":
        history.kept[event["kept"]["name"]] = event["kept"]
    else:
        history.kept.pop(event["name"], None)


def _begin(history: History, event: dict[str, Any]) -> None:
    """A run that is taken up after an undo goes back to what was before it began; another to before its act."""
    state = event.get("state")
    earlier = history.run(state["reached"][0]) if state and state["reached"] else None
    history.n_runs = event["run"]
    history.runs.append(
        RunRecord(
            event["run"],
            FitConfig(**event["config"]),
            event.get("start"),
            state,
            [(after, command_of(command)) for after, command in event.get("told") or []],
            before=history.before if earlier is None else earlier.before,
        )
    )
