"""One plot of curves against steps."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_gmmseg.docks.common.plot_colours import PlotColours
from napari_gmmseg.docks.curves.shown import Line, Mark

#: For curves that bring no colour: told apart by the colour-blind, on light and on dark (Okabe and Ito).
_COLOURS = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (213, 94, 0), (0, 114, 178))
_STYLES = {"retuned": Qt.PenStyle.DashLine, "paused": Qt.PenStyle.DotLine, "phase": Qt.PenStyle.SolidLine}
_HEIGHT, _NUMBERED = 70, 34
_AXIS_WIDTH = 48
#: Curves with more points are thin: Qt takes several times as long for thick ones.
_FEW = 128


class _Plot(pg.PlotWidget):
    """Asks for little room: the dock has the last word."""

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for little."""
        return QSize(300, _HEIGHT)


class CurvePanel(QWidget):
    """Draws curves, their names, and marks.

    Parameters
    ----------
    key : str
        Tells it from others.
    """

    zoomed = Signal(float, float)

    def __init__(self, key: str) -> None:
        super().__init__()
        self.setObjectName(f"curves_{key}")
        self._colours = PlotColours()
        self._looks: list[tuple[str, object]] = []
        self._curves: list[Any] = []
        self._marks: list[tuple[Mark, Any]] = []
        self._title = QLabel()
        self._title.setObjectName(f"curves_title_{key}")
        self._title.setTextFormat(Qt.TextFormat.RichText)
        self._title.setWordWrap(True)
        self._title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.plot = _Plot()
        self.plot.setObjectName(f"curves_plot_{key}")
        self.plot.setMouseEnabled(x=True, y=False)
        item = self.plot.getPlotItem()
        # Left to itself, a plot that is hidden while a run goes on shows its first steps only.
        item.getViewBox().disableAutoRange()
        item.getViewBox().sigRangeChangedManually.connect(self._on_zoom)
        item.setMenuEnabled(False)
        item.hideButtons()
        for side in ("left", "bottom"):
            item.getAxis(side).enableAutoSIPrefix(False)
        item.getAxis("left").setWidth(_AXIS_WIDTH)
        # A number at the very end would be cut in half.
        item.getAxis("left").setStyle(hideOverlappingLabels=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._title)
        column.addWidget(self.plot, 1)
        self.show_colours(self._colours)

    @property
    def title(self) -> str:
        """What is said to be drawn, as rich text."""
        return str(self._title.text())

    def show_colours(self, colours: PlotColours) -> None:
        """Draw in these colours from now on.

        Parameters
        ----------
        colours : PlotColours
            The theme's.
        """
        self._colours = colours
        self.plot.setBackground(colours.background)
        item = self.plot.getPlotItem()
        for side in ("left", "bottom"):
            axis = item.getAxis(side)
            axis.setPen(pg.mkPen(colours.faint))
            axis.setTextPen(pg.mkPen(colours.text))
        self._looks = []
        for mark, line in self._marks:
            line.setPen(self._pen_of(mark))

    def show_axis(self, *, is_last: bool) -> None:
        """Number the steps below the last plot only: all go along the same ones.

        Parameters
        ----------
        is_last : bool
            Whether it is the last.
        """
        axis = self.plot.getPlotItem().getAxis("bottom")
        axis.setStyle(showValues=is_last)
        axis.setLabel("Step" if is_last else None)
        self.plot.setMinimumHeight(_HEIGHT + _NUMBERED if is_last else _HEIGHT)

    def show_lines(self, title: str, lines: Sequence[Line], n_steps: int) -> None:
        """Draw curves.

        Parameters
        ----------
        title : str
            What is drawn, with its unit.
        lines : sequence of Line
            All of them.
        n_steps : int
            How far the axis goes.
        """
        looks: list[tuple[str, object]] = [(title, None), *((line.name, line.colour) for line in lines)]
        if looks != self._looks:
            self._make_curves(title, lines)
            self._looks = looks
        for line, curve in zip(lines, self._curves, strict=True):
            curve.setData(line.steps, line.values, connect="finite")
            width = 2 if len(line.steps) <= _FEW else 1
            if curve.opts["pen"].width() != width:
                curve.setPen(pg.mkPen(curve.opts["pen"].color(), width=width))
        box = self.plot.getPlotItem().getViewBox()
        box.setLimits(xMin=0.0, xMax=max(2.0, n_steps + 1.0))
        low, high = _range_of(lines)
        box.setYRange(low, high, padding=0.06)

    def show_steps(self, low: float, high: float) -> None:
        """Show these steps.

        Parameters
        ----------
        low, high : float
            From where to where.
        """
        self.plot.getPlotItem().getViewBox().setXRange(low, high, padding=0)

    def _on_zoom(self, _axes: object) -> None:
        low, high = self.plot.getPlotItem().getViewBox().viewRange()[0]
        self.zoomed.emit(low, high)

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
            self.plot.removeItem(line)
        self._marks = [(mark, self._line_of(mark)) for mark in marks]
        for _, line in self._marks:
            self.plot.addItem(line, ignoreBounds=True)

    def _line_of(self, mark: Mark) -> Any:
        line = pg.InfiniteLine(pos=mark.step, angle=90, pen=self._pen_of(mark), movable=False)
        line.setZValue(-10)
        line.setToolTip(mark.words)
        return line

    def _pen_of(self, mark: Mark) -> Any:
        colour = self._colours.faint if mark.kind == "phase" else self._colours.text
        return pg.mkPen(colour, width=1, style=_STYLES[mark.kind])

    def _make_curves(self, title: str, lines: Sequence[Line]) -> None:
        for curve in self._curves:
            self.plot.removeItem(curve)
        colours = [
            QColor(*_COLOURS[i % len(_COLOURS)]) if line.colour is None else QColor.fromRgbF(*line.colour)
            for i, line in enumerate(lines)
        ]
        self._curves = [pg.PlotCurveItem(pen=pg.mkPen(colour, width=2)) for colour in colours]
        for curve in self._curves:
            self.plot.addItem(curve)
        names = [
            f"<span style='color: {colour.name()}'>■</span>&nbsp;{escape(line.name)}"
            for line, colour in zip(lines, colours, strict=True)
            if len(lines) > 1
        ]
        self._title.setText(" &nbsp;".join([escape(title), *names]))


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
