"""The Classes dock as napari opens it: view and presenter put together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer

from napari_gmmseg.docks.classes.presenter import ClassesPresenter
from napari_gmmseg.docks.classes.view import ClassesView

if TYPE_CHECKING:
    from napari.viewer import Viewer

#: Milliseconds between two looks at the session.
_POLL = 100


class ClassesDock(ClassesView):
    """The classes of the segmentation: names, colours, locks, intensities and volumes.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Filled in by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.presenter = presenter = ClassesPresenter(napari_viewer, self)
        self.renamed.connect(presenter.rename)
        self.recoloured.connect(presenter.recolour)
        self.locked.connect(presenter.lock)
        self.selected.connect(lambda _: presenter.select())
        self.merge_asked.connect(presenter.merge)
        self.split_asked.connect(presenter.split)
        self.by_contrast_asked.connect(presenter.name_by_contrast)
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL)
        self._timer.timeout.connect(presenter.poll)
        self._timer.start()
        # A free function: a widget's own method is not called any more when it is destroyed.
        self.destroyed.connect(partial(_shut_down, presenter))

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Notice that napari takes the dock out of its window, which it does without destroying it."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._timer.stop()
            self.presenter.shut_down()


def _shut_down(presenter: ClassesPresenter, *_: Any) -> None:
    presenter.shut_down()
