"""What a person sets in the result by hand: it wins over every later fit, answer and number of classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session.edit_queue import Changes, Edit, after_edits
from napari_gmmseg.session.painting import edited
from napari_gmmseg.session.scribbling import ScribbleActs
from napari_gmmseg.session.situation import Situation
from napari_gmmseg.volumes import Edits, Finding, LabelMap, Segmentation


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
        told = words or f"Edit: {self._name_of(value)}"
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

    def fill(self, at: Sequence[int], value: int, *, plane: int | None = None) -> None:
        """Set the connected region around a voxel of the result to a class, on a thread of its own.

        Parameters
        ----------
        at : sequence of int
            The voxel, on the grid's axes.
        value : int
            Label value of a class, or 0 for background.
        plane : int or None
            Axis along which the region may not grow, counted from the end; None for all axes.
        """
        place = tuple(map(int, at))
        told = {"at": list(place), "value": value, "plane": plane}

        def change(edits: Edits, shown: LabelMap) -> Edits:
            from napari_gmmseg.preparation.editing import fill

            return fill(edits, shown, place, value, plane=plane)

        self._reshape(f"Fill: {self._name_of(value)}", "fill", told, change)

    def drop_island(self, at: Sequence[int]) -> None:
        """Give the connected region around a voxel of the result to the class around it, on a thread of its own.

        Parameters
        ----------
        at : sequence of int
            The voxel, on the grid's axes.
        """
        place = tuple(map(int, at))

        def change(edits: Edits, shown: LabelMap) -> Edits:
            from napari_gmmseg.preparation.editing import drop_island

            return drop_island(edits, shown, place)

        self._reshape("Drop an island", "drop_island", {"at": list(place)}, change)

    def interpolate(self, value: int, *, axis: int = -3, frame: int | None = None) -> None:
        """Continue a class through the slices between those in which it was edited, on a thread of its own.

        Parameters
        ----------
        value : int
            Label value of the class.
        axis : int
            Axis across the slices, counted from the end: -3 is z.
        frame : int or None
            Which frame of a result with a time axis.
        """
        told = {"value": value, "axis": axis, "frame": frame}

        def change(edits: Edits, shown: LabelMap) -> Edits:
            from napari_gmmseg.preparation.editing import interpolate

            return interpolate(edits, shown, value, axis=axis, frame=frame)

        self._reshape(f"Interpolate {self._name_of(value)}", "interpolate", told, change)

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

    def _reshape(
        self, words: str, what: str, arguments: Mapping[str, Any], change: Callable[[Edits, LabelMap], Edits]
    ) -> None:
        """Have edits worked out that need the neighbourhood: behind what was asked before, and within a moment."""
        if self.running:
            self._refuse(Finding("refused", "A run is on.", "Stop or cancel it first."))
            return
        if self._edits.deferring:
            self._edits.defer(words, lambda: self._reshape(words, what, arguments, change))
            return
        if self._edits_now() is None:
            return

        def make(now: Situation) -> Changes:
            assert now.result is not None
            return {"edits": change(_edits_of(now, now.result), now.result.label_map)}

        self._edit(Edit(words, what, arguments, make))

    def _name_of(self, value: int) -> str:
        tissue = None if self.classes is None else self.classes.by_value(value)
        return "background" if value == 0 else tissue.name if tissue else str(value)

    def _edits_now(self) -> Edits | None:
        result = self._now.result
        if result is None:
            self._refuse(Finding("refused", "There is no result to edit.", "Segment the image or paint strokes first."))
            return None
        return _edits_of(self._now, result)


def _edits_of(now: Situation, result: Segmentation) -> Edits:
    """Return what was edited so far, with the classes as they are now."""
    if now.edits is None:
        return Edits.none(result.label_map)
    # A class may have come since, or be called otherwise.
    return replace(now.edits, classes=result.label_map.classes)
