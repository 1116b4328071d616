"""What a journal tells, put in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_gmmseg.config import FitConfig, recorded_config
from napari_gmmseg.errors import InputError
from napari_gmmseg.session.journal.encoding import files_in
from napari_gmmseg.session.journal.lines import JOURNAL, read_lines
from napari_gmmseg.session.journal.nouns import command_of
from napari_gmmseg.session.journal.states import Place
from napari_gmmseg.volumes import Command, Finding, Look, SaveState

Values = Mapping[str, Any]


@dataclass
class Wish:
    """One thing that a run was to be told.

    Parameters
    ----------
    command : Command
        What.
    words : str
        For a person; empty where they were not recorded.
    after : int or None
        After so many of its reports, at the earliest; None for as soon as can be.
    exact : bool
        Whether at that place and no other: it is told again.
    heard : bool
        Whether it was told.
    """

    command: Command
    words: str
    after: int | None
    exact: bool = False
    heard: bool = False


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
    wished : dict of int to Wish
        What it was to be told, by its number in the run, in this order.
    told : list of (int, Command)
        What its fit heard, after so many of its reports.
    words : dict of int to str
        What that was in words, as far as they were recorded.
    plans : list of mapping
        How its fit was done within the memory that there was.
    reason : str or None
        Why it ended; None where it did not.
    result : mapping or None
        What it ended with: its hash and file.
    moved : dict of int to int
        Label values of the fit, and what they became.
    background : int or None
        Label value of the class that is 0 in its result.
    before : mapping or None
        Settings, result, locks and names before the act that began it; None for those that the image was opened with.
    """

    number: int
    config: FitConfig
    start: Values | None = None
    state: Values | None = None
    wished: dict[int, Wish] = field(default_factory=dict)
    told: list[tuple[int, Command]] = field(default_factory=list)
    words: dict[int, str] = field(default_factory=dict)
    plans: list[Values] = field(default_factory=list)
    reason: str | None = None
    result: Values | None = None
    moved: dict[int, int] = field(default_factory=dict)
    background: int | None = None
    before: Values | None = None

    @property
    def orders(self) -> dict[int, Command]:
        """What a fit has to be told after which of its reports to come to the same end."""
        return {after: command for after, command in self.told if not isinstance(command, Look | SaveState)}

    @property
    def waiting(self) -> list[Wish]:
        """What it was to be told and was not told yet."""
        return [self.wished[number] for number in sorted(self.wished) if not self.wished[number].heard]

    def tell(self, after: int, command: Command) -> None:
        """Note what its fit heard: the first that waits, as nothing overtakes it.

        Parameters
        ----------
        after : int
            After so many of its reports.
        command : Command
            What.
        """
        self.told.append((after, command))
        wish = next((wish for wish in self.waiting if wish.command == command), None)
        if wish is not None:
            wish.heard = True
            self.words[after] = wish.words


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
            used["before"] = files_in(self.runs[-1].before) if self.runs[-1].reason is None else frozenset()
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
    lines, notes = read_lines(folder / JOURNAL)
    history = History(folder, [], notes)
    for number, line in enumerate(lines, 1):
        try:
            for event in _apart(line):
                history.events.append(event)
                _take(history, event)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{folder / JOURNAL} is damaged: line {number} does not hold what its kind has ({error!r}).",
                "It was changed by hand or by another program; put back a copy.",
            ) from error
    return history


def _apart(line: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a line: one, and those that came of it."""
    parts = line.get("then") or []
    return [{name: part for name, part in line.items() if name != "then"}, *parts]


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
    elif run is not None:
        _take_of(run, event)
        if kind == "state":
            history.signs[run.number, event["after"]] = event["sign"]
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
            recorded_config(event["config"]),
            event.get("start"),
            state,
            dict(enumerate(_wishes(event.get("told") or []))),
            before=event.get("before", history.before if earlier is None else earlier.before),
        )
    )


def _wishes(told: list[Values]) -> list[Wish]:
    return [Wish(command_of(w["command"]), w["words"], w["after"], exact=w["after"] is not None) for w in told]


def _take_of(run: RunRecord, event: Values) -> None:
    if event["kind"] == "told":
        run.tell(event["after"], command_of(event["command"]))
    elif event["kind"] in ("said", "amended", "withdrawn"):
        _wish(run, event)
    elif event["kind"] == "planned":
        run.plans.append(event["plan"])
    elif event["kind"] == "ended":
        run.reason, run.result = event["reason"], event["result"]
        run.background = ((event.get("situation") or {}).get("scribbles") or {}).get("background")
        run.moved = {int(old): new for old, new in (event.get("moved") or {}).items()}


def _wish(run: RunRecord, event: Values) -> None:
    number = event["order"]
    if event["kind"] == "withdrawn":
        del run.wished[number]
        return
    command, words = command_of(event["command"]), event["words"]
    if event["kind"] == "amended":
        run.wished[number] = replace(run.wished[number], command=command, words=words)
    else:
        run.wished[number] = Wish(command, words, event["after"])
