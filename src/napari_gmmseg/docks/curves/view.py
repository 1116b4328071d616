"""The Curves dock's window: shows and forwards, and knows nothing."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_gmmseg.docks.common.messages import MessageList
from napari_gmmseg.docks.common.plot_colours import PlotColours
from napari_gmmseg.docks.common.scroll_column import ScrollColumn
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.curves.panel import CurvePanel
from napari_gmmseg.docks.curves.shown import Mark, Picture

#: Milliseconds between two looks at a running fit: five a second follow it well enough.
_POLL = 200
#: So many marks are told in words, the newest first.
_TOLD = 6


class CurvesView(QWidget):
    """Plots one below the other, along the same steps."""

    refreshed = Signal()
    channel_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("curves_dock")
        self.panels: dict[str, CurvePanel] = {}
        self.messages = MessageList()
        self._colours = PlotColours()
        self._n_steps = 0
        self._steps: tuple[float, float] | None = None
        self._channel = QComboBox()
        self._channel.setObjectName("curves_channel")
        self._channel.setToolTip("Whose class means are drawn.")
        self._channel.activated.connect(self.channel_chosen)
        self._channel_row = QWidget()
        self._told = QLabel()
        self._told.setObjectName("curves_marks")
        self._told.setWordWrap(True)
        self._told.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL)
        for timer in (self._soon, self._timer):
            timer.timeout.connect(self.refreshed)
        self._lay_out()
        self.show_channels([], 0)
        self.show_picture(Picture())

    @property
    def told(self) -> str:
        """What is said of the marks."""
        return str(self._told.text())

    def show_picture(self, picture: Picture) -> None:
        """Draw curves and marks."""
        wanted = {panel.key for panel in picture.panels}
        for place, shown in enumerate(picture.panels):
            panel = self._panel(shown.key, place)
            panel.show_lines(shown.title, shown.lines, picture.n_steps)
            panel.show_axis(is_last=shown is picture.panels[-1])
            panel.show_marks(picture.marks)
        for key, panel in self.panels.items():
            panel.setVisible(key in wanted)
        if picture.n_steps < self._n_steps:
            self._steps = None
        self._n_steps = picture.n_steps
        self._show_steps()
        self._tell(picture.marks)

    def show_channels(self, names: Sequence[str], chosen: int) -> None:
        """Show whose means can be and are drawn."""
        with signals_blocked(self._channel):
            if [self._channel.itemText(i) for i in range(self._channel.count())] != list(names):
                self._channel.clear()
                self._channel.addItems(list(names))
            self._channel.setCurrentIndex(chosen)
        self._channel_row.setVisible(len(names) > 1)

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences."""
        self.messages.show_messages(messages)

    def show_colours(self, colours: PlotColours) -> None:
        """Draw in these colours from now on."""
        self._colours = colours
        for panel in self.panels.values():
            panel.show_colours(colours)

    def refresh_soon(self) -> None:
        """Ask for a refresh once."""
        self._soon.start()

    def start_polling(self) -> None:
        """Ask for a refresh several times a second from now on."""
        if not self._timer.isActive():
            self._timer.start()

    def stop_polling(self) -> None:
        """Ask for it no more."""
        self._timer.stop()

    def _panel(self, key: str, place: int) -> CurvePanel:
        """Return the plot of a kind, made when it is first needed; all go along the same steps."""
        if key not in self.panels:
            panel = CurvePanel(key)
            panel.show_colours(self._colours)
            panel.zoomed.connect(self._on_zoom)
            self.panels[key] = panel
        panel = self.panels[key]
        if self._column.indexOf(panel) != place:
            self._column.insertWidget(place, panel, 1)
        return panel

    def _on_zoom(self, low: float, high: float) -> None:
        """Have all go along the steps that one was moved to; with all of them in sight they follow the run again."""
        self._steps = None if low <= 0 and high >= self._n_steps else (low, high)
        self._show_steps()

    def _show_steps(self) -> None:
        low, high = self._steps or (0.0, max(2.0, self._n_steps + 1.0))
        for panel in self.panels.values():
            panel.show_steps(low, high)

    def _tell(self, marks: Sequence[Mark]) -> None:
        newest = list(reversed(marks))[:_TOLD]
        self._told.setText("\n".join(f"After step {int(mark.step)}: {mark.words}" for mark in newest))
        self._told.setVisible(bool(newest))

    def _lay_out(self) -> None:
        row = QHBoxLayout(self._channel_row)
        row.setContentsMargins(0, 0, 0, 0)
        label = QLabel("Means in")
        label.setBuddy(self._channel)
        row.addWidget(label)
        row.addWidget(self._channel, 1)
        inside = QWidget()
        outer_column = QVBoxLayout(inside)
        outer_column.setContentsMargins(8, 8, 8, 8)
        outer_column.setSpacing(6)
        outer_column.addWidget(self.messages)
        outer_column.addWidget(self._channel_row)
        self._column = QVBoxLayout()
        self._column.setSpacing(2)
        outer_column.addLayout(self._column, 1)
        outer_column.addWidget(self._told)
        outer_column.addStretch(0)
        scroll = ScrollColumn(inside)
        scroll.setObjectName("curves_scroll")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
