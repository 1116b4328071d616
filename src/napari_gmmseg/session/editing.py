"""What a person sets in the result by hand: it wins over every later fit, answer and number of classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session.edit_queue import after_edits
from napari_gmmseg.session.painting import edited
from napari_gmmseg.session.scribbling import ScribbleActs
from napari_gmmseg.volumes import Edits, Finding


class EditingActs(ScribbleActs):
    """A session, as far as hard edits go.

    Parameters
    ----------
    **options : object
        See `Following`.
    """

    @property
    def edits(self) -> Edits | None:
        """Voxels that a person set; None where there are none."""
        return self._now.edits

    @after_edits
    def edit(self, voxels: NDArray[np.integer[Any]], value: int, words: str = "") -> None:
        """Set voxels of the result to a class, or to background; no fit moves them any more.

        Parameters
        ----------
        voxels : ndarray (n, 3) or (n, 4), integer
            Positions on the grid's axes.
        value : int
            Label value of a class, or 0 for background.
        words : str
            For undo; "" for what was painted.
        """
        before = self._edits_now()
        if before is None or not len(voxels):
            return
        try:
            after = before.paint(voxels, value)
        except GmmsegError as error:
            self._refuse(Finding("refused", error.message, error.hint))
            self._emit("result")
            return
        tissue = before.classes.by_value(value)
        told = words or ("Edit: background" if value == 0 else f"Edit: {tissue.name if tissue else value}")
        self._act(told, edited(self._now, after), "edit")

    @after_edits
    def add_edits(self, edits: Edits, words: str) -> None:
        """Set voxels of the result to several classes as one act.

        Parameters
        ----------
        edits : Edits
            Of the result's grid: an island that is dropped, a fill between slices, a mask that was read.
        words : str
            For undo.
        """
        before = self._edits_now()
        if before is None or not len(edits):
            return
        try:
            after = before.merged(edits)
        except GmmsegError as error:
            self._refuse(Finding("refused", error.message, error.hint))
            return
        self._act(words, edited(self._now, after), "edit")

    @after_edits
    def give_back(self, voxels: NDArray[np.integer[Any]]) -> None:
        """Leave edited voxels to the model again.

        Parameters
        ----------
        voxels : ndarray (n, 3) or (n, 4), integer
            Positions on the grid's axes.
        """
        before = self._edits_now()
        if before is not None and len(before):
            self._act("Undo edits", edited(self._now, before.without(voxels)), "give_back")

    @after_edits
    def clear_edits(self) -> None:
        """Leave all edited voxels to the model again."""
        edits, result = self._now.edits, self._now.result
        if edits is not None and result is not None:
            self._act("Clear edits", edited(self._now, Edits.none(result.label_map)), "clear_edits")

    def _edits_now(self) -> Edits | None:
        result = self._now.result
        if result is None:
            self._refuse(Finding("refused", "There is no result to edit.", "Segment the image or paint strokes first."))
            return None
        if self._now.edits is None:
            return Edits.none(result.label_map)
        # A class may have come since, or be called otherwise.
        return replace(self._now.edits, classes=result.label_map.classes)
