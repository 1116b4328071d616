"""What a person can do with strokes: paint, take back, have them answered at once."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from typing import Any

from psygnal import Signal

from napari_gmmseg.config import new_class
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session.answering import Answering, Question, SliceAnswer
from napari_gmmseg.session.class_acts import ClassActs
from napari_gmmseg.session.edit_queue import after_edits
from napari_gmmseg.session.following import with_n_classes
from napari_gmmseg.session.painting import with_background, with_classes
from napari_gmmseg.session.situation import Situation
from napari_gmmseg.volumes import (
    IGNORED,
    UNLABELLED,
    ClassTable,
    Finding,
    NetworkWeights,
    Scribbles,
    Segmentation,
    Stroke,
    keep_out_of_locked,
)

#: Methods whose results follow from strokes.
FROM_STROKES = frozenset({"scribbles", "finetuned"})


class ScribbleActs(ClassActs):
    """A session, as far as strokes go.

    Parameters
    ----------
    **options : object
        See `Following`.
    """

    #: A slice that was answered before the volume is.
    slice_answered = Signal(SliceAnswer)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._answering = Answering()
        self._numbers = itertools.count(1)
        self._asked: Scribbles | None = None
        self._newest_stroke: object = None
        self._newest_id: int | None = None

    @property
    def scribbles(self) -> Scribbles | None:
        """The strokes, with the classes as they are called now; none before an image is there."""
        request, table = self._request, self.classes
        if request is None or table is None:
            return None
        now = self._now.scribbles
        if now is None:
            volume = request.volume
            return Scribbles(volume.grid_shape, volume.geometry, table, source=volume.source)
        return with_classes(now, table)

    @property
    def answering(self) -> bool:
        """Whether strokes wait for their answer."""
        return self._answering.busy

    @property
    def unpainted(self) -> tuple[int, ...]:
        """Label values of the classes that have no stroke yet, and no result to stand for them."""
        scribbles = self.scribbles
        if scribbles is None:
            return ()
        counts = scribbles.counts()
        start = self._seeds
        known = () if start is None else start.label_map.classes.values
        return tuple(value for value, n in counts.items() if not n and value not in known)

    def warm_answers(self) -> None:
        """Make the image ready for its first stroke, on a thread of its own."""
        if self._request is not None:
            self._answering.warm(self._request)

    @after_edits
    def scribble(self, stroke: Stroke) -> None:
        """Paint a stroke; what of it lies in another class's locked region is refused.

        Parameters
        ----------
        stroke : Stroke
            Its number is given anew.
        """
        self._paint([stroke], None)

    @after_edits
    def import_scribbles(self, found: Scribbles, words: str = "Import strokes") -> None:
        """Add strokes, and the classes that only they have, as one act.

        Parameters
        ----------
        found : Scribbles
            On the image's grid; their background counts, where they name one.
        words : str
            For undo.
        """
        ours = self.scribbles
        if ours is not None:
            background = ours.background if found.background is None else found.background
            both = replace(with_classes(ours, found.classes), background=background)
            # A class is called as it is here, not as it is there.
            self._paint(list(found.strokes), words, with_classes(both, ours.classes))

    @after_edits
    def clear_scribbles(self) -> None:
        """Take all strokes away; the result stays as it is."""
        scribbles = self._now.scribbles
        if scribbles is not None and scribbles.strokes:
            now = replace(self._now, scribbles=replace(scribbles, strokes=()), answered=True)
            self._act("Clear strokes", now, "clear_scribbles")

    @after_edits
    def take_stroke_back(self) -> None:
        """Take the newest stroke away: undone where nothing was done since, else as a new act."""
        scribbles = self._now.scribbles
        if scribbles is None or not scribbles.strokes:
            return
        if self._undo.is_newest(self._newest_stroke) and scribbles.strokes[-1].id == self._newest_id:
            self._step_back()
        else:
            left = replace(scribbles, strokes=scribbles.strokes[:-1])
            self._act("Take a stroke back", replace(self._now, scribbles=left, answered=False), "take_stroke_back")

    @after_edits
    def declare_background(self, value: int | None) -> None:
        """Say which class is background: it is 0 in the result and in what is exported.

        Parameters
        ----------
        value : int or None
            Its label value; None where every class is a tissue.
        """
        scribbles = self.scribbles
        if scribbles is None or scribbles.background == value:
            return
        if value is not None and scribbles.classes.by_value(value) is None:
            self._refuse(Finding("refused", f"There is no class of the label {value}.", "Choose one that is shown."))
            return
        name = "none" if value is None else scribbles.classes.classes[scribbles.classes.values.index(value)].name
        now = replace(self._now, scribbles=replace(scribbles, background=value), answered=not scribbles.strokes)
        plain = now.model or now.result
        if now.answered and plain is not None:
            # The result of a fit, which no answer to strokes will replace.
            result = with_background(plain, value)
            fitted = result if now.fitted is plain else now.fitted
            now = replace(now, result=result, fitted=fitted, model=None)
        self._act(f"Background: {name}", now, "declare_background", value=value)

    @after_edits
    def add_class(self) -> None:
        """Have one class more to paint with; the result has it once it is painted."""
        scribbles = self.scribbles
        if scribbles is None:
            return
        try:
            added = new_class(scribbles.classes)
        except GmmsegError as error:
            self._refuse(Finding("refused", error.message, error.hint))
            return
        new = replace(scribbles, classes=ClassTable((*scribbles.classes, added)))
        self._act(f"Add {added.name}", replace(self._now, scribbles=new), "add_class")

    def answer(self) -> None:
        """Have the strokes answered, where they are not: done by itself whenever strokes change."""
        now, request = self._now, self._request
        scribbles = self.scribbles
        if now.answered or now.scribbles is None or self._held_up or request is None or scribbles is None:
            if now.answered:
                self._asked = None
                self._answering.forget()
            return
        if now.scribbles is self._asked:
            return
        self._asked = now.scribbles
        start = self._seeds
        painted = {value for value, n in scribbles.counts().items() if n}
        known = painted | (set() if start is None else set(start.label_map.classes.values))
        if not painted or len(known) < 2:
            self._answering.forget()
            self._withdraw_answer()
            return
        look = self._look
        if look is None:
            look = int(scribbles.strokes[-1].voxels[0, -3]) if len(scribbles.strokes[-1].voxels) else 0
        self._answering.ask(Question(request, scribbles, start, self._network), look)

    def look(self, slice_index: int) -> None:
        """Have a slice answered first.

        Parameters
        ----------
        slice_index : int
            Position on the volume's Z axis.
        """
        self._look = slice_index
        self._answering.look(slice_index)

    @property
    def _held_up(self) -> bool:
        """Whether strokes wait for something else to end."""
        return self.running or self._edits.busy

    @property
    def _seeds(self) -> Segmentation | None:
        """The result that stands for classes that were not painted: of a fit, never an answer to strokes."""
        result = self._now.model or self._now.result
        return result if result is not None and result.method not in FROM_STROKES else self._now.seeds

    @property
    def _network(self) -> NetworkWeights | None:
        """The network whose say is in the result, and stays in the answers to later strokes."""
        result, weights, scribbles = self._now.model or self._now.result, self._now.weights, self.scribbles
        if weights is None or scribbles is None or result is None or not result.provenance.get("network_counts"):
            return None
        # A class that was merged into another since is not what the network learnt.
        return weights if set(weights.classes.values) <= set(scribbles.classes.values) else None

    def _paint(self, strokes: list[Stroke], words: str | None, scribbles: Scribbles | None = None) -> None:
        scribbles = scribbles or self.scribbles
        if scribbles is None:
            self._refuse(Finding("refused", "There is no image.", "Open one first."))
            return
        accepted = [taken for stroke in strokes if (taken := self._unlocked(stroke)) is not None]
        if not accepted:
            self._emit("scribbles")
            return
        numbered = tuple(
            replace(s, id=next(self._numbers), time=s.time or time.time()) for s in self._fresh(scribbles, accepted)
        )
        try:
            new = replace(scribbles, strokes=(*scribbles.strokes, *numbered))
        except GmmsegError as error:
            self._refuse(Finding("refused", error.message, error.hint))
            self._emit("scribbles")
            return
        told = words or _words(scribbles, accepted[0])
        now = replace(self._now, scribbles=new, answered=False)
        self._newest_stroke = self._act(told, now, "scribble", strokes=numbered)
        self._newest_id = numbered[-1].id if len(numbered) == 1 else None
        self.answer()

    def _fresh(self, scribbles: Scribbles, strokes: list[Stroke]) -> list[Stroke]:
        """Return strokes, with the counter set beyond the numbers of those that are there."""
        highest = max((s.id for s in scribbles.strokes), default=0)
        number = next(self._numbers)
        self._numbers = itertools.count(max(number, highest + 1))
        return strokes

    def _unlocked(self, stroke: Stroke) -> Stroke | None:
        result = self._now.result
        if result is None or not self.locked:
            return stroke if len(stroke.voxels) else None
        try:
            checked = keep_out_of_locked(stroke, result.label_map, self.locked)
        except GmmsegError as error:
            self._refuse(Finding("refused", error.message, error.hint))
            return None
        if checked.finding is not None:
            self._refuse(checked.finding)
        return checked.accepted

    def _take_answers(self) -> None:
        """Put answers into force, of the newest strokes only."""
        for question, outcome in self._answering.poll():
            if self._held_up:
                # It is asked for again when what is on has ended.
                self._asked = None
            elif isinstance(outcome, SliceAnswer):
                self._signal(self.slice_answered, outcome.edited(self._now.edits))
            elif isinstance(outcome, GmmsegError):
                self._refuse(Finding("refused", outcome.message, outcome.hint))
            else:
                self._put_answer(question, outcome)
        self.answer()

    def _put_answer(self, question: Question, result: Segmentation) -> None:
        """An answer belongs to the strokes that asked for it: it is no act of its own."""
        values = frozenset(result.label_map.classes.values)
        now = replace(self._now, result=result, fitted=result, means={}, stds={}, model=None, answered=True)
        now = replace(now, seeds=question.start, config=with_n_classes(now.config, len(values)))
        self._put(replace(now, locked=now.locked & values))
        self._asked = None
        self._undo.fit_memory(self._now)
        self._record(
            "answered",
            result=result,
            start=question.start,
            scribbles=question.scribbles,
            network=question.network,
            situation=self._now,
            store=False,
        )
        self._emit("history")

    def _withdraw_answer(self) -> None:
        """Show what was there before any stroke where too few are left to be answered: not an answer to others."""
        result = self._now.model or self._now.result
        if result is None or result.method != "scribbles":
            return
        seeds = self._now.seeds
        self._put(replace(self._now, result=seeds, fitted=seeds, means={}, stds={}, model=None))
        self._record("withdrew", situation=self._now)
        self._emit("history")

    def _step_back(self) -> None:
        """Put back what was there before the newest act."""
        act = self._undo.undo(self.situation)
        if act is not None:
            self._put_back("undone", act)
            self._emit("history")

    def _go_to(self, target: Situation) -> None:
        self._asked = None
        super()._go_to(target)
        self.answer()


def _words(scribbles: Scribbles, stroke: Stroke) -> str:
    if stroke.value == UNLABELLED:
        return "Erase strokes"
    if stroke.value == IGNORED:
        return "Ignore a region"
    tissue = scribbles.classes.by_value(stroke.value)
    return f"Paint {tissue.name if tissue else stroke.value}"
