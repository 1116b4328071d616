"""Where a person stands: frozen, so that undo is to put an earlier one back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import FitConfig
from napari_gmmseg.volumes import ClassTable, Colour, Edits, NetworkWeights, Scribbles, Segmentation, TissueClass

#: By label value, one number a channel, in the image's own unit.
Numbers = Mapping[int, tuple[float, ...]]


@dataclass(frozen=True)
class Given:
    """What a person said of a class; None where it is as the fit has it.

    Parameters
    ----------
    name, abbreviation : str or None
        What it is called.
    colour : (r, g, b) or None
        Each 0 ... 1.
    role : str or None
        Machine name of the tissue.
    ranks : mapping of str to int, or None
        Expected intensity rank in each contrast.
    """

    name: str | None = None
    abbreviation: str | None = None
    colour: Colour | None = None
    role: str | None = None
    ranks: Mapping[str, int] | None = None

    def applied(self, tissue: TissueClass) -> TissueClass:
        """Return a class with what a person said of it.

        Parameters
        ----------
        tissue : TissueClass
            As the fit has it.
        """
        said: dict[str, Any] = {
            name: value
            for name in ("name", "abbreviation", "colour", "role", "ranks")
            if (value := getattr(self, name)) is not None
        }
        return replace(tissue, **said)


def with_given(table: ClassTable, given: Mapping[int, Given]) -> ClassTable:
    """Return a class table with what a person said of its classes, and no name twice: a person's goes before a fit's.

    Parameters
    ----------
    table : ClassTable
        As the fit has it.
    given : mapping of int to Given
        By label value.
    """
    classes = [given[t.value].applied(t) if t.value in given else t for t in table]
    by_person = [k for k, t in enumerate(classes) if t.value in given and given[t.value].name is not None]
    taken: set[str] = set()
    for k in sorted(range(len(classes)), key=lambda k: (k not in by_person, k)):
        name = classes[k].name
        if name in taken:
            number = next(n for n in range(1, 512) if f"Class {n}" not in taken | {t.name for t in classes})
            name = f"Class {number}"
            classes[k] = replace(classes[k], name=name, abbreviation=f"C{number}")
        taken.add(name)
    return ClassTable(tuple(classes))


@dataclass(frozen=True)
class Kept:
    """A result that was kept under a name.

    Parameters
    ----------
    name : str
        Its name.
    segmentation : Segmentation
        The result.
    config : FitConfig
        The settings that gave it.
    """

    name: str
    segmentation: Segmentation
    config: FitConfig


class HoldsStates(Protocol):
    """What a run holds, for whoever goes back into it."""

    def held(self) -> Mapping[int, int]:
        """Return the bytes of all arrays that it holds, by the identity of who owns their memory."""

    def newest(self) -> Mapping[int, int]:
        """Return the part of `held` that the run itself needs."""

    def keep(self, points: Iterable[Any]) -> None:
        """Forget the states that none of these points, nor the run itself, goes back to."""


class PointInRun(Protocol):
    """A point in a run, as far as undo has to know it."""

    @property
    def log(self) -> HoldsStates:
        """What the run holds."""


@dataclass(frozen=True)
class Situation:
    """All that undo puts back.

    Parameters
    ----------
    config : FitConfig
        Settings.
    result : Segmentation or None
        What is shown.
    fitted : Segmentation or None
        The result before its Gaussians were moved: what every further move starts from.
    means, stds : mapping of int to tuple of float
        By label value: the Gaussians that were moved since.
    locked : frozenset of int
        Label values of the classes whose Gaussian is held and which do not disappear.
    given : mapping of int to Given
        Names and colours that a person gave, by label value.
    run : PointInRun or None
        Where the run that was on stood; None without one.
    scribbles : Scribbles or None
        Strokes; None before the first.
    edits : Edits or None
        Voxels of the result that a person set: `result` has them.
    model : Segmentation or None
        The result as it would be without edits; None where there are none.
    seeds : Segmentation or None
        The result of a fit before strokes were answered: it stands for classes that were not painted.
    answered : bool
        Whether the result has heard all strokes.
    weights : NetworkWeights or None
        The network that was fine-tuned last.
    """

    config: FitConfig
    result: Segmentation | None = None
    fitted: Segmentation | None = None
    means: Numbers = field(default_factory=dict)
    stds: Numbers = field(default_factory=dict)
    locked: frozenset[int] = frozenset()
    given: Mapping[int, Given] = field(default_factory=dict)
    run: PointInRun | None = None
    scribbles: Scribbles | None = None
    edits: Edits | None = None
    model: Segmentation | None = None
    seeds: Segmentation | None = None
    answered: bool = True
    weights: NetworkWeights | None = None

    def arrays(self) -> Iterator[NDArray[Any]]:
        """Yield the arrays of the results, some perhaps twice; those of a run are its own matter."""
        yield from arrays_of(self.result)
        yield from arrays_of(self.fitted)
        yield from arrays_of(self.model)
        yield from arrays_of(self.seeds)
        if self.edits is not None:
            yield from (self.edits.positions, self.edits.values)
        if self.weights is not None:
            for arrays in (self.weights.arrays, *self.weights.snapshots):
                yield from arrays.values()
        if self.scribbles is not None:
            yield from (stroke.voxels for stroke in self.scribbles.strokes)


def arrays_of(result: Segmentation | None) -> Iterator[NDArray[Any]]:
    """Yield the large arrays of a result and of what it refined.

    Parameters
    ----------
    result : Segmentation or None
        The result.
    """
    while result is not None:
        yield from (result.label_map.labels, result.probabilities, result.mask)
        if result.prior is not None:
            yield result.prior
        result = result.base


def sizes(arrays: Iterable[NDArray[Any]]) -> dict[int, int]:
    """Return the bytes of the memory behind arrays, by the identity of its owner: views of one array are one.

    Parameters
    ----------
    arrays : iterable of ndarray, any shape
        Which have to stay alive as long as the identities are used.
    """
    owners = map(_owner, arrays)
    return {id(owner): owner.nbytes for owner in owners}


def _owner(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array that owns the memory of a view."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
