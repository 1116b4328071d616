"""One plot of curves against steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor

from napari_gmmseg.docks.common.plot_colours import PlotColours
from napari_gmmseg.docks.curves.shown import Line, Mark

#: For curves that bring no colour: told apart by the colour-blind, on light and on dark (Okabe and Ito).
_COLOURS = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (213, 94, 0), (0, 114, 178))
_STYLES = {"retuned": Qt.PenStyle.DashLine, "paused": Qt.PenStyle.DotLine, "phase": Qt.PenStyle.SolidLine}
_HEIGHT = 112
_AXIS_WIDTH = 48


class CurvePanel(pg.PlotWidget):
    """Draws curves, their names, and marks.

    Parameters
    ----------
    key : str
        Tells it from others.
    """

    def __init__(self, key: str) -> None:
        super().__init__()
        self.setObjectName(f"curves_{key}")
        self.setMinimumHeight(_HEIGHT)
        self._colours = PlotColours()
        self._looks: list[tuple[str, Any]] = []
        self._curves: list[Any] = []
        self._marks: list[tuple[Mark, Any]] = []
        item = self.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        for side in ("left", "bottom"):
            item.getAxis(side).enableAutoSIPrefix(False)
        item.getAxis("left").setWidth(_AXIS_WIDTH)
        self._legend = item.addLegend(offset=(-4, 2), verSpacing=-6, labelTextSize="8pt")
        self.setMouseEnabled(x=True, y=False)
        self.show_colours(self._colours)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for little: the dock has the last word."""
        return QSize(300, _HEIGHT)

    def show_colours(self, colours: PlotColours) -> None:
        """Draw in these colours from now on.

        Parameters
        ----------
        colours : PlotColours
            The theme's.
        """
        self._colours = colours
        self.setBackground(colours.background)
        item = self.getPlotItem()
        for side in ("left", "bottom"):
            axis = item.getAxis(side)
            axis.setPen(pg.mkPen(colours.faint))
            axis.setTextPen(pg.mkPen(colours.text))
        item.titleLabel.setAttr("color", QColor(*colours.text))
        self._legend.setLabelTextColor(QColor(*colours.text))
        self._legend.setBrush(pg.mkBrush((*colours.background, 170)))
        self._looks = []
        for mark, line in self._marks:
            line.setPen(self._pen_of(mark))

    def show_title(self, title: str) -> None:
        """Say what is drawn.

        Parameters
        ----------
        title : str
            With its unit.
        """
        self.getPlotItem().setTitle(title, size="8pt", color=QColor(*self._colours.text))

    def show_lines(self, lines: Sequence[Line], n_steps: int) -> None:
        """Draw curves.

        Parameters
        ----------
        lines : sequence of Line
            All of them.
        n_steps : int
            How far the axis goes.
        """
        looks = [(line.name, line.colour) for line in lines]
        if looks != self._looks:
            self._make_curves(lines)
            self._looks = looks
        for line, curve in zip(lines, self._curves, strict=True):
            curve.setData(line.steps, line.values, connect="finite")
        box = self.getPlotItem().getViewBox()
        box.setLimits(xMin=0.0, xMax=max(2.0, n_steps + 1.0))
        low, high = _range_of(lines)
        box.setYRange(low, high, padding=0.06)

    def show_marks(self, marks: Sequence[Mark]) -> None:
        """Draw marks: those that are there already stay.

        Parameters
        ----------
        marks : sequence of Mark
            All of them.
        """
        if [mark for mark, _ in self._marks] == list(marks):
            return
        for _, line in self._marks:
            self.removeItem(line)
        self._marks = [(mark, self._line_of(mark)) for mark in marks]
        for _, line in self._marks:
            self.addItem(line, ignoreBounds=True)

    def _line_of(self, mark: Mark) -> Any:
        line = pg.InfiniteLine(pos=mark.step, angle=90, pen=self._pen_of(mark), movable=False)
        line.setZValue(-10)
        line.setToolTip(mark.words)
        return line

    def _pen_of(self, mark: Mark) -> Any:
        colour = self._colours.faint if mark.kind == "phase" else self._colours.text
        return pg.mkPen(colour, width=1, style=_STYLES[mark.kind])

    def _make_curves(self, lines: Sequence[Line]) -> None:
        for curve in self._curves:
            self.removeItem(curve)
        self._legend.clear()
        self._curves = []
        for i, line in enumerate(lines):
            colour = QColor.fromRgbF(*line.colour) if line.colour is not None else QColor(*_COLOURS[i % len(_COLOURS)])
            curve = pg.PlotCurveItem(pen=pg.mkPen(colour, width=2))
            self.addItem(curve)
            self._curves.append(curve)
            if len(lines) > 1:
                self._legend.addItem(curve, line.name)


def _range_of(lines: Sequence[Line]) -> tuple[float, float]:
    """Return the least and the greatest number, apart from each other."""
    values = np.concatenate([line.values[np.isfinite(line.values)] for line in lines] or [np.zeros(0)])
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if high > low:
        return low, high
    margin = max(abs(low) * 0.01, 1e-6)
    return low - margin, high + margin
