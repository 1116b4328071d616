"""The one mutable root: what a person is doing now. Knows no Qt, no napari, and torch only inside functions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.liveness import liveness
from napari_gmmseg.config.outlier import check_outliers
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session.edit_queue import after_edits
from napari_gmmseg.session.following import with_n_classes
from napari_gmmseg.session.painting import kept_paint
from napari_gmmseg.session.progress import Progress
from napari_gmmseg.session.recording import Recorder
from napari_gmmseg.session.run_log import Resumption, RunLog, Sentence
from napari_gmmseg.session.segmenting import SegmentationRequest
from napari_gmmseg.session.situation import Kept, Situation
from napari_gmmseg.session.tuning import TuningActs
from napari_gmmseg.session.wording import change_in_words
from napari_gmmseg.volumes import Adjust, Finding, Retune


class Session(TuningActs):
    """What a person is doing with one image: settings, runs, classes, kept results, undo.

    What cannot be done is told by `refused`, never raised. Whoever shows it calls `poll` several times a second.

    Undo: each act of a person is one entry, and what a machine does because of it belongs to that entry. Undoing what
    was said to a run that is on, or that ended, takes the run up at its last state before it was said; undoing the act
    that began a run puts back what was there before. Redo puts back what undo took away.

    Parameters
    ----------
    memory_limit : int
        Bytes that undo may hold beyond what is shown.
    recorder : Recorder or None
        Writes down what happens.
    """

    @property
    def can_undo(self) -> str | None:
        """What would be undone, in words; None where nothing can be."""
        tuning = None if self._tuning is None else self._tuning.words
        return self._edits.words or tuning or self._undo.can_undo

    @property
    def can_redo(self) -> str | None:
        """What would be redone, in words; None where nothing can be."""
        return None if self._edits.busy or self._tuning else self._undo.can_redo

    def open(self, request: SegmentationRequest) -> None:
        """Begin with another image: a run that is on is cancelled, and nothing of the last image can be undone.

        Parameters
        ----------
        request : SegmentationRequest
            The image, what it is, and the settings to begin with.
        """
        self._leave_all()
        self._carry(self._now)
        self._undo.clear()
        self._request, self._kept = request, ()
        self._run = self._table = self._mixture = None
        self._put(Situation(request.config))
        self._record("opened", request=request)
        for what in ("classes", "kept", "history"):
            self._emit(what)
        self._tell_state()

    @after_edits
    def run(self, *, look: int | None = None) -> None:
        """Segment from the beginning; names and colours of an earlier result follow their tissue.

        Where a class is locked, or voxels were edited by hand, it goes on from the result in which they are.

        Parameters
        ----------
        look : int or None
            The slice to preview first, as a position on the volume's Z axis.
        """
        if self._request is None:
            self._refuse(Finding("refused", "There is no image.", "Open one first."))
            return
        if self._busy_elsewhere():
            return
        before = now = self._now
        self._look = look
        if (now.locked or now.edits is not None) and now.result is not None:
            tag = self._act("Segmentation", now, "run")
            self._go_on("Segmentation", tag, before)
            return
        if now.result is not None:
            now = replace(now, locked=frozenset(), given={})
        tag = self._act("Segmentation", now, "run")
        self._begin(Resumption(RunLog(now.config, None, before, tag)), look=look)

    def pause(self) -> None:
        """Hold the run after the step at hand."""
        if self._run is not None:
            self._run.pause()
            self._tell_state()

    def resume(self) -> None:
        """Go on with a run that was paused."""
        if self.job is not None:
            self.job.resume()
            self._tell_state()

    def stop(self) -> None:
        """End the run after the step at hand and keep the best so far."""
        if self.job is not None:
            self.job.stop()
            self._tell_state()

    def cancel(self) -> None:
        """End the run and go back to before it: settings, classes and result; its acts cannot be undone any more."""
        run = self._run
        if run is None or not run.on:
            return
        self._leave(run)
        self._table = self._mixture = None
        self._undo.cut(run.log.tag)
        self._put(kept_paint(run.log.before, self._now))
        self._record("ended", generation=run.job.generation, reason="cancelled", result=None, situation=self._now)
        self._emit("classes")
        self._emit("history")
        self._tell_state()

    def look(self, slice_index: int) -> None:
        """Have a slice previewed first from the next step on; the result stays the same.

        Parameters
        ----------
        slice_index : int
            Position on the volume's Z axis.
        """
        super().look(slice_index)
        if self.job is not None and self.running:
            self.job.look(slice_index)

    def poll(self) -> Progress | None:
        """Take what came from runs and edits since this was last called; return the newest report.

        To be called several times a second. States and refusals are dealt with, and at the end the result becomes the
        session's.
        """
        self._take_edit()
        news = super().poll()
        self._take_tuning()
        self._take_answers()
        return news

    def close(self) -> None:
        """Cancel what is on and wait for its thread: a step at most."""
        self._leave_all()
        self._answering.close()
        self._edits.join()
        for job in self._leaving:
            job.join()
        for tuning in self._tunings_left:
            tuning.join()
        self._leaving.clear()

    def retune(self, **settings: Any) -> None:
        """Change settings: a run that is on takes them up; else a new one goes on from the result, where that can be.

        What asks for a new beginning (see `config.liveness`) is noted for the next run where none is on.

        Parameters
        ----------
        **settings : object
            Fields of `FitConfig`.
        """
        now = self._now
        new = self._checked(settings)
        if new is None or new == now.config:
            return
        words = change_in_words(now.config, new)
        kind = liveness(now.config, new)
        goes_on = not self.running and now.result is not None and kind in ("patch", "rehead")
        if goes_on and self._edits.must_wait:
            self._edits.defer(words, lambda: self.retune(**settings))
            return
        before = self._now
        anew = self.running and kind == "restart"
        if anew and now.locked:
            words = f"{words}; nothing is locked any more"
        after = replace(now, config=new, locked=frozenset() if anew else now.locked)
        tag = self._act(words, after, "retune", settings=settings)
        if self.running and self._run is not None:
            self._run.log.fresh |= anew
            self._say(Retune(settings, self._protected(new.n_classes)), words, tag, before)
        elif goes_on:
            self._go_on(words, tag, before)

    def set_outliers(self, **settings: Any) -> None:
        """Change settings of the outlier-region loss: what learns takes them up at its next step, else the next run.

        Parameters
        ----------
        **settings : object
            Fields of `FitOutlierSettings`.
        """
        before = self._now
        new = self._checked(settings)
        if new is None or new == before.config:
            return
        try:
            check_outliers(new, new.n_classes)
        except GmmsegError as error:
            self._refuse(Finding("refused", error.message, error.hint))
            return
        words = change_in_words(before.config, new)
        tag = self._act(words, replace(before, config=new), "retune", settings=settings)
        command = Retune(settings, self._protected(new.n_classes))
        self._say(command, words, tag, before)
        if self._tuning is not None:
            self._tuning.job.send(command)

    def begin_drag(self) -> None:
        """Make one entry for undo of all that is done until `end_drag`."""
        self._drag = object()

    def end_drag(self) -> None:
        """End what `begin_drag` began."""
        self._drag = None

    @after_edits
    def keep_as(self, name: str) -> None:
        """Keep the result under a name, with its settings.

        Parameters
        ----------
        name : str
            Which no other kept result has.
        """
        name, result = " ".join(name.split()), self._now.result
        if result is None or not name or any(kept.name == name for kept in self._kept):
            why = "There is no result to keep." if result is None else f"{name!r} is taken, or no name."
            self._refuse(Finding("refused", why, "Segment first." if result is None else "Choose another name."))
            return
        kept = Kept(name, result, self._now.config)
        self._kept = (*self._kept, kept)
        self._record("kept", kept=kept)
        self._emit("kept")

    def drop(self, name: str) -> None:
        """Keep a result no longer.

        Parameters
        ----------
        name : str
            Its name.
        """
        left = tuple(kept for kept in self._kept if kept.name != name)
        if len(left) < len(self._kept):
            self._kept = left
            self._record("dropped", name=name)
            self._emit("kept")

    def undo(self) -> None:
        """Put back what was there before the newest act."""
        self.end_drag()
        if self._edits.busy:
            drag = self._edits.drop_newest()
            self._emit("job")
            if drag is None or not self._undo.is_newest(drag):
                return
        elif self._tuning is not None:
            self.cancel_tuning()
            return
        self._step_back()

    @after_edits
    def redo(self) -> None:
        """Put back what was undone last."""
        self.end_drag()
        if self._tuning is not None:
            return
        act = self._undo.redo(self.situation)
        if act is not None:
            self._put_back("redone", act)
            self._emit("history")

    def restore(self, request: SegmentationRequest, situation: Situation, kept: tuple[Kept, ...] = ()) -> None:
        """Begin where an earlier session was left; a run that was on then is taken up.

        Parameters
        ----------
        request : SegmentationRequest
            The image.
        situation : Situation
            What was there.
        kept : tuple of Kept
            Results that were kept.
        """
        self.open(request)
        self._kept = kept
        self._go_to(situation)
        self._emit("kept")

    def record_with(self, recorder: Recorder) -> None:
        """Have all that comes recorded, beginning with how things stand.

        Parameters
        ----------
        recorder : Recorder
            Which knows nothing of this session.
        """
        self.recorder = recorder
        if self._request is not None:
            self._record("opened", request=self._request)
            self._record("acted", words="Begin to record", what="begin", arguments={}, situation=self._now)

    def _leave_all(self) -> None:
        self.cancel_tuning()
        self._edits.clear()
        self._answering.forget()
        self._asked = None
        if self._run is not None:
            self._leave(self._run)

    def _checked(self, settings: dict[str, Any]) -> FitConfig | None:
        """Return the settings with some changed; None, and a refusal, where a value cannot be."""
        try:
            return replace(self._now.config, **settings)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else "setting"
            why, hint = f"{name} cannot be {first['input']!r}: {first['msg'].lower()}.", "Choose another value."
        except TypeError as error:
            why, hint = f"There is no such setting: {error}.", "Choose one of the settings that are shown."
        self._refuse(Finding("refused", why, hint))
        return None

    def _go_on(self, words: str, tag: object, before: Situation) -> None:
        """Begin a run from the result, with its classes at first: what changes them is said to it."""
        result, new = before.model or before.result, self._now.config
        assert result is not None
        k = len(result.label_map.classes)
        # Where the method cannot hold a Gaussian, none is shown as held.
        unlocked = replace(before, locked=frozenset())
        said: list[Sentence] = [Sentence(Adjust(locked=before.locked), words, tag, unlocked)] if before.locked else []
        if new.n_classes != k:
            retune = Retune({"n_classes": new.n_classes}, self._protected(new.n_classes))
            said.append(Sentence(retune, words, tag, before))
        log = RunLog(with_n_classes(new, k), result, before, tag)
        again = tuple((None, sentence) for sentence in said)
        self._begin(Resumption(log, again=again), look=self._look)
