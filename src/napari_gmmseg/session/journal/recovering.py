"""From a journal to what a session goes on with after a crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_gmmseg.config import recorded_config
from napari_gmmseg.session.journal.history import History
from napari_gmmseg.session.journal.journal import Journal
from napari_gmmseg.session.journal.nouns import numbers_of
from napari_gmmseg.session.journal.painted import edits_of, network_of, scribbles_of
from napari_gmmseg.session.journal.replaying import Replayer
from napari_gmmseg.session.orders import Order
from napari_gmmseg.session.painting import in_force
from napari_gmmseg.session.run_log import RunLog, RunPoint, Said, Sentence
from napari_gmmseg.session.segmenting import SegmentationRequest
from napari_gmmseg.session.situation import Given, Kept, Situation
from napari_gmmseg.volumes import Adjust, Command, Finding, Merge, Retune, Split, Stop

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Recovered:
    """A session as it was left; `Session.restore` takes the three in the middle.

    Parameters
    ----------
    journal : Journal
        To go on with as the session's recorder: set it before `restore`.
    request : SegmentationRequest
        The image.
    situation : Situation
        What was there; with the run that was on.
    kept : tuple of Kept
        Results that were kept.
    notes : tuple of Finding
        What was noticed while the journal was read.
    """

    journal: Journal
    request: SegmentationRequest
    situation: Situation
    kept: tuple[Kept, ...]
    notes: tuple[Finding, ...]


def recover(folder: Path, warn: Callable[[Finding], object] | None = None) -> Recovered:
    """Read a session that did not end, and hold its folder; takes as long as reading its image and results does.

    Parameters
    ----------
    folder : Path
        The session's.
    warn : callable or None
        Called once, on the writing thread, if recording ends.

    Raises
    ------
    InputError
        Where it cannot be read, or its image is not what it was.
    OutputError
        Where another process records in it.
    """
    journal, history = Journal.reopen(folder, warn)
    try:
        replayer = Replayer(history)
        request = replayer.opened.request
        situation = _situation(history.situation, replayer)
        run = _run_point(history, replayer)
        kept = tuple(
            Kept(name, replayer.stored(values["result"]), recorded_config(values["config"]))
            for name, values in history.kept.items()
        )
    except BaseException:
        journal.close(finished=False)
        raise
    journal.goes_on_with(request.volume)
    return Recovered(journal, request, replace(situation, run=run), kept, history.notes)


#: For marks beside curves, where the journal does not hold the words.
_WORDS: Mapping[type, str] = {Retune: "Settings", Merge: "Merge", Split: "Split", Adjust: "Gaussians", Stop: "Stop"}


def _situation(values: Values | None, replayer: Replayer) -> Situation:
    if values is None:
        return Situation(replayer.opened.request.config)
    shown = values["model"] or values["result"]
    result = None if shown is None else replayer.stored(shown)
    same = values["fitted"] == shown
    fitted = result if same else None if values["fitted"] is None else replayer.stored(values["fitted"])
    volume, painted = replayer.opened.request.volume, replayer.history.painted
    seeds, network = values["seeds"], values["weights"]
    now = Situation(
        recorded_config(values["config"]),
        result,
        fitted,
        numbers_of(values["means"]),
        numbers_of(values["stds"]),
        frozenset(values["locked"]),
        {int(value): _given(said) for value, said in values["given"].items()},
        scribbles=scribbles_of(values["scribbles"], painted, volume),
        edits=edits_of(values["edits"], painted, volume),
        seeds=None if seeds is None else result if seeds == shown else replayer.stored(seeds),
        answered=values["answered"],
        weights=network_of(network, replayer.history.folder),
    )
    return in_force(now)


def _given(values: Values) -> Given:
    colour = values["colour"]
    return Given(**{**values, "colour": None if colour is None else tuple(colour)})


def _run_point(history: History, replayer: Replayer) -> RunPoint | None:
    """Return where the run stood that was on; what it was told is told again at the same places."""
    going_on = replayer.continuation()
    if going_on is None:
        return None
    run, saved = history.runs[-1], going_on.saved
    before = _situation(run.before, replayer)
    start = None if run.start is None else replayer.stored(run.start)
    log = RunLog(run.config, start, before, object())
    offset = 0 if saved is None else saved.report
    if saved is not None:
        log.states = {offset: saved.state}
    told = [_said(command, run.words.get(n, ""), before, after=n) for n, command in sorted(run.orders.items())]
    waiting = [_said(wish.command, wish.words, before, not_before=wish.after) for wish in run.waiting]
    log.said = (*told, *waiting)
    return RunPoint(log, log.said)


def _said(
    command: Command, words: str, before: Situation, *, after: int | None = None, not_before: int | None = None
) -> Said:
    order = Order(command, not_before)
    order.after = after
    return Said(Sentence(command, words or _WORDS.get(type(command), ""), object(), before), order, 0)
