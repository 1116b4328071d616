"""The questions of the Segment dock: images, preset, mask, region, method, classes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLabel, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_gmmseg.config import PRESETS, FitConfig
from napari_gmmseg.docks.common.number_slider import NumberSlider
from napari_gmmseg.docks.common.settings import describe_settings
from napari_gmmseg.docks.common.settings_form import SettingsForm, set_resting
from napari_gmmseg.docks.common.wrapped_label import wrapped_label
from napari_gmmseg.docks.segment.advanced import (
    HEADINGS,
    LIVE,
    NEXT_RUN,
    advanced_settings,
    fields_for,
    recipe_in_words,
    waiting_fields,
)
from napari_gmmseg.docks.segment.choices import Choices, LayerChoice
from napari_gmmseg.docks.segment.image_rows import ImageRows

_METHODS = {
    "auto": (
        "Auto",
        "The spatial mixture at once; then its refinement by a network, where that measured better for this kind of "
        "image. Both are kept.",
    ),
    "quick": ("Quick (spatial only)", "The spatial mixture alone: intensities and neighbours."),
    "advanced": ("Advanced…", "Choose the method and its settings yourself."),
}
_AXIS4 = {"": "Choose…", "time": "Time: frames fitted together", "channel": "Channels of one image"}


class SegmentForm(QWidget):
    """Inputs for all that can be chosen."""

    chosen = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.images = ImageRows()
        self._resting: dict[QWidget, str] = {}
        self._form = QFormLayout()
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._preset = self._combo("preset", "Preset", "What kind of image it is: names the classes.")
        for preset in PRESETS.values():
            self._preset.addItem(preset.title, preset.name)
            self._preset.setItemData(self._preset.count() - 1, preset.tip, Qt.ItemDataRole.ToolTipRole)
        self._axis4 = self._combo("axis4", "Fourth axis", "What the fourth axis of the image is; never guessed.")
        for value, label in _AXIS4.items():
            self._axis4.addItem(label, value)
        self._mask = self._combo(
            "mask",
            "Mask",
            "Which voxels are segmented. Automatic: what is not zero where the background is zero, a brain that is "
            "proposed in a whole head, else the foreground.",
        )
        self._region = self._combo(
            "region", "Region", "Where to look: the left ventricle, as a Labels layer or as closed shapes."
        )
        self._method = self._combo("method", "Method", "How labels are found.")
        for value, (label, tip) in _METHODS.items():
            self._method.addItem(label, value)
            self._method.setItemData(self._method.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self._n_classes = self._slider()
        self._advanced = SettingsForm(advanced_settings(), "segment", HEADINGS)
        self._advanced.changed.connect(lambda: self.chosen.emit("advanced", None))
        self._maps = QCheckBox("Add probability maps")
        self._maps.setObjectName("segment_maps")
        self._maps.setToolTip(
            "Adds hidden image layers: for each class its probability (0 to 1) and, after a network, its prior; "
            "the uncertainty (0 sure, 1 not); and the bias field (a factor) where one was corrected."
        )
        self._maps.toggled.connect(lambda on: self.chosen.emit("wants_maps", on))
        for widget in (self.images, self._maps):
            self._resting[widget] = widget.toolTip()
        title = QLabel("Images")
        title.setToolTip("Image layers, newest first; the ticked ones are channels of one case.")
        for widget in (title, self.images):
            layout.addWidget(widget)
        layout.addLayout(self._form)
        layout.addWidget(self._advanced)
        layout.addWidget(self._maps)

    def advanced_values(self) -> dict[str, Any]:
        """Return what stands under Advanced and matters for the mixture that is chosen there.

        Raises
        ------
        SettingsError
            Where a text is not what it should be.
        """
        return self._advanced.values(fields_for(self._advanced.values(["method"])))

    def show_choices(self, choices: Choices) -> None:
        """Show what can be and is chosen; nothing is emitted.

        Parameters
        ----------
        choices : Choices
            All of it.
        """
        self.images.show_images(choices.images)
        _fill(self._mask, _mask_modes(choices), choices.masks, choices.mask)
        _fill(self._region, [("Choose…", None)], choices.regions, choices.region)
        for box, value in (
            (self._preset, choices.preset),
            (self._axis4, choices.axis4),
            (self._method, choices.method),
        ):
            with signals_blocked(box):
                box.setCurrentIndex(box.findData(value))
        self._resting[self._preset] = PRESETS[choices.preset].tip
        if self._preset.isEnabled():
            self._preset.setToolTip(PRESETS[choices.preset].tip)
        if not self._n_classes.moving:
            self._n_classes.show_value(choices.n_classes)
        with signals_blocked(self._maps):
            self._maps.setChecked(choices.wants_maps)
        self._form.setRowVisible(self._axis4, choices.asks_axis4)
        self._form.setRowVisible(self._region, choices.asks_region)
        self._advanced.set_values(dict(choices.advanced))
        self._advanced.show_only(fields_for(choices.advanced))
        self._advanced.show_empty(recipe_in_words(choices.advanced))
        self._advanced.setVisible(choices.method == "advanced")

    def show_busy(self, busy: bool) -> None:
        """Close what a run that is alive cannot take up; the number of classes and other live settings stay open.

        Parameters
        ----------
        busy : bool
            Whether a run is alive.
        """
        reason = NEXT_RUN if busy else ""
        for widget, tip in self._resting.items():
            set_resting(widget, reason, tip)
        self._suggestion.setEnabled(not busy)
        self._advanced.rest(dict.fromkeys(waiting_fields(), NEXT_RUN) if busy else {})

    @property
    def suggestion(self) -> str:
        """What is said beside the number of classes."""
        return str(self._suggestion.text())

    def show_suggestion(self, sentence: str) -> None:
        """Say which number of classes the image speaks for.

        Parameters
        ----------
        sentence : str
            Empty takes it away.
        """
        self._suggestion.setText(sentence)
        self._form.setRowVisible(self._suggestion, bool(sentence))

    def _combo(self, name: str, title: str, tip: str) -> QComboBox:
        box = QComboBox()
        box.setObjectName(f"segment_{name}_choice" if name == "method" else f"segment_{name}")
        box.setToolTip(tip)
        box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(12)
        box.currentIndexChanged.connect(lambda _: self.chosen.emit(name, box.currentData()))
        self._form.addRow(title, box)
        self._form.labelForField(box).setToolTip(tip)
        self._resting[box] = tip
        return box

    def _slider(self) -> NumberSlider:
        (setting,) = describe_settings(FitConfig, ["n_classes"])
        slider = NumberSlider("segment_n_classes", int(setting.low or 2), int(setting.high or 16))
        tip = f"{setting.tip} {LIVE}"
        slider.setToolTip(tip)
        slider.chosen.connect(lambda value: self.chosen.emit("n_classes", value))
        self._form.addRow(setting.title, slider)
        self._form.labelForField(slider).setToolTip(tip)
        self._suggestion = wrapped_label("segment_suggestion")
        self._form.addRow(self._suggestion)
        self._form.setRowVisible(self._suggestion, False)
        return slider


def _mask_modes(choices: Choices) -> list[tuple[str, object]]:
    """Return what a mask can be beside a layer: brains are cut out where the library for it is installed."""
    modes: list[tuple[str, object]] = [("Automatic", "auto"), ("None: every voxel", "none")]
    if choices.mask == "deepbet" or find_spec("deepbet") is not None:
        modes.insert(1, ("Brain by deepbet (T1)", "deepbet"))
    return modes


def _fill(box: QComboBox, modes: Sequence[tuple[str, object]], layers: Sequence[LayerChoice], current: object) -> None:
    """Offer modes and layers, with one of them current."""
    entries = [*modes, *((layer.name, layer.key) for layer in layers)]
    with signals_blocked(box):
        if [(box.itemText(i), box.itemData(i)) for i in range(box.count())] != entries:
            box.clear()
            for label, value in entries:
                box.addItem(label, value)
        box.setCurrentIndex(next((i for i, (_, value) in enumerate(entries) if value == current), 0))
