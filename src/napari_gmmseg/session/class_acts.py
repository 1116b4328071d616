"""What a person can do with the classes of a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session.class_edits import (
    adjust_classes,
    adjusted_labels,
    merge_classes,
    named_by_contrast,
    retabled,
    split_class,
)
from napari_gmmseg.session.edit_queue import Changes, Edit, EditQueue, after_edits
from napari_gmmseg.session.following import Following, with_n_classes
from napari_gmmseg.session.painting import classes_held, edited, merged, with_background
from napari_gmmseg.session.run_log import Sentence
from napari_gmmseg.session.situation import Given, Numbers, Situation, with_given
from napari_gmmseg.session.wording import abbreviated
from napari_gmmseg.volumes import Adjust, Colour, Command, Finding, Merge, Retune, Segmentation, Split, Volume

_ClassEdit = Callable[..., Segmentation]


class ClassActs(Following):
    """A session, as far as classes go: told to the run that is on, else done to the result.

    Parameters
    ----------
    **options : object
        See `Following`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._edits = EditQueue()

    @property
    def editing(self) -> bool:
        """Whether an edit of the result is being worked out: `poll` brings it."""
        return self._edits.busy

    @after_edits
    def merge(self, into: int, other: int) -> None:
        """Make two classes one.

        Parameters
        ----------
        into, other : int
            Label values; the first stays.
        """
        table = self._named(into, other)
        if table is None:
            return
        if into == other or len(table) <= 2 or other in self._now.locked:
            why = "is locked" if other in self._now.locked else "cannot be merged: there have to be two classes"
            self._refuse(Finding("refused", f"{table[other]} {why}.", "Unlock it, or choose two of three classes."))
            return
        self._change_classes(
            f"Merge {table[other]} into {table[into]}", Merge(into, other), merge_classes, into=into, other=other
        )

    @after_edits
    def split(self, value: int) -> None:
        """Make two classes of one, along the main axis of its Gaussian.

        Parameters
        ----------
        value : int
            Its label value, which the half with more voxels keeps.
        """
        table = self._named(value)
        if table is None:
            return
        if len(table) >= 16:
            self._refuse(Finding("refused", "There are 16 classes, the most there can be.", "Merge two first."))
            return
        self._change_classes(f"Split {table[value]}", Split(value), split_class, value=value)

    def adjust(self, means: Numbers, stds: Numbers) -> None:
        """Move Gaussians; those that were moved before and are not named here stay where they are.

        Without a run the result follows: what neighbours and network said of each voxel stays.

        Parameters
        ----------
        means, stds : mapping of int to tuple of float
            By label value: mean and standard deviation in each channel, in the image's own unit.
        """
        table = self._named(*means, *stds)
        if table is None or not (means or stds):
            return
        words = f"Gaussian of {', '.join(table[value] for value in dict.fromkeys((*means, *stds)))}"
        arguments = {"means": dict(means), "stds": dict(stds)}
        if self.running:
            tag, before = self._act(words, self._now, "adjust", **arguments), self._now
            self._say(Adjust(dict(means), dict(stds), self.locked), words, tag, before)
            return
        if self._edits.deferring:
            self._edits.defer(words, lambda: self.adjust(means, stds))
            return
        volume = self._edited_volume()
        if volume is None:
            return

        background = self._background

        def make(now: Situation) -> Changes:
            assert now.fitted is not None
            moved = {"means": {**now.means, **means}, "stds": {**now.stds, **stds}}
            result = with_background(adjust_classes(volume, now.fitted, **moved), background)
            return {**moved, "result": retabled(result, lambda table: with_given(table, now.given))}

        self._edit(Edit(words, "adjust", arguments, make, self._drag))

    def adjusted_labels(self, means: Numbers, stds: Numbers, *, plane: tuple[int | slice, ...]) -> NDArray[np.uint8]:
        """Return the labels that a part of the result would have with moved Gaussians, for a drag; changes nothing.

        Parameters
        ----------
        means, stds : mapping of int to tuple of float
            As for `adjust`.
        plane : tuple of int or slice
            Index into the grid, such as (z,) for one slice.

        Returns
        -------
        ndarray (*plane) uint8
            Label values.

        Raises
        ------
        GmmsegError
            Where there is no result, or the numbers make no Gaussian.
        """
        fitted, request = self._now.fitted, self._request
        if fitted is None or request is None:
            raise GmmsegError("There is no result whose Gaussians could be moved.", "Segment the image first.")
        all_means, all_stds = {**self._now.means, **means}, {**self._now.stds, **stds}
        return adjusted_labels(request.volume, fitted, all_means, all_stds, plane)

    @after_edits
    def lock(self, value: int, on: bool) -> None:
        """Hold the Gaussian of a class and keep it from disappearing, or let it go.

        Parameters
        ----------
        value : int
            Its label value.
        on : bool
            Whether it is held.
        """
        table = self._named(value)
        if table is None or (value in self.locked) is on:
            return
        if not self.running and self._now.result is None:
            self._refuse(Finding("refused", "There is no Gaussian to hold yet.", "Segment the image first."))
            return
        before = self._now
        locked = before.locked | {value} if on else before.locked - {value}
        words = f"{'Lock' if on else 'Unlock'} {table[value]}"
        tag = self._act(words, replace(before, locked=locked), "lock", value=value, on=on)
        if on and self._run is not None and self._run.on:
            self._run.protect(value)
        self._say(Adjust(locked=locked), words, tag, before)

    @after_edits
    def rename(self, value: int, name: str) -> None:
        """Call a class by another name, which no other has.

        Parameters
        ----------
        value : int
            Its label value.
        name : str
            New name.
        """
        table, name = self._named(value), " ".join(name.split())
        if table is None or table[value] == name:
            return
        others = {n.casefold() for v, n in table.items() if v != value}
        if not name or name.casefold() in others:
            why = "is the name of another class" if name else "is no name"
            self._refuse(Finding("refused", f"{name!r} {why}.", "Choose another name."))
            return
        short = abbreviated(name, [t.abbreviation for t in self.classes or () if t.value != value])
        said = {value: replace(self._now.given.get(value, Given()), name=name, abbreviation=short)}
        self._give(f"Rename {table[value]} to {name}", said, "rename", value=value, name=name)

    @after_edits
    def recolour(self, value: int, colour: Colour) -> None:
        """Show a class in another colour.

        Parameters
        ----------
        value : int
            Its label value.
        colour : (r, g, b)
            Each 0 ... 1.
        """
        table = self._named(value)
        if table is None:
            return
        if len(colour) != 3 or not all(0 <= part <= 1 for part in colour):
            self._refuse(Finding("refused", f"{colour} is no colour.", "Give red, green and blue, each 0 ... 1."))
            return
        rgb = (float(colour[0]), float(colour[1]), float(colour[2]))
        said = {value: replace(self._now.given.get(value, Given()), colour=rgb)}
        self._give(f"Colour of {table[value]}", said, "recolour", value=value, colour=rgb)

    @after_edits
    def name_by_contrast(self) -> None:
        """Name and colour all classes as the preset's tissues, by how bright each is in the known contrasts."""
        table, mixture, request = self.classes, self.mixture, self._request
        if request is None or table is None or mixture is None:
            self._refuse(Finding("refused", "There are no classes yet.", "Segment an image first."))
            return
        try:
            tissues = named_by_contrast(request.volume, request.preset, table, mixture)
        except GmmsegError as error:
            self._refuse(Finding("refused", error.message, error.hint))
            return
        said = {v: Given(t.name, t.abbreviation, t.colour, t.role, dict(t.ranks)) for v, t in tissues.items()}
        self._give("Name by contrast", said, "name_by_contrast")

    def _give(self, words: str, said: Mapping[int, Given], what: str, **arguments: Any) -> None:
        now = self._now
        new = replace(now, given={**now.given, **said})
        if not self.running and now.result is not None and now.fitted is not None:
            result = retabled(now.result, lambda table: with_given(table, said))
            fitted = result if now.fitted is now.result else retabled(now.fitted, lambda table: with_given(table, said))
            new = replace(new, result=result, fitted=fitted)
        self._act(words, new, what, **arguments)

    def _change_classes(self, words: str, command: Command, edit: _ClassEdit, **values: int) -> None:
        """Tell the run that is on, or edit the result."""
        what = type(command).__name__.lower()
        table = self.classes
        joined = {} if table is None or not isinstance(command, Merge) else merged(self._now, table, **values)
        if self.running:
            before = self._now
            tag = self._act(words, replace(before, **joined), what, **values)
            self._say(command, words, tag, before)
            return
        volume = self._edited_volume()
        if volume is None:
            return

        # Of two that are made one, the background may be the class that goes.
        strokes = joined.get("scribbles")
        background = self._background if strokes is None else strokes.background

        def make(now: Situation) -> Changes:
            assert now.result is not None
            result = with_background(edit(volume, now.result, **values), background)
            left = frozenset(result.label_map.classes.values)
            return {
                **joined,
                "result": result,
                "fitted": result,
                "means": {},
                "stds": {},
                "locked": now.locked & left,
                "given": {value: said for value, said in now.given.items() if value in left},
                "n_classes": len(left),
            }

        self._edit(Edit(words, what, values, make))

    def _edited_volume(self) -> Volume | None:
        if self._request is None or self._now.result is None:
            self._refuse(Finding("refused", "There is no result to edit.", "Segment the image first."))
            return None
        return self._request.volume

    def _named(self, *values: int) -> dict[int, str] | None:
        """Return the names of all classes by label value; None, and a refusal, where one of the values is none's."""
        table = {tissue.value: tissue.name for tissue in self.classes or ()}
        missing = [value for value in values if value not in table]
        if missing:
            finding = Finding("refused", f"There is no class of the label {missing[0]}.", "Choose one that is shown.")
            self._refuse(finding)
            return None
        return table

    def _protected(self, n_classes: int) -> frozenset[int]:
        """Return the classes that may not disappear.

        Locked ones and those that a person named or painted; the preset's tissues too, unless there are to be fewer
        classes than these: then the wish is clear.
        """
        named = {value for value, said in self._now.given.items() if said.name is not None}
        held = self.locked | named | classes_held(self._now)
        tissues = {tissue.value for tissue in self.classes or () if tissue.role}
        return held | tissues if n_classes >= len(held | tissues) else held

    def _say(self, command: Command, words: str, tag: object, before: Situation) -> None:
        """Tell the run that is on, if there is one."""
        run = self._run
        if run is None or not run.on:
            return
        sentence = Sentence(command, words, tag, before)
        if not run.amend(sentence, _together):
            run.say(sentence)

    def _edit(self, edit: Edit) -> None:
        self._edits.add(edit)
        self._edits.start(self._now)
        self._emit("job")

    def _take_edit(self) -> None:
        """Put an edit into force that was worked out, and begin with the next."""
        taken = self._edits.take()
        if taken is None:
            return
        edit, outcome = taken
        if isinstance(outcome, GmmsegError):
            self._refuse(Finding("refused", outcome.message, outcome.hint))
        else:
            drag, self._drag = self._drag, edit.drag
            changes = dict(outcome)
            # Other settings may have been changed meanwhile.
            config = with_n_classes(self._now.config, changes.pop("n_classes", self._now.config.n_classes))
            # Hard edits are made to what the result is by now.
            only_set = set(changes) == {"edits"}
            new = edited(self._now, changes["edits"]) if only_set else replace(self._now, config=config, **changes)
            self._act(edit.words, new, edit.what, **edit.arguments)
            self._drag = drag
        self._edits.start(self._now)
        self._edits.call()
        self._emit("job")


def _together(first: Command, second: Command) -> Command | None:
    """Return one command for two of a drag."""
    if isinstance(first, Retune) and isinstance(second, Retune):
        return Retune({**first.settings, **second.settings}, second.protected)
    if isinstance(first, Adjust) and isinstance(second, Adjust):
        return Adjust({**first.means, **second.means}, {**first.stds, **second.stds}, second.locked)
    return None
