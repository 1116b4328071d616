"""A network fine-tuned on the strokes of a session, for a stated time; and a model carried to the next image."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

from napari_gmmseg.config.outlier import OUTLIER_FIELDS
from napari_gmmseg.session.advising import DoubtMap, disagreement_in_steps
from napari_gmmseg.session.cleaning import CleaningActs
from napari_gmmseg.session.edit_queue import after_edits
from napari_gmmseg.session.following import with_n_classes
from napari_gmmseg.session.jobs import Job
from napari_gmmseg.session.painting import with_classes
from napari_gmmseg.session.progress import JobState, Progress
from napari_gmmseg.session.seeding import with_seeds
from napari_gmmseg.session.situation import Situation
from napari_gmmseg.volumes import (
    Command,
    Finding,
    FinetunedSegmentation,
    FitReport,
    NetworkWeights,
    Scribbles,
)

_Steps = Generator[FitReport, Command | None, FinetunedSegmentation]


@dataclass(frozen=True)
class _Tuning:
    """A fine-tuning that is on.

    Parameters
    ----------
    job : Job
        Its job.
    words : str
        For undo.
    scribbles : Scribbles or None
        The session's, as they were when it began.
    carried : bool
        Whether it only tries the model of an earlier image.
    arguments : dict of str to object
        For the record.
    """

    job: Job[FinetunedSegmentation]
    words: str
    scribbles: Scribbles | None
    carried: bool
    arguments: dict[str, Any]


class TuningActs(CleaningActs):
    """A session, as far as fine-tuning goes.

    Parameters
    ----------
    **options : object
        See `Following`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._tuning: _Tuning | None = None
        self._tuning_progress: Progress | None = None
        self._tuning_seen: object = None
        self._tunings_left: list[Job[FinetunedSegmentation]] = []
        self._carried: NetworkWeights | None = None
        self._tried: object | None = None

    @property
    def tuning(self) -> Job[FinetunedSegmentation] | None:
        """The fine-tuning that is on; None where none is."""
        return None if self._tuning is None else self._tuning.job

    @property
    def tuning_progress(self) -> Progress | None:
        """The newest report of the fine-tuning that is on."""
        return self._tuning_progress

    @property
    def carried(self) -> NetworkWeights | None:
        """The model of an image before, where it takes this one's channels and was not rejected."""
        request, weights = self._request, self._carried
        if request is None or weights is None or not weights.takes(request.volume.channels):
            return None
        return weights

    @property
    def carried_on_trial(self) -> bool:
        """Whether the result is the carried model's, to be accepted or rejected."""
        return self._tried is not None and self._undo.is_newest(self._tried)

    @after_edits
    def finetune(self, seconds: float | None = 5.0, *, steps: int | None = None) -> None:
        """Fine-tune a network on the strokes, and have its result.

        Parameters
        ----------
        seconds : float or None
            Time budget in s; None until it is stopped.
        steps : int or None
            So many steps instead: same seed, same mask.
        """
        scribbles = self.scribbles
        if scribbles is None or self._busy_elsewhere():
            return
        missing = len([value for value, n in scribbles.counts().items() if n]) < 2 and self._seeds is None
        if not scribbles.strokes or missing:
            self._refuse(Finding("refused", "There is nothing to learn from yet.", "Paint a stroke in each class."))
            return
        weights = self._now.weights
        why = None if weights is None else _why_anew(weights, scribbles)
        if why is not None:
            weights = None
            self._refuse(why)
        length = "until stopped" if seconds is None else f"{seconds:g} s"
        words = f"Fine-tune {length}" if steps is None else f"Fine-tune {steps} steps"
        outlier = {name: getattr(self._now.config, name) for name in OUTLIER_FIELDS}
        arguments = {"seconds": None if steps else seconds, "steps": steps, "outlier": outlier}
        self._begin_tuning(words, scribbles, weights, arguments)

    @after_edits
    def try_carried(self) -> None:
        """Show what the model of the image before makes of this one; `accept_carried` or `reject_carried` follows."""
        request, weights = self._request, self.carried
        if request is None or weights is None or self._busy_elsewhere():
            return
        self._answering.forget()
        self._asked = None
        ready = self._answering.engine(request)
        table = self.classes
        called = weights if table is None else replace(weights, classes=weights.classes.called_as(table))
        made: Job[FinetunedSegmentation] = Job(lambda: carry_in_steps(ready, called), name="carrying")
        self._tuning = _Tuning(made, "Carried model", self._now.scribbles, True, {"carried": True})
        made.start()
        self._tell_tuning()

    def disagreement_in_steps(self) -> Generator[FitReport, Command | None, DoubtMap] | None:
        """Return what works out how far the snapshots of the fine-tuned network disagree; None where there are none."""
        request, weights = self._request, self._now.weights
        if request is None or weights is None or not weights.snapshots:
            return None
        return disagreement_in_steps(self._answering.engine(request), weights)

    def accept_carried(self) -> None:
        """Keep the carried model's result, and fine-tune that model from now on."""
        self._tried = None
        self._emit("tuning")

    def reject_carried(self) -> None:
        """Put back what was there before the carried model was tried, and forget the model."""
        tried, self._carried = self._tried, None
        if tried is not None and self._undo.is_newest(tried):
            self._step_back()
        self._tried = None
        self._emit("tuning")

    def pause_tuning(self) -> None:
        """Hold the fine-tuning after the step at hand."""
        if self._tuning is not None:
            self._tuning.job.pause()
            self._tell_tuning()

    def resume_tuning(self) -> None:
        """Go on with a fine-tuning that was paused."""
        if self._tuning is not None:
            self._tuning.job.resume()
            self._tell_tuning()

    def stop_tuning(self) -> None:
        """End the fine-tuning after the step at hand and keep the best so far."""
        if self._tuning is not None:
            self._tuning.job.stop()
            self._tell_tuning()

    def cancel_tuning(self) -> None:
        """End the fine-tuning; result and network are as before."""
        tuning, self._tuning = self._tuning, None
        if tuning is not None:
            tuning.job.cancel()
            self._tunings_left = [job for job in (*self._tunings_left, tuning.job) if not job.join(0)]
            self._answering.wait_for(tuning.job)
            self._tuning_progress = None
            self._emit("tuning")
            self.answer()

    def look(self, slice_index: int) -> None:
        """Have a slice answered and previewed first.

        Parameters
        ----------
        slice_index : int
            Position on the volume's Z axis.
        """
        super().look(slice_index)
        if self._tuning is not None:
            self._tuning.job.look(slice_index)

    def _busy_elsewhere(self) -> bool:
        on = self.running or self._tuning is not None
        if on:
            what = "A run is on." if self.running else "A fine-tuning is on."
            self._refuse(Finding("refused", what, "Stop or cancel it first."))
        return on

    @property
    def _held_up(self) -> bool:
        return super()._held_up or self._tuning is not None

    def _begin_tuning(
        self,
        words: str,
        scribbles: Scribbles,
        weights: NetworkWeights | None,
        arguments: dict[str, Any],
    ) -> None:
        request, seeds = self._request, self._seeds
        assert request is not None
        self._answering.forget()
        self._asked = None
        ready = self._answering.engine(request)
        look, job = self._look, self._tunings_left[-1] if self._tunings_left else None

        def steps() -> _Steps:
            if job is not None:
                job.join()
            told = with_seeds(scribbles, seeds)
            return (yield from finetune_in_steps(ready, told, weights, arguments, look=look))

        made: Job[FinetunedSegmentation] = Job(steps, name="fine-tuning")
        self._tuning = _Tuning(made, words, self._now.scribbles, False, arguments)
        made.start()
        self._tell_tuning()

    def _take_tuning(self) -> None:
        """Follow the fine-tuning that is on; its result is one act."""
        tuning = self._tuning
        if tuning is None:
            return
        ended = tuning.job.state.ended
        self._tuning_progress = tuning.job.mailbox.take() or self._tuning_progress
        if not ended:
            self._tell_tuning()
            return
        self._tuning = self._tuning_progress = None
        result, error = tuning.job.result, tuning.job.error
        if error is not None:
            self._refuse(Finding("refused", error.message, error.hint))
        if result is not None:
            self._put_tuned(tuning, result)
        self._tell_tuning()
        self.answer()

    def _put_tuned(self, tuning: _Tuning, result: FinetunedSegmentation) -> None:
        if not result.steps and not tuning.carried:
            self._refuse(_NO_STEP)
            return
        now = self._now
        heard = now.scribbles is tuning.scribbles
        new = replace(now, result=result, fitted=result, means={}, stds={}, model=None)
        new = replace(new, seeds=self._seeds, weights=result.weights, answered=heard)
        new = replace(new, config=with_n_classes(now.config, len(result.label_map.classes)))
        if tuning.carried:
            new = self._with_carried(new, result)
        held = now.locked & frozenset(result.label_map.classes.values)
        told = {**tuning.arguments, "steps_done": result.steps}
        tag = self._act(tuning.words, replace(new, locked=held), "finetune", **told)
        self._tried = tag if tuning.carried else None
        if self._request is not None:
            # The next stroke finds all that the network says ready.
            self._answering.warm(self._request, self._network)

    def _with_carried(self, new: Situation, result: FinetunedSegmentation) -> Situation:
        """Return a situation with the background that a carried model knows; strokes are to be answered beside it."""
        scribbles, weights = self.scribbles, result.weights
        if scribbles is None or weights is None:
            return new
        if weights.background is not None and scribbles.background is None:
            scribbles = replace(with_classes(scribbles, weights.classes), background=weights.background)
            new = replace(new, scribbles=scribbles)
        return replace(new, answered=not scribbles.strokes)

    def _tell_tuning(self) -> None:
        tuning = self._tuning
        seen: tuple[int, JobState, bool] | None = None
        if tuning is not None:
            seen = tuning.job.generation, tuning.job.state, tuning.job.pausing
        if seen != self._tuning_seen:
            self._tuning_seen = seen
            self._emit("tuning")

    def _carry(self, before: Situation) -> None:
        """Take the network of an image that is left along to the next."""
        self._tried = None
        self._carried = before.weights or self._carried


_NO_STEP = Finding(
    "no-step", "The fine-tuning ended before its first step: nothing has changed.", "Give it more seconds."
)


def _why_anew(weights: NetworkWeights, scribbles: Scribbles) -> Finding | None:
    """Return why a network cannot go on: a painted class that it has never seen, or one that was merged since."""
    painted, known = {value for value, n in scribbles.counts().items() if n}, set(weights.classes.values)
    for table, values, what in (
        (scribbles.classes, painted - known, "it does not know {}"),
        (weights.classes, known - set(scribbles.classes.values), "it has learnt {} as a class of its own"),
    ):
        if values:
            names = ", ".join(tissue.name for tissue in table if tissue.value in values)
            return Finding("network-anew", f"The network begins anew: {what.format(names)}.", "", "note")
    return None


def finetune_in_steps(
    ready: Callable[[], tuple[Any, Any, Any]],
    scribbles: Scribbles,
    weights: NetworkWeights | None,
    arguments: dict[str, Any],
    *,
    look: int | None = None,
) -> _Steps:
    """Fine-tune, as a generator.

    Parameters
    ----------
    ready : callable
        Returns the image, its mask and scale, and what answers strokes on it.
    scribbles : Scribbles
        Strokes, with those that stand for classes that were not painted.
    weights : NetworkWeights or None
        The network to go on from.
    arguments : dict of str to object
        "seconds" and "steps", as `Session.finetune` takes them, and the settings of the outlier-region loss.
    look : int or None
        The slice to preview.

    Yields
    ------
    FitReport
        Progress.

    Returns
    -------
    FinetunedSegmentation
        The result with the network.
    """
    from napari_gmmseg.config.finetuning import FinetuneConfig
    from napari_gmmseg.fitting.scribbling.finetuning import finetune

    yield FitReport("Preparing", 0, 0)
    volume, prepared, at_once = ready()
    config = FinetuneConfig(seconds=arguments["seconds"], steps=arguments["steps"], **arguments["outlier"])
    return (yield from finetune(volume, prepared, scribbles, config, weights=weights, look=look, at_once=at_once))


def carry_in_steps(ready: Callable[[], tuple[Any, Any, Any]], weights: NetworkWeights) -> _Steps:
    """Answer an image by a network of others, without strokes, as a generator.

    Parameters
    ----------
    ready : callable
        Returns the image, its mask and scale, and what answers strokes on it.
    weights : NetworkWeights
        The network.

    Yields
    ------
    FitReport
        Progress.

    Returns
    -------
    FinetunedSegmentation
        The result with the network.
    """
    from napari_gmmseg.fitting.scribbling.carrying import carry

    yield FitReport("Carried model", 0, 0)
    volume, prepared, _ = ready()
    return carry(weights, volume, prepared)
