"""A slider over odd numbers, which tells every move."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QSlider, QSpinBox, QWidget
from superqt.utils import signals_blocked


class OddSlider(QWidget):
    """An odd number by slider or keyboard; told at each move, not only when the hand rests.

    Parameters
    ----------
    name : str
        Object name of the slider; the number's ends in ``_number``.
    low, high : int
        Bounds of the number, both odd and allowed.
    slider_high : int
        Where the slider ends; beyond, there is the keyboard.
    """

    moved = Signal(int)

    def __init__(self, name: str, low: int, high: int, slider_high: int) -> None:
        super().__init__()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setObjectName(name)
        # One step of the slider is the next odd number.
        self.slider.setRange(low // 2, slider_high // 2)
        self.slider.setPageStep(1)
        self.number = QSpinBox()
        self.number.setObjectName(f"{name}_number")
        self.number.setRange(low, high)
        self.number.setSingleStep(2)
        self.number.setKeyboardTracking(False)
        self.number.setFixedWidth(6 * self.number.fontMetrics().height())
        for widget in (self.slider, self.number):
            # A wheel that scrolls the dock must not change a number on its way.
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.slider.valueChanged.connect(lambda step: self._on_moved(2 * step + 1))
        self.number.valueChanged.connect(lambda value: self._on_moved(value | 1))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.number)

    @property
    def value(self) -> int:
        """The number that is shown."""
        return int(self.number.value())

    def show_value(self, value: int) -> None:
        """Show a number; nothing is emitted.

        Parameters
        ----------
        value : int
            Odd; beyond the slider's end, that stands at its end.
        """
        for widget, shown in ((self.slider, value // 2), (self.number, value)):
            if widget.value() != shown:
                with signals_blocked(widget):
                    widget.setValue(shown)

    def setToolTip(self, tip: str | None) -> None:  # noqa: N802 - Qt's name
        """Give both parts the tip."""
        super().setToolTip(tip)
        self.slider.setToolTip(tip)
        self.number.setToolTip(tip)

    def _on_moved(self, value: int) -> None:
        self.show_value(value)
        self.moved.emit(value)
