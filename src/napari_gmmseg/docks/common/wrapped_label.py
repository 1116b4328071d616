"""A sentence in a dock that takes as many lines as it needs."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy


def wrapped_label(name: str) -> QLabel:
    """Return a label that breaks its text into lines, and never makes the dock wider.

    Parameters
    ----------
    name : str
        Its object name.
    """
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label
