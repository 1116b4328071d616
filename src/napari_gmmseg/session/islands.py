"""Regions of a result too small to be believed: what would go, where they are, what windows make of a slice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config.outlier import windows_on_grid
from napari_gmmseg.volumes import Edits, Finding, Island, LabelMap, Segmentation

if TYPE_CHECKING:
    from napari_gmmseg.fitting.plane_cleaning import ScoredPlane

Windows = tuple[tuple[int, ...], tuple[int, ...]]
#: Islands that are listed at most: more are no list that anybody reads.
MOST_ISLANDS = 300
#: What is shown of an island that goes for its size, where the score leaves it.
FOR_SIZE = np.float32(0.5)


@dataclass(frozen=True)
class ClassLoss:
    """What a class would lose.

    Parameters
    ----------
    value : int
        Its label value.
    voxels, of_voxels : int
        That would go, and that it has.
    """

    value: int
    voxels: int
    of_voxels: int

    @property
    def share(self) -> float:
        """Of the class, 0 ... 1."""
        return self.voxels / max(self.of_voxels, 1)


@dataclass(frozen=True)
class CleaningPlan:
    """What a clean-up would do.

    Parameters
    ----------
    losses : tuple of ClassLoss
        Of each class.
    findings : tuple of Finding
        Where thin tissue would be eaten, or islands would be left.
    islands : tuple of Island
        Connected regions no larger than the inner window, the largest `MOST_ISLANDS` of them, largest first; those that
        a person decided on are left out.
    most_voxels : int
        Of an island.
    count : int
        How many islands there are.
    """

    losses: tuple[ClassLoss, ...]
    findings: tuple[Finding, ...]
    islands: tuple[Island, ...]
    most_voxels: int = 0
    count: int = 0


def windows_for(inner: int, outer: int, label_map: LabelMap) -> Windows:
    """Return windows on a grid, from voxels along its finest axis.

    Parameters
    ----------
    inner, outer : int
        i and j, odd.
    label_map : LabelMap
        For its grid.
    """
    return windows_on_grid(inner, outer, "voxels", label_map.geometry.spacing, label_map.geometry.shape)


def finest_spacing(label_map: LabelMap) -> float:
    """Return the size of a voxel along the finest axis of more than one voxel.

    Parameters
    ----------
    label_map : LabelMap
        For its grid.
    """
    geometry = label_map.geometry
    return min((s for s, n in zip(geometry.spacing, geometry.shape, strict=True) if n > 1), default=1.0)


def scored_plane(result: Segmentation, plane: Sequence[int | slice]) -> ScoredPlane:
    """Return what scores a plane of a result for windows that change.

    Parameters
    ----------
    result : Segmentation
        The result.
    plane : tuple of (int or slice)
        Index into the grid.

    Raises
    ------
    GeometryError
        Where that is no plane of one frame.
    """
    from napari_gmmseg.fitting.plane_cleaning import ScoredPlane

    return ScoredPlane(result, plane)


def plan_cleaning(
    result: Segmentation,
    windows: Windows,
    spared: Collection[int],
    edits: Edits | None,
    wanted: Callable[[], bool] = lambda: True,
) -> CleaningPlan | None:
    """Work out what a clean-up would do, and list islands; None where nobody wants it any more. For any thread.

    Parameters
    ----------
    result : Segmentation
        The result.
    windows : (tuple of int, tuple of int)
        i and j: odd voxels along (z, y, x).
    spared : collection of int
        Label values whose voxels stay.
    edits : Edits or None
        Voxels that a person set: they stay.
    wanted : callable
        Whether to go on.
    """
    from napari_gmmseg.fitting.cleaning import island_voxels, plan_in_rounds

    held = held_voxels(result, edits)
    steps = plan_in_rounds(result, windows, spared=spared, held=held, islands=True)
    while wanted():
        try:
            next(steps)
        except StopIteration as end:
            cleaning = end.value
            break
    else:
        return None
    losses = tuple(ClassLoss(c.tissue.value, c.lost, c.voxels_before) for c in cleaning.changes)
    most = island_voxels(windows)
    listed = _largest(result, most, spared, cleaning.held, wanted)
    return None if listed is None else CleaningPlan(losses, cleaning.findings, listed[0], most, listed[1])


def _largest(
    result: Segmentation,
    most_voxels: int,
    spared: Collection[int],
    held: NDArray[np.bool_] | None,
    wanted: Callable[[], bool],
) -> tuple[tuple[Island, ...], int] | None:
    """Return the largest islands and how many there are; None where nobody wants it any more."""
    from napari_gmmseg.fitting.solid_labels import SolidLabels
    from napari_gmmseg.mixture.islands import in_order, islands_of

    label_map = SolidLabels.of(result).label_map(result)
    islands: list[Island] = []
    count = 0
    for value in result.label_map.classes.values:
        if not wanted():
            return None
        if most_voxels and value not in spared:
            found, n = islands_of(label_map, value, most_voxels, largest=MOST_ISLANDS, held=held)
            islands, count = [*islands, *found], count + n
    return in_order(islands)[:MOST_ISLANDS], count


@dataclass(frozen=True, eq=False)
class Regions:
    """The connected regions of a result.

    Parameters
    ----------
    sizes : ndarray (*grid) int32
        Voxels of the region of each voxel; 0 where there is no class. Background has one where it was declared.
    held : ndarray (*grid) bool or None
        Voxels that a person set.
    touched : ndarray (*grid) bool or None
        Regions with any of them.
    """

    sizes: NDArray[np.int32]
    held: NDArray[np.bool_] | None = None
    touched: NDArray[np.bool_] | None = None


def regions_of(result: Segmentation, edits: Edits | None) -> Regions:
    """Return the connected regions of a result. For any thread.

    Parameters
    ----------
    result : Segmentation
        The result.
    edits : Edits or None
        Voxels that a person set.
    """
    from napari_gmmseg.fitting.solid_labels import SolidLabels
    from napari_gmmseg.mixture.islands import region_sizes, regions_with

    label_map = SolidLabels.of(result).label_map(result)
    sizes, held = region_sizes(label_map), held_voxels(result, edits)
    touched = None if held is None else regions_with(label_map.labels, label_map.classes.values, held)
    return Regions(sizes, held, touched)


def goes(
    score: NDArray[np.float32],
    labels: NDArray[np.uint8],
    regions: Regions,
    plane: tuple[int | slice, ...],
    windows: Windows,
    spared: Collection[int],
) -> NDArray[np.float32]:
    """Return what is shown of a plane: the score, and at least a half for islands that go for their size.

    What a person set stays, and so does the island that it lies in.

    Parameters
    ----------
    score : ndarray (H, W) float32
        0 ... 1.
    labels : ndarray (H, W) uint8
        Label values, as `ScoredPlane.solid_labels` has them.
    regions : Regions
        Of the result.
    plane : tuple of (int or slice)
        Index into the grid.
    windows : (tuple of int, tuple of int)
        i and j: odd voxels along (z, y, x).
    spared : collection of int
        Label values whose voxels stay.

    Returns
    -------
    ndarray (H, W) float32
        0 ... 1.
    """
    from napari_gmmseg.fitting.cleaning import island_voxels

    sizes = regions.sizes[plane]
    small = (sizes > 0) & (sizes <= island_voxels(windows))
    goes = small.copy()
    for value in spared:
        goes &= labels != value
    shown = np.where(goes, np.maximum(score, FOR_SIZE), score)
    if regions.held is None or regions.touched is None:
        return shown
    return np.where(regions.held[plane] | (small & regions.touched[plane]), np.float32(0), shown)


def cleaned(
    shown: Segmentation,
    model: Segmentation | None,
    windows: Windows,
    spared: Collection[int],
    edits: Edits | None,
) -> Segmentation:
    """Return a result with a clean-up done, as it is without edits.

    Parameters
    ----------
    shown : Segmentation
        The result with edits, which decides what is an outlier.
    model : Segmentation or None
        The same without them; None where there are none.
    windows : (tuple of int, tuple of int)
        i and j: odd voxels along (z, y, x).
    spared : collection of int
        Label values whose voxels stay.
    edits : Edits or None
        Voxels that a person set: they stay.
    """
    from napari_gmmseg.fitting.cleaning import clean, plan_cleaning

    cleaning = plan_cleaning(shown, windows, spared=spared, held=held_voxels(shown, edits), islands=True)
    if model is None:
        return clean(shown, cleaning)
    changed = cleaning.labels != shown.label_map.labels
    # A class that only edits have is none of the model's.
    changed &= np.isin(cleaning.labels, (0, *model.label_map.classes.values))
    return clean(model, replace(cleaning, labels=np.where(changed, cleaning.labels, model.label_map.labels)))


def held_voxels(result: Segmentation, edits: Edits | None) -> NDArray[np.bool_] | None:
    """Return which voxels a person set; None where there are none.

    Parameters
    ----------
    result : Segmentation
        For its grid.
    edits : Edits or None
        What was set.

    Returns
    -------
    ndarray (*grid) bool or None
        On the result's grid.
    """
    if edits is None or not len(edits):
        return None
    held = np.zeros(result.label_map.labels.shape, dtype=bool)
    held.reshape(-1)[edits.positions] = True
    return held


def voxels_of(result: Segmentation, island: Island) -> NDArray[np.int64]:
    """Return the positions of an island's voxels; none where the labels are others by now.

    Parameters
    ----------
    result : Segmentation
        In which it was found.
    island : Island
        The island.

    Returns
    -------
    ndarray (n, 3) or (n, 4) int64
        On the grid's axes.
    """
    from napari_gmmseg.fitting.solid_labels import SolidLabels
    from napari_gmmseg.mixture.islands import voxels_of as own_voxels

    label_map = SolidLabels.of(result).label_map(result)
    found: NDArray[np.int64] = np.argwhere(own_voxels(label_map, island))
    whole: NDArray[np.int64] = found + np.array([start for start, _ in island.box])
    return whole


def label_of(result: Segmentation, island: Island) -> int:
    """Return the label that an island has in the mask: 0 where it is one of background.

    Parameters
    ----------
    result : Segmentation
        In which it was found.
    island : Island
        The island.
    """
    from napari_gmmseg.fitting.solid_labels import SolidLabels

    return SolidLabels.of(result).value_of(island.value)


def label_around(result: Segmentation, island: Island) -> int:
    """Return the label that most of the voxels next to an island have; 0 for background, or where nothing is.

    Parameters
    ----------
    result : Segmentation
        In which it was found.
    island : Island
        The island.
    """
    from napari_gmmseg.fitting.solid_labels import SolidLabels
    from napari_gmmseg.mixture.islands import label_around as around
    from napari_gmmseg.mixture.islands import voxels_of as own_voxels

    solid = SolidLabels.of(result)
    label_map = solid.label_map(result)
    return solid.value_of(around(label_map.labels, island, own_voxels(label_map, island)))
