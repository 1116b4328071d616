"""Which number of classes an image speaks for: worked out after a run, beside the slider."""

from __future__ import annotations

from napari_gmmseg.docks.segment.view_protocol import SegmentView
from napari_gmmseg.session import Job, Steps
from napari_gmmseg.session.segmenting import SegmentationRequest
from napari_gmmseg.session.state import Session
from napari_gmmseg.session.suggesting import Suggestion, suggest
from napari_gmmseg.volumes import FitReport, Segmentation


class Advice:
    """Follows the results of a session; for the GUI thread.

    Parameters
    ----------
    session : Session
        Whose.
    view : SegmentView
        The window.
    """

    def __init__(self, session: Session, view: SegmentView) -> None:
        self._session, self._view = session, view
        self._about: Segmentation | None = None
        self._job: Job[Suggestion] | None = None

    @property
    def busy(self) -> bool:
        """Whether it is being worked out."""
        return self._job is not None

    def poll(self, *, idle: bool) -> None:
        """Begin to work it out for another result, or show it.

        Parameters
        ----------
        idle : bool
            Whether nothing else works: advice waits for that.
        """
        result, request = self._session.result, self._session.request
        if result is not self._about:
            self.shut_down()
            self._view.show_suggestion("")
            if not idle or result is None or request is None:
                self._about = None
                return
            self._about = result
            self._begin(request, result)
        job = self._job
        if job is not None and job.state.ended:
            self._job = None
            if job.result is not None:
                self._view.show_suggestion(" ".join(job.result.sentences))

    def forget(self) -> None:
        """Take away what was said: another run begins."""
        self.shut_down()
        self._about = None
        self._view.show_suggestion("")

    def shut_down(self) -> None:
        """Leave no thread."""
        job, self._job = self._job, None
        if job is not None:
            job.cancel()

    def _begin(self, request: SegmentationRequest, result: Segmentation) -> None:
        def steps() -> Steps[Suggestion]:
            yield FitReport("Comparing numbers of classes", 0, 0)
            return suggest(request.volume, result)

        self._job = Job(steps, name="advice")
        self._job.start()
