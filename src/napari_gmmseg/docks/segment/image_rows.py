"""Image layers to tick as channels, each with its contrast."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QSizePolicy, QWidget
from superqt.utils import signals_blocked

from napari_gmmseg.docks.segment.choices import CONTRASTS, ImageChoice


class ImageRows(QWidget):
    """One row an image layer: a tick with its name, and a contrast."""

    toggled = Signal(object, bool)
    contrast_changed = Signal(object, str)

    def __init__(self) -> None:
        super().__init__()
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setVerticalSpacing(3)
        self._layout.setColumnStretch(0, 1)
        self._empty = QLabel("No image layer")
        self._empty.setEnabled(False)
        self._layout.addWidget(self._empty, 0, 0, 1, 2)
        self._rows: dict[int, tuple[QCheckBox, QComboBox]] = {}
        self._order: tuple[tuple[int, str], ...] = ()

    def show_images(self, images: Sequence[ImageChoice]) -> None:
        """Show these images.

        Parameters
        ----------
        images : sequence of ImageChoice
            Newest first.
        """
        order = tuple((i.key, i.name) for i in images)
        if order != self._order:
            self._rebuild(images)
            self._order = order
        for image in images:
            tick, contrast = self._rows[image.key]
            with signals_blocked(tick), signals_blocked(contrast):
                tick.setChecked(image.chosen)
                contrast.setCurrentIndex(contrast.findData(image.contrast))
            contrast.setEnabled(image.chosen)

    def _rebuild(self, images: Sequence[ImageChoice]) -> None:
        for widgets in self._rows.values():
            for widget in widgets:
                self._layout.removeWidget(widget)
                widget.hide()
                widget.deleteLater()
        self._rows = {}
        self._empty.setVisible(not images)
        for row, image in enumerate(images, start=1):
            tick, contrast = self._tick(image, row), self._contrast(image, row)
            self._layout.addWidget(tick, row, 0)
            self._layout.addWidget(contrast, row, 1)
            self._rows[image.key] = (tick, contrast)

    def _tick(self, image: ImageChoice, row: int) -> QCheckBox:
        tick = QCheckBox(image.name.replace("&", "&&"))
        tick.setObjectName(f"segment_image_{row}")
        tick.setToolTip(f"{image.name}: tick to use it; several are channels of one case, on one grid.")
        tick.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        key = image.key
        tick.toggled.connect(lambda on: self.toggled.emit(key, on))
        return tick

    def _contrast(self, image: ImageChoice, row: int) -> QComboBox:
        box = QComboBox()
        box.setObjectName(f"segment_contrast_{row}")
        box.setToolTip("Contrast of this image: tissue is named by it. ?: classes are only numbered.")
        box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        for value, label in CONTRASTS.items():
            box.addItem(label, value)
        key = image.key
        box.currentIndexChanged.connect(lambda _: self.contrast_changed.emit(key, str(box.currentData())))
        return box
