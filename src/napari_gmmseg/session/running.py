"""One run of a session: the job at hand, and the log by which it can be taken up again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from napari_gmmseg.session.jobs import FitGenerator, Job
from napari_gmmseg.session.orders import Order
from napari_gmmseg.session.progress import Note, Progress, Told
from napari_gmmseg.session.run_log import Resumption, RunPoint, Said, Sentence
from napari_gmmseg.volumes import Command, FitReport, FitState, Look, Retune, SaveState, Segmentation


@dataclass(frozen=True)
class News:
    """What came from a run since it was last looked at.

    Parameters
    ----------
    told : tuple of Told
        What the fit heard.
    notes : tuple of Note
        Reports with states or refusals.
    progress : Progress or None
        The newest report that may be shown.
    latest : (int, FitReport or None)
        The newest of the fit, and how many it made.
    ended : bool
        Whether it is at its end; told once.
    """

    told: tuple[Told, ...]
    notes: tuple[Note, ...]
    progress: Progress | None
    latest: tuple[int, FitReport | None]
    ended: bool


def _unrecorded(_: str, **__: object) -> None:
    """Nobody writes it down."""


class Run:
    """A job and its log; for one thread.

    Parameters
    ----------
    make_steps : callable
        Takes the state to go on from, and returns the fit; called on the worker's thread.
    resumption : Resumption
        How it begins.
    save_every : float or None
        Ask for the state of a training so often, in s.
    record : callable
        Takes the kind and the parts of an event: what is said after its beginning, amended or withdrawn.
    """

    def __init__(
        self,
        make_steps: Callable[[FitState | None], FitGenerator],
        resumption: Resumption,
        save_every: float | None,
        record: Callable[..., None] = _unrecorded,
    ) -> None:
        self.log, self.offset = resumption.log, resumption.offset
        self._ended = False
        self._record = record
        self._numbers: dict[Order, int] = {}
        state = resumption.state
        self.job: Job[Segmentation] = Job(lambda: make_steps(state), save_every=save_every)
        for after, sentence in resumption.again:
            self._send(sentence, after)

    @property
    def on(self) -> bool:
        """Whether it goes on, or its end was not seen yet."""
        return not self._ended

    @property
    def point(self) -> RunPoint:
        """Where it stands."""
        return RunPoint(self.log, self.log.said)

    @property
    def marks(self) -> tuple[tuple[int, str], ...]:
        """After how many reports it was paused, or what was said, in words."""
        said = [(s.position, s.sentence.words) for s in self.log.said if s.position is not None and not s.refused]
        return tuple(sorted([*said, *((n, "Pause") for n in self.log.pauses)], key=lambda mark: mark[0]))

    def say(self, sentence: Sentence) -> None:
        """Tell the fit something that can be undone: its state right before is asked for first.

        Parameters
        ----------
        sentence : Sentence
            What it is told.
        """
        self.job.send(SaveState())
        self._send(sentence, None)
        self._record_said(sentence)

    def amend(self, sentence: Sentence, merge: Callable[[Command, Command], Command | None]) -> bool:
        """Say something together with what was said last, if that belongs to the same act and was not heard yet.

        Parameters
        ----------
        sentence : Sentence
            What is to be told.
        merge : callable
            Returns one command for two, or None where there is none.

        Returns
        -------
        bool
            Whether it was said.
        """
        last = self.log.said[-1] if self.log.said else None
        if last is None or last.sentence.tag is not sentence.tag:
            return False
        command = merge(last.sentence.command, sentence.command)
        return command is not None and self._exchange(last, command, sentence.words)

    def protect(self, value: int) -> None:
        """Have no number of classes that the fit has not heard of yet cost a class that a person holds now.

        Parameters
        ----------
        value : int
            Its label value.
        """
        for said in self.log.said:
            command = said.sentence.command
            if isinstance(command, Retune):
                held = Retune(command.settings, command.protected | {value})
                self._exchange(said, held, said.sentence.words)

    def _exchange(self, said: Said, command: Command, words: str) -> bool:
        """Say something else in place of what the fit has not heard yet; return whether it could be."""
        if not self.job.amend(said.order, command):
            return False
        new = Said(replace(said.sentence, command=command, words=words), said.order, said.offset)
        self.log.said = tuple(new if other is said else other for other in self.log.said)
        self._record_of("amended", said.order, command=command, words=words)
        return True

    def go_to(self, point: RunPoint) -> bool:
        """Come to another point without a new job: by taking back or saying again what the fit has not heard yet.

        Parameters
        ----------
        point : RunPoint
            Where to.

        Returns
        -------
        bool
            False where the fit has heard too much already.
        """
        if point.log is not self.log:
            return False
        for said in reversed(self.log.said):
            if said in point.said:
                break
            if not self.job.withdraw(said.order):
                return False
            self._record_of("withdrawn", said.order)
            self.log.said = self.log.said[:-1]
        if self.log.said != point.said[: len(self.log.said)]:
            return False
        for said in point.said[len(self.log.said) :]:
            if said.position is not None:
                return False
            self._send(said.sentence, None)
            self._record_said(said.sentence)
        return True

    def settled(self, n_reports: int) -> bool:
        """Tell whether a report answers all that was said.

        Parameters
        ----------
        n_reports : int
            Its number in the job.
        """
        heard = self.offset + n_reports
        return all(said.position is not None and said.position < heard for said in self.log.said)

    def take(self) -> News:
        """Return what came since this was last asked, and hold the states among it."""
        # Asked before the rest is taken: what comes in between is then not missed.
        ended = self.job.state.ended and not self._ended
        book = self.job.logbook
        # A refusal is noted before its report counts as the latest.
        latest, notes = book.latest, book.take_notes()
        # Taken after the notes: whatever was heard before a state is then told with that state, or before it.
        told = tuple(t for t in book.take_told() if not isinstance(t.command, Look | SaveState))
        for note in notes:
            if note.report.state is not None:
                self.log.add_state(self.offset + note.n_reports, note.report.state)
        self.log.trail.extend(book.take_trail())
        self._ended = self._ended or ended
        return News(told, notes, self.job.mailbox.take(), latest, ended)

    def pause(self) -> None:
        """Hold it after the step at hand."""
        if self.on and not self.job.pausing:
            self.job.pause()
            self.log.pauses.append(self.offset + self.job.n_reports)

    def leave(self) -> None:
        """Cancel it; nothing that it says counts any more."""
        self._ended = True
        self.job.cancel()

    def _send(self, sentence: Sentence, after: int | None) -> None:
        order = self.job.send(sentence.command, after=after)
        self._numbers[order] = len(self._numbers)
        self.log.said = (*self.log.said, Said(sentence, order, self.offset))

    def _record_said(self, sentence: Sentence) -> None:
        """Record what was sent last; the fit hears it after its next report at the earliest, its state comes first."""
        order = self.log.said[-1].order
        after = self.job.n_reports + 1
        self._record_of("said", order, after=after, command=sentence.command, words=sentence.words)

    def _record_of(self, kind: str, order: Order, **event: Any) -> None:
        self._record(kind, generation=self.job.generation, order=self._numbers[order], **event)
