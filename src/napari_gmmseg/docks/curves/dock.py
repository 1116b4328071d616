"""The Curves dock as napari opens it: view and presenter put together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent

from napari_gmmseg.docks.curves.presenter import CurvesPresenter
from napari_gmmseg.docks.curves.view import CurvesView
from napari_gmmseg.session.registry import session_of

if TYPE_CHECKING:
    from napari.viewer import Viewer


class CurvesDock(CurvesView):
    """Draw what a fit reports against its steps.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Filled in by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.presenter = CurvesPresenter(napari_viewer, session_of(napari_viewer), self)
        self.refreshed.connect(self.presenter.refresh)
        self.channel_chosen.connect(self.presenter.choose_channel)
        # Free functions: a widget's own method is not called any more when it is destroyed.
        self.destroyed.connect(partial(_shut_down, self.presenter))

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Notice that napari takes the dock out of its window, which it does without destroying it."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.presenter.shut_down()


def _shut_down(presenter: CurvesPresenter, *_: Any) -> None:
    presenter.shut_down()
