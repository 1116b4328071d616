"""The state of a session, and how it follows its runs; what a person can do stands in `state`."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from psygnal import EmitLoopError, Signal, SignalInstance

from napari_gmmseg.config import FitConfig, numbered_classes
from napari_gmmseg.session.class_edits import retabled
from napari_gmmseg.session.identities import carry_identities
from napari_gmmseg.session.jobs import FitGenerator, Job
from napari_gmmseg.session.orders import SAVE_EVERY
from napari_gmmseg.session.painting import in_force, kept_paint, with_background, with_classes
from napari_gmmseg.session.progress import Note, Progress
from napari_gmmseg.session.recording import Recorder
from napari_gmmseg.session.run_log import Resumption, RunPoint, Said
from napari_gmmseg.session.running import Run
from napari_gmmseg.session.segmenting import SegmentationRequest, segment_in_steps
from napari_gmmseg.session.situation import Kept, Situation, with_given
from napari_gmmseg.session.undoing import LIMIT, Act, UndoStack
from napari_gmmseg.volumes import Adjust, ClassTable, Finding, FitReport, FitState, Mixture, Retune, Segmentation

_log = logging.getLogger(__name__)


class Following:
    """Holds references to frozen nouns, and swaps them; for one thread, on which its signals are emitted.

    Parameters
    ----------
    memory_limit : int
        Bytes that undo may hold beyond what is shown.
    recorder : Recorder or None
        Writes down what happens.
    """

    #: One of "settings", "classes", "result", "kept", "job", "history", "scribbles", "tuning".
    changed = Signal(str)
    refused = Signal(Finding)

    def __init__(self, *, memory_limit: int = LIMIT, recorder: Recorder | None = None) -> None:
        self.recorder = recorder
        self._undo = UndoStack(memory_limit)
        self._request: SegmentationRequest | None = None
        self._now = Situation(FitConfig())
        self._kept: tuple[Kept, ...] = ()
        self._run: Run | None = None
        self._leaving: list[Job[Segmentation]] = []
        self._seen: object = None
        self._progress: Progress | None = None
        self._table: ClassTable | None = None
        self._mixture: Mixture | None = None
        self._look: int | None = None
        self._drag: object | None = None
        self._dragged: object | None = None
        self._together: list[dict[str, Any]] | None = None

    @property
    def request(self) -> SegmentationRequest | None:
        """The image that is worked on, and what it is; None before one was opened."""
        return self._request

    @property
    def config(self) -> FitConfig:
        """Settings as they are wanted now."""
        return self._now.config

    @property
    def result(self) -> Segmentation | None:
        """What is shown; while a run is on, what was there before it."""
        return self._now.result

    @property
    def _background(self) -> int | None:
        """Label value of the class that is 0 in results; None where every class is a tissue."""
        return None if self._now.scribbles is None else self._now.scribbles.background

    @property
    def kept(self) -> tuple[Kept, ...]:
        """Results that were kept under a name."""
        return self._kept

    @property
    def locked(self) -> frozenset[int]:
        """Label values of the classes whose Gaussian is held and which do not disappear."""
        return self._now.locked

    @property
    def situation(self) -> Situation:
        """All that undo puts back, as it is now."""
        return replace(self._now, run=self._run.point if self._run is not None and self._run.on else None)

    @property
    def job(self) -> Job[Segmentation] | None:
        """The run that is on, or was last; None before the first."""
        return None if self._run is None else self._run.job

    @property
    def progress(self) -> Progress | None:
        """The newest report that `poll` gave of that job: for whoever does not poll."""
        job = self.job
        newest = self._progress
        return newest if job is not None and newest is not None and newest.generation == job.generation else None

    @property
    def running(self) -> bool:
        """Whether a run goes on, paused or not."""
        return self._run is not None and self._run.on

    @property
    def classes(self) -> ClassTable | None:
        """The classes as they are now: of the run that is on, else of the result, else those that are expected."""
        if self.running and self._table is not None:
            return with_given(self._table, self._now.given)
        if self._now.result is not None:
            return self._now.result.label_map.classes
        if self._request is None:
            return None
        k = self._now.config.n_classes
        table = self._request.preset.classes_in(self._request.volume.channels, k) or numbered_classes(k)
        if not self._now.locked <= set(table.values):
            # Held before the fit has begun: with fewer classes, others go.
            every = numbered_classes(max(self._now.locked))
            n_free = max(k - len(self._now.locked), 0)
            free = [tissue for tissue in every if tissue.value not in self._now.locked][:n_free]
            table = ClassTable(tuple(t for t in every if t in free or t.value in self._now.locked))
        return with_given(table, self._now.given)

    @property
    def mixture(self) -> Mixture | None:
        """The Gaussians as they are now, class k the k-th of `classes`: of the run that is on, else of the result."""
        if self.running and self._mixture is not None:
            return self._mixture
        return None if self._now.result is None else self._now.result.mixture

    @property
    def trail(self) -> tuple[FitReport, ...]:
        """Every report of the run that is on or was last, without previews: for curves."""
        return () if self._run is None else tuple(self._run.log.trail)

    @property
    def marks(self) -> tuple[tuple[int, str], ...]:
        """Pauses and what was said to the run, after how many of its reports, in words: for marks beside curves."""
        return () if self._run is None else self._run.marks

    @property
    def memory_used(self) -> int:
        """Bytes that undo holds beyond what is shown."""
        return self._undo.memory_used(self.situation)

    @property
    def memory_limit(self) -> int:
        """Bytes that undo may hold; the oldest acts are forgotten beyond."""
        return self._undo.limit

    def poll(self) -> Progress | None:
        """Take what came from the run since this was last called, several times a second; return the newest report.

        States and refusals are dealt with, and at the end the result becomes the session's.
        """
        run = self._run
        if run is None or not run.on:
            return None
        news = run.take()
        for told in news.told:
            self._record("told", generation=run.job.generation, after=told.after, command=told.command)
        for note in news.notes:
            self._take_note(run, note)
        if news.progress is not None:
            self._progress = news.progress
        self._take_latest(run, *news.latest)
        if news.ended:
            self._end(run)
        self._tell_state()
        return news.progress

    def _begin(self, resumption: Resumption, *, look: int | None, paused: bool = False) -> None:
        """Start the job of a new run, or of one that is taken up."""
        request, log = self._request, resumption.log
        assert request is not None
        wanted = replace(request, config=log.config, start=log.start, look=look)
        earlier = log.before.result

        def steps(state: FitState | None) -> FitGenerator:
            result = yield from segment_in_steps(replace(wanted, state=state))
            if log.fresh and earlier is not None:
                result, log.moved = carry_identities(earlier, result)
            return result

        self._run = run = Run(steps, resumption, SAVE_EVERY, self._record)
        self._table = self._mixture = None
        self._record(
            "began",
            generation=run.job.generation,
            config=log.config,
            start=log.start,
            state=resumption.state,
            offset=resumption.offset,
            before=log.before,
            told=tuple({"after": n, "command": s.command, "words": s.words} for n, s in resumption.again),
        )
        run.job.start()
        if paused:
            run.job.pause()
        self._tell_state()

    def _go_to(self, target: Situation) -> None:
        """Put a situation back, and the run that was on in it."""
        run, point = self._run, target.run
        was_on = run is not None and run.on
        self._put(replace(target, run=None))
        if isinstance(point, RunPoint):
            if run is not None and run.on and run.go_to(point):
                return
            paused = run is not None and run.on and run.job.pausing
            if run is not None:
                self._leave(run)
            self._begin(point.resumption(), look=self._look, paused=paused)
        elif run is not None and was_on:
            self._leave(run)
            self._table = self._mixture = None
            self._emit("classes")
            self._tell_state()

    def _put_back(self, kind: str, act: Act) -> None:
        """Undo or redo, as one event with what becomes of the run: a kill leaves all of it or nothing."""
        together: list[dict[str, Any]] = []
        self._together = together
        try:
            self._go_to(act.situation)
        finally:
            self._together = None
        self._record(kind, words=act.words, situation=act.situation, then=tuple(together))

    def _leave(self, run: Run) -> None:
        """Cancel a run; its thread is waited for when the session is closed."""
        run.leave()
        self._leaving = [job for job in (*self._leaving, run.job) if not job.join(0)]

    def _take_note(self, run: Run, note: Note) -> None:
        report = note.report
        if report.plan is not None:
            self._record("planned", generation=run.job.generation, plan=report.plan)
        if report.state is not None:
            self._record("state", generation=run.job.generation, after=note.n_reports, state=report.state)
            self._undo.fit_memory(self.situation)
        if report.refused is None:
            return
        for said in run.log.said:
            if said.sentence.command is note.answers:
                said.refused = True
                self._take_back(run, said)
        self._refuse(report.refused)

    def _take_back(self, run: Run, said: Said) -> None:
        """Put back what a refused command would have changed, and was not changed again since."""
        command, before, now = said.sentence.command, said.sentence.before, self._now
        if isinstance(command, Retune):
            same = {n: getattr(before.config, n) for n, v in command.settings.items() if getattr(now.config, n) == v}
            now = replace(now, config=replace(now.config, **same))
        if isinstance(command, Adjust) and now.locked == command.locked:
            now = replace(now, locked=before.locked)
        self._put(now)
        tag = said.sentence.tag
        if tag is not run.log.tag and all(s.refused for s in run.log.said if s.sentence.tag is tag):
            self._undo.forget(tag)
            self._emit("history")

    def _take_latest(self, run: Run, n_reports: int, report: FitReport | None) -> None:
        if report is None:
            return
        self._mixture = report.mixture or self._mixture
        if report.classes is not None and report.classes != self._table:
            values = frozenset(report.classes.values)
            gone = frozenset(() if self._table is None else self._table.values) - values
            self._table = report.classes
            # A class that was gone before the fit heard that it is held cannot be;
            # what takes its label value has a name of its own.
            given = {value: said for value, said in self._now.given.items() if value not in gone}
            self._put(replace(self._now, locked=self._now.locked & values, given=given))
            self._emit("classes")
        k = None if self._table is None else len(self._table)
        if k is not None and run.settled(n_reports) and k != self._now.config.n_classes:
            # Merged or split, or refused: the setting follows.
            self._put(replace(self._now, config=with_n_classes(self._now.config, k)))

    def _end(self, run: Run) -> None:
        """Take the result of a run; one that brought nothing leaves all but the settings as it was before."""
        result, log, now = run.job.result, run.log, self._now
        self._table = self._mixture = None
        if result is None:
            self._put(replace(kept_paint(log.before, now), config=now.config))
            self._undo.cut(log.tag)
        else:
            given = log.given_after(now.given)
            result = retabled(result, lambda table: with_given(table, given))
            result = with_background(result, self._background)
            values = frozenset(result.label_map.classes.values)
            config = with_n_classes(now.config, len(values))
            held = {value: said for value, said in given.items() if value in values}
            locked = log.locked_after(now.locked) & values
            fresh = replace(now, config=config, result=result, fitted=result, means={}, stds={}, model=None)
            heard, strokes = now.scribbles is log.before.scribbles, now.scribbles
            if strokes is not None:
                strokes = with_classes(strokes, result.label_map.classes, whole=True)
            self._put(replace(fresh, locked=locked, given=held, scribbles=strokes, answered=heard))
            self._undo.fit_memory(self._now)
        self._record(
            "ended",
            generation=run.job.generation,
            reason=run.job.reason,
            result=result,
            moved=dict(log.moved),
            situation=self._now,
        )
        self._emit("history")

    def _act(self, words: str, now: Situation, what: str, **arguments: Any) -> object:
        """Note what a person does and put it into force; return the act's tag, the same all through a drag."""
        before = self.situation
        if self._drag is None or self._dragged is not self._drag:
            tag = object() if self._drag is None else self._drag
            self._undo.push(Act(words, before, tag), replace(now, run=before.run))
            self._dragged = self._drag
        self._put(now)
        self._record(
            "acted", words=words, what=what, arguments=arguments, situation=self._now, store=self._is_worth_a_file
        )
        self._emit("history")
        return self._drag if self._drag is not None else tag

    @property
    def _is_worth_a_file(self) -> bool:
        """Whether the result took longer to make than to write: an answer to strokes is there again at once."""
        result = self._now.model or self._now.result
        return result is None or result.method != "scribbles"

    def _put(self, now: Situation) -> None:
        """Swap references, and say what is another."""
        before, self._now = self._now, in_force(now)
        now = self._now
        if before.config != now.config:
            self._emit("settings")
        if before.locked != now.locked or before.given != now.given or before.result is not now.result:
            self._emit("classes")
        if before.scribbles is not now.scribbles:
            self._emit("scribbles")
        if before.result is not now.result:
            self._emit("result")

    def _tell_state(self) -> None:
        job = self.job
        seen = None if job is None else (job.generation, job.state, job.pausing)
        if seen != self._seen:
            self._seen = seen
            self._emit("job")

    def _refuse(self, finding: Finding) -> None:
        self._signal(self.refused, finding)

    def _emit(self, what: str) -> None:
        self._signal(self.changed, what)

    def _signal(self, signal: SignalInstance, value: object) -> None:
        try:
            signal.emit(value)
        except EmitLoopError:
            _log.exception("a listener of the session failed")

    def _record(self, kind: str, **event: Any) -> None:
        if self._together is not None:
            self._together.append({"kind": kind, **event})
        elif self.recorder is not None:
            self.recorder.record({"kind": kind, **event})


def with_n_classes(config: FitConfig, n_classes: int) -> FitConfig:
    """Return settings for another number of classes; numbers that were given class by class are dropped.

    Parameters
    ----------
    config : FitConfig
        Before.
    n_classes : int
        K.
    """
    if config.n_classes == n_classes:
        return config
    return replace(config, n_classes=n_classes, gaussians_per_class=(), initial_means=())
