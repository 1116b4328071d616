"""A column that scrolls up and down, and is always as wide as what is in it."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget


class ScrollColumn(QScrollArea):
    """Scrolls a widget vertically; nothing is cut off at its side, whatever theme or contents.

    Parameters
    ----------
    inside : QWidget
        What scrolls.
    width : int
        Its width at least, in heights of a line of text.
    """

    def __init__(self, inside: QWidget, width: int = 0) -> None:
        super().__init__()
        inside.setMinimumWidth(width * inside.fontMetrics().height())
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inside)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Follow the widget when its contents ask for more room."""
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self._fit()
        return bool(super().eventFilter(watched, event))

    def _fit(self) -> None:
        inside = self.widget()
        if inside is not None:
            # Room for the bar at the side is kept, so that its coming moves nothing.
            bar = self.verticalScrollBar()
            side = max(bar.sizeHint().width(), self.width() - self.viewport().width() if bar.isVisible() else 0)
            width = max(inside.minimumSizeHint().width(), inside.minimumWidth())
            self.setMinimumWidth(width + side)
