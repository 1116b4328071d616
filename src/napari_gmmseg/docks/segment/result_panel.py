"""What came out: class volumes, how sure it is, what a refinement changed, and saving."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_gmmseg.docks.common.class_table import ClassTableView
from napari_gmmseg.docks.common.wrapped_label import wrapped_label
from napari_gmmseg.docks.segment.choices import ChangeRow, ClassRow, KeptRow
from napari_gmmseg.docks.segment.kept_panel import KeptPanel


class ResultPanel(QWidget):
    """Table of volumes, a sentence, what was refined, Save mask and its tick."""

    save_asked = Signal()
    keep_spatial_asked = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._has_result = self._has_kept = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._table = ClassTableView(["Class", "Hard", "Soft", "%"])
        self._table.setObjectName("segment_volumes")
        self._table.setToolTip(
            "Volume of each class (per frame where there are several). Hard: voxels of the mask; soft: each voxel "
            "counts with the share of it that is this tissue. Then its share of all classes, by the mask."
        )
        self._certainty = wrapped_label("segment_certainty")
        self._changed = wrapped_label("segment_changed")
        self._changes = ClassTableView(["Class", "Volume", "%"], has_header=False)
        self._changes.setObjectName("segment_changes")
        self._changes.setToolTip(
            "How much larger or smaller the refinement made each class (hard volume: voxels of the mask), and the same "
            "in percent of what it was in the spatial mixture."
        )
        self.keep_spatial = QCheckBox("Keep the spatial mixture")
        self.keep_spatial.setObjectName("segment_keep_spatial")
        self.keep_spatial.setToolTip(
            "Ticked: the spatial mixture is shown, measured and saved; not ticked: the refined result. Switch as often "
            "as you like: what you paint stays with the one that you paint on."
        )
        self.keep_spatial.toggled.connect(self.keep_spatial_asked)
        self.save = QPushButton("Save mask…")
        self.save.setObjectName("segment_save")
        self.save.setToolTip(
            "Write the result, as painted now, on the grid and with the header of its image; "
            "class names and colours stand beside it."
        )
        self.save.clicked.connect(self.save_asked)
        self._saved = wrapped_label("segment_saved")
        row = QHBoxLayout()
        row.addWidget(self.save)
        row.addWidget(self._saved, 1)
        for widget in (self._table, self._certainty, self._changed, self._changes, self.keep_spatial):
            layout.addWidget(widget)
        self.kept = KeptPanel()
        layout.addLayout(row)
        layout.addWidget(self.kept)

    def show_result(self, rows: Sequence[ClassRow], certainty: str) -> None:
        """Show a result; no rows take it away.

        Parameters
        ----------
        rows : sequence of ClassRow
            The table.
        certainty : str
            The sentence.
        """
        self._table.show_rows(
            [((row.name, row.amount, row.soft_amount, row.share), row.colour, row.tip or row.name) for row in rows]
        )
        self._certainty.setText(certainty)
        for widget in (self._table, self._certainty, self.save, self._saved):
            widget.setVisible(bool(rows))
        self._show_or_hide(has_result=bool(rows))

    def show_refinement(self, sentence: str, rows: Sequence[ChangeRow], *, keeps_spatial: bool) -> None:
        """Show what a refinement changed; no rows take it away.

        Parameters
        ----------
        sentence : str
            How much it changed in all.
        rows : sequence of ChangeRow
            The table.
        keeps_spatial : bool
            Whether the spatial mixture is shown now.
        """
        self._changed.setText(f"{sentence}:" if sentence else "")
        self._changes.show_rows([((row.name, row.amount, row.percent), row.colour, row.tip) for row in rows])
        with signals_blocked(self.keep_spatial):
            self.keep_spatial.setChecked(keeps_spatial)
        for widget in (self._changed, self._changes, self.keep_spatial):
            widget.setVisible(bool(rows))

    def show_busy(self, busy: bool) -> None:
        """Dim what is told of the result that a run is about to replace.

        Parameters
        ----------
        busy : bool
            Whether a run is alive.
        """
        for widget in (self._table, self._certainty, self._changed, self._changes):
            if widget.isEnabled() == busy:
                widget.setEnabled(not busy)

    def show_kept(self, rows: Sequence[KeptRow]) -> None:
        """Show what was kept; it stays there while there is no result.

        Parameters
        ----------
        rows : sequence of KeptRow
            The list.
        """
        self.kept.show_kept(rows)
        self._show_or_hide(has_kept=bool(rows))

    def _show_or_hide(self, *, has_result: bool | None = None, has_kept: bool | None = None) -> None:
        self._has_result = self._has_result if has_result is None else has_result
        self._has_kept = self._has_kept if has_kept is None else has_kept
        self.setVisible(self._has_result or self._has_kept)

    def show_saved(self, text: str) -> None:
        """Show the tick of a saved mask.

        Parameters
        ----------
        text : str
            Empty takes it away.
        """
        self._saved.setText(text)
