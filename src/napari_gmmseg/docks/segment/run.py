"""What one press of Run leads to: the layers are read, then the session's fits are followed and shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_gmmseg.docks.common.sentences import Message, error_message
from napari_gmmseg.docks.segment import wording
from napari_gmmseg.docks.segment.case import Asked, Opened
from napari_gmmseg.docks.segment.live import chosen_otherwise, with_outliers
from napari_gmmseg.docks.segment.outcome import Outcome, make_outcome
from napari_gmmseg.docks.segment.result_layer import ResultLayer
from napari_gmmseg.docks.segment.shown_result import ShownResult
from napari_gmmseg.docks.segment.view_protocol import SegmentView
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.shown import label_layer
from napari_gmmseg.plugin.slices import shown_place, slice_at
from napari_gmmseg.session import Job, JobState, Progress, Steps
from napari_gmmseg.session.state import Session
from napari_gmmseg.volumes import FitReport, LabelMap, Segmentation

#: Shortest time between two previews in s: in slices, and where the whole volume has to be drawn.
_PREVIEW_INTERVAL = {2: 0.2, 3: 2.0}


class Run:
    """Follows a session from the first look at a case to its newest result; for the GUI thread.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where its result is shown.
    view : SegmentView
        The window.
    session : Session
        What fits.
    asked : Asked
        The case.
    clock : callable
        Returns the time in s.
    begin_anew : callable
        Called before another case is opened.
    """

    def __init__(
        self,
        viewer: Any,
        view: SegmentView,
        session: Session,
        asked: Asked,
        clock: Callable[[], float],
        *,
        begin_anew: Callable[[], None] = lambda: None,
    ) -> None:
        self._asked, self._begin_anew = asked, begin_anew
        self._viewer, self._view, self._session = viewer, view, session
        self._image, self._clock = asked.image, clock
        self._fitting: Job[Segmentation] | None = None
        self._opening: Job[Opened] = Job(asked.steps, name="reading")
        self._reading: Job[Opened] | None = self._opening
        self._grid: LayerGrid | None = None
        self._alive: Job[Segmentation] | None = None
        self._showing: Job[Outcome] | None = None
        self._layer = self._new_layer()
        self._shown: ShownResult | None = None
        self._painted: tuple[ResultLayer, ShownResult] | None = None
        self._result: Segmentation | None = None
        self._progress: Progress | None = None
        self._held: tuple[JobState, bool, int] = (JobState.IDLE, False, 0)
        self._previewed_at = float("-inf")
        self._previewed_values: tuple[int, ...] = ()
        self._looked_at: int | None = None
        self._messages = asked.messages
        self._pause_wanted = self._stop_wanted = False
        self._cancelled = self._over = self._previewed = False
        view.show_messages([])
        view.show_result([], "")
        view.show_refinement("", [], keeps_spatial=False)
        view.show_saved("")
        view.show_progress("Starting", None)
        # napari takes its tenth of a second for a new layer now; the work begins with the next look at it.
        self._layer.begin(asked.classes)

    @property
    def job(self) -> Job[Any]:
        """What works, or worked last."""
        return self._fitting or self._opening

    @property
    def awaited(self) -> bool:
        """Whether something is alive, or its end is not shown yet."""
        works = any(job is not None for job in (self._reading, self._alive, self._showing))
        return not self._over and (works or self._session.editing or self._is_behind)

    @property
    def _is_behind(self) -> bool:
        """Whether the session has another result than the one that is shown."""
        return self._grid is not None and self._session.result is not self._result

    @property
    def fitting(self) -> bool:
        """Whether a fit is alive that takes changes."""
        return not self._over and self._alive is not None

    @property
    def image_is_there(self) -> bool:
        """Whether its image is in the viewer still."""
        return any(layer is self._image for layer in self._viewer.layers)

    @property
    def result_layer(self) -> Any | None:
        """Its layer, if it is there and done."""
        return self._layer.layer if self._shown is not None and not self.awaited else None

    @property
    def can_swap(self) -> bool:
        """Whether something was refined, and the result can be swapped for it."""
        return not self.awaited and self._shown is not None and self._shown.can_swap

    @property
    def can_end(self) -> bool:
        """Whether there is something to pause, stop or cancel."""
        return not self._over and (self._reading is not None or self._alive is not None)

    def fits(self, label_map: LabelMap) -> bool:
        """Whether labels are of the image's grid.

        Parameters
        ----------
        label_map : LabelMap
            Other labels.
        """
        result = self._result
        return result is not None and result.label_map.labels.shape == label_map.labels.shape

    def place(self, label_map: LabelMap, name: str) -> tuple[Any, dict[str, Any]]:
        """Return data and settings of a Labels layer that shows other labels of the image, in its place.

        Parameters
        ----------
        label_map : LabelMap
            They fit.
        name : str
            Of the layer.
        """
        assert self._grid is not None
        data, settings, _ = label_layer(label_map, self._grid, self._layer.place, name, {"role": "kept"})
        return data, settings

    def pause_or_resume(self) -> None:
        """Hold it within one step, or go on."""
        self._start()
        if self._alive is None:
            self._pause_wanted = not self._pause_wanted
        elif self._alive.pausing:
            self._session.resume()
        else:
            self._session.pause()

    @property
    def pausing(self) -> bool:
        """Whether a pause was asked for."""
        return self._pause_wanted if self._alive is None else self._alive.pausing

    def stop(self) -> None:
        """End it and keep the best so far."""
        self._start()
        self._stop_wanted = True
        if self._alive is not None:
            self._session.stop()

    def cancel(self) -> None:
        """End it; all is as before."""
        if self._reading is not None:
            self._cancelled = True
            self._reading.cancel()
        elif self._alive is not None:
            # It may have ended since the last look: what is not shown yet is then not shown at all.
            self._cancelled = True
            self._session.cancel()

    def leave(self) -> None:
        """Let go of it: nothing more is shown, and what was not done is taken away."""
        self.cancel()
        if self.awaited and self._shown is None:
            self._layer.remove()
        self._over = True

    def keep_spatial(self, keep: bool) -> None:
        """Show the mixture that was refined, or the refined result.

        Parameters
        ----------
        keep : bool
            Whether it is the mixture.
        """
        if self._shown is not None:
            self._shown.keep_base(keep)

    def add_next_map(self) -> bool:
        """Add one more layer of the result's maps, where there is one; return whether there are others still."""
        return self._shown is not None and self._shown.add_next_map()

    def poll(self) -> bool:
        """Take what there is to say, several times a second; return whether it goes on."""
        if not self._over:
            self._start()
            self._read()
            self._follow()
            self._finish_showing()
        return self.awaited

    def _start(self) -> None:
        if self._reading is not None and self._reading.state is JobState.IDLE:
            self._reading.start()

    def _read(self) -> None:
        """Begin to fit as soon as the layers are read."""
        reading = self._reading
        if reading is None or not reading.state.ended:
            return
        self._reading = None
        if self._cancelled or reading.result is None:
            self._give_up(reading)
            return
        opened = reading.result
        self._grid = opened.grid
        if opened.how == "again":
            self._session.retune(**chosen_otherwise(opened.request.config, self._session.config))
        elif opened.how == "anew":
            self._begin_anew()
            self._session.open(with_outliers(opened.request, self._session.config))
        if opened.how != "restored" and not self._session.running:
            self._session.run(look=opened.request.look)
        if self._stop_wanted:
            self._session.stop()
        elif self._pause_wanted:
            self._session.pause()

    def _follow(self) -> None:
        """Follow the fit that is alive, or show what became the result without one."""
        if self._grid is None:
            return
        job = self._session.job
        if job is not None and job is not self._fitting:
            self._take_up(job)
        state = None if self._alive is None else self._alive.state
        self._progress = self._session.poll() or self._progress
        if self._alive is not None and state is not None:
            self._follow_fit(self._alive, state)
        elif self._is_behind:
            self._show(self._session.result)

    def _take_up(self, job: Job[Segmentation]) -> None:
        """Follow another fit: the first of the case, or one that goes on from a result."""
        self._fitting = self._alive = job
        self._progress = self._looked_at = None
        self._drop_showing()
        if self._shown is not None:
            if not self._previewed:
                self._protect_paint()
            self._layer.rest()
        elif self._layer.layer is None and not self._layer.was_removed:
            self._layer.begin(self._session.classes or self._asked.classes)

    def _follow_fit(self, job: Job[Segmentation], state: JobState) -> None:
        self._tell_where_to_look(job)
        if not (self._cancelled or state is JobState.FAILED):
            self._show_progress(job, state)
        if not (self._cancelled or state.ended):
            self._show_preview(job)
        if state.ended:
            self._alive = None
            if self._cancelled or state is not JobState.DONE:
                self._give_up(job)
            else:
                self._show(self._session.result)

    def _tell_where_to_look(self, job: Job[Segmentation]) -> None:
        """Tell the fit which slice is shown, where it is another than before."""
        if self._grid is None or not self.image_is_there or job.state.ended:
            return
        z = slice_at(shown_place(self._viewer.dims, self._image), self._grid)
        if z is not None and z != self._looked_at:
            self._looked_at = z
            self._session.look(z)

    def _show_progress(self, job: Job[Segmentation], state: JobState) -> None:
        """Show a new report, or the last one where it is only paused or goes on."""
        progress, held = self._progress, (state, job.pausing, id(self._progress))
        if progress is None or held == self._held:
            return
        self._held = held
        report = progress.report
        text = wording.progress_in_words(progress, state, job.pausing, self._session.config)
        self._view.show_progress(text, report.step / report.n_steps if report.n_steps else None)

    def _show_preview(self, job: Job[Segmentation]) -> None:
        """Show the newest labels; those of the same classes wait where others were shown a moment ago."""
        now = self._clock()
        classes = None if job.logbook.last is None else job.logbook.last.classes
        answers = classes is not None and classes.values != self._previewed_values
        due = answers or now - self._previewed_at >= _PREVIEW_INTERVAL[int(self._viewer.dims.ndisplay)]
        preview = job.take_preview() if due and self.image_is_there else None
        if preview is None or self._grid is None:
            return
        self._previewed_at, self._previewed = now, True
        if classes is not None:
            self._previewed_values = classes.values
            self._layer.colour(self._session.classes or classes)
        self._layer.preview(preview, self._grid)
        if self._layer.was_removed:
            self._view.show_messages([wording.RESULT_REMOVED])

    def _show(self, result: Segmentation | None) -> None:
        """Work out tables and sentences of a result on a thread of their own."""
        self._result = result
        self._drop_showing()
        grid, wants_maps = self._grid, self._asked.wants_maps
        if result is None or grid is None:
            self._show_nothing()
            return

        def steps() -> Steps[Outcome]:
            yield FitReport("Measuring", 0, 0)
            return make_outcome(result, grid, wants_maps=wants_maps)

        self._showing = Job(steps, name="measuring")
        self._showing.start()

    def _drop_showing(self) -> None:
        showing, self._showing = self._showing, None
        if showing is not None:
            showing.cancel()

    def _show_nothing(self) -> None:
        """Take everything away that was shown, but paint."""
        if self._shown is not None and self._shown.is_painted_on:
            self._layer = self._new_layer()
        self._shown = self._painted = None
        self._layer.remove()
        self._view.show_result([], "")
        self._view.show_refinement("", [], keeps_spatial=False)
        self._view.show_progress("", 0.0)

    def _finish_showing(self) -> None:
        job = self._showing
        if job is None or not job.state.ended:
            return
        # Once only: the person may paint on the result from now on.
        self._showing = None
        if job.result is None:
            self._end_without_result(error_message(job.error) if job.error else wording.CANCELLED)
            return
        if not self._previewed:
            self._protect_paint()
        messages, self._messages = list(self._messages), ()
        if self._painted and not self._shown:
            messages.append(wording.paint_kept(self._painted[0].name))
        self._painted, self._previewed = None, False
        self._shown = ShownResult(self._viewer, self._view, self._layer, job.result, str(self._image.name), messages)

    def _protect_paint(self) -> None:
        """Leave a layer that was painted on to the person, and show what follows in another."""
        shown = self._shown
        if shown is None or not shown.is_painted_on:
            return
        self._painted = (self._layer, shown)
        self._layer = self._new_layer()
        self._layer.begin(shown.classes)
        self._shown = None

    def _new_layer(self) -> ResultLayer:
        return ResultLayer(self._viewer, self._image, self.job.generation, self._asked.axes)

    def _give_up(self, job: Job[Any]) -> None:
        """Show what was there before a fit that brought nothing."""
        failed = None if self._cancelled else job.error
        why = self._why_cancelled() if failed is None else error_message(failed)
        self._cancelled = False
        if self._shown is None and self._painted is not None:
            self._layer.remove()
            self._layer, self._shown = self._painted
        if self._shown is None:
            self._end_without_result(why)
            return
        self._previewed = False
        self._shown.show_again()
        self._view.show_messages([why])

    def _end_without_result(self, why: Message) -> None:
        self._result = None if self._grid is None else self._session.result
        self._show_nothing()
        self._view.show_messages([why])

    def _why_cancelled(self) -> Message:
        return wording.CANCELLED if self.image_is_there else wording.image_removed(str(self._image.name))
