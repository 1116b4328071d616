"""The contact sheet: a picture for each pair of windows, to click one."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QSizePolicy, QToolButton, QWidget

from napari_gmmseg.docks.outlier.shown import SheetCell

_COLUMNS, _SIDE = 3, 104


class SheetGrid(QWidget):
    """Pictures in three columns."""

    taken = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self.setVisible(False)

    def show_cells(self, cells: Sequence[SheetCell]) -> None:
        """Show these and no others.

        Parameters
        ----------
        cells : sequence of SheetCell
            Row by row.
        """
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for number, cell in enumerate(cells):
            self._grid.addWidget(self._button(cell), *divmod(number, _COLUMNS))
        self.setVisible(bool(cells))

    def _button(self, cell: SheetCell) -> QToolButton:
        button = QToolButton()
        button.setObjectName(f"outlier_cell_{cell.inner}_{cell.outer}")
        height, width = cell.picture.shape[:2]
        image = QImage(cell.picture.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        # The picture's memory is the cell's: the pixmap has its own.
        pixmap = QPixmap.fromImage(image).scaled(_SIDE, _SIDE, Qt.AspectRatioMode.KeepAspectRatio)
        button.setIcon(QIcon(pixmap))
        button.setIconSize(QSize(_SIDE, _SIDE))
        button.setText(cell.caption)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setToolTip(
            f"i = {cell.inner}, j = {cell.outer} voxels: what goes is bright; the number is its share of the slice. "
            "Click to take these windows."
        )
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.clicked.connect(lambda _=False: self.taken.emit(cell.inner, cell.outer))
        return button
