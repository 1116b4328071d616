"""Buttons for what is done to the result by hand: shown while it is edited."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QPushButton, QSizePolicy, QWidget

from napari_gmmseg.docks.scribble.shown import Shown

_TOOLS = {
    "brush": ("Brush", "Paint voxels of the chosen class; with Erase, background."),
    "fill": (
        "Fill",
        "A click gives the connected region there the chosen class: in the shown slice, or whole with Ball.",
    ),
    "island": (
        "Drop island",
        "A click gives the connected region there to the class that most of its neighbours have "
        "(Shift+D: the one under the mouse).",
    ),
}


class EditTools(QWidget):
    """What a click does, and what is done without one."""

    tool_chosen = Signal(str)
    interpolate_asked = Signal()
    clear_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._tools: dict[str, QPushButton] = {}
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for at, (name, (label, tip)) in enumerate(_TOOLS.items()):
            button = _button(label, f"edit_{name}", tip)
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, tool=name: self.tool_chosen.emit(tool))
            self._tools[name] = button
            layout.addWidget(button, 0, 2 * at, 1, 2)
        self._interpolate = _button(
            "Interpolate slices",
            "interpolate",
            "Continue the chosen class through the slices between those in which you edited it (Shift+I).",
        )
        self._interpolate.clicked.connect(lambda _=False: self.interpolate_asked.emit())
        self._clear = _button("Clear edits", "clear_edits", "Leave all that was set by hand to the model again.")
        self._clear.clicked.connect(lambda _=False: self.clear_asked.emit())
        layout.addWidget(self._interpolate, 1, 0, 1, 3)
        layout.addWidget(self._clear, 1, 3, 1, 3)

    def show_state(self, shown: Shown) -> None:
        """Show which tool is chosen, and what can be done.

        Parameters
        ----------
        shown : Shown
            All that the dock shows.
        """
        self.setVisible(shown.editing)
        for name, button in self._tools.items():
            button.setChecked(name == shown.edit_tool)
        self._interpolate.setEnabled(shown.n_edited > 0)
        self._clear.setEnabled(shown.n_edited > 0)


def _button(label: str, name: str, tip: str) -> QPushButton:
    button = QPushButton(label)
    button.setObjectName(f"scribble_{name}")
    button.setToolTip(tip)
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return button
