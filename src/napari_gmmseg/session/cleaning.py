"""What a person can do about regions too small to be believed: take all of them out, or decide on one by one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from napari_gmmseg.config import new_class
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session.edit_queue import Changes, Edit, after_edits
from napari_gmmseg.session.editing import EditingActs
from napari_gmmseg.session.islands import Windows, cleaned, label_around, label_of, voxels_of
from napari_gmmseg.session.situation import Situation
from napari_gmmseg.volumes import ClassTable, Edits, Finding, Island, Segmentation


class CleaningActs(EditingActs):
    """A session, as far as islands go.

    Parameters
    ----------
    **options : object
        See `Following`.
    """

    @after_edits
    def clean(self, windows: Windows, spared: Collection[int] = (), words: str = "Remove islands") -> None:
        """Give regions too small to be believed the class around them; what a person set, and locked classes, stay.

        Parameters
        ----------
        windows : (tuple of int, tuple of int)
            i and j: odd voxels along (z, y, x).
        spared : collection of int
            Label values whose voxels stay.
        words : str
            For undo.
        """
        if self.running:
            self._refuse(Finding("refused", "A run is on.", "Stop or cancel it first."))
            return
        if self._edited_volume() is None:
            return
        stays = sorted({*spared, *self.locked})
        arguments = {"inner": list(windows[0]), "outer": list(windows[1]), "spared": stays}

        def make(now: Situation) -> Changes:
            assert now.result is not None
            result = cleaned(now.result, now.model, windows, stays, now.edits)
            return {"result": result, "fitted": result, "model": None, "means": {}, "stds": {}}

        self._edit(Edit(words, "clean", arguments, make))

    @after_edits
    def keep_islands(self, islands: Sequence[Island]) -> None:
        """Have islands stay what they are, whatever a clean-up or a later fit says.

        Parameters
        ----------
        islands : sequence of Island
            Of the result.
        """
        result = self._now.result
        if result is not None:
            self._set_islands("Keep", [(island, label_of(result, island)) for island in islands], result)

    @after_edits
    def remove_islands(self, islands: Sequence[Island]) -> None:
        """Give islands the class that most voxels next to them have, whatever a later fit says.

        Parameters
        ----------
        islands : sequence of Island
            Of the result; what lies in nothing but background, or in nothing, becomes background.
        """
        result = self._now.result
        if result is not None:
            self._set_islands("Remove", [(island, label_around(result, island)) for island in islands], result)

    @after_edits
    def make_class_of(self, islands: Sequence[Island]) -> None:
        """Make one new class of islands.

        Parameters
        ----------
        islands : sequence of Island
            Of the result.
        """
        result = self._now.result
        if result is None:
            return
        label_map = result.label_map
        try:
            added = new_class(label_map.classes)
        except GmmsegError as error:
            self._refuse(Finding("refused", error.message, error.hint))
            return
        told = [(island, added.value) for island in islands]
        self._set_islands("Make a class of", told, result, ClassTable((*label_map.classes, added)))

    def _set_islands(
        self,
        verb: str,
        told: Sequence[tuple[Island, int]],
        result: Segmentation,
        classes: ClassTable | None = None,
    ) -> None:
        """Set each island's voxels, as one act."""
        label_map = result.label_map
        edits = replace(Edits.none(label_map), classes=classes or label_map.classes)
        for island, value in told:
            voxels = voxels_of(result, island)
            edits = edits.paint(voxels, value) if len(voxels) else edits
        if not len(edits):
            self._refuse(Finding("refused", "The island is not there any more.", "Choose another."))
            return
        n = len(told)
        name = label_map.classes.by_value(told[0][0].value)
        what = f"an island of {name.name if name else told[0][0].value}" if n == 1 else f"{n} islands"
        self.add_edits(edits, f"{verb} {what}")


def windows_of(arguments: Mapping[str, Sequence[int]]) -> Windows:
    """Return the windows of an act that was recorded.

    Parameters
    ----------
    arguments : mapping
        "inner" and "outer".
    """
    return tuple(int(n) for n in arguments["inner"]), tuple(int(n) for n in arguments["outer"])
