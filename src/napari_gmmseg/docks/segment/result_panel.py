"""What came out: class volumes, how sure it is, and saving."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_gmmseg.docks.segment.choices import ClassRow

_SWATCH = 12


class ResultPanel(QWidget):
    """Table of volumes, a sentence, Save mask and its tick."""

    save_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._table = self._make_table()
        self._certainty = _wrapped("segment_certainty")
        self.save = QPushButton("Save mask…")
        self.save.setObjectName("segment_save")
        self.save.setToolTip(
            "Write the result, as painted now, on the grid and with the header of its image; "
            "class names and colours stand beside it."
        )
        self.save.clicked.connect(self.save_asked)
        self._saved = _wrapped("segment_saved")
        row = QHBoxLayout()
        row.addWidget(self.save)
        row.addWidget(self._saved, 1)
        layout.addWidget(self._table)
        layout.addWidget(self._certainty)
        layout.addLayout(row)

    def show_result(self, rows: Sequence[ClassRow], certainty: str) -> None:
        """Show a result; no rows take it away.

        Parameters
        ----------
        rows : sequence of ClassRow
            The table.
        certainty : str
            The sentence.
        """
        self._table.clear()
        for row in rows:
            item = QTreeWidgetItem([row.name, row.amount, row.share])
            item.setIcon(0, _swatch(row.colour))
            item.setToolTip(0, row.name)
            for column in (1, 2):
                item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self._table.addTopLevelItem(item)
        self._fit_height()
        self._certainty.setText(certainty)
        self.setVisible(bool(rows))

    def show_saved(self, text: str) -> None:
        """Show the tick of a saved mask.

        Parameters
        ----------
        text : str
            Empty takes it away.
        """
        self._saved.setText(text)

    def _fit_height(self) -> None:
        n = self._table.topLevelItemCount()
        height = self._table.header().sizeHint().height() + 2 * self._table.frameWidth()
        if n:
            height += n * self._table.sizeHintForRow(0)
        self._table.setFixedHeight(height + 2)

    def _make_table(self) -> QTreeWidget:
        table = QTreeWidget()
        table.setObjectName("segment_volumes")
        table.setToolTip("Volume of each class (per frame where there are several), and its share of all classes.")
        table.setColumnCount(3)
        table.setHeaderLabels(["Class", "Volume", "%"])
        table.setRootIsDecorated(False)
        table.setUniformRowHeights(True)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = table.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(_SWATCH)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        return table


def _wrapped(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def _swatch(colour: tuple[float, float, float]) -> QIcon:
    pixmap = QPixmap(_SWATCH, _SWATCH)
    pixmap.fill(QColor.fromRgbF(*colour))
    return QIcon(pixmap)
