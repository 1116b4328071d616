"""The histogram of one channel with its Gaussians, as a plot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor

from napari_gmmseg.docks.common.plot_colours import PlotColours
from napari_gmmseg.docks.histogram.handles import Handle, MeanLine
from napari_gmmseg.docks.histogram.shown import ClassCurve, Curves, Drawn


@dataclass(frozen=True)
class ClassItems:
    """What is drawn for one class.

    Parameters
    ----------
    value : int
        Its label value.
    look : tuple
        Colour and short name, with which it was made.
    line, mean, shoulder : pyqtgraph items
        Its Gaussian, the line at its mean, the handle at one standard deviation.
    """

    value: int
    look: tuple[Any, ...]
    line: Any
    mean: MeanLine
    shoulder: Handle


class DragGrip:
    """Passes what is done with a handle of a class on to a plot's signals.

    Parameters
    ----------
    plot : QObject
        With the signals `drag_began(value)`, `dragged(value, what, numbers)` and `drag_ended(value)`.
    value : int
        The class's label value.
    numbers : callable
        Makes of a place what it says: "mean" or "std", and a number for each channel.
    """

    def __init__(self, plot: Any, value: int, numbers: Any) -> None:
        self._plot, self._value, self._numbers = plot, value, numbers

    def began(self) -> None:
        """Pass it on."""
        self._plot.drag_began.emit(self._value)

    def moved(self, x: float, y: float) -> None:
        """Pass it on."""
        what, numbers = self._numbers(self._value, x, y)
        self._plot.dragged.emit(self._value, what, numbers)

    def ended(self) -> None:
        """Pass it on."""
        self._plot.drag_ended.emit(self._value)


#: Where names stand, as shares of the plot's height, and how near to its neighbour one steps down, of its width.
_TOP, _STEP, _NEAR = 0.95, 0.06, 0.22


class HistogramPlot(pg.PlotWidget):
    """Draws counts, a Gaussian for each class, and their sum; a Gaussian is dragged at its line and its shoulder."""

    drag_began = Signal(int)
    dragged = Signal(int, str, object)
    drag_ended = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("histogram_plot")
        self.setMinimumHeight(170)
        self._colours = PlotColours()
        self._counts = pg.PlotCurveItem(np.array([0.0, 1.0]), np.array([0.0]), stepMode="center", fillLevel=0)
        self._total = pg.PlotCurveItem(antialias=True)
        self._classes: tuple[ClassItems, ...] = ()
        self._means: dict[int, float] = {}
        item = self.getPlotItem()
        item.addItem(self._counts)
        item.addItem(self._total)
        plain(item)
        item.setLabel("left", "Voxels per bin")
        self.setMouseEnabled(x=True, y=False)
        self.show_colours(self._colours)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for little: the dock has the last word."""
        return QSize(300, 220)

    def show_colours(self, colours: PlotColours) -> None:
        """Draw in these colours from now on."""
        self._colours = colours
        paint_axes(self, colours)
        self._counts.setPen(pg.mkPen(colours.faint))
        self._counts.setBrush(pg.mkBrush((*colours.faint, 110)))
        self._total.setPen(pg.mkPen(colours.text, width=1.5, style=Qt.PenStyle.DashLine))

    def show_histogram(self, drawn: Drawn | None) -> None:
        """Draw counts."""
        if drawn is None:
            self._counts.setData(np.array([0.0, 1.0]), np.array([0.0]))
            return
        (axis,) = drawn.histogram.axes
        counts = drawn.histogram.counts
        self._counts.setData(axis.edges, counts.astype(np.float64))
        item = self.getPlotItem()
        item.setLabel("bottom", drawn.names[0])
        box = item.getViewBox()
        box.setLimits(xMin=axis.low, xMax=axis.high)
        if (axis.low, axis.high) != getattr(self, "_shown_range", None):
            self._shown_range = (axis.low, axis.high)
            box.setXRange(axis.low, axis.high, padding=0)
        box.setYRange(0.0, 1.12 * max(1.0, float(counts.max(initial=0))), padding=0)

    def show_curves(self, curves: Curves) -> None:
        """Draw the classes over the counts."""
        total = curves.total
        self._total.setData(curves.at, total if total is not None else np.zeros(len(curves.at)))
        looks = [(c.value, (c.colour, c.abbreviation, self._colours)) for c in curves.classes]
        if looks != [(items.value, items.look) for items in self._classes]:
            self._make_items(curves.classes)
        for shown, items in zip(curves.classes, self._classes, strict=True):
            items.line.setData(curves.at, shown.line)
            self._means[shown.value] = shown.mean[0]
            items.mean.setPos(shown.mean[0])
            items.shoulder.setPos(shown.mean[0] + shown.std[0], shown.shoulder)
            movable = not shown.locked
            items.mean.show_movable(movable, Qt.CursorShape.SizeHorCursor)
            items.shoulder.show_movable(movable, Qt.CursorShape.SizeHorCursor)
            items.shoulder.setVisible(movable)
        self._part_names()

    def _part_names(self) -> None:
        """Have names of neighbours stand below one another rather than across."""
        low, high = self.getPlotItem().getViewBox().viewRange()[0]
        level, before = 0, float("-inf")
        for items in sorted(self._classes, key=lambda each: self._means[each.value]):
            here = self._means[items.value]
            level = level + 1 if here - before < _NEAR * (high - low) else 0
            items.mean.show_name_at(_TOP - _STEP * (level % 6))
            before = here

    def _make_items(self, classes: tuple[ClassCurve, ...]) -> None:
        for items in self._classes:
            for each in (items.line, items.mean, items.shoulder):
                self.removeItem(each)
        self._classes = tuple(self._items_of(shown) for shown in classes)

    def _items_of(self, shown: ClassCurve) -> ClassItems:
        colour, rim = QColor.fromRgbF(*shown.colour), QColor(*self._colours.text)
        line = pg.PlotCurveItem(pen=pg.mkPen(colour, width=2.5), antialias=True)
        mean = MeanLine(DragGrip(self, shown.value, _wanted_mean), colour, shown.abbreviation)
        mean.setToolTip(f"{shown.name}: drag to move its mean.")
        shoulder = Handle(DragGrip(self, shown.value, partial(_wanted_std, self._means)), colour, rim)
        shoulder.setToolTip(f"{shown.name}: drag to make it wider or narrower; it stands one standard deviation away.")
        for each in (line, mean, shoulder):
            self.addItem(each)
        return ClassItems(shown.value, (shown.colour, shown.abbreviation, self._colours), line, mean, shoulder)


def _wanted_mean(_value: int, x: float, _y: float) -> tuple[str, tuple[float, ...]]:
    return "mean", (x,)


def _wanted_std(means: dict[int, float], value: int, x: float, _y: float) -> tuple[str, tuple[float, ...]]:
    return "std", (abs(x - means[value]),)


def plain(item: Any) -> None:
    """Take away what a plot of pyqtgraph offers besides: menus, a button, and powers of ten at the axes.

    Parameters
    ----------
    item : pyqtgraph.PlotItem
        The plot.
    """
    item.setMenuEnabled(False)
    item.hideButtons()
    for side in ("left", "bottom"):
        item.getAxis(side).enableAutoSIPrefix(False)


def paint_axes(plot: Any, colours: PlotColours) -> None:
    """Draw a plot's background and axes in a theme's colours.

    Parameters
    ----------
    plot : pyqtgraph.PlotWidget
        The plot.
    colours : PlotColours
        The theme's.
    """
    plot.setBackground(colours.background)
    for side in ("left", "bottom"):
        axis = plot.getPlotItem().getAxis(side)
        axis.setPen(pg.mkPen(colours.faint))
        axis.setTextPen(pg.mkPen(colours.text))
