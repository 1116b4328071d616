"""What the Outlier dock shows: plain data between presenter and view, and its sentences."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.session.islands import MOST_ISLANDS, CleaningPlan, finest_spacing
from napari_gmmseg.volumes import ClassTable, Colour, Geometry, Island, LabelMap

NO_RESULT = Message("There is no result yet.", "Segment an image: Plugins, GMM Segmentation, Segment.")
NO_PLANE = Message("No slice of the result is shown.", "Show one in two dimensions, with the result's layer there.")
WORKING = "Working out what would go …"
#: The largest i of the slider, and of Advanced.
WIDEST, WIDEST_ADVANCED = 21, 101


@dataclass(frozen=True)
class LossLine:
    """What one class would lose.

    Parameters
    ----------
    value : int
        Its label value.
    name : str
        For the person.
    colour : (r, g, b)
        Each 0 ... 1.
    goes, of : str
        How much would go, and how much there is, with the unit.
    share : str
        In percent, with the sign.
    may_go : bool
        Whether its voxels may go.
    """

    value: int
    name: str
    colour: Colour
    goes: str = ""
    of: str = ""
    share: str = ""
    may_go: bool = True


@dataclass(frozen=True)
class IslandLine:
    """One island.

    Parameters
    ----------
    name : str
        Its class.
    colour : (r, g, b)
        Each 0 ... 1.
    size, place : str
        How large it is, and which slice it is in.
    """

    name: str
    colour: Colour
    size: str
    place: str


@dataclass(frozen=True, eq=False)
class SheetCell:
    """What one pair of windows makes of the shown slice.

    Parameters
    ----------
    inner, outer : int
        i and j.
    picture : ndarray (h, w, 3) uint8
        The slice in colours, with what goes in another.
    caption : str
        The windows, and how much of the slice goes.
    """

    inner: int
    outer: int
    picture: NDArray[np.uint8]
    caption: str


@dataclass(frozen=True)
class Numbers:
    """The numbers that are chosen.

    Parameters
    ----------
    inner, outer : int
        i and j in voxels of the finest axis, odd.
    weight, ramp : float
        Of the loss, while a network learns.
    length : str
        i as a length, with the unit.
    """

    inner: int = 3
    outer: int = 9
    weight: float = 0.0
    ramp: float = 0.5
    length: str = ""


@dataclass(frozen=True)
class Shown:
    """All that the dock shows, but for messages and the contact sheet.

    Parameters
    ----------
    numbers : Numbers
        What is chosen.
    sentence : str
        How much would go.
    losses : tuple of LossLine
        The classes.
    islands : tuple of IslandLine
        Largest first.
    title : str
        What stands above them.
    has_result, can_clean, heat : bool
        Whether there is a result, whether anything would go, and whether the heat map is shown.
    undo, redo : str or None
        What would be, in words.
    """

    numbers: Numbers = Numbers()
    sentence: str = ""
    losses: tuple[LossLine, ...] = ()
    islands: tuple[IslandLine, ...] = ()
    title: str = ""
    has_result: bool = False
    can_clean: bool = False
    heat: bool = True
    undo: str | None = None
    redo: str | None = None


def length_in_words(inner: int, label_map: LabelMap | None) -> str:
    """Return an inner window as a length.

    Parameters
    ----------
    inner : int
        i, in voxels of the finest axis; 1 takes nothing out.
    label_map : LabelMap or None
        For its voxel size.
    """
    if inner <= 1:
        return "none"
    if label_map is None or label_map.geometry.unit != "mm":
        return f"{inner} voxels"
    return f"{inner * finest_spacing(label_map):.3g} mm"


def loss_lines(
    classes: ClassTable, geometry: Geometry, plan: CleaningPlan | None, spared: Collection[int]
) -> tuple[LossLine, ...]:
    """Return what each class would lose.

    Parameters
    ----------
    classes : ClassTable
        The classes.
    geometry : Geometry
        For the volume of a voxel.
    plan : CleaningPlan or None
        What would go; None while that is not known.
    spared : collection of int
        Label values of the classes that stay.
    """
    losses = {} if plan is None else {loss.value: loss for loss in plan.losses}
    lines = []
    for tissue in classes:
        loss = losses.get(tissue.value)
        may_go = tissue.value not in spared
        if loss is None:
            lines.append(LossLine(tissue.value, tissue.name, tissue.colour, may_go=may_go))
            continue
        goes, of = (size_in_words(n, geometry) for n in (loss.voxels, loss.of_voxels))
        percent = 100 * loss.share
        share = "0 %" if not loss.voxels else "< 0.01 %" if percent < 0.01 else f"{percent:.2g} %"
        lines.append(LossLine(tissue.value, tissue.name, tissue.colour, goes, of, share, may_go))
    return tuple(lines)


def island_lines(
    islands: Sequence[Island], classes: ClassTable, geometry: Geometry, slider: tuple[int, int] = (0, 1)
) -> tuple[IslandLine, ...]:
    """Return islands as lines.

    Parameters
    ----------
    islands : sequence of Island
        Largest first.
    classes : ClassTable
        For names and colours.
    geometry : Geometry
        For the volume of a voxel.
    slider : (int, int)
        Where the viewer's slider shows the first slice, and its step to the next.
    """
    lines = []
    for island in islands:
        tissue = classes.by_value(island.value)
        if tissue is not None:
            size = f"{island.voxels} voxel{'' if island.voxels == 1 else 's'}"
            if geometry.unit == "mm":
                size = f"{size}, {1000 * island.voxels * geometry.voxel_volume_ml:.3g} mm³"
            lines.append(
                IslandLine(tissue.name, tissue.colour, size, f"slice {slider[0] + slider[1] * island.voxel[-3]}")
            )
    return tuple(lines)


def islands_in_words(plan: CleaningPlan | None) -> str:
    """Return what stands above the islands.

    Parameters
    ----------
    plan : CleaningPlan or None
        With the islands.
    """
    if plan is None or not plan.most_voxels:
        return ""
    n = plan.count
    listed = f"; the {MOST_ISLANDS} largest" if n > MOST_ISLANDS else ""
    return f"{n} island{'' if n == 1 else 's'} of up to {plan.most_voxels} voxels{listed}"


def plan_in_words(plan: CleaningPlan | None, geometry: Geometry) -> str:
    """Say how much would go.

    Parameters
    ----------
    plan : CleaningPlan or None
        What would; None while that is worked out.
    geometry : Geometry
        For the volume of a voxel.
    """
    if plan is None:
        return WORKING
    total = sum(loss.voxels for loss in plan.losses)
    if not total:
        return "Nothing would go."
    return f"{size_in_words(total, geometry)} would go to the classes around."


def size_in_words(voxels: int, geometry: Geometry) -> str:
    """Return how much so many voxels are.

    Parameters
    ----------
    voxels : int
        How many.
    geometry : Geometry
        For the volume of a voxel.
    """
    if geometry.unit != "mm":
        return f"{voxels} voxels"
    ml = voxels * geometry.voxel_volume_ml
    if not voxels:
        return "0 ml"
    return f"{ml:.3f} ml" if ml < 1 else f"{ml:.2f} ml" if ml < 100 else f"{ml:.0f} ml"
