"""A slider with its number: what is chosen is told when the hand rests."""

from __future__ import annotations

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QSlider, QSpinBox, QWidget
from superqt.utils import signals_blocked

#: Milliseconds without another move after which a number counts as chosen.
REST = 150


class NumberSlider(QWidget):
    """A whole number, by slider or by keyboard; of a quick row of moves only the last is told.

    Parameters
    ----------
    name : str
        Object name of the number; the slider's ends in ``_slider``.
    low, high : int
        Bounds, both allowed.
    """

    chosen = Signal(int)

    def __init__(self, name: str, low: int, high: int) -> None:
        super().__init__()
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setObjectName(f"{name}_slider")
        self._slider.setRange(low, high)
        self._slider.setPageStep(1)
        self._number = QSpinBox()
        self._number.setObjectName(name)
        self._number.setRange(low, high)
        self._number.setKeyboardTracking(False)
        # Room for two digits and a theme's arrows; the rest is the slider's.
        self._number.setFixedWidth(6 * self._number.fontMetrics().height())
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(lambda: self.chosen.emit(self.value))
        for widget in (self._slider, self._number):
            # A wheel that scrolls the dock must not change a number on its way.
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            widget.valueChanged.connect(self._on_moved)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._number)

    @property
    def value(self) -> int:
        """The number that is shown."""
        return int(self._number.value())

    @property
    def moving(self) -> bool:
        """Whether it was moved and that is not told yet."""
        return bool(self._rest.isActive())

    def show_value(self, value: int) -> None:
        """Show a number; nothing is emitted, and what was not told yet is forgotten.

        Parameters
        ----------
        value : int
            Within the bounds.
        """
        self._rest.stop()
        self._show(value)

    def setToolTip(self, tip: str | None) -> None:  # noqa: N802 - Qt's name
        """Give both parts the tip."""
        super().setToolTip(tip)
        self._slider.setToolTip(tip)
        self._number.setToolTip(tip)

    def _on_moved(self, value: int) -> None:
        self._show(value)
        self._rest.start()

    def _show(self, value: int) -> None:
        for widget in (self._slider, self._number):
            with signals_blocked(widget):
                widget.setValue(value)
