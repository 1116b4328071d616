"""Connected regions of label maps: which are small, and what lies around them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_gmmseg.volumes import Island, LabelMap


def connected_regions(there: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Return regions numbered from 1, and how many there are; voxels that touch at a corner belong together.

    Parameters
    ----------
    there : ndarray ([T,] Z, Y, X) bool
        Voxels of one kind; frames are apart from each other.

    Returns
    -------
    numbers : ndarray ([T,] Z, Y, X) int32
        0 where there is nothing.
    count : int
        Of regions.
    """
    touching = np.ones((3,) * there.ndim, dtype=bool)
    if there.ndim == 4:
        touching[[0, 2]] = False
    numbers, count = ndimage.label(there, touching)
    return numbers, int(count)


def find_islands(label_map: LabelMap, most_voxels: int, values: Iterable[int] | None = None) -> tuple[Island, ...]:
    """Return the connected regions with no more than so many voxels, the largest first.

    Parameters
    ----------
    label_map : LabelMap
        Labels ([T,] Z, Y, X).
    most_voxels : int
        Voxels of an island at most, such as those of the inner window of the outlier score.
    values : iterable of int or None
        Label values to look at; None: all of the class table.
    """
    chosen = label_map.classes.values if values is None else tuple(values)
    return in_order(island for value in chosen for island in islands_of(label_map, value, most_voxels)[0])


def in_order(islands: Iterable[Island]) -> tuple[Island, ...]:
    """Return islands the largest first; of equals by class, and by where they are.

    Parameters
    ----------
    islands : iterable of Island
        In any order.
    """
    return tuple(sorted(islands, key=lambda island: (-island.voxels, island.value, island.voxel)))


def region_sizes(label_map: LabelMap) -> NDArray[np.int32]:
    """Return how many voxels the connected region of each voxel has; 0 for background.

    Parameters
    ----------
    label_map : LabelMap
        Labels ([T,] Z, Y, X).

    Returns
    -------
    ndarray ([T,] Z, Y, X) int32
        Counts.
    """
    sizes = np.zeros(label_map.labels.shape, dtype=np.int32)
    for value in label_map.classes.values:
        numbers, count = connected_regions(label_map.labels == value)
        of_region = np.bincount(numbers.reshape(-1), minlength=count + 1).astype(np.int32)
        of_region[0] = 0
        sizes += of_region[numbers]
    return sizes


def regions_with(
    labels: NDArray[np.uint8], values: Iterable[int], there: NDArray[np.bool_], most_voxels: int | None = None
) -> NDArray[np.bool_]:
    """Return the connected regions of some classes that have any of some voxels.

    Parameters
    ----------
    labels : ndarray ([T,] Z, Y, X) uint8
        Label values.
    values : iterable of int
        Label values of the classes.
    there : ndarray ([T,] Z, Y, X) bool
        The voxels.
    most_voxels : int or None
        Of a region; None: of any size.

    Returns
    -------
    ndarray ([T,] Z, Y, X) bool
        Whole regions.
    """
    found = np.zeros(labels.shape, dtype=bool)
    for value in np.intersect1d(labels[there], list(values)):
        numbers, count = connected_regions(labels == value)
        touched = np.zeros(count + 1, dtype=bool)
        touched[numbers[there]] = True
        touched[0] = False
        if most_voxels is not None:
            touched &= np.bincount(numbers.reshape(-1), minlength=count + 1) <= most_voxels
        found |= touched[numbers]
    return found


def taken_over(
    labels: NDArray[np.uint8], most_voxels: int, value: int, held: NDArray[np.bool_] | None = None
) -> tuple[tuple[NDArray[np.int64], ...], NDArray[np.uint8]]:
    """Return the voxels of one class's regions of no more than so many voxels, and the class that touches each most.

    Parameters
    ----------
    labels : ndarray ([T,] Z, Y, X) uint8
        Label values, 0 for nothing: a region that nothing else touches stays.
    most_voxels : int
        Of a region that goes.
    value : int
        Label value whose regions may go.
    held : ndarray ([T,] Z, Y, X) bool or None
        Voxels whose regions stay.

    Returns
    -------
    places : tuple of ndarray (n,) int64
        Positions along each axis.
    around : ndarray (n,) uint8
        Label values.
    """
    numbers, count = connected_regions(labels == value)
    small = np.bincount(numbers.reshape(-1), minlength=count + 1) <= most_voxels
    small[0] = False
    if held is not None:
        small[numbers[held]] = False
    places = np.argwhere(small[numbers])
    own = (np.cumsum(small) - 1)[numbers[tuple(places.T)]]
    around = _touching_most(labels, places, own, int(small.sum()), value)[own]
    goes = around > 0
    return tuple(places[goes].T), around[goes]


def _touching_most(
    labels: NDArray[np.uint8], places: NDArray[np.int64], own: NDArray[np.int64], n: int, value: int
) -> NDArray[np.uint8]:
    """Return for each of n regions the other class that touches its voxels most often; 0 where nothing else does."""
    others = np.flatnonzero(np.bincount(labels.reshape(-1), minlength=256)).astype(np.uint8)
    others = others[(others > 0) & (others != value)]
    if not len(others) or not n:
        return np.zeros(n, dtype=np.uint8)
    column = np.full(256, -1)
    column[others] = np.arange(len(others))
    counts = np.zeros((n, len(others)), dtype=np.int32)
    # Frames are no neighbours of each other.
    apart = (0,) * (labels.ndim - 3)
    for step in np.ndindex(3, 3, 3):
        there = places + np.array((*apart, *(s - 1 for s in step)))
        inside = ((there >= 0) & (there < labels.shape)).all(1)
        touched = column[labels[tuple(there[inside].T)]]
        counts += np.bincount(
            own[inside][touched >= 0] * len(others) + touched[touched >= 0], minlength=counts.size
        ).reshape(counts.shape)
    most: NDArray[np.uint8] = np.where(counts.any(1), others[counts.argmax(1)], 0).astype(np.uint8)
    return most


def islands_of(
    label_map: LabelMap,
    value: int,
    most_voxels: int,
    *,
    largest: int | None = None,
    held: NDArray[np.bool_] | None = None,
) -> tuple[list[Island], int]:
    """Return the connected regions of one class with no more than so many voxels, and how many there are.

    Parameters
    ----------
    label_map : LabelMap
        Labels ([T,] Z, Y, X).
    value : int
        Label value of the class.
    most_voxels : int
        Voxels of an island at most.
    largest : int or None
        How many are described: the largest, of equals those that come first. None: all.
    held : ndarray ([T,] Z, Y, X) bool or None
        Regions with one of these voxels are left out.
    """
    numbers, count = connected_regions(label_map.labels == value)
    sizes = np.bincount(numbers.reshape(-1), minlength=count + 1)
    small = sizes <= most_voxels
    small[0] = False
    if held is not None:
        small[numbers[held]] = False
    found = np.flatnonzero(small)
    chosen = np.sort(found[np.argsort(-sizes[found], kind="stable")[:largest]])
    if not len(chosen):
        return [], len(found)
    # One look at the volume for all of them: of noise, each class has tens of thousands.
    own = np.zeros(count + 1, dtype=np.int32)
    own[chosen] = np.arange(1, len(chosen) + 1)
    numbers = own[numbers]
    ml = label_map.geometry.voxel_volume_ml if label_map.geometry.unit == "mm" else None
    islands = []
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        places = np.argwhere(numbers[box] == number)
        nearest = np.square(places - places.mean(0)).sum(1).argmin()
        voxel = tuple(int(p) + s.start for p, s in zip(places[nearest], box, strict=True))
        edges = tuple((int(s.start), int(s.stop)) for s in box)
        size = len(places)
        islands.append(Island(value, size, None if ml is None else size * ml, voxel, edges))
    return islands, len(found)


def voxels_of(label_map: LabelMap, island: Island) -> NDArray[np.bool_]:
    """Return which voxels of its box an island holds; none where the labels are others by now.

    Parameters
    ----------
    label_map : LabelMap
        Labels ([T,] Z, Y, X) in which it was found.
    island : Island
        The island.

    Returns
    -------
    ndarray (*box) bool
        Its voxels.
    """
    numbers, _ = connected_regions(label_map.labels[island.slices] == island.value)
    number = numbers[tuple(v - start for v, (start, _) in zip(island.voxel, island.box, strict=True))]
    own: NDArray[np.bool_] = (numbers == number) & (number > 0)
    return own


def label_around(labels: NDArray[np.uint8], island: Island, own: NDArray[np.bool_]) -> int:
    """Return the label that most of the voxels next to an island have; 0 where only background is next to it.

    Parameters
    ----------
    labels : ndarray ([T,] Z, Y, X) uint8
        Label values, 0 for background.
    island : Island
        The island.
    own : ndarray (*box) bool
        Its voxels, from `voxels_of`.
    """
    wide = tuple(
        slice(max(start - 1, 0), min(stop + 1, n)) for (start, stop), n in zip(island.box, labels.shape, strict=True)
    )
    # Frames are no neighbours of each other.
    wide = (slice(*island.box[0]), *wide[1:]) if labels.ndim == 4 else wide
    grown = np.zeros(labels[wide].shape, dtype=bool)
    grown[tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(island.slices, wide, strict=True))] = own
    touching = np.ones((3,) * labels.ndim, dtype=bool)
    if labels.ndim == 4:
        touching[[0, 2]] = False
    rim = ndimage.binary_dilation(grown, touching) & ~grown
    counts = np.bincount(labels[wide][rim], minlength=256)
    counts[[0, island.value]] = 0
    return int(counts.argmax()) if counts.any() else 0
