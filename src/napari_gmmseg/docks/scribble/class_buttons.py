"""A button for each class to paint with, and a bar that says how many voxels are labelled."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QGridLayout, QProgressBar, QPushButton, QSizePolicy, QWidget

from napari_gmmseg.docks.scribble.shown import ScribbleLine

_SWATCH = 14
_STEPS = 1000


class ClassButtons(QWidget):
    """One row a class: button with colour and name, bar with the number of voxels."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self._layout.setColumnStretch(0, 3)
        self._layout.setColumnStretch(1, 2)
        self._rows: list[tuple[QPushButton, QProgressBar]] = []
        self._lines: tuple[ScribbleLine, ...] = ()

    def show_lines(self, lines: Sequence[ScribbleLine], tool: int) -> None:
        """Show these classes.

        Parameters
        ----------
        lines : sequence of ScribbleLine
            From top to bottom.
        tool : int
            Label value that the brush has.
        """
        if [line.value for line in lines] != [line.value for line in self._lines]:
            self._rebuild(lines)
        for (button, bar), line in zip(self._rows, lines, strict=True):
            button.setText(f"{line.name} (background)" if line.background else line.name)
            button.setIcon(_swatch(line.colour))
            button.setChecked(line.value == tool)
            bar.setValue(round(_STEPS * line.share))
            bar.setFormat(f"{line.n_voxels:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"))
            bar.setToolTip(f"{line.name}: {line.n_voxels} labelled voxels.")
        self._lines = tuple(lines)

    def _rebuild(self, lines: Sequence[ScribbleLine]) -> None:
        for button, bar in self._rows:
            for widget in (button, bar):
                self._layout.removeWidget(widget)
                widget.hide()
                widget.deleteLater()
        self._rows = [self._row(at, line) for at, line in enumerate(lines)]

    def _row(self, at: int, line: ScribbleLine) -> tuple[QPushButton, QProgressBar]:
        button = QPushButton()
        button.setObjectName(f"scribble_class_{line.value}")
        button.setCheckable(True)
        button.setToolTip(f"Paint {line.name} (Shift+K: the next class).")
        # What is longer than the dock is cut off, and not the dock made wider.
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        button.clicked.connect(lambda _=False, value=line.value: self.chosen.emit(value))
        bar = QProgressBar()
        bar.setObjectName(f"scribble_voxels_{line.value}")
        bar.setRange(0, _STEPS)
        bar.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._layout.addWidget(button, at, 0)
        self._layout.addWidget(bar, at, 1)
        return button, bar


def _swatch(colour: tuple[float, float, float]) -> QIcon:
    pixmap = QPixmap(_SWATCH, _SWATCH)
    pixmap.fill(QColor.fromRgbF(*colour))
    return QIcon(pixmap)
