"""What the Scribble dock shows: plain data between presenter and view, and its sentences."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from napari_gmmseg.volumes import IGNORED, UNLABELLED, ClassTable, Colour, Scribbles, Stroke

#: What the brush does: a class's label value, `UNLABELLED` to erase, `IGNORED` to leave out.
Tool = int
DoubtChoice = Literal["none", "entropy", "margin", "disagreement"]
#: What a click on the result does while it is edited.
EditTool = Literal["brush", "fill", "island"]


@dataclass(frozen=True)
class ScribbleLine:
    """One class.

    Parameters
    ----------
    value : int
        Its label value.
    name, abbreviation : str
        What it is called.
    colour : (r, g, b)
        Each 0 ... 1.
    n_voxels : int
        Labelled voxels.
    share : float
        Of the class with the most, 0 ... 1.
    background : bool
        Whether it is declared background.
    """

    value: int
    name: str
    abbreviation: str
    colour: Colour
    n_voxels: int = 0
    share: float = 0.0
    background: bool = False


@dataclass(frozen=True)
class Tuning:
    """A fine-tuning that is on, or could be.

    Parameters
    ----------
    can_begin : bool
        Whether one can be begun.
    on, paused : bool
        Whether one is on, and holds.
    text : str
        What it does, and for how long.
    fraction : float or None
        How far it is; None where that is not known.
    """

    can_begin: bool = False
    on: bool = False
    paused: bool = False
    text: str = ""
    fraction: float | None = 0.0


@dataclass(frozen=True)
class Shown:
    """All that the dock shows.

    Parameters
    ----------
    started : bool
        Whether strokes are listened to.
    starting : bool
        Whether the image is being read.
    asks_axis4 : bool
        Whether a person has to say what the fourth axis of the image is.
    axis4 : "", "time" or "channel"
        What was said.
    lines : tuple of ScribbleLine
        The classes.
    tool : int
        What the brush does.
    editing : bool
        Whether the brush sets voxels of the result by hand.
    edit_tool : "brush", "fill" or "island"
        What a click on it does then.
    n_edited : int
        Voxels that are set by hand.
    sentence : str
        How things stand.
    tuning : Tuning
        The network.
    has_result : bool
        Whether there is something to be unsure of.
    spot, calibration : str
        Where to paint next and why; whether probabilities are to be believed.
    doubt : "none", "entropy", "margin" or "disagreement"
        The map of uncertainty that is shown.
    carried : "", "offered" or "trial"
        A model of the image before.
    undo, redo : str or None
        What can be undone and redone.
    """

    started: bool = False
    starting: bool = False
    asks_axis4: bool = False
    axis4: Literal["", "time", "channel"] = ""
    lines: tuple[ScribbleLine, ...] = ()
    tool: Tool = UNLABELLED
    editing: bool = False
    edit_tool: EditTool = "brush"
    n_edited: int = 0
    sentence: str = ""
    tuning: Tuning = Tuning()
    has_result: bool = False
    spot: str = ""
    calibration: str = ""
    doubt: DoubtChoice = "none"
    carried: Literal["", "offered", "trial"] = ""
    undo: str | None = None
    redo: str | None = None


def lines_of(scribbles: Scribbles) -> tuple[ScribbleLine, ...]:
    """Return a line for each class.

    Parameters
    ----------
    scribbles : Scribbles
        All strokes.
    """
    counts = scribbles.counts()
    most = max(1, *counts.values())
    return tuple(
        ScribbleLine(
            t.value,
            t.name,
            t.abbreviation,
            t.colour,
            counts[t.value],
            counts[t.value] / most,
            scribbles.background == t.value,
        )
        for t in scribbles.classes
    )


def state_in_words(scribbles: Scribbles, unpainted: Collection[int], *, answering: bool) -> str:
    """Say which classes have strokes, and what is missing.

    Parameters
    ----------
    scribbles : Scribbles
        All strokes.
    unpainted : collection of int
        Label values of the classes that nothing tells about.
    answering : bool
        Whether the newest strokes wait for their answer.
    """
    per_class = strokes_per_class(scribbles.strokes, scribbles.classes)
    with_some = [name for name, n in per_class.items() if n]
    if not with_some:
        return "Nothing is painted yet: paint a stroke in each class."
    told = ", ".join(f"{_strokes(n)} in {name}" for name, n in per_class.items() if n)
    missing = [_short(scribbles.classes, value) for value in unpainted]
    if missing:
        return f"{told}, none in {_listed(missing)}: paint at least one in each."
    follows = [name for name, n in per_class.items() if not n]
    rest = f" {_listed(follows)} {'follows' if len(follows) == 1 else 'follow'} the result." if follows else ""
    return f"{told}.{rest}{' Answering …' if answering else ''}"


def strokes_per_class(strokes: Collection[Stroke], classes: ClassTable) -> Mapping[str, int]:
    """Return how many strokes each class has, by its short name.

    Parameters
    ----------
    strokes : collection of Stroke
        All of them.
    classes : ClassTable
        The classes.
    """
    return {t.abbreviation or t.name: sum(s.value == t.value for s in strokes) for t in classes}


def tool_in_words(tool: Tool, lines: Collection[ScribbleLine]) -> str:
    """Say what the brush does.

    Parameters
    ----------
    tool : int
        A label value, or `UNLABELLED`, or `IGNORED`.
    lines : collection of ScribbleLine
        The classes.
    """
    if tool == UNLABELLED:
        return "erase"
    if tool == IGNORED:
        return "ignore"
    return next((line.name for line in lines if line.value == tool), str(tool))


def _short(classes: ClassTable, value: int) -> str:
    tissue = classes.by_value(value)
    return str(value) if tissue is None else tissue.abbreviation or tissue.name


def _strokes(n: int) -> str:
    return "1 stroke" if n == 1 else f"{n} strokes"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
