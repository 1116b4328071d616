"""The Outlier dock as napari opens it: view and presenter put together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent

from napari_gmmseg.docks.common.keys import REDO, UNDO
from napari_gmmseg.docks.outlier.presenter import KEYS, OutlierPresenter
from napari_gmmseg.docks.outlier.view import OutlierView
from napari_gmmseg.session.registry import session_of

if TYPE_CHECKING:
    from napari.viewer import Viewer


class OutlierDock(OutlierView):
    """Show what of a result is too small to be believed, and take it out.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Filled in by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(KEYS)
        self.presenter = OutlierPresenter(napari_viewer, session_of(napari_viewer), self)
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
        self.length_moved.connect(presenter.choose_length)
        self.windows_moved.connect(presenter.choose_windows)
        self.loss_chosen.connect(presenter.choose_loss)
        self.heat_chosen.connect(presenter.show_heat)
        self.clean_asked.connect(presenter.clean)
        self.compare_asked.connect(presenter.compare)
        self.losses.may_go_set.connect(presenter.spare)
        self.islands.gone_to.connect(presenter.go)
        self.islands.keep_asked.connect(presenter.keep)
        self.islands.remove_asked.connect(presenter.remove)
        self.islands.class_asked.connect(presenter.make_class)
        self.sheet.taken.connect(presenter.take)
        self.history.undo_asked.connect(lambda: presenter.press(UNDO.name))
        self.history.redo_asked.connect(lambda: presenter.press(REDO.name))
        self.history.key_asked.connect(presenter.press)


def _shut_down(presenter: OutlierPresenter, *_: Any) -> None:
    presenter.shut_down()
