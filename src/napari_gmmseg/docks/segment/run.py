"""One run of the Segment dock: followed while it works, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.segment import wording
from napari_gmmseg.docks.segment.case import Case
from napari_gmmseg.docks.segment.outcome import Outcome
from napari_gmmseg.docks.segment.result_layer import ResultLayer
from napari_gmmseg.docks.segment.shown_result import ShownResult
from napari_gmmseg.docks.segment.view_protocol import SegmentView
from napari_gmmseg.plugin.slices import shown_place, slice_at
from napari_gmmseg.session import Job, JobState, Progress

#: Shortest time between two previews in s: in slices, and where the whole volume has to be drawn.
_PREVIEW_INTERVAL = {2: 0.2, 3: 2.0}


class Run:
    """Follows one job from its first look to its end; for the GUI thread.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where its result is shown.
    view : SegmentView
        The window.
    case : Case
        Its work.
    image : napari.layers.Image
        The first channel.
    axes : sequence of int
        Those of the image's axes that its labels have.
    clock : callable
        Returns the time in s.
    """

    def __init__(
        self, viewer: Any, view: SegmentView, case: Case, image: Any, axes: Sequence[int], clock: Callable[[], float]
    ) -> None:
        self.case = case
        self.job: Job[Outcome] = Job(case.steps)
        self._viewer = viewer
        self._view = view
        self._image = image
        self._clock = clock
        self._layer = ResultLayer(viewer, image, self.job.generation, axes)
        self._shown: ShownResult | None = None
        self._progress: Progress | None = None
        self._held = (JobState.IDLE, False)
        self._previewed_at = float("-inf")
        self._looked_at: int | None = None
        self._awaited = True
        self._cancelled = False
        view.show_messages([])
        view.show_result([], "")
        view.show_refinement("", [], keeps_spatial=False)
        view.show_saved("")
        view.show_progress("Starting", None)
        # napari takes its tenth of a second for a new layer now; the work begins with the next look at it.
        self._layer.begin(case.inputs.expected_classes)

    @property
    def awaited(self) -> bool:
        """Whether it is alive, or its end is not shown yet."""
        return self._awaited

    @property
    def image_is_there(self) -> bool:
        """Whether its image is in the viewer still."""
        return any(layer is self._image for layer in self._viewer.layers)

    @property
    def result_layer(self) -> Any | None:
        """Its layer, if it is there and done."""
        return None if self.job.state is not JobState.DONE or self._cancelled else self._layer.layer

    @property
    def can_swap(self) -> bool:
        """Whether something was refined, and the result can be swapped for it."""
        return not self._awaited and self._shown is not None and self._shown.can_swap

    def pause_or_resume(self) -> None:
        """Hold it within one step, or go on."""
        self._start()
        if self.job.pausing:
            self.job.resume()
        else:
            self.job.pause()

    def stop(self) -> None:
        """End it and keep the best so far."""
        self._start()
        self.job.stop()

    def cancel(self) -> None:
        """End it; all is as before."""
        # It may have ended since the last look: what is not shown yet is then not shown at all.
        self._cancelled = self._awaited
        self.job.cancel()

    def leave(self) -> None:
        """Let go of it: nothing more is shown, and what was not done is taken away."""
        if self._awaited:
            self._layer.remove()
        self._awaited = False

    def keep_spatial(self, keep: bool) -> None:
        """Show the mixture that was refined, or the refined result.

        Parameters
        ----------
        keep : bool
            Whether it is the mixture.
        """
        if self._shown is not None:
            self._shown.keep_base(keep)

    def poll(self) -> bool:
        """Take what it has to say, several times a second; return whether it goes on."""
        self._start()
        state = self.job.state
        self._tell_where_to_look()
        if not (self._cancelled or state is JobState.FAILED):
            self._show_progress(state)
        if not (self._cancelled or state.ended):
            self._show_preview()
        if state.ended:
            # Once only: the person may paint on the result from now on.
            self._awaited = False
            self._finish()
        return self._awaited

    def add_next_map(self) -> bool:
        """Add one more layer of the result's maps, where there is one; return whether there are others still."""
        return self._shown is not None and self._shown.add_next_map()

    def _start(self) -> None:
        if self._awaited and self.job.state is JobState.IDLE:
            self.job.start()

    def _tell_where_to_look(self) -> None:
        """Tell the job which slice is shown, where it is another than before."""
        grid = self.case.grid
        if grid is None or not self.image_is_there:
            return
        z = slice_at(shown_place(self._viewer.dims, self._image), grid)
        if z is not None and z != self._looked_at:
            self._looked_at = z
            self.job.look(z)

    def _show_progress(self, state: JobState) -> None:
        """Show a new report, or the last one where it is only paused or goes on."""
        news, held = self.job.mailbox.take(), (state, self.job.pausing)
        progress = news or self._progress
        if progress is None or (news is None and held == self._held):
            return
        self._progress, self._held = progress, held
        text = wording.progress_in_words(progress, state, self.job.pausing, self.case.inputs.config)
        report = progress.report
        self._view.show_progress(text, report.step / report.n_steps if report.n_steps else None)

    def _show_preview(self) -> None:
        """Show the newest labels, unless others were shown a moment ago: then they wait."""
        grid, now = self.case.grid, self._clock()
        due = now - self._previewed_at >= _PREVIEW_INTERVAL[int(self._viewer.dims.ndisplay)]
        preview = self.case.take_preview() if due and self.image_is_there else None
        if preview is None or grid is None:
            return
        self._previewed_at = now
        self._layer.preview(preview, grid)
        if self._layer.was_removed:
            self._view.show_messages([wording.RESULT_REMOVED])

    def _finish(self) -> None:
        if self._cancelled or self.job.state is JobState.CANCELLED:
            self._end_without_result(self._why_cancelled())
        elif self.job.error is not None:
            self._end_without_result(wording.error_message(self.job.error))
        elif self.job.result is not None:
            name = str(self._image.name)
            self._shown = ShownResult(self._viewer, self._view, self._layer, self.job.result, name)

    def _end_without_result(self, why: Message) -> None:
        self._layer.remove()
        self._view.show_progress("", 0.0)
        self._view.show_messages([why])

    def _why_cancelled(self) -> Message:
        return wording.CANCELLED if self.image_is_there else wording.image_removed(str(self._image.name))
