"""Undo and Redo, each with what it would do, and the keys behind a ? button."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QHBoxLayout, QMenu, QPushButton, QSizePolicy, QToolButton, QWidget

from napari_gmmseg.docks.common.keys import Key


class HistoryRow(QWidget):
    """Two buttons with words, and a list of keys.

    Parameters
    ----------
    prefix : str
        Begins the object name of each button.
    keys : sequence of Key
        What stands behind the ? button.
    """

    undo_asked = Signal()
    redo_asked = Signal()
    key_asked = Signal(str)

    def __init__(self, prefix: str, keys: Sequence[Key]) -> None:
        super().__init__()
        self._words: dict[QPushButton, str] = {}
        self._undo = self._button("Undo", f"{prefix}_undo", self.undo_asked)
        self._redo = self._button("Redo", f"{prefix}_redo", self.redo_asked)
        self._help = QToolButton()
        self._help.setObjectName(f"{prefix}_keys")
        self._help.setText("?")
        self._help.setToolTip("The keys of this dock.")
        self._help.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._help.clicked.connect(self._show_keys)
        self.keys = QMenu(self)
        for key in keys:
            action = self.keys.addAction(f"{key.shown}\t{key.does}")
            action.triggered.connect(lambda _=False, name=key.name: self.key_asked.emit(name))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for button in (self._undo, self._redo):
            layout.addWidget(button, 1)
        layout.addWidget(self._help)
        self._row = layout

    def show_history(self, undo: str | None, redo: str | None, held: str = "") -> None:
        """Say what would be undone and redone.

        Parameters
        ----------
        undo, redo : str or None
            In words; None where there is nothing.
        held : str
            How much memory that takes, as a sentence for the tip.
        """
        for button, words, tip in (
            (self._undo, undo, "Take back: {}. Undone once more, it goes back further (Shift+Z)."),
            (self._redo, redo, "Do again: {} (Shift+Y)."),
        ):
            verb = "Undo" if button is self._undo else "Redo"
            self._words[button] = f"{verb}: {words}" if words else verb
            button.setEnabled(words is not None)
            # What has nothing to say leaves its room to the other.
            self._row.setStretchFactor(button, 3 if words else 1)
            said = tip.format(words) if words else f"There is nothing to {verb.lower()}."
            button.setToolTip(f"{said} {held}".strip())
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802 - Qt's name
        """Shorten the words to the room there is."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Shorten the words anew with another font."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._fit()

    def _show_keys(self) -> None:
        self.keys.popup(self._help.mapToGlobal(self._help.rect().bottomLeft()))

    def _fit(self) -> None:
        for button, words in self._words.items():
            room = button.width() - button.fontMetrics().height()
            shown = button.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, max(room, 0))
            if button.text() != shown:
                button.setText(shown)

    def _button(self, label: str, name: str, signal: Signal) -> QPushButton:
        button = QPushButton(label)
        button.setObjectName(name)
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        button.clicked.connect(signal)
        self._words[button] = label
        return button
