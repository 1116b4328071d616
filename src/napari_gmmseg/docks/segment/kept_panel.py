"""Keep as…, the results that were kept, and how two of them agree."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_gmmseg.docks.common.class_table import ClassTableView
from napari_gmmseg.docks.common.wrapped_label import wrapped_label
from napari_gmmseg.docks.segment.choices import AgreementRow, KeptRow


class KeptPanel(QWidget):
    """A name to keep a result under, a list, and a table that compares."""

    keep_asked = Signal(str)
    drop_asked = Signal(str)
    chosen = Signal(object)
    blink_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[KeptRow, ...] = ()
        self.name = QLineEdit()
        self.name.setObjectName("segment_keep_name")
        self.name.setToolTip("What the result is kept as; empty: its number of classes.")
        self.name.setPlaceholderText("Name")
        self.name.returnPressed.connect(lambda: self.keep_asked.emit(self.name.text().strip()))
        self.keep = self._button("Keep as…", "keep", "Keep this result, with its settings, under the name beside it.")
        self.keep.clicked.connect(lambda: self.keep_asked.emit(self.name.text().strip()))
        self.blink = self._button("A/B", "blink", "Show the kept result that is selected, and the current one again.")
        self.blink.clicked.connect(self.blink_asked)
        self.drop = self._button("Drop", "drop", "Let go of the kept results that are selected, after a question.")
        self.drop.clicked.connect(self._drop)
        self._list = self._make_list()
        self._sentence = wrapped_label("segment_agreement")
        self._table = ClassTableView(["Class", "A", "B", "Dice"])
        self._table.setObjectName("segment_agreements")
        self._table.setToolTip(
            "Hard volume (voxels of the mask) of each class in both, and how far they overlap: Dice, 1 where equal."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        top = QGridLayout()
        top.setSpacing(4)
        top.addWidget(self.name, 0, 0)
        top.addWidget(self.keep, 0, 1)
        bottom = QGridLayout()
        bottom.setSpacing(4)
        bottom.addWidget(self.blink, 0, 0)
        bottom.addWidget(self.drop, 0, 1)
        layout.addLayout(top)
        layout.addWidget(self._list)
        layout.addLayout(bottom)
        layout.addWidget(self._sentence)
        layout.addWidget(self._table)
        self.show_kept(())
        self.show_agreement("", ())

    @property
    def selection(self) -> tuple[str, ...]:
        """Names of the selected results."""
        return tuple(row.name for i, row in enumerate(self._rows) if self._list.topLevelItem(i).isSelected())

    def select(self, names: Sequence[str]) -> None:
        """Select results.

        Parameters
        ----------
        names : sequence of str
            Which.
        """
        for i, row in enumerate(self._rows):
            self._list.topLevelItem(i).setSelected(row.name in names)

    def show_kept(self, rows: Sequence[KeptRow]) -> None:
        """Show what was kept; what is selected stays.

        Parameters
        ----------
        rows : sequence of KeptRow
            Oldest first.
        """
        selected = set(self.selection)
        names = [row.name for row in self._rows]
        self._rows = tuple(rows)
        with signals_blocked(self._list):
            self._list.clear()
            for row in rows:
                item = QTreeWidgetItem([row.name, row.amounts, row.dice])
                for column in range(3):
                    item.setToolTip(column, row.tip)
                item.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self._list.addTopLevelItem(item)
                item.setSelected(row.name in selected)
        self._fit_height()
        for widget in (self._list, self.blink, self.drop):
            widget.setVisible(bool(rows))
        if [row.name for row in rows] != names:
            self._on_selected()

    def show_agreement(self, sentence: str, rows: Sequence[AgreementRow]) -> None:
        """Show how two results agree; no rows take it away.

        Parameters
        ----------
        sentence : str
            Which two, and how far in all.
        rows : sequence of AgreementRow
            Class by class.
        """
        self._sentence.setText(sentence)
        self._table.show_rows([((r.name, r.amount_a, r.amount_b, r.dice), r.colour, r.name) for r in rows])
        self._sentence.setVisible(bool(sentence))
        self._table.setVisible(bool(rows))

    def _drop(self) -> None:
        names = self.selection
        if names and self.ask_to_drop(names):
            for name in names:
                self.drop_asked.emit(name)

    def ask_to_drop(self, names: Sequence[str]) -> bool:
        """Ask whether kept results shall go: that cannot be undone.

        Parameters
        ----------
        names : sequence of str
            Which.
        """
        question = f"Drop {', '.join(map(repr, names))}? This cannot be undone."
        return bool(QMessageBox.question(self, "Drop kept results", question) == QMessageBox.StandardButton.Yes)

    def _on_selected(self) -> None:
        self.drop.setEnabled(bool(self.selection))
        self.chosen.emit(self.selection)

    def _make_list(self) -> QTreeWidget:
        tree = QTreeWidget()
        tree.setObjectName("segment_kept")
        tree.setToolTip("Kept results: select one to compare it with the current one, two to compare them.")
        tree.setColumnCount(3)
        tree.setHeaderLabels(["Kept", "Volumes", "Dice"])
        tree.setRootIsDecorated(False)
        tree.setUniformRowHeights(True)
        tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        tree.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = tree.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(24)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.ResizeToContents)
        tree.itemSelectionChanged.connect(self._on_selected)
        return tree

    def _fit_height(self) -> None:
        height = 2 * self._list.frameWidth() + 2 + self._list.header().sizeHint().height()
        if self._rows:
            height += len(self._rows) * self._list.sizeHintForRow(0)
        self._list.setFixedHeight(height)

    def _button(self, label: str, name: str, tip: str) -> QPushButton:
        button = QPushButton(label)
        button.setObjectName(f"segment_{name}")
        button.setToolTip(tip)
        return button
