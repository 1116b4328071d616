"""The Histogram dock's window: shows and forwards, and knows nothing."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_gmmseg.docks.common.messages import MessageList
from napari_gmmseg.docks.common.plot_colours import PlotColours
from napari_gmmseg.docks.common.scroll_column import ScrollColumn
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.histogram.joint_plot import JointPlot
from napari_gmmseg.docks.histogram.number_table import NumberTable
from napari_gmmseg.docks.histogram.plot import HistogramPlot
from napari_gmmseg.docks.histogram.shown import Curves, Drawn, Offer

#: Milliseconds between two looks at what works in the background.
_POLL = 40
_TOOLS = (
    ("", "Move", "Drag the plot itself; roll the wheel to look closer."),
    ("rectangle", "Rectangle", "Draw a rectangle: the voxels with these intensities are selected."),
    ("lasso", "Lasso", "Draw around intensities: the voxels that have them are selected."),
)


class KeyedCombo(QComboBox):
    """Offers entries by their names and tells their keys, which Qt would turn into something else.

    Parameters
    ----------
    name : str
        Its own, by which it is found.
    tip : str
        What it does.
    """

    chosen = Signal(object)

    def __init__(self, name: str, tip: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setToolTip(tip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self._entries: tuple[tuple[object, str], ...] = ()
        self.activated.connect(lambda row: self.chosen.emit(self._entries[row][0]))

    def show_entries(self, entries: Sequence[tuple[object, str]], chosen: object) -> None:
        """Show entries, and which is chosen; the list stays as it is where nothing changed.

        Parameters
        ----------
        entries : sequence of (key, name)
            From top to bottom.
        chosen : object
            A key.
        """
        with signals_blocked(self):
            if tuple(entries) != self._entries:
                self._entries = tuple(entries)
                self.clear()
                self.addItems([name for _, name in entries])
            keys = [key for key, _ in entries]
            self.setCurrentIndex(keys.index(chosen) if chosen in keys else -1)


class HistogramView(QWidget):
    """Choices, plot and numbers, in a column that scrolls."""

    refreshed = Signal()
    region_chosen = Signal(object)
    channels_chosen = Signal(object)
    drag_began = Signal(int)
    dragged = Signal(int, str, object)
    drag_ended = Signal(int)
    number_set = Signal(int, str, object)
    lock_set = Signal(int, bool)
    outlined = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("histogram_dock")
        self.plot = HistogramPlot()
        self.joint = JointPlot()
        self.numbers = NumberTable()
        self.messages = MessageList()
        self._region = KeyedCombo("histogram_region", "Whose voxels are counted.")
        self._channels = KeyedCombo("histogram_channels", "Which intensities are counted; two give a joint histogram.")
        self._tools = self._tool_row()
        self._selected = QLabel()
        self._selected.setObjectName("histogram_selected")
        self._selected.setWordWrap(True)
        self._selected.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._stack = QStackedWidget()
        self._names: tuple[str, ...] = ("",)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL)
        for timer in (self._soon, self._timer):
            timer.timeout.connect(self.refreshed)
        self._connect()
        self._lay_out()
        self.show_offer(Offer())
        self.show_selected("")

    @property
    def selected_text(self) -> str:
        """What is said of the selection."""
        return str(self._selected.text())

    def show_offer(self, offer: Offer) -> None:
        """Show what can be and is chosen."""
        self._region.show_entries(offer.regions, offer.region)
        self._channels.show_entries(offer.channels, offer.chosen)
        self._channels.setVisible(len(offer.channels) > 1)
        self._region.setEnabled(bool(offer.channels))

    def show_histogram(self, drawn: Drawn | None) -> None:
        """Show counts."""
        joint = drawn is not None and len(drawn.names) == 2
        self._stack.setCurrentWidget(self.joint if joint else self.plot)
        self._tools.setVisible(joint)
        self._stack.setVisible(drawn is not None)
        self._names = drawn.names if drawn is not None else ("",)
        (self.joint if joint else self.plot).show_histogram(drawn)

    def show_curves(self, curves: Curves) -> None:
        """Show the classes over the counts, and their numbers."""
        if len(self._names) == 2:
            self.joint.show_curves(curves)
        else:
            self.plot.show_curves(curves)
        self.numbers.show_rows(curves.classes, self._names)
        self.numbers.setVisible(bool(curves.classes))

    def show_messages(self, messages: Sequence[Message]) -> None:
        """Show sentences."""
        self.messages.show_messages(messages)

    def show_selected(self, text: str) -> None:
        """Say what was selected."""
        self._selected.setText(text)
        self._selected.setVisible(bool(text))

    def show_colours(self, colours: PlotColours) -> None:
        """Draw in these colours from now on."""
        self.plot.show_colours(colours)
        self.joint.show_colours(colours)

    def refresh_soon(self) -> None:
        """Ask for a refresh once."""
        self._soon.start()

    def start_polling(self) -> None:
        """Ask for a refresh several times a second from now on."""
        self._timer.start()

    def stop_polling(self) -> None:
        """Ask for it no more."""
        self._timer.stop()

    def _connect(self) -> None:
        for plot in (self.plot, self.joint):
            plot.drag_began.connect(self.drag_began)
            plot.dragged.connect(self.dragged)
            plot.drag_ended.connect(self.drag_ended)
        self.joint.outlined.connect(self.outlined)
        self.numbers.number_set.connect(self.number_set)
        self.numbers.lock_set.connect(self.lock_set)
        self._region.chosen.connect(self.region_chosen)
        self._channels.chosen.connect(self.channels_chosen)

    def _tool_row(self) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        group = QButtonGroup(row)
        for tool, label, tip in _TOOLS:
            button = QPushButton(label)
            button.setObjectName(f"histogram_tool_{tool or 'move'}")
            button.setToolTip(tip)
            button.setCheckable(True)
            button.setChecked(not tool)
            button.toggled.connect(lambda on, tool=tool: self.joint.show_tool(tool) if on else None)
            group.addButton(button)
            layout.addWidget(button)
        return row

    def _lay_out(self) -> None:
        choices = QGridLayout()
        choices.setSpacing(4)
        label = QLabel("Voxels of")
        label.setBuddy(self._region)
        choices.addWidget(label, 0, 0)
        choices.addWidget(self._region, 0, 1)
        choices.addWidget(self._channels, 0, 2)
        choices.setColumnStretch(1, 1)
        choices.setColumnStretch(2, 1)
        self._stack.addWidget(self.plot)
        self._stack.addWidget(self.joint)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        column.addLayout(choices)
        column.addWidget(self._tools)
        column.addWidget(self._stack, 1)
        for widget in (self._selected, self.numbers, self.messages):
            column.addWidget(widget)
        column.addStretch(0)
        scroll = ScrollColumn(inside)
        scroll.setObjectName("histogram_scroll")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
