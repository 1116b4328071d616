"""What each class would lose, with a box that says whether it may."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QWidget
from superqt.utils import signals_blocked

from napari_gmmseg.docks.common.class_table import swatch
from napari_gmmseg.docks.outlier.shown import LossLine

_TIP = "Whether islands of {} go; untick it where thin tissue would be taken for islands."


class LossTable(QWidget):
    """One row a class: a box with its name and colour, what would go, its share, and all that there is."""

    may_go_set = Signal(int, bool)

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(0, 1)
        self._lines: tuple[LossLine, ...] = ()
        self._boxes: dict[int, QCheckBox] = {}
        self._labels: dict[int, tuple[QLabel, ...]] = {}

    def show_lines(self, lines: Sequence[LossLine]) -> None:
        """Show these classes.

        Parameters
        ----------
        lines : sequence of LossLine
            From top to bottom.
        """
        if tuple(lines) == self._lines:
            return
        if [line.value for line in lines] != [line.value for line in self._lines]:
            self._reshape(lines)
        self._lines = tuple(lines)
        for line in lines:
            box = self._boxes[line.value]
            with signals_blocked(box):
                box.setChecked(line.may_go)
            box.setText(line.name)
            box.setIcon(swatch(line.colour))
            box.setToolTip(_TIP.format(line.name))
            for label, text in zip(self._labels[line.value], (line.goes, line.share, line.of), strict=True):
                label.setText(text)

    def _reshape(self, lines: Sequence[LossLine]) -> None:
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._boxes.clear()
        self._labels.clear()
        if not lines:
            return
        for column, title in enumerate(("May go", "Goes", "Share", "Of")):
            self._grid.addWidget(_text(title, right=column > 0), 0, column)
        for row, line in enumerate(lines, start=1):
            box = QCheckBox()
            box.setObjectName(f"outlier_may_go_{line.value}")
            box.toggled.connect(lambda on, value=line.value: self.may_go_set.emit(value, on))
            labels = tuple(_text("", right=True) for _ in range(3))
            for label, name in zip(labels, ("goes", "share", "of"), strict=True):
                label.setObjectName(f"outlier_{name}_{line.value}")
            self._boxes[line.value], self._labels[line.value] = box, labels
            self._grid.addWidget(box, row, 0)
            for column, label in enumerate(labels, start=1):
                self._grid.addWidget(label, row, column)


def _text(text: str, *, right: bool) -> QLabel:
    label = QLabel(text)
    side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
    label.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
    return label
