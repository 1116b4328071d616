"""A small table with a colour in each row, as high as its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem

_SWATCH = 12
#: Texts of a row, its colour (each 0 ... 1), and its tip.
Row: TypeAlias = tuple[Sequence[str], tuple[float, float, float], str]


class ClassTableView(QTreeWidget):
    """Shows rows; the first column takes the room that there is, the others stand to the right.

    Parameters
    ----------
    titles : sequence of str
        Of the columns.
    has_header : bool
        Whether they are shown.
    """

    def __init__(self, titles: Sequence[str], *, has_header: bool = True) -> None:
        super().__init__()
        self.setColumnCount(len(titles))
        self.setHeaderLabels(list(titles))
        self.setHeaderHidden(not has_header)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(_SWATCH)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in range(1, len(titles)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show these rows and no others.

        Parameters
        ----------
        rows : sequence of (texts, colour, tip)
            From top to bottom.
        """
        self.clear()
        for texts, colour, tip in rows:
            item = QTreeWidgetItem(list(texts))
            item.setIcon(0, swatch(colour))
            for column in range(len(texts)):
                item.setToolTip(column, tip)
                if column:
                    item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.addTopLevelItem(item)
        self._fit_height(len(rows))

    def _fit_height(self, n_rows: int) -> None:
        height = 2 * self.frameWidth() + 2
        if not self.isHeaderHidden():
            height += self.header().sizeHint().height()
        if n_rows:
            height += n_rows * self.sizeHintForRow(0)
        self.setFixedHeight(height)


def swatch(colour: tuple[float, float, float]) -> QIcon:
    """Return a small square of a colour.

    Parameters
    ----------
    colour : (r, g, b)
        Each 0 ... 1.
    """
    pixmap = QPixmap(_SWATCH, _SWATCH)
    pixmap.fill(QColor.fromRgbF(*colour))
    return QIcon(pixmap)
