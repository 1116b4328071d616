"""What the Segment dock does, in plain Python: choices, the job, its result, and what is said about them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from napari_gmmseg.config import PRESETS
from napari_gmmseg.docks.common.calm import CalmCollector
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.segment import wording
from napari_gmmseg.docks.segment.case import Case, CaseInputs, config_of
from napari_gmmseg.docks.segment.choices import Choices, ClassRow, Controls
from napari_gmmseg.docks.segment.layer_list import offer, settle, with_preset
from napari_gmmseg.docks.segment.outcome import Outcome
from napari_gmmseg.docks.segment.result_layer import ResultLayer
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.plugin.layers import label_axes
from napari_gmmseg.plugin.masks import region_from_shapes
from napari_gmmseg.plugin.snapshots import LayerSnapshot, take_snapshot
from napari_gmmseg.session import Job, JobState, Progress

#: Shortest time between two previews in s: in slices, and where the whole volume has to be drawn.
_PREVIEW_INTERVAL = {2: 0.2, 3: 2.0}
#: Time in s after a run in which its result is drawn.
_REST = 1.0


class SegmentView(Protocol):
    """What the presenter asks of the window."""

    def show_choices(self, choices: Choices) -> None:
        """Show what can be and is chosen."""

    def show_controls(self, controls: Controls) -> None:
        """Enable and name the buttons."""

    def show_progress(self, text: str, fraction: float | None) -> None:
        """Show how far it is, 0 ... 1; None where that cannot be told."""

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences."""

    def show_result(self, rows: Sequence[ClassRow], certainty: str) -> None:
        """Show the table of volumes and the sentence on how sure it is; empty takes both away."""

    def show_saved(self, text: str) -> None:
        """Show the tick of a saved mask; empty takes it away."""

    def start_polling(self) -> None:
        """Call `poll` from now on, several times a second."""

    def stop_polling(self) -> None:
        """Call `poll` no more."""

    def ask_where_to_save(self, name: str) -> Path | None:
        """Ask for a file; None where the person does not want to."""


class SegmentPresenter:
    """Runs the Segment dock.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose layers are segmented.
    view : SegmentView
        The window.
    make_steps : callable
        Makes a run's work; tests give their own.
    clock : callable
        Returns the time in s.
    """

    def __init__(
        self,
        viewer: Any,
        view: SegmentView,
        *,
        make_case: Callable[[CaseInputs], Case] = Case,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._viewer = viewer
        self._view = view
        self._make_case = make_case
        self._clock = clock
        self._choices = Choices()
        self._touched = False
        self._job: Job[Outcome] | None = None
        self._case: Case | None = None
        self._image: Any = None
        self._result: ResultLayer | None = None
        self._previewed_at = float("-inf")
        self._calm = CalmCollector()
        self._awaited = False
        self._cancelled = False
        self._rest_until = float("-inf")
        self._closed = False
        events = viewer.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self._on_removed)
        self._update_layers(choose=True)

    @property
    def choices(self) -> Choices:
        """What is chosen now."""
        return self._choices

    @property
    def job(self) -> Job[Outcome] | None:
        """The newest run."""
        return self._job

    @property
    def running(self) -> bool:
        """Whether a run is alive, or its end is not shown yet."""
        return self._awaited

    def choose_image(self, key: int, *, chosen: bool) -> None:
        """Take an image as a channel, or not.

        Parameters
        ----------
        key : int
            The layer's.
        chosen : bool
            Whether it is a channel.
        """
        self._touched = True
        images = tuple(replace(i, chosen=chosen) if i.key == key else i for i in self._choices.images)
        self._settle(replace(self._choices, images=images))

    def choose_contrast(self, key: int, contrast: str) -> None:
        """Say what contrast an image has.

        Parameters
        ----------
        key : int
            The layer's.
        contrast : str
            One of `CONTRASTS`.
        """
        images = tuple(replace(i, contrast=contrast) if i.key == key else i for i in self._choices.images)
        self._settle(replace(self._choices, images=images))

    def choose_preset(self, preset: str) -> None:
        """Say what kind of image it is; sets the number of classes.

        Parameters
        ----------
        preset : str
            Its name.
        """
        self._touched = True
        self._settle(with_preset(self._choices, preset))

    def choose(self, **values: Any) -> None:
        """Set other choices.

        Parameters
        ----------
        **values
            Fields of `Choices`: mask, region, axis4, method, n_classes, advanced, wants_maps.
        """
        self._settle(replace(self._choices, **values))

    def run(self) -> None:
        """Start a run with what is chosen now."""
        if self.running:
            return
        try:
            inputs = self._inputs()
            if inputs is None:
                return
            axes = label_axes(inputs.images[0], inputs.axis4)
        except GmmsegError as error:
            self._view.show_messages([wording.error_message(error)])
            return
        self._case = self._make_case(inputs)
        self._job = Job(self._case.steps)
        self._result = ResultLayer(self._viewer, self._image, self._job.generation, axes)
        self._previewed_at = float("-inf")
        self._view.show_messages([])
        self._view.show_result([], "")
        self._view.show_saved("")
        self._view.show_progress("Starting", None)
        self._awaited, self._cancelled = True, False
        self._calm.begin()
        # napari takes its tenth of a second for a new layer now; the work begins with the next look at it.
        self._result.begin(inputs.expected_classes)
        self._show_controls()
        self._view.start_polling()

    def pause_or_resume(self) -> None:
        """Hold the run within one step, or go on."""
        if self._job is None:
            return
        self._begin(self._job)
        if self._job.pausing:
            self._job.resume()
        else:
            self._job.pause()
        self._show_controls()

    def stop(self) -> None:
        """End the run and keep the best so far."""
        if self._job is not None:
            self._begin(self._job)
            self._job.stop()
            self._show_controls()

    def cancel(self) -> None:
        """End the run; all is as before."""
        if self._job is not None:
            # It may have ended since the last look: what is not shown yet is then not shown at all.
            self._cancelled = self._awaited
            self._job.cancel()
            self._show_controls()

    def poll(self) -> None:
        """Take what the run has to say; called by the window several times a second."""
        job = self._job
        if job is None or not self._awaited:
            self._rest()
            return
        self._begin(job)
        state = job.state
        progress = job.mailbox.take()
        if progress is not None and not self._cancelled and state is not JobState.FAILED:
            self._show_progress(job, state, progress)
        self._show_controls()
        if state.ended:
            # Once only: the person may paint on the result from now on.
            self._awaited = False
            self._finish(job)
            self._rest_until = self._clock() + _REST

    def _begin(self, job: Job[Outcome]) -> None:
        if self._awaited and job.state is JobState.IDLE:
            job.start()

    def _rest(self) -> None:
        """Let the result be drawn before Python clears up, then look no more."""
        if self._clock() >= self._rest_until:
            self._calm.end()
            self._view.stop_polling()

    def result_layer(self) -> Any | None:
        """Return the newest run's layer, if it is there and done."""
        if self._job is None or self._job.state is not JobState.DONE or self._result is None or self._cancelled:
            return None
        return self._result.layer

    def leave(self) -> None:
        """End with the dock while its viewer goes on: a run that nobody could follow any more is cancelled."""
        self.shut_down()
        if self.running:
            self._undo_preview()
        self._awaited = False
        self._view.stop_polling()
        self._job, self._case, self._image, self._result = None, None, None, None

    def shut_down(self) -> None:
        """End with the window: no run goes on, nothing listens any more."""
        if self._closed:
            return
        self._closed = True
        self._calm.end()
        events = self._viewer.layers.events
        events.inserted.disconnect(self._on_inserted)
        events.removed.disconnect(self._on_removed)
        if self._job is not None:
            self._job.cancel()

    def _inputs(self) -> CaseInputs | None:
        """Take down what is chosen; None where something has to be chosen first, which is said."""
        choices = self._choices
        chosen = [i for i in reversed(choices.images) if i.chosen]
        if not chosen:
            self._view.show_messages([wording.NO_IMAGE if not choices.images else wording.NONE_CHOSEN])
            return None
        if choices.asks_region and choices.region is None and choices.mask in ("auto", "none"):
            self._view.show_messages([wording.REGION_WANTED])
            return None
        layers = {id(layer): layer for layer in self._viewer.layers}
        images = tuple(take_snapshot(layers[i.key]) for i in chosen)
        self._image = layers[chosen[0].key]
        mask = choices.mask if isinstance(choices.mask, str) else take_snapshot(layers[choices.mask])
        return CaseInputs(
            images=images,
            contrasts=tuple(i.contrast for i in chosen),
            mask=mask,
            region=self._region(layers, images[0]),
            axis4=choices.axis4 or None,
            preset=PRESETS[choices.preset],
            config=config_of(choices),
        )

    def _region(self, layers: dict[int, Any], image: LayerSnapshot) -> LayerSnapshot | None:
        choices = self._choices
        if choices.region is None or not choices.asks_region:
            return None
        layer = layers[choices.region]
        return region_from_shapes(layer, image) if type(layer).__name__ == "Shapes" else take_snapshot(layer)

    def _show_progress(self, job: Job[Outcome], state: JobState, progress: Progress) -> None:
        assert self._case is not None
        config = self._case.inputs.config
        text = wording.progress_in_words(progress, state, job.pausing, config.device)
        report = progress.report
        self._view.show_progress(text, report.step / report.n_steps if report.n_steps else None)
        grid, now = self._case.grid, self._clock()
        due = now - self._previewed_at >= _PREVIEW_INTERVAL[int(self._viewer.dims.ndisplay)]
        if report.preview is not None and grid is not None and due and self._image_is_there() and self._result:
            self._previewed_at = now
            self._result.preview(report.preview, grid)
            if self._result.was_removed:
                self._view.show_messages([wording.RESULT_REMOVED])

    def _image_is_there(self) -> bool:
        return any(layer is self._image for layer in self._viewer.layers)

    def _finish(self, job: Job[Outcome]) -> None:
        self._touched = False
        if self._cancelled or job.state is JobState.CANCELLED:
            self._undo_preview()
            self._view.show_progress("", 0.0)
            self._view.show_messages([self._why_cancelled()])
        elif job.state is JobState.FAILED and job.error is not None:
            self._undo_preview()
            self._view.show_progress("", 0.0)
            self._view.show_messages([wording.error_message(job.error)])
        elif job.result is not None and self._result is not None:
            self._show_outcome(job.result, self._result)
        self._show_controls()

    def _why_cancelled(self) -> Message:
        if self._image is not None and not self._image_is_there():
            return wording.image_removed(str(self._image.name))
        return wording.CANCELLED

    def _undo_preview(self) -> None:
        if self._result is not None:
            self._result.remove()

    def _show_outcome(self, outcome: Outcome, result: ResultLayer) -> None:
        result.finish(outcome, maps=self._choices.wants_maps)
        segmentation = outcome.segmentation
        self._view.show_progress(wording.done_in_words(segmentation), 1.0)
        step = result.slider_step(outcome.least_sure, outcome.grid, segmentation.label_map.labels.shape)
        self._view.show_result(outcome.rows, wording.with_place(outcome.certainty, step))
        self._view.show_messages([wording.finding_message(f) for f in segmentation.findings])

    def _on_inserted(self, _event: Any = None) -> None:
        self._update_layers(choose=not (self._touched or self.running))

    def _on_removed(self, _event: Any = None) -> None:
        if self.running and not self._image_is_there():
            self.cancel()
        had_chosen = any(i.chosen for i in self._choices.images)
        there = {id(layer) for layer in self._viewer.layers}
        lost = had_chosen and not any(i.chosen and i.key in there for i in self._choices.images)
        self._update_layers(choose=lost and not self.running)

    def _update_layers(self, *, choose: bool) -> None:
        layers = list(self._viewer.layers)
        was_empty = not self._choices.images
        newest_is_image = bool(layers) and type(layers[-1]).__name__ == "Image"
        nothing_chosen = not any(i.chosen for i in self._choices.images)
        self._show(offer(layers, self._choices, choose=choose and (newest_is_image or nothing_chosen)))
        if not self.running and (self._job is None or was_empty or not self._choices.images):
            self._view.show_messages([] if self._choices.images else [wording.NO_IMAGE])

    def _settle(self, choices: Choices) -> None:
        self._show(settle(list(self._viewer.layers), choices))

    def _show(self, choices: Choices) -> None:
        self._choices = choices
        self._view.show_choices(choices)
        self._show_controls()

    def _show_controls(self) -> None:
        job, state = self._job, self._job.state if self._job is not None else JobState.IDLE
        alive = self.running
        stopping = state is JobState.STOPPING
        self._view.show_controls(
            Controls(
                run=not alive and any(i.chosen for i in self._choices.images),
                pause=alive and not stopping,
                stop=alive and not stopping,
                cancel=alive,
                save=self.result_layer() is not None,
                paused=alive and job is not None and job.pausing,
                busy=alive,
            )
        )
