"""The Histogram dock as napari opens it: view and presenter put together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent

from napari_gmmseg.docks.histogram.presenter import HistogramPresenter
from napari_gmmseg.docks.histogram.view import HistogramView
from napari_gmmseg.session.registry import session_of

if TYPE_CHECKING:
    from napari.viewer import Viewer


class HistogramDock(HistogramView):
    """Show intensities with the Gaussians of the classes, and move them.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Filled in by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.presenter = HistogramPresenter(napari_viewer, session_of(napari_viewer), self)
        self._connect_presenter()
        # Free functions: a widget's own method is not called any more when it is destroyed.
        self.destroyed.connect(partial(_shut_down, self.presenter))

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Notice that napari takes the dock out of its window, which it does without destroying it."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.presenter.shut_down()

    def _connect_presenter(self) -> None:
        presenter = self.presenter
        self.refreshed.connect(presenter.refresh)
        self.region_chosen.connect(presenter.choose_region)
        self.channels_chosen.connect(presenter.choose_channels)
        self.drag_began.connect(presenter.begin_drag)
        self.dragged.connect(presenter.drag)
        self.drag_ended.connect(presenter.end_drag)
        self.number_set.connect(presenter.set_number)
        self.lock_set.connect(presenter.set_lock)
        self.outlined.connect(presenter.select)


def _shut_down(presenter: HistogramPresenter, *_: Any) -> None:
    presenter.shut_down()
