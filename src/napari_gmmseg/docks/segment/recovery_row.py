"""The offer of a session that did not end: a sentence, Recover, Discard."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QMessageBox, QPushButton, QWidget

from napari_gmmseg.docks.common.wrapped_label import wrapped_label


class RecoveryRow(QWidget):
    """Takes no room where nothing is offered."""

    recover_asked = Signal()
    discard_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._sentence = wrapped_label("segment_recoverable")
        self._recover = self._button("Recover", "recover", "Open the image again, and go on where it was left.")
        self._recover.clicked.connect(self.recover_asked)
        self._discard = self._button("Discard", "discard", "Remove what was recorded of it, after a question.")
        self._discard.clicked.connect(self._on_discard)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._sentence, 0, 0, 1, 2)
        layout.addWidget(self._recover, 1, 0)
        layout.addWidget(self._discard, 1, 1)
        self.show_recovery("", can_choose=False)

    def show_recovery(self, sentence: str, *, can_choose: bool) -> None:
        """Offer a session; empty takes the offer away.

        Parameters
        ----------
        sentence : str
            Which.
        can_choose : bool
            Whether the buttons can be pressed.
        """
        self._sentence.setText(sentence)
        for button in (self._recover, self._discard):
            button.setEnabled(can_choose)
        self.setVisible(bool(sentence))

    def ask_to_discard(self) -> bool:
        """Ask whether the session shall go: that cannot be undone."""
        question = f"{self._sentence.text()} Remove what was recorded of it? This cannot be undone."
        return bool(QMessageBox.question(self, "Discard the session", question) == QMessageBox.StandardButton.Yes)

    def _on_discard(self) -> None:
        if self.ask_to_discard():
            self.discard_asked.emit()

    def _button(self, label: str, name: str, tip: str) -> QPushButton:
        button = QPushButton(label)
        button.setObjectName(f"segment_{name}")
        button.setToolTip(tip)
        return button
