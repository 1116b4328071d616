"""What the Segment dock does, in plain Python: it keeps what is chosen, and starts and steers runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from napari_gmmseg.docks.common.calm import CalmCollector
from napari_gmmseg.docks.common.keys import KEYS, BoundKeys
from napari_gmmseg.docks.common.sentences import Message, error_message, finding_message
from napari_gmmseg.docks.segment import wording
from napari_gmmseg.docks.segment.advice import Advice
from napari_gmmseg.docks.segment.case import Asked, open_in_steps, restored_in_steps
from napari_gmmseg.docks.segment.choices import Choices, Controls
from napari_gmmseg.docks.segment.keeping import Keeping
from napari_gmmseg.docks.segment.layer_list import offer, settle, with_images, with_preset
from napari_gmmseg.docks.segment.live import asked, differences, following
from napari_gmmseg.docks.segment.needs import memory_needed
from napari_gmmseg.docks.segment.run import Run
from napari_gmmseg.docks.segment.taking_down import missing, take_down
from napari_gmmseg.docks.segment.view_protocol import SegmentView
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.layers import label_axes
from napari_gmmseg.session import Job, JobState
from napari_gmmseg.session.memory import undo_in_words
from napari_gmmseg.session.registry import session_of
from napari_gmmseg.session.state import Session
from napari_gmmseg.volumes import Finding

#: Time in s after a run in which its result is drawn.
_REST = 1.0


class SegmentPresenter:
    """Runs the Segment dock.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose layers are segmented.
    view : SegmentView
        The window.
    session : Session or None
        What fits; None for the viewer's own.
    clock : callable
        Returns the time in s.
    begin_anew : callable
        Called before another image is worked on.
    """

    def __init__(
        self,
        viewer: Any,
        view: SegmentView,
        *,
        session: Session | None = None,
        clock: Callable[[], float] = time.monotonic,
        begin_anew: Callable[[], None] = lambda: None,
    ) -> None:
        self._viewer = viewer
        self._view = view
        self.session = session_of(viewer) if session is None else session
        self._clock, self._begin_anew = clock, begin_anew
        self._choices = Choices()
        self._touched = False
        self._run: Run | None = None
        self._asked: object = None
        self._advice = Advice(self.session, view)
        self.keeping = Keeping(viewer, view, self.session, lambda: self._run)
        self._calm = CalmCollector()
        self._rest_until = float("-inf")
        self._closed = False
        events = viewer.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self._on_removed)
        self.session.changed.connect(self._on_session_changed)
        self.session.refused.connect(self._on_refused)
        self._actions = {"undo": self.undo, "redo": self.redo, "blink": self.keeping.blink}
        self._keys = BoundKeys(viewer, KEYS, self._actions)
        self._update_layers(choose=True)
        self._on_session_changed("history")
        self._on_session_changed("kept")

    @property
    def choices(self) -> Choices:
        """What is chosen now."""
        return self._choices

    @property
    def job(self) -> Job[Any] | None:
        """What works, or worked last."""
        return None if self._run is None else self._run.job

    @property
    def running(self) -> bool:
        """Whether a run is alive, or its end is not shown yet."""
        return self._run is not None and self._run.awaited

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
        images = [replace(i, chosen=chosen) if i.key == key else i for i in self._choices.images]
        self._settle(with_images(self._choices, images))

    def choose_contrast(self, key: int, contrast: str) -> None:
        """Say what contrast an image has.

        Parameters
        ----------
        key : int
            The layer's.
        contrast : str
            One of `CONTRASTS`.
        """
        images = [replace(i, contrast=contrast) if i.key == key else i for i in self._choices.images]
        self._settle(with_images(self._choices, images))

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
        if "n_classes" in values or "advanced" in values:
            self._retune()

    def run(self) -> None:
        """Start a run with what is chosen now."""
        if self.running:
            return
        lacking = missing(self._choices)
        if lacking is not None:
            self._view.show_messages([lacking])
            return
        try:
            inputs, image = take_down(self._viewer, self._choices)
            axes = label_axes(inputs.images[0], inputs.axis4)
        except GmmsegError as error:
            self._view.show_messages([error_message(error)])
            return
        self._add_all_maps()
        self._asked = asked(self._choices)
        before = self.session.request
        classes, maps = inputs.expected_classes, inputs.wants_maps
        self._follow(Asked(lambda: open_in_steps(inputs, before), classes, image, axes, maps))

    def show_restored(self, image: Any, grid: LayerGrid, choices: Choices, messages: tuple[Message, ...]) -> None:
        """Follow a session that was restored.

        Parameters
        ----------
        image : napari.layers.Image
            Its first channel.
        grid : LayerGrid
            The way from its volume to that layer.
        choices : Choices
            What it was asked for.
        messages : tuple of Message
            What is said of it.
        """
        request, classes = self.session.request, self.session.classes
        if request is None or classes is None:
            return
        self._touched = True
        self._settle(choices)
        self._asked = asked(self._choices)
        axes = grid.label_axes(image.ndim)
        self._follow(Asked(lambda: restored_in_steps(request, grid), classes, image, axes, messages=messages))

    def _follow(self, asked_for: Asked) -> None:
        self._advice.forget()
        self._run = Run(self._viewer, self._view, self.session, asked_for, self._clock, begin_anew=self._begin_anew)
        self._look_often()

    def pause_or_resume(self) -> None:
        """Hold the run within one step, or go on."""
        if self._run is not None:
            self._run.pause_or_resume()
            self._show_controls()

    def stop(self) -> None:
        """End the run and keep the best so far."""
        if self._run is not None:
            self._run.stop()
            self._show_controls()

    def cancel(self) -> None:
        """End the run; all is as before."""
        if self._run is not None:
            self._run.cancel()
            self._show_controls()

    def undo(self) -> None:
        """Take back what was done last."""
        if self.session.can_undo is not None:
            self.session.undo()

    def redo(self) -> None:
        """Do again what was taken back last."""
        if self.session.can_redo is not None:
            self.session.redo()

    def press(self, key: str) -> None:
        """Do what a key does.

        Parameters
        ----------
        key : str
            Name of one of `KEYS`.
        """
        self._actions[key]()

    def keep_spatial(self, keep: bool) -> None:
        """Show, measure and save the spatial mixture, or what it was refined to.

        Parameters
        ----------
        keep : bool
            Whether it is the mixture.
        """
        if self._run is not None:
            self._run.keep_spatial(keep)

    def poll(self) -> None:
        """Take what the run has to say; called by the window several times a second."""
        run = self._run
        self.keeping.poll()
        self._advice.poll(idle=self._run is not None and not self.running)
        was_awaited = run is not None and run.awaited
        if run is None or not (run.poll() or was_awaited):
            self._rest()
            return
        if not run.awaited:
            self._touched = False
            self._rest_until = self._clock() + _REST
        self._show_controls()

    def _rest(self) -> None:
        """Let the result be drawn, and its maps come, before Python clears up; then look no more."""
        more = self._run is not None and self._run.add_next_map()
        if not more and not (self.keeping.busy or self._advice.busy) and self._clock() >= self._rest_until:
            self._calm.end()
            self._view.stop_polling()

    def _add_all_maps(self) -> None:
        while self._run is not None and self._run.add_next_map():
            pass

    def result_layer(self) -> Any | None:
        """Return the newest run's layer, if it is there and done."""
        return None if self._run is None else self._run.result_layer

    def leave(self) -> None:
        """End with the dock while its viewer goes on: a run that nobody could follow any more is cancelled."""
        self.shut_down()
        if self._run is not None:
            self._run.leave()
        self._view.stop_polling()
        self._run = None

    def shut_down(self) -> None:
        """End with the window: no run goes on, nothing listens any more."""
        if self._closed:
            return
        self._closed = True
        self._calm.end()
        events = self._viewer.layers.events
        events.inserted.disconnect(self._on_inserted)
        events.removed.disconnect(self._on_removed)
        self.session.changed.disconnect(self._on_session_changed)
        self.session.refused.disconnect(self._on_refused)
        self._keys.release()
        self.keeping.shut_down()
        self._advice.shut_down()
        if self._run is not None:
            self._run.cancel()

    def _on_inserted(self, _event: Any = None) -> None:
        self._update_layers(choose=not (self._touched or self.running))

    def _on_removed(self, _event: Any = None) -> None:
        if self._run is not None and self._run.awaited and not self._run.image_is_there:
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
        if not self.running and (self._run is None or was_empty or not self._choices.images):
            self._view.show_messages([] if self._choices.images else [wording.NO_IMAGE])

    def _settle(self, choices: Choices) -> None:
        self._show(settle(list(self._viewer.layers), choices))

    def _show(self, choices: Choices) -> None:
        self._choices = choices
        self._view.show_choices(choices)
        self._view.show_memory(memory_needed(list(self._viewer.layers), choices))
        self._show_controls()

    def _retune(self) -> None:
        """Have a run that is alive, or the result of one, go on with what is chosen now."""
        run = self._run
        if run is None or not (run.fitting or (not run.awaited and self._goes_on_from_result)):
            return
        try:
            changed = differences(self._choices, self.session.config, running=run.fitting)
        except GmmsegError as error:
            self._view.show_messages([error_message(error)])
            return
        if changed:
            self._view.show_messages([])
            self.session.retune(**changed)

    @property
    def _goes_on_from_result(self) -> bool:
        """Whether what is chosen, but for the number of classes, is what the result was asked for."""
        return self.session.result is not None and asked(self._choices) == self._asked

    def _on_session_changed(self, what: str) -> None:
        if what == "history":
            held = undo_in_words(self.session.memory_used, self.session.memory_limit)
            self._view.show_history(self.session.can_undo, self.session.can_redo, held)
        elif what == "kept":
            self.keeping.show()
        elif self._run is not None:
            if what in ("settings", "classes", "result"):
                self._follow_settings()
            if what in ("job", "result", "classes"):
                self._look_often()

    def _on_refused(self, finding: Finding) -> None:
        self._view.show_messages([finding_message(finding)])
        self._follow_settings()

    def _follow_settings(self) -> None:
        """Show the settings that the session has, where they are of the case that was asked for."""
        if self._run is not None and asked(self._choices) == self._asked:
            choices = following(self._choices, self.session.config)
            if choices != self._choices:
                self._show(choices)

    def _look_often(self) -> None:
        self._calm.begin()
        self._show_controls()
        self._view.start_polling()

    def _show_controls(self) -> None:
        run, alive = self._run, self.running
        endable = run is not None and run.can_end
        stoppable = run is not None and endable and run.job.state is not JobState.STOPPING
        self._view.show_controls(
            Controls(
                run=not alive and any(i.chosen for i in self._choices.images),
                pause=stoppable,
                stop=stoppable,
                cancel=endable,
                save=self.result_layer() is not None,
                keep=self.session.result is not None and not alive,
                keep_spatial=run is not None and run.can_swap,
                paused=run is not None and endable and run.pausing,
                busy=endable,
            )
        )
