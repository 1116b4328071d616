"""The Segment dock as napari opens it: view and presenter put together."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from napari_gmmseg.docks.common.sentences import error_message
from napari_gmmseg.docks.segment.mask_saver import MaskSaver
from napari_gmmseg.docks.segment.presenter import SegmentPresenter
from napari_gmmseg.docks.segment.recording import Recording, Recovery
from napari_gmmseg.docks.segment.view import SegmentView
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.plugin.warming import warm_labels
from napari_gmmseg.session import warm_up
from napari_gmmseg.session.registry import session_of

if TYPE_CHECKING:
    from napari.viewer import Viewer


class SegmentDock(SegmentView):
    """Segment image layers without labels.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Filled in by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        session = session_of(napari_viewer)
        self.recording = Recording(session, self)
        self.presenter = SegmentPresenter(napari_viewer, self, begin_anew=self.recording.begin)
        self.recovery_offer = Recovery(napari_viewer, self, self.presenter, self.recording)
        self.saver = MaskSaver(self, self.presenter.result_layer)
        self._connect()
        self.recovery_offer.look()
        warm_up(warm_labels)
        # Free functions: a widget's own method is not called any more when it is destroyed.
        self.destroyed.connect(partial(_shut_down, self.presenter, self.recording, self.recovery_offer))
        application = QApplication.instance()
        if application is not None:
            # The application outlives its windows: it must not keep them.
            application.aboutToQuit.connect(partial(_shut_down_if_there, weakref.ref(self)))

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Notice that napari takes the dock out of its window, which it does without destroying it."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.presenter.leave()
            self.recovery_offer.shut_down()
            self.recording.end()

    def _connect(self) -> None:
        presenter = self.presenter
        self.run_asked.connect(presenter.run)
        self.pause_asked.connect(presenter.pause_or_resume)
        self.stop_asked.connect(presenter.stop)
        self.cancel_asked.connect(presenter.cancel)
        self.polled.connect(self._poll)
        self.form.chosen.connect(self._on_chosen)
        self.form.images.toggled.connect(lambda key, on: presenter.choose_image(key, chosen=on))
        self.form.images.contrast_changed.connect(presenter.choose_contrast)
        self.result.save_asked.connect(self.saver.save)
        self.result.keep_spatial_asked.connect(presenter.keep_spatial)
        self.recovery.recover_asked.connect(self.recovery_offer.recover)
        self.recovery.discard_asked.connect(self.recovery_offer.discard)
        self.history.undo_asked.connect(presenter.undo)
        self.history.redo_asked.connect(presenter.redo)
        self.history.key_asked.connect(presenter.press)
        kept, keeping = self.result.kept, presenter.keeping
        kept.keep_asked.connect(keeping.keep)
        kept.drop_asked.connect(keeping.drop)
        kept.chosen.connect(keeping.select)
        kept.blink_asked.connect(keeping.blink)

    def _poll(self) -> None:
        settled = [self.saver.poll(), self.recovery_offer.poll()]
        self.recording.poll()
        self.presenter.poll()
        if not all(settled):
            self.start_polling()

    def _on_chosen(self, name: str, value: Any) -> None:
        if name == "preset":
            self.presenter.choose_preset(value)
        elif name == "advanced":
            self._choose_advanced()
        else:
            self.presenter.choose(**{name: value})

    def _choose_advanced(self) -> None:
        try:
            values = self.form.advanced_values()
        except GmmsegError as error:
            self.show_messages([error_message(error)])
            return
        self.presenter.choose(advanced=values)


def _shut_down(presenter: SegmentPresenter, recording: Recording, recovery: Recovery, *_: Any) -> None:
    presenter.shut_down()
    recovery.shut_down()
    recording.end()


def _shut_down_if_there(find: weakref.ref[SegmentDock]) -> None:
    dock = find()
    if dock is not None:
        _shut_down(dock.presenter, dock.recording, dock.recovery_offer)
