"""The Segment dock's window: shows and forwards, and knows nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_gmmseg.docks.common.history_row import HistoryRow
from napari_gmmseg.docks.common.keys import KEYS
from napari_gmmseg.docks.common.messages import MessageList
from napari_gmmseg.docks.common.scroll_column import ScrollColumn
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.common.wrapped_label import wrapped_label
from napari_gmmseg.docks.segment.choices import AgreementRow, ChangeRow, Choices, ClassRow, Controls, KeptRow
from napari_gmmseg.docks.segment.form import SegmentForm
from napari_gmmseg.docks.segment.recovery_row import RecoveryRow
from napari_gmmseg.docks.segment.result_panel import ResultPanel

#: Milliseconds between two looks at a running job.
_POLL = 40
#: Milliseconds in which a new result is laid out, before it is scrolled to.
_LAID_OUT = 50
_FILTER = "Masks (*.nii.gz *.nii *.mgz *.nrrd *.mha);;All files (*)"


class SegmentView(QWidget):
    """Form, buttons, progress, messages and result, in a column that scrolls."""

    run_asked = Signal()
    pause_asked = Signal()
    stop_asked = Signal()
    cancel_asked = Signal()
    polled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("segment_dock")
        self.form = SegmentForm()
        self.result = ResultPanel()
        self.messages = MessageList()
        self.recovery = RecoveryRow()
        self.history = HistoryRow("segment", KEYS)
        self._bar = QProgressBar()
        self._bar.setObjectName("segment_progress")
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(8)
        self._text = QLabel()
        self._text.setObjectName("segment_progress_text")
        self._text.setWordWrap(True)
        self._text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._memory = wrapped_label("segment_memory")
        self._memory.setToolTip(
            "Predicted peak above the image itself. Where memory runs short, less is done at a time."
        )
        self._run = self._button("Run", "run", self.run_asked, "Segment with what is chosen above.")
        self._pause = self._button("Pause", "pause", self.pause_asked, "Hold after this step; press again to go on.")
        self._stop = self._button("Stop", "stop", self.stop_asked, "End after this step and keep the best so far.")
        self._cancel = self._button("Cancel", "cancel", self.cancel_asked, "End; everything is as before the run.")
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL)
        self._timer.timeout.connect(self.polled)
        self._come_out = QTimer(self)
        self._come_out.setSingleShot(True)
        self._come_out.setInterval(_LAID_OUT)
        self._come_out.timeout.connect(self._scroll_to_result)
        self._lay_out()
        self.result.show_result([], "")
        self.result.show_refinement("", [], keeps_spatial=False)
        self.show_progress("", 0.0)
        self.show_memory("")

    @property
    def memory(self) -> str:
        """What is said of memory."""
        return str(self._memory.text())

    @property
    def progress_text(self) -> str:
        """What is said of how far it is."""
        return str(self._text.text())

    def show_choices(self, choices: Choices) -> None:
        """Show what can be and is chosen."""
        self.form.show_choices(choices)

    def show_controls(self, controls: Controls) -> None:
        """Enable and name the buttons."""
        for button, enabled in (
            (self._run, controls.run),
            (self._pause, controls.pause),
            (self._stop, controls.stop),
            (self._cancel, controls.cancel),
            (self.result.save, controls.save),
            (self.result.kept.keep, controls.keep),
            (self.result.keep_spatial, controls.keep_spatial),
        ):
            if button.isEnabled() != enabled:
                button.setEnabled(enabled)
        label = "Resume" if controls.paused else "Pause"
        if self._pause.text() != label:
            self._pause.setText(label)
        self.form.show_busy(controls.busy)
        self.result.show_busy(controls.busy)

    def show_progress(self, text: str, fraction: float | None) -> None:
        """Show how far it is."""
        self._text.setText(text)
        self._bar.setMaximum(0 if fraction is None else 1000)
        if fraction is not None:
            self._bar.setValue(round(1000 * min(1.0, max(0.0, fraction))))
        for widget in (self._bar, self._text):
            widget.setVisible(bool(text))

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences."""
        self.messages.show_messages(messages)

    def show_result(self, rows: Sequence[ClassRow], certainty: str) -> None:
        """Show the table of volumes and the sentence on how sure it is."""
        self.result.show_result(rows, certainty)
        if rows:
            self._come_out.start()

    def show_refinement(self, sentence: str, rows: Sequence[ChangeRow], *, keeps_spatial: bool) -> None:
        """Show what a refinement changed, and which of the two results is shown."""
        self.result.show_refinement(sentence, rows, keeps_spatial=keeps_spatial)

    def show_saved(self, text: str) -> None:
        """Show the tick of a saved mask."""
        self.result.show_saved(text)

    def show_memory(self, sentence: str) -> None:
        """Say how much memory a run will take."""
        self._memory.setText(sentence)
        self._memory.setVisible(bool(sentence))

    def show_history(self, undo: str | None, redo: str | None, held: str) -> None:
        """Say what would be undone and redone, and how much memory that holds."""
        self.history.show_history(undo, redo, held)

    def show_kept(self, rows: Sequence[KeptRow]) -> None:
        """Show what was kept."""
        self.result.show_kept(rows)

    def show_agreement(self, sentence: str, rows: Sequence[AgreementRow]) -> None:
        """Show how two results agree."""
        self.result.kept.show_agreement(sentence, rows)

    def show_suggestion(self, sentence: str) -> None:
        """Say which number of classes the image speaks for."""
        self.form.show_suggestion(sentence)

    def show_recovery(self, sentence: str, *, can_choose: bool = True) -> None:
        """Offer a session that did not end."""
        self.recovery.show_recovery(sentence, can_choose=can_choose)

    def start_polling(self) -> None:
        """Emit `polled` from now on."""
        self._timer.start()

    def stop_polling(self) -> None:
        """Emit `polled` no more."""
        self._timer.stop()

    def ask_where_to_save(self, name: str) -> Path | None:
        """Ask for a file."""
        chosen, _ = QFileDialog.getSaveFileName(self, "Save mask", name, _FILTER)
        return Path(chosen) if chosen else None

    def scroll_to_end(self) -> None:
        """Show what stands last."""
        bar = self._scroll.verticalScrollBar()
        bar.setValue(bar.maximum())

    def _scroll_to_result(self) -> None:
        self._scroll.ensureWidgetVisible(self.result, 0, 0)

    def _button(self, label: str, name: str, signal: Signal, tip: str) -> QPushButton:
        button = QPushButton(label)
        button.setObjectName(f"segment_{name}")
        button.setToolTip(tip)
        button.clicked.connect(signal)
        return button

    def _lay_out(self) -> None:
        buttons = QGridLayout()
        buttons.setSpacing(4)
        buttons.addWidget(self._run, 0, 0, 1, 3)
        for column, button in enumerate((self._pause, self._stop, self._cancel)):
            buttons.addWidget(button, 1, column)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(8)
        column.addWidget(self.recovery)
        column.addWidget(self.form)
        column.addWidget(self._memory)
        column.addLayout(buttons)
        for widget in (self._bar, self._text, self.history, self.messages, self.result):
            column.addWidget(widget)
        column.addStretch(1)
        self._scroll = ScrollColumn(inside)
        self._scroll.setObjectName("segment_scroll")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._scroll)
