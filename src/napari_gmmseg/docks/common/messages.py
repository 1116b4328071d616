"""Sentences in a dock: what is, and what to do, with an icon where it matters."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QStyle, QVBoxLayout, QWidget

from napari_gmmseg.docks.common.sentences import Message

_ICON_SIZE = 16


class MessageList(QWidget):
    """A column of messages; takes no room where there is none."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(6)
        self._shown: tuple[Message, ...] = ()

    @property
    def shown(self) -> tuple[Message, ...]:
        """What is shown now."""
        return self._shown

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show these and no others.

        Parameters
        ----------
        messages : sequence of Message
            What to say.
        """
        if tuple(messages) == self._shown:
            return
        while self._layout.count():
            item = self._layout.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for message in messages:
            self._layout.addWidget(self._row(message))
        self._shown = tuple(messages)
        self.setVisible(bool(messages))

    def _row(self, message: Message) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        icons = {
            "warning": QStyle.StandardPixmap.SP_MessageBoxWarning,
            "error": QStyle.StandardPixmap.SP_MessageBoxCritical,
            "note": QStyle.StandardPixmap.SP_MessageBoxInformation,
        }
        icon = QLabel()
        icon.setPixmap(self.style().standardIcon(icons[message.severity]).pixmap(_ICON_SIZE, _ICON_SIZE))
        icon.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout.addWidget(icon)
        text = QLabel(f"{message.text} {message.hint}".strip())
        text.setWordWrap(True)
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        layout.addWidget(text, 1)
        return row
