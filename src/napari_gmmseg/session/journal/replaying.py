"""Do again what a journal tells: go on where it ended, or have a result anew and compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from napari_gmmseg.config import recorded_config
from napari_gmmseg.errors import InputError, ReplayError
from napari_gmmseg.session.class_edits import adjust_classes, merge_classes, retabled, split_class
from napari_gmmseg.session.cleaning import windows_of
from napari_gmmseg.session.identities import relabelled
from napari_gmmseg.session.islands import cleaned
from napari_gmmseg.session.journal.history import History, RunRecord
from napari_gmmseg.session.journal.nouns import numbers_of, tissue_of
from napari_gmmseg.session.journal.painted import edits_of, network_of, scribbles_of
from napari_gmmseg.session.journal.requests import Opened, opened_of, versions
from napari_gmmseg.session.journal.results import read_result, result_hash
from napari_gmmseg.session.journal.states import SavedState, StateFiles
from napari_gmmseg.session.painting import with_background, with_edits
from napari_gmmseg.session.segmenting import SegmentationRequest, segment_in_steps
from napari_gmmseg.volumes import ClassTable, Command, FitReport, FitState, SaveState, Segmentation, TissueClass

Watch = Callable[[FitReport], object]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Continuation:
    """How an unfinished run goes on.

    Parameters
    ----------
    request : SegmentationRequest
        What is fitted, with the state or the result from which.
    orders : dict of int to Command
        What the fit is told after so many of its reports.
    saved : SavedState or None
        Where the run stood; None where it begins anew.
    """

    request: SegmentationRequest
    orders: dict[int, Command]
    saved: SavedState | None


class Replayer:
    """The runs and edits of a session, done again as far as they are needed.

    Parameters
    ----------
    history : History
        What was recorded.
    strict : bool
        Whether another result than was recorded is an error; else `equal` tells.

    Raises
    ------
    InputError
        Where an input is not what it was.
    """

    def __init__(self, history: History, *, strict: bool = True) -> None:
        if not history.opened:
            raise InputError(
                f"The session in {history.folder} ended before an image was opened.", "There is nothing to go on with."
            )
        self.history = history
        self.opened: Opened = opened_of(history.opened, history.folder)
        #: Results that came out otherwise than they were recorded: the hash now, and then, by their names.
        self.others: dict[str, tuple[str, str]] = {}
        #: Called with each report of a fit that is done again.
        self.watch: Watch = _overlooked
        self._strict = strict
        self._made: dict[str, Segmentation] = {}

    @property
    def equal(self) -> bool:
        """Whether everything that was done again came out as it was recorded."""
        return not self.others

    @property
    def wanted(self) -> Values | None:
        """The result that was there last, as it was recorded; None where there was none."""
        situation = self.history.situation
        if situation is not None and situation["result"] is not None:
            last: Values = situation["result"]
            return last
        return next((run.result for run in reversed(self.history.runs) if run.result is not None), None)

    def result(self) -> Segmentation:
        """Have the last result anew: read nothing but inputs, fit and edit again.

        Raises
        ------
        ReplayError
            Where it is another, or one on the way to it is.
        InputError
            Where there was none, or the journal does not tell how it came about.
        """
        wanted = self.wanted
        if wanted is None:
            raise InputError(
                f"The session in {self.history.folder} has no result yet.",
                f"Finish it first: napari-gmmseg resume {self.history.folder} -o mask.nii.gz",
            )
        return self._make(wanted)

    def continuation(self) -> Continuation | None:
        """Return how the last run goes on; None where it has ended, or there was none."""
        if not self.history.runs or self.history.runs[-1].reason is not None:
            return None
        run = self.history.runs[-1]
        orders, waiting = run.orders, run.waiting
        orders |= {wish.after: wish.command for wish in waiting if wish.exact and wish.after is not None}
        saved = self._saved(run, orders)
        offset = 0 if saved is None else saved.report
        for wish in (wish for wish in waiting if not wish.exact):
            orders[max(wish.after or 0, max([offset, *orders]) + 1)] = wish.command
        later = {after - offset: command for after, command in orders.items() if after > offset}
        return Continuation(self._request(run, None if saved is None else saved.state), later, saved)

    def stored(self, reference: Values) -> Segmentation:
        """Return a result from its file, or from the last state of its run, or have it anew where both are gone.

        Parameters
        ----------
        reference : mapping
            Its hash, its file, and the names of its classes.

        Raises
        ------
        ReplayError
            Where it had to be done again, and is another.
        """
        if reference["file"]:
            with suppress(InputError):
                stored = read_result(self.history.folder / reference["file"])
                return _named(stored.with_image(self.opened.request.volume), reference)
        finished = self._finished_again(reference)
        return self._make(reference) if finished is None else _named(finished, reference)

    def _finished_again(self, reference: Values) -> Segmentation | None:
        """Return the result of the last run from its last state; None where there is none, or it becomes another."""
        run = self.history.runs[-1] if self.history.runs else None
        if run is None or _name(run.result) != reference["name"]:
            return None
        saved = self._saved(run, run.orders)
        if saved is None:
            return None
        later = {after - saved.report: command for after, command in run.orders.items() if after > saved.report}
        result = self._drive(self._request(run, saved.state), later, until=None)
        assert isinstance(result, Segmentation)
        result = _ended_with(run, result)
        return result if result_hash(result) == reference["hash"] else None

    def _saved(self, run: RunRecord, orders: Mapping[int, Command]) -> SavedState | None:
        """Return the last state of a run after which it was told nothing: a fit takes a step before it listens."""
        states = (saved for saved in StateFiles(self.history.folder).newest() if saved.run == run.number)
        found = next((saved for saved in states if saved.report not in orders), None)
        if found is None and run.state is not None:
            return SavedState(run.number, 0, 0.0, self._state(run))
        return found

    def _request(self, run: RunRecord, state: FitState | None) -> SegmentationRequest:
        start = None if state is not None or run.start is None else self.stored(run.start)
        return self._as_then(run, start, state)

    def _as_then(self, run: RunRecord, start: Segmentation | None, state: FitState | None) -> SegmentationRequest:
        """Return what a run fitted, in the way that its memory asked for then."""
        return replace(self.opened.request, config=run.config, start=start, state=state, plans=tuple(run.plans))

    def _make(self, reference: Values) -> Segmentation:
        name = reference["name"]
        if name not in self._made:
            made = self._make_anew(name)
            now = result_hash(made)
            if now != reference["hash"]:
                self.others[name] = now, reference["hash"]
                if self._strict:
                    raise _another(reference, made, self.history)
            self._made[name] = made
        return _named(self._made[name], reference)

    def _make_anew(self, name: str) -> Segmentation:
        """Follow the journal to where a result came up first, and do that again."""
        before: Values = {}
        for event in self.history.events[self._first :]:
            situation = event.get("situation") or {}
            if situation.get("model") and _name(situation["result"]) == name:
                return self._with_edits(situation)
            if event["kind"] == "answered" and _name(event["result"]) == name:
                return self._answered(event)
            if event["kind"] == "ended" and _name(event["result"]) == name:
                run = self.history.run(event["run"])
                assert run is not None
                return self._again(run)
            made = situation.get("model") or situation.get("result")
            if event["kind"] == "acted" and _name(made) == name:
                return self._edited(event, before)
            before = situation or before
        raise InputError(
            f"The journal in {self.history.folder} does not tell how its last result came about.",
            "It was changed by hand, or recorded by another version of the program.",
        )

    def _edited(self, event: Values, before: Values) -> Segmentation:
        """Do an edit of a result again."""
        volume, what, arguments = self.opened.request.volume, event["what"], event["arguments"]
        background = (event["situation"].get("scribbles") or {}).get("background")
        if what == "adjust":
            situation = event["situation"]
            moved = {name: numbers_of(situation[name]) for name in ("means", "stds")}
            return with_background(adjust_classes(volume, self._make(situation["fitted"]), **moved), background)
        if what == "merge":
            return with_background(merge_classes(volume, self._make(before["result"]), **arguments), background)
        if what == "finetune":
            raise InputError(
                "A network was fine-tuned in this session: how far it came follows from the time it was given.",
                "Its result cannot be done again to the last bit; it is there as long as the session has not ended.",
            )
        if what == "split":
            return with_background(split_class(volume, self._make(before["result"]), **arguments), background)
        if what == "clean":
            model = None if before.get("model") is None else self._make(before["model"])
            edits = edits_of(before["edits"], self.history.painted, volume)
            return cleaned(self._make(before["result"]), model, windows_of(arguments), arguments["spared"], edits)
        if what == "declare_background":
            return with_background(self._make(before["model"] or before["result"]), background)
        raise InputError(
            f"The journal holds an edit that is not known: {what}.", "Another version of the program recorded it."
        )

    def _with_edits(self, situation: Values) -> Segmentation:
        """Set the voxels by hand again."""
        edits = edits_of(situation["edits"], self.history.painted, self.opened.request.volume)
        assert edits is not None
        return with_edits(self._make(situation["model"]), edits)

    def _answered(self, event: Values) -> Segmentation:
        """Answer strokes again."""
        from napari_gmmseg.session.answering import Question, answer_in_steps

        request = self.opened.request
        scribbles = scribbles_of(event["scribbles"], self.history.painted, request.volume)
        assert scribbles is not None
        start = None if event["start"] is None else self._make(event["start"])
        config = recorded_config(event["situation"]["config"])
        network = network_of(event.get("network"), self.history.folder)
        steps = answer_in_steps(Question(replace(request, config=config), scribbles, start, network))
        try:
            while True:
                self.watch(next(steps))
        except StopIteration as end:
            result: Segmentation = end.value
            return result

    @property
    def _first(self) -> int:
        return self.history.events.index(dict(self.history.opened))

    def _again(self, run: RunRecord) -> Segmentation:
        state = None if run.state is None else self._state(run)
        start = None if state is not None or run.start is None else self._make(run.start)
        outcome = self._drive(self._as_then(run, start, state), run.orders, until=None)
        assert isinstance(outcome, Segmentation)
        return _ended_with(run, outcome)

    def _state(self, run: RunRecord) -> FitState:
        """Return the state that a run began with: reached again, or from its file where the journal knows no place."""
        assert run.state is not None
        if run.state["reached"] is not None:
            number, report = run.state["reached"]
            earlier = self.history.run(number)
            if earlier is not None:
                state = None if earlier.state is None else self._state(earlier)
                start = None if state is not None or earlier.start is None else self._make(earlier.start)
                outcome = self._drive(self._as_then(earlier, start, state), earlier.orders, until=report)
                assert isinstance(outcome, FitState)
                return outcome
        for saved in StateFiles(self.history.folder).newest():
            if (saved.run, saved.report) == (run.number, 0):
                return saved.state
        raise InputError(
            f"The state from which run {run.number} went on is gone.", "The session cannot be replayed from there."
        )

    def _drive(
        self, request: SegmentationRequest, orders: Mapping[int, Command], until: int | None
    ) -> Segmentation | FitState:
        """Run a fit with commands at their places: to its end, or to the state after some report."""
        steps = segment_in_steps(request)
        n_reports, command = 0, None
        try:
            while True:
                report = steps.send(command)
                n_reports += report.n_steps > 0
                self.watch(report)
                if until is not None and n_reports == until and report.state is not None:
                    return report.state
                command = orders.get(n_reports) if report.n_steps > 0 else None
                if until is not None and n_reports + 1 == until:
                    command = SaveState()
        except StopIteration as end:
            result: Segmentation = end.value
        finally:
            steps.close()
        if until is not None:
            raise InputError(
                f"A fit ended before report {until}, where the session has a state.",
                "It was recorded by another version of the program.",
            )
        return result


def _overlooked(_: FitReport) -> None:
    """Nobody watches."""


def _name(reference: Values | None) -> str | None:
    return None if reference is None else reference["name"]


def _ended_with(run: RunRecord, result: Segmentation) -> Segmentation:
    """Return what a fit came to as its run ended with it: label values and names are those of an earlier result."""
    if not run.moved or run.result is None:
        return with_background(result, run.background)
    moved = {tissue.value: run.moved.get(tissue.value, tissue.value) for tissue in result.label_map.classes}
    return with_background(relabelled(result, moved, _classes(run.result)), run.background)


def _named(result: Segmentation, reference: Values) -> Segmentation:
    """Return a result, and what it refined, with classes called as they were recorded."""
    classes = _classes(reference)
    return retabled(result, lambda table: ClassTable(tuple(classes.get(tissue.value, tissue) for tissue in table)))


def _classes(reference: Values) -> dict[int, TissueClass]:
    found = (tissue_of(values) for values in reference["classes"])
    return {tissue.value: tissue for tissue in found}


def _another(reference: Values, made: Segmentation, history: History) -> ReplayError:
    then, now = history.opened["versions"], versions()
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    differing = [f"{name} {then.get(name, 'none')} then, {now.get(name, 'none')} now" for name in names]
    device = made.provenance.get("device")
    return ReplayError(
        f"The result is another: SHA-256 {result_hash(made)[:16]}… instead of {reference['hash'][:16]}….",
        f"The same bits need the same libraries, device and number of threads. Now on {device}. "
        + (f"Different: {'; '.join(differing)}." if differing else "Versions are the same as then."),
    )
