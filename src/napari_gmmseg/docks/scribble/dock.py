"""The Scribble dock as napari opens it: view and presenter put together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer

from napari_gmmseg.docks.common.calm import CalmCollector
from napari_gmmseg.docks.scribble.presenter import KEYS, ScribblePresenter
from napari_gmmseg.docks.scribble.view import ScribbleView
from napari_gmmseg.docks.segment.recording import Recording
from napari_gmmseg.session.registry import session_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

#: Milliseconds between two looks, while something is awaited and else.
_OFTEN, _RARELY = 15, 60


class ScribbleDock(ScribbleView):
    """Paint strokes on an image, and have them answered.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Filled in by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(KEYS)
        session = session_of(napari_viewer)
        self.recording = Recording(session, self)
        self.presenter = ScribblePresenter(napari_viewer, self)
        self._calm = CalmCollector()
        self._connect()
        self._timer = QTimer(self)
        self._timer.setInterval(_RARELY)
        self._timer.timeout.connect(self._poll)
        self._timer.start()
        session.changed.connect(self._hurry)
        # A free function: a widget's own method is not called any more when it is destroyed.
        self.destroyed.connect(partial(_shut_down, self.presenter, self.recording, self._calm))

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Notice that napari takes the dock out of its window, which it does without destroying it."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._timer.stop()
            self.presenter.session.changed.disconnect(self._hurry)
            _shut_down(self.presenter, self.recording, self._calm)

    def _connect(self) -> None:
        presenter, session = self.presenter, self.presenter.session
        self.start_asked.connect(self._start_recorded)
        self.axis4_chosen.connect(presenter.choose_axis4)
        self.tool_chosen.connect(presenter.choose)
        self.brush_changed.connect(presenter.set_brush)
        self.background_chosen.connect(presenter.declare_background)
        self.edit_asked.connect(presenter.edit_result)
        self.edit_tool_chosen.connect(presenter.use_edit_tool)
        self.interpolate_asked.connect(presenter.editor.interpolate)
        self.clear_edits_asked.connect(session.clear_edits)
        self.class_asked.connect(presenter.add_class)
        self.clear_asked.connect(presenter.clear)
        self.finetune_asked.connect(presenter.finetune)
        self.pause_asked.connect(presenter.pause_or_resume)
        self.stop_asked.connect(session.stop_tuning)
        self.cancel_asked.connect(session.cancel_tuning)
        self.spot_asked.connect(presenter.next_spot)
        self.doubt_chosen.connect(presenter.show_doubt)
        self.calibrate_asked.connect(presenter.calibrate)
        self.import_asked.connect(presenter.import_strokes)
        self.export_asked.connect(presenter.export_strokes)
        self.try_asked.connect(session.try_carried)
        self.accept_asked.connect(session.accept_carried)
        self.reject_asked.connect(session.reject_carried)
        self.history.undo_asked.connect(presenter.undo)
        self.history.redo_asked.connect(presenter.redo)
        self.history.key_asked.connect(presenter.press)

    def _start_recorded(self) -> None:
        # Another dock may record the session already.
        session = self.presenter.session
        if session.recorder is None:
            self.recording.begin()
            self.recording.catch_up()
        self.presenter.start()

    def _poll(self) -> None:
        presenter = self.presenter
        presenter.poll()
        self.recording.poll()
        if presenter.busy:
            self._calm.begin()
        else:
            self._calm.end()
        self._hurry()

    def _hurry(self, _what: str = "") -> None:
        """Look often as long as something is awaited: from the moment on at which it is asked for."""
        if self.presenter.closed:
            return
        interval = _OFTEN if self.presenter.busy else _RARELY
        if self._timer.interval() != interval:
            self._timer.setInterval(interval)


def _shut_down(presenter: ScribblePresenter, recording: Recording, calm: CalmCollector, *_: Any) -> None:
    presenter.shut_down()
    recording.end()
    calm.end()
