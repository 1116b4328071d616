"""An input for one number, narrower than Qt's spin boxes are in napari's themes."""

from __future__ import annotations

import math

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QLineEdit

#: A box is as wide as this number and what its theme puts around it, in pixels.
_LONGEST, _AROUND = "-1234.56", 10
#: A box shows so many decimals that its span is told in about ten thousand steps.
_DIGITS = 4


class NumberBox(QLineEdit):
    """Shows a number, and tells the one that a person writes with Return, or steps to with the arrow keys."""

    number_set = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self._number = 0.0
        self._decimals = 2
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.setFixedWidth(self.fontMetrics().horizontalAdvance(_LONGEST) + _AROUND)
        self.editingFinished.connect(self._take)

    @property
    def number(self) -> float:
        """What is shown, to its last digit."""
        return self._number

    def show_number(self, number: float, span: float) -> None:
        """Show a number, unless the person is writing another.

        Parameters
        ----------
        number : float
            The number.
        span : float
            How far numbers of its kind lie apart: it says how many decimals matter.
        """
        decimals = min(max(_DIGITS - math.floor(math.log10(max(span, 1e-9))), 0), 9)
        if (number, decimals) == (self._number, self._decimals) and self.text():
            return
        self._number, self._decimals = number, decimals
        if not (self.hasFocus() and self.isModified()):
            self._write()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Step with the arrow keys, and take what was written back with Escape."""
        key = None if event is None else event.key()
        if event is not None and key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            step = 10.0 ** (2 - self._decimals)
            self._number += step if key == Qt.Key.Key_Up else -step
            self._write()
            self.number_set.emit(self._number)
            event.accept()
        elif event is not None and key == Qt.Key.Key_Escape and self.isModified():
            self._write()
            event.accept()
        else:
            super().keyPressEvent(event)

    def _take(self) -> None:
        """Tell what was written; what is no number is taken back."""
        if not self.isModified():
            return
        try:
            number = float(self.text().strip().replace(",", "."))
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            self._number = number
            self._write()
            self.number_set.emit(number)
        else:
            self._write()

    def _write(self) -> None:
        self.setText(f"{self._number:.{self._decimals}f}")
        self.setModified(False)
