"""The Outlier dock's window: shows and forwards, and knows nothing."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_gmmseg.config import FitConfig
from napari_gmmseg.docks.common.history_row import HistoryRow
from napari_gmmseg.docks.common.keys import Key
from napari_gmmseg.docks.common.messages import MessageList
from napari_gmmseg.docks.common.scroll_column import ScrollColumn
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.common.settings import describe_settings
from napari_gmmseg.docks.common.settings_form import SettingsForm
from napari_gmmseg.docks.common.wrapped_label import wrapped_label
from napari_gmmseg.docks.outlier.island_list import IslandList
from napari_gmmseg.docks.outlier.loss_table import LossTable
from napari_gmmseg.docks.outlier.odd_slider import OddSlider
from napari_gmmseg.docks.outlier.sheet_grid import SheetGrid
from napari_gmmseg.docks.outlier.shown import WIDEST, WIDEST_ADVANCED, Numbers, SheetCell, Shown

#: Milliseconds between two looks at what works in the background.
_POLL = 40
_LOSS = ("outlier_weight", "outlier_ramp")


class OutlierView(QWidget):
    """One slider, what would go, a button, the islands, a contact sheet, and what stands under Advanced.

    Parameters
    ----------
    keys : sequence of Key
        What stands behind the ? button.
    """

    refreshed = Signal()
    length_moved = Signal(int)
    windows_moved = Signal(int, int)
    loss_chosen = Signal(float, float)
    heat_chosen = Signal(bool)
    clean_asked = Signal()
    compare_asked = Signal()

    def __init__(self, keys: Sequence[Key]) -> None:
        super().__init__()
        self.setObjectName("outlier_dock")
        self.messages = MessageList()
        self.history = HistoryRow("outlier", keys)
        self.losses, self.islands, self.sheet = LossTable(), IslandList(), SheetGrid()
        self._make_main()
        self._make_advanced()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL)
        for timer in (self._soon, self._timer):
            timer.timeout.connect(self.refreshed)
        self._lay_out()
        self.show_state(Shown())

    def show_numbers(self, numbers: Numbers) -> None:
        """Show what is chosen; nothing is emitted.

        Parameters
        ----------
        numbers : Numbers
            All of it.
        """
        step = min(numbers.inner, WIDEST) // 2
        if self.length.value() != step:
            with signals_blocked(self.length):
                self.length.setValue(step)
        if self._length.text() != numbers.length:
            self._length.setText(numbers.length)
        self.inner.show_value(numbers.inner)
        self.outer.show_value(numbers.outer)
        told = {"outlier_weight": numbers.weight, "outlier_ramp": numbers.ramp}
        if self._loss.values(_LOSS) != told:
            self._loss.set_values(told)

    def show_state(self, shown: Shown) -> None:
        """Show all of this.

        Parameters
        ----------
        shown : Shown
            What to show.
        """
        self.show_numbers(shown.numbers)
        with signals_blocked(self._heat):
            self._heat.setChecked(shown.heat)
        self._sentence.setText(shown.sentence)
        self.losses.show_lines(shown.losses)
        self.islands.show_lines(shown.islands, shown.title)
        self._clean.setEnabled(shown.can_clean)
        for widget in (self._body, self._heat):
            if widget.isEnabled() != shown.has_result:
                widget.setEnabled(shown.has_result)
        self._body.setVisible(shown.has_result)
        self.history.show_history(shown.undo, shown.redo)

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences.

        Parameters
        ----------
        messages : sequence of Message
            What to say.
        """
        self.messages.show_messages(messages)

    def show_sheet(self, cells: Sequence[SheetCell]) -> None:
        """Show a contact sheet; nothing takes it away.

        Parameters
        ----------
        cells : sequence of SheetCell
            Row by row.
        """
        self.sheet.show_cells(cells)

    def refresh_soon(self) -> None:
        """Ask for a refresh once."""
        self._soon.start()

    def start_polling(self) -> None:
        """Ask for a refresh several times a second from now on."""
        if not self._timer.isActive():
            self._timer.start()

    def stop_polling(self) -> None:
        """Ask for it no more."""
        self._timer.stop()

    def _make_main(self) -> None:
        tip = (
            "How wide an island may be to go: it takes the class around it. Wider tissue stays, but thin sheets and "
            "lines of half this width look like islands, too."
        )
        self._title = QLabel("Remove islands smaller than")
        self._length = QLabel()
        self._length.setObjectName("outlier_length_text")
        font = self._length.font()
        font.setBold(True)
        self._length.setFont(font)
        self.length = QSlider(Qt.Orientation.Horizontal)
        self.length.setObjectName("outlier_length")
        self.length.setRange(0, WIDEST // 2)
        self.length.setPageStep(1)
        self.length.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.length.setTickInterval(1)
        self.length.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.length.setToolTip(tip)
        self._title.setToolTip(tip)
        self._title.setBuddy(self.length)
        self.length.valueChanged.connect(lambda step: self.length_moved.emit(2 * step + 1))
        self._heat = QCheckBox("Show on the slice what would go")
        self._heat.setObjectName("outlier_heat")
        self._heat.setToolTip("A heat map of the score, 0 ... 1: the brighter, the less of its class is near a voxel.")
        self._heat.toggled.connect(self.heat_chosen)
        self._sentence = wrapped_label("outlier_sentence")
        self._clean = QPushButton("Remove them")
        self._clean.setObjectName("outlier_clean")
        self._clean.setToolTip("Give them the class around them, in the whole volume; can be undone.")
        self._clean.clicked.connect(lambda _=False: self.clean_asked.emit())
        self._compare = QPushButton("Compare windows on this slice")
        self._compare.setObjectName("outlier_compare")
        self._compare.setToolTip("Small pictures of what nine pairs of windows would take out of the shown slice.")
        self._compare.clicked.connect(lambda _=False: self.compare_asked.emit())

    def _make_advanced(self) -> None:
        self._more = QToolButton()
        self._more.setObjectName("outlier_advanced")
        self._more.setText("Advanced")
        self._more.setCheckable(True)
        self._more.setArrowType(Qt.ArrowType.RightArrow)
        self._more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._more.setAutoRaise(True)
        self._more.setToolTip("Both windows, and the loss that keeps islands out of what a network learns.")
        self._more.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._more.toggled.connect(self._show_advanced)
        self.inner = OddSlider("outlier_inner", 1, WIDEST_ADVANCED, WIDEST)
        self.outer = OddSlider("outlier_outer", 3, 3 * WIDEST_ADVANCED, 3 * WIDEST)
        for slider, name in ((self.inner, "outlier_inner"), (self.outer, "outlier_outer")):
            (setting,) = describe_settings(FitConfig, [name])
            slider.setToolTip(f"{setting.tip.split(';')[0]}, in voxels of the finest axis.")
            slider.moved.connect(lambda _: self.windows_moved.emit(self.inner.value, self.outer.value))
        self._loss = SettingsForm(describe_settings(FitConfig, _LOSS), "outlier", {_LOSS[0]: "While a network learns"})
        self._loss.changed.connect(self._on_loss)

    def _on_loss(self) -> None:
        values = self._loss.values(_LOSS)
        self.loss_chosen.emit(values["outlier_weight"], values["outlier_ramp"])

    def _show_advanced(self, on: bool) -> None:
        self._more.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
        self._advanced.setVisible(on)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self._title)
        top.addWidget(self._length)
        top.addStretch(1)
        self._body = QWidget()
        body = QVBoxLayout(self._body)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(8)
        for widget in (self._sentence, self.losses, self._clean, self.islands, self._compare, self.sheet):
            body.addWidget(widget)
        self._advanced = QWidget()
        advanced = QVBoxLayout(self._advanced)
        advanced.setContentsMargins(12, 0, 0, 0)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        for slider, name in ((self.inner, "outlier_inner"), (self.outer, "outlier_outer")):
            (setting,) = describe_settings(FitConfig, [name])
            form.addRow(setting.title, slider)
        advanced.addLayout(form)
        advanced.addWidget(self._loss)
        self._advanced.setVisible(False)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(8)
        column.addLayout(top)
        for widget in (self.length, self._heat, self.messages, self._body, self._more, self._advanced, self.history):
            column.addWidget(widget)
        column.addStretch(1)
        scroll = ScrollColumn(inside)
        scroll.setObjectName("outlier_scroll")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
