"""The islands of a result by size: click to go there; keep, remove, or make a class of those that are selected."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_gmmseg.docks.common.class_table import swatch
from napari_gmmseg.docks.outlier.shown import IslandLine

#: Rows that are seen at once.
_ROWS = 7


class IslandList(QWidget):
    """A list with three buttons below it."""

    gone_to = Signal(int)
    keep_asked = Signal(object)
    remove_asked = Signal(object)
    class_asked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._lines: tuple[IslandLine, ...] = ()
        self._title = QLabel()
        self._title.setObjectName("outlier_islands_title")
        self._list = self._make_list()
        told = (
            ("Keep", "keep", "They stay what they are, whatever a clean-up or a later run says.", self.keep_asked),
            ("Remove", "remove", "They take the class next to them, also after a later run.", self.remove_asked),
            ("Make a class", "make_class", "They become one new class, such as a lesion.", self.class_asked),
        )
        self._buttons = [self._button(*each) for each in told]
        row = QHBoxLayout()
        row.setSpacing(4)
        for button in self._buttons:
            row.addWidget(button, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._title)
        column.addWidget(self._list)
        column.addLayout(row)
        self._enable()

    @property
    def selection(self) -> tuple[int, ...]:
        """Rows that are selected, from top to bottom."""
        rows = [self._list.indexOfTopLevelItem(item) for item in self._list.selectedItems()]
        return tuple(sorted(rows))

    def show_lines(self, lines: Sequence[IslandLine], title: str) -> None:
        """Show these islands; what is selected is not, once they are others.

        Parameters
        ----------
        lines : sequence of IslandLine
            Largest first.
        title : str
            What stands above them.
        """
        self._title.setText(title)
        self._title.setVisible(bool(title))
        if tuple(lines) == self._lines:
            return
        self._lines = tuple(lines)
        with signals_blocked(self._list):
            self._list.clear()
            items = []
            for line in lines:
                item = QTreeWidgetItem([line.name, line.size, line.place])
                item.setIcon(0, swatch(line.colour))
                for column in (1, 2):
                    item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                items.append(item)
            self._list.addTopLevelItems(items)
        self._list.setVisible(bool(lines))
        self._enable()

    def _make_list(self) -> QTreeWidget:
        found = QTreeWidget()
        found.setObjectName("outlier_islands")
        found.setToolTip("Islands by size. Click one to go there; select several with Ctrl or Shift.")
        found.setColumnCount(3)
        found.setHeaderLabels(["Class", "Size", "Where"])
        found.setRootIsDecorated(False)
        found.setUniformRowHeights(True)
        found.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        header = found.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        found.setFixedHeight(int((_ROWS + 1.5) * 1.5 * found.fontMetrics().height()))
        found.currentItemChanged.connect(lambda item, _: self._go(item))
        # Once more to the one that is current already.
        found.itemClicked.connect(lambda item, _: self._go(item))
        found.itemSelectionChanged.connect(self._enable)
        return found

    def _go(self, item: QTreeWidgetItem | None) -> None:
        if item is not None:
            self.gone_to.emit(self._list.indexOfTopLevelItem(item))

    def _enable(self) -> None:
        for button in self._buttons:
            button.setEnabled(bool(self._list.selectedItems()))
            button.setVisible(bool(self._lines))

    def _button(self, label: str, name: str, tip: str, signal: Signal) -> QPushButton:
        button = QPushButton(label)
        button.setObjectName(f"outlier_{name}")
        button.setToolTip(tip)
        button.clicked.connect(lambda _=False: signal.emit(self.selection))
        return button
