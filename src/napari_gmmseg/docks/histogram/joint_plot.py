"""The histogram of two channels together, with an ellipse for each class, as a plot in which voxels are selected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor

from napari_gmmseg.docks.common.plot_colours import PlotColours
from napari_gmmseg.docks.histogram.handles import Handle
from napari_gmmseg.docks.histogram.plot import DragGrip, paint_axes, plain
from napari_gmmseg.docks.histogram.shown import ClassCurve, Curves, Drawn


class DrawingViewBox(pg.ViewBox):
    """A plot's inside in which an outline is drawn with the mouse, as long as there is a tool."""

    outlined = Signal(object)

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.tool = ""
        self._places: list[tuple[float, float]] = []
        self._line = pg.PlotCurveItem()
        self._line.setZValue(40)
        self.addItem(self._line, ignoreBounds=True)

    def show_colour(self, colour: tuple[int, int, int]) -> None:
        """Draw outlines in this colour.

        Parameters
        ----------
        colour : (r, g, b)
            Each 0 ... 255.
        """
        self._line.setPen(pg.mkPen(colour, width=2, style=Qt.PenStyle.DashLine))

    def clear_outline(self) -> None:
        """Take the outline away."""
        self._line.setData([], [])

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:  # noqa: N802 - pyqtgraph's name
        """Draw, or move the plot where there is no tool."""
        if not self.tool or event.button() != Qt.MouseButton.LeftButton:
            super().mouseDragEvent(event, axis=axis)
            return
        event.accept()
        here = self.mapToView(event.pos())
        if event.isStart():
            began = self.mapToView(event.buttonDownPos())
            self._places = [(began.x(), began.y())]
        self._places.append((here.x(), here.y()))
        outline = self._outline()
        self._line.setData(*np.concatenate([outline, outline[:1]]).T)
        if event.isFinish():
            self.outlined.emit(outline)

    def _outline(self) -> NDArray[np.float64]:
        if self.tool == "lasso":
            return np.array(self._places)
        (x0, y0), (x1, y1) = self._places[0], self._places[-1]
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


class JointPlot(pg.PlotWidget):
    """Draws how often two intensities occur together, and each class's ellipses; a class is dragged at its centre."""

    drag_began = Signal(int)
    dragged = Signal(int, str, object)
    drag_ended = Signal(int)
    outlined = Signal(object)

    def __init__(self) -> None:
        self._box = DrawingViewBox()
        super().__init__(viewBox=self._box)
        self.setObjectName("histogram_joint_plot")
        self.setMinimumHeight(220)
        self._colours = PlotColours()
        self._counts = pg.ImageItem(axisOrder="col-major")
        self._classes: tuple[tuple[int, tuple[Any, ...], Any, Handle], ...] = ()
        self._shown_range: tuple[float, ...] | None = None
        self.addItem(self._counts)
        plain(self.getPlotItem())
        self._box.outlined.connect(self.outlined)
        self.show_colours(self._colours)

    def show_tool(self, tool: str) -> None:
        """Draw with "rectangle" or "lasso"; with "" the mouse moves the plot.

        Parameters
        ----------
        tool : str
            Its name.
        """
        self._box.tool = tool
        self.setCursor(Qt.CursorShape.CrossCursor if tool else Qt.CursorShape.ArrowCursor)

    def clear_outline(self) -> None:
        """Take what was drawn away."""
        self._box.clear_outline()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for little: the dock has the last word."""
        return QSize(300, 260)

    def show_colours(self, colours: PlotColours) -> None:
        """Draw in these colours from now on."""
        self._colours = colours
        paint_axes(self, colours)
        self._box.show_colour(colours.text)
        ramp = np.linspace(0.0, 1.0, 256)[:, None]
        self._counts.setLookupTable(
            (np.array(colours.background) * (1 - ramp) + np.array(colours.text) * ramp).astype(np.uint8)
        )

    def show_histogram(self, drawn: Drawn | None) -> None:
        """Draw counts."""
        if drawn is None:
            self._counts.clear()
            return
        across, up = drawn.histogram.axes
        logs = np.log1p(drawn.histogram.counts).astype(np.float32)
        self._counts.setImage(logs, levels=(0.0, max(1.0, float(logs.max(initial=0.0)))))
        self._counts.setRect(QRectF(across.low, up.low, across.high - across.low, up.high - up.low))
        item = self.getPlotItem()
        item.setLabel("bottom", drawn.names[0])
        item.setLabel("left", drawn.names[1])
        ends = (across.low, across.high, up.low, up.high)
        if ends != self._shown_range:
            self._shown_range = ends
            self._box.setLimits(xMin=ends[0], xMax=ends[1], yMin=ends[2], yMax=ends[3])
            self._box.setRange(xRange=ends[:2], yRange=ends[2:], padding=0)
            self.clear_outline()

    def show_curves(self, curves: Curves) -> None:
        """Draw the classes over the counts."""
        looks = [(c.value, (c.colour, c.abbreviation, self._colours)) for c in curves.classes]
        if looks != [(value, look) for value, look, _, _ in self._classes]:
            self._make_items(curves.classes)
        for shown, (_, _, line, centre) in zip(curves.classes, self._classes, strict=True):
            line.setData(shown.line[:, 0], shown.line[:, 1], connect="finite")
            centre.setPos(*shown.mean)
            centre.show_movable(not shown.locked, Qt.CursorShape.SizeAllCursor)

    def _make_items(self, classes: tuple[ClassCurve, ...]) -> None:
        for _, _, line, centre in self._classes:
            self.removeItem(line)
            self.removeItem(centre)
        made = []
        for shown in classes:
            colour = QColor.fromRgbF(*shown.colour)
            line = pg.PlotCurveItem(pen=pg.mkPen(colour, width=2), antialias=True)
            centre = Handle(DragGrip(self, shown.value, _wanted_mean), colour, QColor(*self._colours.text))
            centre.setToolTip(f"{shown.name}: drag to move its mean in both channels.")
            centre.setLabel(
                shown.abbreviation, {"color": colour, "offset": (8, -8), "fill": (*self._colours.background, 235)}
            )
            self.addItem(line)
            self.addItem(centre)
            made.append((shown.value, (shown.colour, shown.abbreviation, self._colours), line, centre))
        self._classes = tuple(made)


def _wanted_mean(_value: int, x: float, y: float) -> tuple[str, tuple[float, ...]]:
    return "mean", (x, y)
