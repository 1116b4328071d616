"""A form made of settings: one row a setting, with its title and tip, under headings where there are many."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QWidget
from superqt.utils import signals_blocked

from napari_gmmseg.docks.common.editors import EMPTY, Editor, make_editor
from napari_gmmseg.docks.common.settings import Setting


class SettingsForm(QWidget):
    """Rows of inputs for settings.

    Parameters
    ----------
    settings : sequence of Setting
        What is asked.
    prefix : str
        Begins the object name of each input.
    headings : mapping of str to str
        What stands above a row, by the setting's name; it heads the rows until the next heading.
    """

    changed = Signal()

    def __init__(self, settings: Sequence[Setting], prefix: str, headings: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        self._editors: dict[str, Editor] = {}
        self._empty_texts: dict[str, str] = {}
        self._tips = {s.name: s.tip for s in settings}
        self._may_be_empty = {s.name for s in settings if s.may_be_empty}
        self._headed: list[tuple[QLabel, list[str]]] = []
        self._shown: frozenset[str] = frozenset(s.name for s in settings)
        for setting in settings:
            if headings and setting.name in headings:
                self._add_heading(headings[setting.name])
            self._add_row(setting, f"{prefix}_{setting.name}")

    def values(self, names: Collection[str] | None = None) -> dict[str, Any]:
        """Return the value of each setting, or of some.

        Parameters
        ----------
        names : collection of str or None
            Which; None for all.

        Raises
        ------
        SettingsError
            Where a text is not what it should be.
        """
        return {name: editor.read() for name, editor in self._editors.items() if names is None or name in names}

    def set_values(self, values: dict[str, Any]) -> None:
        """Show values; nothing is emitted.

        Parameters
        ----------
        values : dict
            Of some settings.
        """
        for name, value in values.items():
            if name in self._editors:
                with signals_blocked(self._editors[name].widget):
                    self._editors[name].write(value)

    def show_only(self, names: Collection[str]) -> None:
        """Show the rows of these settings, and headings that head any; what the others hold is kept.

        Parameters
        ----------
        names : collection of str
            Which.
        """
        if frozenset(names) == self._shown:
            return
        self._shown = frozenset(names)
        for name, editor in self._editors.items():
            self._layout.setRowVisible(editor.widget, name in names)
        for heading, headed in self._headed:
            self._layout.setRowVisible(heading, any(name in names for name in headed))

    def rest(self, reasons: Mapping[str, str]) -> None:
        """Close some rows to changes, each with why; all others are open.

        Parameters
        ----------
        reasons : mapping of str to str
            By name; stands in the tip.
        """
        for name, editor in self._editors.items():
            set_resting(editor.widget, reasons.get(name, ""), self._tips[name])

    def show_empty(self, texts: Mapping[str, str]) -> None:
        """Say what settings are while they are empty.

        Parameters
        ----------
        texts : mapping of str to str
            By name; what is not there is only said to be found.
        """
        if dict(texts) == self._empty_texts:
            return
        self._empty_texts = dict(texts)
        for name in self._may_be_empty:
            with signals_blocked(self._editors[name].widget):
                self._editors[name].show_empty(f"{EMPTY} ({texts[name]})" if texts.get(name) else EMPTY)

    def _add_row(self, setting: Setting, object_name: str) -> None:
        editor = make_editor(setting, self.changed.emit)
        editor.widget.setObjectName(object_name)
        editor.widget.setToolTip(setting.tip)
        self._layout.addRow(setting.title, editor.widget)
        self._layout.labelForField(editor.widget).setToolTip(setting.tip)
        self._editors[setting.name] = editor
        if self._headed:
            self._headed[-1][1].append(setting.name)

    def _add_heading(self, text: str) -> None:
        heading = QLabel(text)
        font = heading.font()
        font.setBold(True)
        heading.setFont(font)
        self._layout.addRow(heading)
        self._headed.append((heading, []))


def set_resting(widget: QWidget, reason: str, tip: str) -> None:
    """Close an input to changes, or open it.

    Parameters
    ----------
    widget : QWidget
        The input.
    reason : str
        Why it is closed, for its tip; empty opens it.
    tip : str
        What the input is for.
    """
    if widget.isEnabled() == bool(reason):
        widget.setEnabled(not reason)
        widget.setToolTip(f"{tip} {reason}".strip())
