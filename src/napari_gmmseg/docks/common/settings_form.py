"""A form made of settings: one row a setting, with its title and tip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QLineEdit, QSizePolicy, QSpinBox, QWidget
from superqt.utils import signals_blocked

from napari_gmmseg.docks.common.settings import Setting, parse_numbers
from napari_gmmseg.errors import SettingsError

_EMPTY = "auto"
#: Qt's spin boxes hold whole numbers of 32 bits.
_QT_HIGHEST = 2**31 - 1


class SettingsForm(QWidget):
    """Rows of inputs for settings.

    Parameters
    ----------
    settings : sequence of Setting
        What is asked.
    prefix : str
        Begins the object name of each input.
    """

    changed = Signal()

    def __init__(self, settings: Sequence[Setting], prefix: str) -> None:
        super().__init__()
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        self._readers: dict[str, Callable[[], Any]] = {}
        self._writers: dict[str, Callable[[Any], None]] = {}
        self._inputs: dict[str, QWidget] = {}
        for setting in settings:
            editor = self._make(setting)
            editor.setObjectName(f"{prefix}_{setting.name}")
            editor.setToolTip(setting.tip)
            layout.addRow(setting.title, editor)
            layout.labelForField(editor).setToolTip(setting.tip)
            self._inputs[setting.name] = editor

    def values(self) -> dict[str, Any]:
        """Return the value of each setting.

        Raises
        ------
        SettingsError
            Where a text is not what it should be.
        """
        return {name: read() for name, read in self._readers.items()}

    def set_values(self, values: dict[str, Any]) -> None:
        """Show values; nothing is emitted.

        Parameters
        ----------
        values : dict
            Of some settings.
        """
        for name, value in values.items():
            if name in self._writers:
                with signals_blocked(self._inputs[name]):
                    self._writers[name](value)

    def _make(self, setting: Setting) -> QWidget:
        makers = {"choice": self._choice, "whole": self._whole, "number": self._number}
        return makers.get(setting.kind, self._text)(setting)

    def _choice(self, setting: Setting) -> QWidget:
        box = QComboBox()
        box.addItems(setting.choices)
        # Wide enough for the longest choice and the arrow; themes ask for more than there is room for.
        metrics = box.fontMetrics()
        widest = max(metrics.horizontalAdvance(choice) for choice in setting.choices)
        box.setMinimumWidth(widest + 4 * metrics.height())
        box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        box.setCurrentText(str(setting.default))
        box.currentTextChanged.connect(lambda _: self.changed.emit())
        self._readers[setting.name] = box.currentText
        self._writers[setting.name] = lambda value: box.setCurrentText(str(value))
        return box

    def _whole(self, setting: Setting) -> QWidget:
        box = QSpinBox()
        lowest = int(setting.low or 0)
        highest = _QT_HIGHEST if setting.high is None else min(int(setting.high), _QT_HIGHEST)
        empty = lowest - 1
        box.setRange(empty if setting.may_be_empty else lowest, highest)
        if setting.may_be_empty:
            box.setSpecialValueText(_EMPTY)
        box.setKeyboardTracking(False)
        box.valueChanged.connect(lambda _: self.changed.emit())

        def read() -> int | None:
            return None if setting.may_be_empty and box.value() == empty else box.value()

        def write(value: int | None) -> None:
            box.setValue(empty if value is None else value)

        write(setting.default)
        self._readers[setting.name], self._writers[setting.name] = read, write
        return box

    def _number(self, setting: Setting) -> QWidget:
        if setting.low is not None and setting.high is not None and setting.high / max(setting.low, 1e-9) <= 1e3:
            return self._spin_number(setting)
        if setting.may_be_empty and setting.high is not None:
            return self._spin_number(setting)
        return self._text(setting)

    def _spin_number(self, setting: Setting) -> QWidget:
        box = QDoubleSpinBox()
        step = 0.05
        low = float(setting.low or 0.0)
        empty = low - step
        box.setDecimals(2)
        box.setSingleStep(step)
        box.setRange(empty if setting.may_be_empty else low, float(setting.high or 1e9))
        if setting.may_be_empty:
            box.setSpecialValueText(_EMPTY)
        box.setKeyboardTracking(False)
        box.valueChanged.connect(lambda _: self.changed.emit())

        def read() -> float | None:
            return None if setting.may_be_empty and box.value() < low else box.value()

        def write(value: float | None) -> None:
            box.setValue(empty if value is None else value)

        write(setting.default)
        self._readers[setting.name], self._writers[setting.name] = read, write
        return box

    def _text(self, setting: Setting) -> QWidget:
        line = QLineEdit()
        line.editingFinished.connect(self.changed.emit)
        readers: dict[str, Callable[[str], Any]] = {
            "numbers": parse_numbers,
            "number": lambda text: _parse_number(setting.title, text),
        }
        read = readers.get(setting.kind, str.strip)

        def write(value: Any) -> None:
            line.setText(" ".join(map(str, value)) if isinstance(value, tuple) else f"{value}")

        write(setting.default)
        self._readers[setting.name] = lambda: read(line.text())
        self._writers[setting.name] = write
        return line


def _parse_number(title: str, text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise SettingsError(f"{title} cannot be {text!r}: it is no number.", "Write for example 0.0001.") from error
