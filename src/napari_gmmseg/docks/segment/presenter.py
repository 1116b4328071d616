"""What the Segment dock does, in plain Python: it keeps what is chosen, and starts and steers runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from napari_gmmseg.config import PRESETS
from napari_gmmseg.docks.common.calm import CalmCollector
from napari_gmmseg.docks.segment import wording
from napari_gmmseg.docks.segment.case import Case, CaseInputs, config_of
from napari_gmmseg.docks.segment.choices import Choices, Controls
from napari_gmmseg.docks.segment.layer_list import offer, settle, with_preset
from napari_gmmseg.docks.segment.outcome import Outcome
from napari_gmmseg.docks.segment.run import Run
from napari_gmmseg.docks.segment.view_protocol import SegmentView
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.plugin.layers import label_axes
from napari_gmmseg.plugin.masks import region_from_shapes
from napari_gmmseg.plugin.slices import shown_place
from napari_gmmseg.plugin.snapshots import LayerSnapshot, take_snapshot
from napari_gmmseg.session import Job, JobState

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
    make_case : callable
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
        self._run: Run | None = None
        self._calm = CalmCollector()
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
        """The newest run's job."""
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
            taken = self._take_down()
            if taken is None:
                return
            inputs, image = taken
            axes = label_axes(inputs.images[0], inputs.axis4)
        except GmmsegError as error:
            self._view.show_messages([wording.error_message(error)])
            return
        self._add_all_maps()
        self._calm.begin()
        self._run = Run(self._viewer, self._view, self._make_case(inputs), image, axes, self._clock)
        self._show_controls()
        self._view.start_polling()

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
        if run is None or not run.awaited:
            self._rest()
            return
        if not run.poll():
            self._touched = False
            self._rest_until = self._clock() + _REST
        self._show_controls()

    def _rest(self) -> None:
        """Let the result be drawn, and its maps come, before Python clears up; then look no more."""
        more = self._run is not None and self._run.add_next_map()
        if not more and self._clock() >= self._rest_until:
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
        if self._run is not None:
            self._run.job.cancel()

    def _take_down(self) -> tuple[CaseInputs, Any] | None:
        """Return what is chosen, and the first channel; None where something has to be chosen first, which is said."""
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
        image = layers[chosen[0].key]
        mask = choices.mask if isinstance(choices.mask, str) else take_snapshot(layers[choices.mask])
        inputs = CaseInputs(
            images=images,
            contrasts=tuple(i.contrast for i in chosen),
            mask=mask,
            region=self._region(layers, images[0]),
            axis4=choices.axis4 or None,
            preset=PRESETS[choices.preset],
            config=config_of(choices),
            shown=shown_place(self._viewer.dims, image),
            wants_maps=choices.wants_maps,
        )
        return inputs, image

    def _region(self, layers: dict[int, Any], image: LayerSnapshot) -> LayerSnapshot | None:
        choices = self._choices
        if choices.region is None or not choices.asks_region:
            return None
        layer = layers[choices.region]
        return region_from_shapes(layer, image) if type(layer).__name__ == "Shapes" else take_snapshot(layer)

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
        self._show_controls()

    def _show_controls(self) -> None:
        run, alive = self._run, self.running
        endable = run is not None and alive and run.job.state is not JobState.STOPPING
        self._view.show_controls(
            Controls(
                run=not alive and any(i.chosen for i in self._choices.images),
                pause=endable,
                stop=endable,
                cancel=alive,
                save=self.result_layer() is not None,
                keep_spatial=run is not None and run.can_swap,
                paused=run is not None and alive and run.job.pausing,
                busy=alive,
            )
        )
