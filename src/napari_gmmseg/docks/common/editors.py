"""Inputs for single settings: each reads, writes, and says what it stands for while it is empty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSizePolicy, QSpinBox, QWidget

from napari_gmmseg.docks.common.settings import Setting, parse_number, parse_numbers

#: What an empty input shows, as long as nothing more is known.
EMPTY = "auto"
#: Qt's spin boxes hold whole numbers of 32 bits.
_QT_HIGHEST = 2**31 - 1
#: Longest range of numbers, not whole, that a box with arrows goes through.
_LONGEST_RANGE = 100.0
_STEP = 0.05


@dataclass(frozen=True)
class Editor:
    """An input for one setting.

    Parameters
    ----------
    widget : QWidget
        The input.
    read : callable
        Returns its value.
    write : callable
        Shows a value.
    show_empty : callable
        Says what the setting is while it is empty.
    """

    widget: QWidget
    read: Callable[[], Any]
    write: Callable[[Any], None]
    show_empty: Callable[[str], None]


def make_editor(setting: Setting, changed: Callable[[], None]) -> Editor:
    """Make the input that fits a setting, with its default in it.

    Parameters
    ----------
    setting : Setting
        What is asked.
    changed : callable
        Called after the person has changed it.
    """
    editor = _maker(setting)(setting, changed)
    if setting.may_be_empty:
        editor.show_empty(EMPTY)
    return editor


def _maker(setting: Setting) -> Callable[[Setting, Callable[[], None]], Editor]:
    if setting.kind == "number":
        bounded = setting.low is not None and setting.high is not None and not setting.is_open
        return _spin if bounded and setting.high - setting.low <= _LONGEST_RANGE else _text  # type: ignore[operator]
    return {"choice": _choice, "flag": _flag, "whole": _whole}.get(setting.kind, _text)


def _choice(setting: Setting, changed: Callable[[], None]) -> Editor:
    box = QComboBox()
    if setting.may_be_empty:
        box.addItem("", None)
    for choice in setting.choices:
        box.addItem(str(choice), choice)
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def widen() -> None:
        # Wide enough for the longest choice and the arrow; themes ask for more than there is room for.
        metrics = box.fontMetrics()
        widest = max(metrics.horizontalAdvance(box.itemText(i)) for i in range(box.count()))
        box.setMinimumWidth(widest + 4 * metrics.height())

    def show_empty(text: str) -> None:
        box.setItemText(0, text)
        widen()

    def write(value: Any) -> None:
        box.setCurrentIndex(box.findData(value))

    widen()
    write(setting.default)
    box.currentIndexChanged.connect(lambda _: changed())
    return Editor(box, box.currentData, write, show_empty)


def _flag(setting: Setting, changed: Callable[[], None]) -> Editor:
    box = QCheckBox()
    box.setChecked(setting.default)
    box.toggled.connect(lambda _: changed())
    return Editor(box, box.isChecked, box.setChecked, _says_nothing)


def _whole(setting: Setting, changed: Callable[[], None]) -> Editor:
    box = QSpinBox()
    lowest = int(setting.low or 0)
    highest = _QT_HIGHEST if setting.high is None else min(int(setting.high), _QT_HIGHEST)
    empty = lowest - 1
    box.setRange(empty if setting.may_be_empty else lowest, highest)
    box.setKeyboardTracking(False)

    def read() -> int | None:
        return None if setting.may_be_empty and box.value() == empty else box.value()

    def write(value: int | None) -> None:
        box.setValue(empty if value is None else value)

    write(setting.default)
    box.valueChanged.connect(lambda _: changed())
    return Editor(box, read, write, box.setSpecialValueText)


def _spin(setting: Setting, changed: Callable[[], None]) -> Editor:
    box = QDoubleSpinBox()
    low = float(setting.low or 0.0)
    empty = low - _STEP
    box.setDecimals(2)
    box.setSingleStep(_STEP)
    box.setRange(empty if setting.may_be_empty else low, float(setting.high or 0.0))
    box.setKeyboardTracking(False)

    def read() -> float | None:
        return None if setting.may_be_empty and box.value() < low else box.value()

    def write(value: float | None) -> None:
        box.setValue(empty if value is None else value)

    write(setting.default)
    box.valueChanged.connect(lambda _: changed())
    return Editor(box, read, write, box.setSpecialValueText)


def _text(setting: Setting, changed: Callable[[], None]) -> Editor:
    line = QLineEdit()
    line.setMinimumWidth(6 * line.fontMetrics().height())
    parsers: dict[str, Callable[[str], Any]] = {
        "numbers": parse_numbers,
        "number": lambda text: parse_number(setting.title, text),
    }
    parse = parsers.get(setting.kind, str.strip)

    def read() -> Any:
        text = line.text()
        return None if setting.may_be_empty and not text.strip() else parse(text)

    def write(value: Any) -> None:
        if isinstance(value, tuple):
            line.setText(" ".join(map(str, value)))
        else:
            line.setText("" if value is None else f"{value}")

    write(setting.default)
    line.editingFinished.connect(changed)
    return Editor(line, read, write, line.setPlaceholderText)


def _says_nothing(_text: str) -> None:
    """Leave out what an empty flag is: it is never empty."""
