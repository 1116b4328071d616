"""Means and standard deviations of the classes as numbers, each with its lock."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QWidget
from superqt import QElidingLabel
from superqt.utils import signals_blocked

from napari_gmmseg.docks.histogram.number_box import NumberBox
from napari_gmmseg.docks.histogram.shown import ClassCurve, Colour

_SWATCH = 10


class NumberTable(QWidget):
    """A row a class: its colour and name, mean and standard deviation in each channel, and a lock."""

    number_set = Signal(int, str, object)
    lock_set = Signal(int, bool)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("histogram_numbers")
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(4)
        self._grid.setVerticalSpacing(2)
        self._made_for: tuple[object, ...] = ()
        self._boxes: dict[tuple[int, str], list[NumberBox]] = {}
        self._locks: dict[int, QCheckBox] = {}

    def show_rows(self, classes: Sequence[ClassCurve], names: Sequence[str]) -> None:
        """Show these classes.

        Parameters
        ----------
        classes : sequence of ClassCurve
            From top to bottom.
        names : sequence of str
            Of the channels.
        """
        made_for = (tuple(names), *((c.value, c.name, c.colour) for c in classes))
        if made_for != self._made_for:
            self._make(classes, names)
            self._made_for = made_for
        for shown in classes:
            lock = self._locks[shown.value]
            with signals_blocked(lock):
                lock.setChecked(shown.locked)
            for what, numbers in (("mean", shown.mean), ("std", shown.std)):
                for box, number, limits in zip(self._boxes[shown.value, what], numbers, shown.limits, strict=True):
                    box.show_number(number, limits[1] - limits[0])
                    box.setEnabled(not shown.locked)

    def _make(self, classes: Sequence[ClassCurve], names: Sequence[str]) -> None:
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._boxes, self._locks = {}, {}
        for column, title in enumerate(["Class", *_titles(names), "Lock"]):
            header = QLabel(title)
            header.setAlignment(Qt.AlignmentFlag.AlignLeft if not column else Qt.AlignmentFlag.AlignRight)
            self._grid.addWidget(header, 0, column)
        for row, shown in enumerate(classes, start=1):
            self._add_row(row, shown, names)
        self._grid.setColumnStretch(0, 1)

    def _add_row(self, row: int, shown: ClassCurve, names: Sequence[str]) -> None:
        value = shown.value
        self._grid.addWidget(_named(shown, shown.name if len(names) == 1 else shown.abbreviation), row, 0)
        for what in ("mean", "std"):
            self._boxes[value, what] = [self._box(value, shown.name, what, name, i) for i, name in enumerate(names)]
        ordered = [self._boxes[value, what][i] for i in range(len(names)) for what in ("mean", "std")]
        for column, box in enumerate(ordered, start=1):
            self._grid.addWidget(box, row, column)
        lock = QCheckBox()
        lock.setObjectName(f"histogram_lock_{value}")
        lock.setAccessibleName(f"Lock {shown.name}")
        lock.setToolTip(f"Hold the Gaussian of {shown.name} as it is while the rest is fitted.")
        lock.toggled.connect(partial(self.lock_set.emit, value))
        self._locks[value] = lock
        self._grid.addWidget(lock, row, len(ordered) + 1, Qt.AlignmentFlag.AlignRight)

    def _box(self, value: int, name: str, what: str, channel: str, i: int) -> NumberBox:
        box = NumberBox()
        box.setObjectName(f"histogram_{what}_{value}_{i}")
        word = "Mean" if what == "mean" else "Standard deviation"
        box.setAccessibleName(f"{word} of {name} in {channel}")
        box.setToolTip(f"{word} of {name} in {channel}, in the image's own unit.")
        box.number_set.connect(partial(self._tell, value, what))
        return box

    def _tell(self, value: int, what: str, _number: float = 0.0) -> None:
        self.number_set.emit(value, what, tuple(box.number for box in self._boxes[value, what]))


def _titles(names: Sequence[str]) -> list[str]:
    if len(names) == 1:
        return ["Mean", "Std"]
    return [f"{name} {what}" for name in names for what in ("mean", "std")]


def _named(shown: ClassCurve, name: str) -> QWidget:
    cell = QWidget()
    cell.setToolTip(shown.name)
    row = QHBoxLayout(cell)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(4)
    swatch = QLabel()
    swatch.setPixmap(_swatch(shown.colour))
    row.addWidget(swatch)
    text = QElidingLabel(name)
    text.setMinimumWidth(40)
    row.addWidget(text, 1)
    return cell


def _swatch(colour: Colour) -> QPixmap:
    pixmap = QPixmap(_SWATCH, _SWATCH)
    pixmap.fill(QColor.fromRgbF(*colour))
    return pixmap
