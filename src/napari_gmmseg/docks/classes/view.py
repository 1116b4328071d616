"""The Classes dock's window: shows and forwards, and knows nothing."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QColorDialog,
    QGridLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_gmmseg.docks.classes.lines import ClassButtons, ClassLine
from napari_gmmseg.docks.common.messages import MessageList
from napari_gmmseg.docks.common.scroll_column import ScrollColumn
from napari_gmmseg.docks.common.sentences import Message

_COLOUR, _NAME, _LOCK, _FIRST_CHANNEL = range(4)
_EDITABLE = Qt.ItemFlag.ItemIsEditable
_PLAIN = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
_TIPS = {
    _COLOUR: "Colour: double-click, or press Enter, to change it.",
    _NAME: "Name: double-click, or press F2, to change it.",
    _LOCK: "Locked: its mean and width are held, and it does not disappear when there are to be fewer classes.",
}


class ClassesView(QWidget):
    """A table of classes, and what can be done with them."""

    renamed = Signal(int, str)
    recoloured = Signal(int, object)
    locked = Signal(int, bool)
    selected = Signal(object)
    merge_asked = Signal()
    split_asked = Signal()
    by_contrast_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("classes_dock")
        self.messages = MessageList()
        self._lines: tuple[ClassLine, ...] = ()
        self._channels: tuple[str, ...] = ()
        self._table = self._make_table()
        self._merge = self._button(
            "Merge",
            "merge",
            "Make one class of the two that are selected; it keeps the upper one's name.",
            self.merge_asked,
        )
        self._split = self._button(
            "Split", "split", "Make two classes of the selected one, along its main axis.", self.split_asked
        )
        self._colour = self._button("Colour…", "colour", "Choose the selected class's colour.", None)
        self._colour.clicked.connect(self._ask_colour)
        self._by_contrast = self._button(
            "Name by contrast",
            "by_contrast",
            "Name tissue by how bright it is in this contrast, as in T1: CSF < GM < WM. Colours go with the names.",
            self.by_contrast_asked,
        )
        self._lay_out()
        self.show_lines((), ())

    @property
    def selection(self) -> tuple[int, ...]:
        """Label values of the selected classes, from top to bottom."""
        rows = sorted({index.row() for index in self._table.selectionModel().selectedRows()})
        return tuple(self._lines[row].value for row in rows if row < len(self._lines))

    def show_lines(self, channels: Sequence[str], lines: Sequence[ClassLine]) -> None:
        """Show these classes; what is selected, and a name that is being written, stay.

        Parameters
        ----------
        channels : sequence of str
            What stands above the intensities.
        lines : sequence of ClassLine
            From top to bottom.
        """
        if tuple(lines) == self._lines and tuple(channels) == self._channels:
            return
        reshaped = [c.value for c in lines] != [c.value for c in self._lines] or tuple(channels) != self._channels
        kept = set(self.selection)
        self._lines, self._channels = tuple(lines), tuple(channels)
        with signals_blocked(self._table):
            if reshaped:
                self._reshape()
            for row, line in enumerate(self._lines):
                self._fill(row, line)
        if reshaped:
            self._select(kept)
            self._fit_height()
        self._table.setVisible(bool(lines))

    def show_buttons(self, buttons: ClassButtons) -> None:
        """Enable the buttons.

        Parameters
        ----------
        buttons : ClassButtons
            Which can be pressed.
        """
        for button, enabled in (
            (self._merge, buttons.merge),
            (self._split, buttons.split),
            (self._colour, buttons.colour),
            (self._by_contrast, buttons.by_contrast),
        ):
            if button.isEnabled() != enabled:
                button.setEnabled(enabled)

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences.

        Parameters
        ----------
        messages : sequence of Message
            What to say.
        """
        self.messages.show_messages(messages)

    def ask_colour(self, current: tuple[float, float, float]) -> tuple[float, float, float] | None:
        """Ask for a colour; None where the person does not want to.

        Parameters
        ----------
        current : (r, g, b)
            Each 0 ... 1.
        """
        chosen = QColorDialog.getColor(QColor.fromRgbF(*current), self, "Colour of the class")
        return (chosen.redF(), chosen.greenF(), chosen.blueF()) if chosen.isValid() else None

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Give rows another height with another font or theme."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit_height()

    def _make_table(self) -> QTableWidget:
        table = QTableWidget()
        table.setObjectName("classes_table")
        table.setToolTip(
            "The classes: colour, name, lock, mean ± standard deviation in each channel, volume (hard: voxels of the "
            "mask)."
        )
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        table.setTabKeyNavigation(False)
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.verticalHeader().hide()
        table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.itemChanged.connect(self._on_changed)
        table.itemSelectionChanged.connect(lambda: self.selected.emit(self.selection))
        # Enter is an activation everywhere, a double click is one too only in some styles.
        table.cellActivated.connect(self._on_activated)
        table.cellDoubleClicked.connect(self._on_activated)
        return table

    def _reshape(self) -> None:
        table, n = self._table, len(self._channels)
        table.setColumnCount(_FIRST_CHANNEL + n + 1)
        table.setHorizontalHeaderLabels(["", "Class", "Lock", *self._channels, "Volume"])
        table.setRowCount(len(self._lines))
        header = table.horizontalHeader()
        header.setMinimumSectionSize(16)
        for column in range(table.columnCount()):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        if n <= 1:
            header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        for row in range(len(self._lines)):
            for column in range(table.columnCount()):
                item = QTableWidgetItem()
                item.setFlags(_PLAIN | _EDITABLE if column == _NAME else _PLAIN)
                item.setToolTip(_TIPS.get(column, ""))
                if column >= _FIRST_CHANNEL:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                table.setItem(row, column, item)
            table.setCellWidget(row, _LOCK, self._make_lock(row))

    def _make_lock(self, row: int) -> QCheckBox:
        # A box of its own: themes draw those of table items too faintly.
        value = self._lines[row].value
        box = QCheckBox()
        box.setObjectName(f"classes_lock_{value}")
        box.setToolTip(_TIPS[_LOCK])
        box.toggled.connect(lambda on: self._on_locked(row, on))
        return box

    def _fill(self, row: int, line: ClassLine) -> None:
        item = self._table.item(row, _COLOUR)
        item.setData(Qt.ItemDataRole.DecorationRole, QColor.fromRgbF(*line.colour))
        box = self._table.cellWidget(row, _LOCK)
        with signals_blocked(box):
            box.setChecked(line.locked)
        missing = [""] * (len(self._channels) - len(line.intensities))
        behind = (*line.intensities, *missing, line.amount)
        texts = {_NAME: line.name, **{_FIRST_CHANNEL + i: text for i, text in enumerate(behind)}}
        for column, text in texts.items():
            item = self._table.item(row, column)
            if item.text() != text:
                item.setText(text)
        self._table.item(row, _FIRST_CHANNEL + len(self._channels)).setToolTip(f"{line.share} of all classes.")
        self._table.item(row, _NAME).setToolTip(f"{line.name}. {_TIPS[_NAME]}")

    def _select(self, values: set[int]) -> None:
        rows = [row for row, line in enumerate(self._lines) if line.value in values]
        with signals_blocked(self._table):
            self._table.clearSelection()
            mode = self._table.selectionMode()
            self._table.setSelectionMode(QAbstractItemView.SelectionMode.MultiSelection)
            for row in rows:
                self._table.selectRow(row)
            self._table.setSelectionMode(mode)
        self.selected.emit(self.selection)

    def _on_changed(self, item: QTableWidgetItem) -> None:
        row, line = item.row(), self._lines[item.row()]
        if item.column() == _NAME and item.text() != line.name:
            self.renamed.emit(line.value, item.text())
            self._fill_again(row)

    def _on_locked(self, row: int, on: bool) -> None:
        self.locked.emit(self._lines[row].value, on)
        self._fill_again(row)

    def _fill_again(self, row: int) -> None:
        """Show what is so: what was refused must not stay in the table."""
        if row < len(self._lines):
            with signals_blocked(self._table):
                self._fill(row, self._lines[row])

    def _on_activated(self, row: int, column: int) -> None:
        if column == _COLOUR:
            self._recolour(self._lines[row])

    def _ask_colour(self) -> None:
        for line in self._lines:
            if self.selection[:1] == (line.value,):
                self._recolour(line)
                return

    def _recolour(self, line: ClassLine) -> None:
        colour = self.ask_colour(line.colour)
        if colour is not None:
            self.recoloured.emit(line.value, colour)

    def _fit_height(self) -> None:
        table = self._table
        height = 2 * table.frameWidth() + table.horizontalHeader().sizeHint().height()
        height += sum(table.rowHeight(row) for row in range(table.rowCount()))
        # Several channels may be wider than the dock: they are scrolled to.
        bar = table.horizontalScrollBar().sizeHint().height() if len(self._channels) > 1 else 0
        table.setFixedHeight(height + bar)
        table.setMinimumWidth(20 * table.fontMetrics().height())

    def _button(self, label: str, name: str, tip: str, signal: Signal | None) -> QPushButton:
        button = QPushButton(label)
        button.setObjectName(f"classes_{name}")
        button.setToolTip(tip)
        if signal is not None:
            button.clicked.connect(signal)
        return button

    def _lay_out(self) -> None:
        buttons = QGridLayout()
        buttons.setSpacing(4)
        for column, button in enumerate((self._merge, self._split, self._colour)):
            buttons.addWidget(button, 0, column)
        buttons.addWidget(self._by_contrast, 1, 0, 1, 3)
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(8, 8, 8, 8)
        self._column.setSpacing(8)
        self._column.addWidget(self._table)
        self._column.addLayout(buttons)
        self._column.addWidget(self.messages)
        self._column.addStretch(1)
        scroll = ScrollColumn(inside)
        scroll.setObjectName("classes_scroll")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
