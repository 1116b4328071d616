"""The Scribble dock's window: shows and forwards, and knows nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_gmmseg.docks.common.history_row import HistoryRow
from napari_gmmseg.docks.common.keys import Key
from napari_gmmseg.docks.common.messages import MessageList
from napari_gmmseg.docks.common.scroll_column import ScrollColumn
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.common.wrapped_label import wrapped_label
from napari_gmmseg.docks.scribble.class_buttons import ClassButtons
from napari_gmmseg.docks.scribble.edit_tools import EditTools
from napari_gmmseg.docks.scribble.shown import Shown
from napari_gmmseg.volumes import IGNORED, UNLABELLED

#: Width of the dock in heights of a line, at least: neither title nor Undo is cut off before anything is shown.
_WIDTH = 19
_FILTER = "Strokes (*.nii.gz *.nii *.json)"
_AXIS4 = {"": "Fourth axis: choose", "time": "Fourth axis: time", "channel": "Fourth axis: channels"}
_DOUBTS = {
    "none": "Uncertainty: none",
    "entropy": "Uncertainty: entropy",
    "margin": "Uncertainty: margin",
    "disagreement": "Uncertainty: disagreement",
}


class ScribbleView(QWidget):
    """Classes to paint with, the brush, the network, and where to paint next.

    Parameters
    ----------
    keys : sequence of Key
        What stands behind the ? button.
    """

    start_asked = Signal()
    axis4_chosen = Signal(str)
    tool_chosen = Signal(int)
    brush_changed = Signal()
    background_chosen = Signal(object)
    edit_asked = Signal(bool)
    edit_tool_chosen = Signal(str)
    interpolate_asked = Signal()
    clear_edits_asked = Signal()
    class_asked = Signal()
    clear_asked = Signal()
    finetune_asked = Signal(object)
    pause_asked = Signal()
    stop_asked = Signal()
    cancel_asked = Signal()
    spot_asked = Signal()
    doubt_chosen = Signal(str)
    calibrate_asked = Signal()
    import_asked = Signal()
    export_asked = Signal()
    try_asked = Signal()
    accept_asked = Signal()
    reject_asked = Signal()

    def __init__(self, keys: Sequence[Key]) -> None:
        super().__init__()
        self.setObjectName("scribble_dock")
        self.messages = MessageList()
        self.history = HistoryRow("scribble", keys)
        self.classes = ClassButtons()
        self.classes.chosen.connect(self.tool_chosen)
        self.edit_tools = EditTools()
        self.edit_tools.tool_chosen.connect(self.edit_tool_chosen)
        self.edit_tools.interpolate_asked.connect(self.interpolate_asked)
        self.edit_tools.clear_asked.connect(self.clear_edits_asked)
        self._start = self._button(
            "Start scribbling", "start", "Add a layer to paint on over the chosen image.", self.start_asked
        )
        self._axis4 = QComboBox()
        self._axis4.setObjectName("scribble_axis4")
        self._axis4.setToolTip("What the fourth axis of the image is; never guessed.")
        for kind, label in _AXIS4.items():
            self._axis4.addItem(label, kind)
        self._axis4.currentIndexChanged.connect(lambda i: self.axis4_chosen.emit(self._axis4.itemData(i)))
        self._sentence = _text("sentence")
        self._make_tools()
        self._make_tuning()
        self._make_advice()
        self._make_files()
        self._lay_out()
        self.show_state(Shown())

    @property
    def brush(self) -> tuple[float, bool]:
        """Diameter of the brush in mm, and whether it is a ball through the slices."""
        return self._size.value(), self._ball.isChecked()

    def show_state(self, shown: Shown) -> None:
        """Show all of this.

        Parameters
        ----------
        shown : Shown
            What to show.
        """
        self._start.setEnabled(not shown.starting)
        self._start.setText("Start again on the chosen image" if shown.started else "Start scribbling")
        self._axis4.setVisible(shown.asks_axis4)
        with signals_blocked(self._axis4):
            self._axis4.setCurrentIndex(list(_AXIS4).index(shown.axis4))
        self._sentence.setText(shown.sentence)
        self._body.setVisible(shown.started)
        self.classes.show_lines(shown.lines, shown.tool)
        self._show_tools(shown)
        self._show_tuning(shown)
        for button in (self._spot, self._calibrate, self._doubt):
            button.setEnabled(shown.has_result)
        self._export.setEnabled(any(line.n_voxels for line in shown.lines))
        with signals_blocked(self._doubt):
            self._doubt.setCurrentIndex(list(_DOUBTS).index(shown.doubt))
        _say(self._spot_text, shown.spot)
        _say(self._calibration_text, shown.calibration)
        self._carried.setVisible(bool(shown.carried))
        self._try.setVisible(shown.carried == "offered")
        self._accept.setVisible(shown.carried == "trial")
        self.history.show_history(shown.undo, shown.redo)

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences.

        Parameters
        ----------
        messages : sequence of Message
            What to say.
        """
        self.messages.show_messages(messages)

    def ask_what_to_import(self) -> Path | None:
        """Ask for a file of strokes; None where the person does not want to."""
        name, _ = QFileDialog.getOpenFileName(self, "Import strokes", "", _FILTER)
        return Path(name) if name else None

    def ask_where_to_export(self, name: str) -> Path | None:
        """Ask where to write strokes; None where the person does not want to.

        Parameters
        ----------
        name : str
            That is offered.
        """
        chosen, _ = QFileDialog.getSaveFileName(self, "Export strokes", name, _FILTER)
        return Path(chosen) if chosen else None

    def _show_tools(self, shown: Shown) -> None:
        for button, on in (
            (self._erase, shown.tool == UNLABELLED),
            (self._ignore, shown.tool == IGNORED),
            (self._edit, shown.editing),
        ):
            with signals_blocked(button):
                button.setChecked(on)
        self._edit.setEnabled(shown.has_result)
        self.edit_tools.show_state(shown)
        self._clear.setEnabled(any(line.n_voxels for line in shown.lines))
        wanted = [("none", None), *((line.name, line.value) for line in shown.lines)]
        there = [(self._background.itemText(i), self._background.itemData(i)) for i in range(self._background.count())]
        with signals_blocked(self._background):
            if wanted != there:
                self._background.clear()
                for name, value in wanted:
                    self._background.addItem(name, value)
            declared = next((i for i, line in enumerate(shown.lines, start=1) if line.background), 0)
            self._background.setCurrentIndex(declared)

    def _show_tuning(self, shown: Shown) -> None:
        tuning = shown.tuning
        during = (self._pause, self._stop, self._cancel, self._progress, self._tuning_text)
        # What goes makes room first: all together would make the dock wider than the window.
        for widget in self._lengths if tuning.on else during:
            widget.hide()
        for widget in during if tuning.on else self._lengths:
            widget.show()
        for button in self._lengths:
            button.setEnabled(tuning.can_begin)
        self._pause.setText("Resume" if tuning.paused else "Pause")
        self._tuning_text.setText(tuning.text)
        self._progress.setRange(0, 0 if tuning.fraction is None else 1000)
        if tuning.fraction is not None:
            self._progress.setValue(round(1000 * tuning.fraction))

    def _make_tools(self) -> None:
        self._erase = self._tool("Erase", "erase", "Take labels away where you paint; the result follows.", UNLABELLED)
        self._ignore = self._tool("Ignore", "ignore", "Leave out where you paint: nothing is learnt there.", IGNORED)
        self._edit = self._button(
            "Edit result",
            "edit",
            "Set voxels of the result by hand: no later stroke, fit or number of classes changes them.",
            None,
        )
        self._edit.setCheckable(True)
        self._edit.toggled.connect(self.edit_asked)
        self._add = self._button("+ Class", "add_class", "Have one class more to paint with.", self.class_asked)
        self._clear = self._button("Clear", "clear", "Take all strokes away; the result stays.", self.clear_asked)
        self._size = QDoubleSpinBox()
        self._size.setObjectName("scribble_brush")
        self._size.setRange(0.1, 100.0)
        self._size.setDecimals(1)
        self._size.setSingleStep(0.5)
        self._size.setValue(4.0)
        self._size.setSuffix(" mm")
        self._size.setKeyboardTracking(False)
        self._size.setToolTip("Diameter of the brush in mm.")
        self._size.valueChanged.connect(lambda _: self.brush_changed.emit())
        self._ball = QCheckBox("Ball")
        self._ball.setObjectName("scribble_ball")
        self._ball.setToolTip("Paint a ball through the slices around; else a disc in the shown slice.")
        self._ball.toggled.connect(lambda _: self.brush_changed.emit())
        self._background = QComboBox()
        self._background.setObjectName("scribble_background")
        self._background.setToolTip("The class that is background: it is 0 in the result and in what is exported.")
        self._background.currentIndexChanged.connect(
            lambda i: self.background_chosen.emit(self._background.itemData(i))
        )
        self._background.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    def _make_tuning(self) -> None:
        tip = "Train a network on the strokes for {}; what it does better on held-out strokes counts."
        self._lengths = []
        for label, name, seconds, words in (
            ("5 s", "tune_5", 5.0, "5 s (Shift+T)"),
            ("30 s", "tune_30", 30.0, "30 s"),
            ("Until stopped", "tune_long", None, "as long as you like"),
        ):
            button = self._button(label, name, tip.format(words), None)
            button.clicked.connect(lambda _=False, s=seconds: self.finetune_asked.emit(s))
            self._lengths.append(button)
        self._pause = self._button("Pause", "pause", "Hold after the step at hand, or go on.", self.pause_asked)
        self._stop = self._button("Stop", "stop", "End it and keep the best so far.", self.stop_asked)
        self._cancel = self._button("Cancel", "cancel", "End it; the result is as before.", self.cancel_asked)
        self._tuning_text = _text("tuning")
        self._progress = QProgressBar()
        self._progress.setObjectName("scribble_progress")
        self._progress.setTextVisible(False)
        self._progress.setMaximumHeight(8)

    def _make_advice(self) -> None:
        self._spot = self._button(
            "Next spot", "next", "Go to where a stroke would help most, and say why (Shift+N).", self.spot_asked
        )
        self._doubt = QComboBox()
        self._doubt.setObjectName("scribble_doubt")
        for kind, label in _DOUBTS.items():
            self._doubt.addItem(label, kind)
        self._doubt.setToolTip(
            "Show how unsure the result is, 0 ... 1: entropy over all classes, how little the likeliest leads, or how "
            "far snapshots of the fine-tuned network disagree."
        )
        self._doubt.currentIndexChanged.connect(lambda i: self.doubt_chosen.emit(self._doubt.itemData(i)))
        self._calibrate = self._button(
            "Calibrate",
            "calibrate",
            "Leave strokes out in turn, and see whether the answer's probabilities are right there; takes an answer "
            "for each part.",
            self.calibrate_asked,
        )
        self._spot_text, self._calibration_text = _text("spot"), _text("calibration")

    def _make_files(self) -> None:
        self._import = self._button("Import…", "import", "Read strokes from NIfTI or JSON.", self.import_asked)
        self._export = self._button("Export…", "export", "Write strokes as NIfTI or JSON.", self.export_asked)
        self._try = self._button(
            "Try the last model", "try", "Show what the model of the image before makes of this one.", self.try_asked
        )
        self._accept = self._button("Accept", "accept", "Keep its result and go on from it.", self.accept_asked)
        self._reject = self._button(
            "Reject", "reject", "Put back what was there before, and forget the model.", self.reject_asked
        )
        self._carried = QWidget()
        self._carried.setLayout(_row(self._try, self._accept, self._reject))

    def _lay_out(self) -> None:
        brush = QGridLayout()
        brush.setSpacing(4)
        brush.addWidget(QLabel("Brush"), 0, 0)
        brush.addLayout(_row(self._size, self._ball), 0, 1)
        brush.addWidget(QLabel("Background"), 1, 0)
        brush.addWidget(self._background, 1, 1)
        brush.setColumnStretch(1, 1)
        self._body = QWidget()
        body = QVBoxLayout(self._body)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(6)
        body.addWidget(self.classes)
        body.addLayout(_row(self._erase, self._ignore, self._clear, self._add))
        body.addLayout(brush)
        body.addWidget(self._carried)
        body.addLayout(_row(_fixed("Fine-tune"), *self._lengths, self._pause, self._stop, self._cancel))
        body.addWidget(self._progress)
        body.addWidget(self._tuning_text)
        body.addLayout(_row(self._spot, self._edit))
        body.addWidget(self.edit_tools)
        body.addWidget(self._spot_text)
        body.addLayout(_row(self._doubt, self._calibrate))
        body.addWidget(self._calibration_text)
        body.addLayout(_row(self._import, self._export))
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        column.addWidget(self._start)
        column.addWidget(self._axis4)
        column.addWidget(self._sentence)
        column.addWidget(self.messages)
        column.addWidget(self._body)
        column.addWidget(self.history)
        column.addStretch(1)
        scroll = ScrollColumn(inside, _WIDTH)
        scroll.setObjectName("scribble_scroll")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)

    def _tool(self, label: str, name: str, tip: str, tool: int) -> QPushButton:
        button = self._button(label, name, tip, None)
        button.setCheckable(True)
        button.clicked.connect(lambda _=False: self.tool_chosen.emit(tool))
        return button

    def _button(self, label: str, name: str, tip: str, signal: Signal | None) -> QPushButton:
        button = QPushButton(label)
        button.setObjectName(f"scribble_{name}")
        button.setToolTip(tip)
        if signal is not None:
            button.clicked.connect(lambda _=False: signal.emit())
        return button


def _text(name: str) -> QLabel:
    return wrapped_label(f"scribble_{name}_text")


def _say(label: QLabel, text: str) -> None:
    label.setText(text)
    label.setVisible(bool(text))


def _fixed(text: str) -> QLabel:
    label = QLabel(text)
    label.setAlignment(Qt.AlignmentFlag.AlignVCenter)
    return label


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(4)
    for widget in widgets:
        row.addWidget(widget, 0 if isinstance(widget, QLabel | QCheckBox) else 1)
    return row
