"""What a person takes hold of in a plot. It says where it is wanted, and moves only when it is told to."""

from __future__ import annotations

from typing import Any, Protocol

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor

#: Diameter of a handle in pixels of the screen.
_SIZE = 11


class Grip(Protocol):
    """Hears what is done with a handle."""

    def began(self) -> None:
        """Somebody took hold of it."""

    def moved(self, x: float, y: float) -> None:
        """Somebody wants it there, in the plot's unit."""

    def ended(self) -> None:
        """Somebody let go."""


class _Draggable:
    """Turns the mouse's moves into places."""

    grip: Grip
    movable: bool
    _offset: Any = None
    _shown: tuple[bool, Qt.CursorShape] | None = None

    def mouseDragEvent(self, event: Any) -> None:  # noqa: N802 - pyqtgraph's name
        """Say where it is wanted."""
        if not self.movable or event.button() != Qt.MouseButton.LeftButton:
            return
        event.accept()
        item: Any = self
        if event.isStart():
            self._offset = item.pos() - item.mapToParent(event.buttonDownPos())
            self.grip.began()
        if self._offset is None:
            return
        place = self._offset + item.mapToParent(event.pos())
        self.grip.moved(float(place.x()), float(place.y()))
        if event.isFinish():
            self._offset = None
            self.grip.ended()

    def mouseClickEvent(self, _event: Any) -> None:  # noqa: N802 - pyqtgraph's name
        """Do nothing: a click moves nothing."""

    def show_movable(self, movable: bool, cursor: Qt.CursorShape) -> None:
        """Let it be taken hold of, or not.

        Parameters
        ----------
        movable : bool
            Whether it can be.
        cursor : Qt.CursorShape
            How the pointer looks over it then.
        """
        if (movable, cursor) == self._shown:
            return
        self.movable = movable
        self._shown = (movable, cursor)
        item: Any = self
        if movable:
            item.setCursor(cursor)
        else:
            item.unsetCursor()


class MeanLine(_Draggable, pg.InfiniteLine):
    """An upright line at a class's mean.

    Parameters
    ----------
    grip : Grip
        Hears what is done with it.
    colour : QColor
        The class's.
    label : str
        Stands at its top.
    """

    def __init__(self, grip: Grip, colour: QColor, label: str) -> None:
        pen, hover = pg.mkPen(colour, width=2), pg.mkPen(colour, width=4)
        options = {"position": 0.95, "color": colour, "movable": False}
        super().__init__(angle=90, pen=pen, hoverPen=hover, movable=True, label=label, labelOpts=options)
        self.grip = grip
        self._name_at = 0.95
        self.setZValue(20)

    def show_name_at(self, height: float) -> None:
        """Have the name stand at another height.

        Parameters
        ----------
        height : float
            Share of the plot's, 0 ... 1.
        """
        if height != self._name_at:
            self._name_at = height
            self.label.setPosition(height)


class Handle(_Draggable, pg.TargetItem):
    """A round mark: the shoulder of a Gaussian, or its centre.

    Parameters
    ----------
    grip : Grip
        Hears what is done with it.
    colour : QColor
        The class's.
    edge : QColor
        Of its rim.
    """

    def __init__(self, grip: Grip, colour: QColor, edge: QColor) -> None:
        super().__init__(
            pos=(0.0, 0.0),
            size=_SIZE,
            symbol="o",
            pen=pg.mkPen(edge, width=1),
            hoverPen=pg.mkPen(edge, width=3),
            brush=pg.mkBrush(colour),
            hoverBrush=pg.mkBrush(colour),
            movable=True,
        )
        self.grip = grip
        self.setZValue(30)
