"""A contact sheet: what pairs of windows make of the shown slice, small, side by side."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.docks.histogram.result_plane import ResultLayer
from napari_gmmseg.docks.outlier.shown import WIDEST_ADVANCED, SheetCell
from napari_gmmseg.session.histograms import Plane
from napari_gmmseg.session.islands import Regions, goes, regions_of, scored_plane, windows_for
from napari_gmmseg.volumes import ClassTable, Segmentation

#: Pixels along the longer side of a picture.
SIDE = 104
#: What goes is drawn in this colour, r, g, b; each 0 ... 255.
GONE = (255, 0, 220)
_FADED = 0.7


def pairs_around(inner: int) -> tuple[tuple[int, int], ...]:
    """Return nine pairs of windows: three widths, each with a near, the usual and a far outer window.

    Parameters
    ----------
    inner : int
        i that is chosen.
    """
    middle = min(max(inner, 5), WIDEST_ADVANCED - 2)
    return tuple((i, j) for i in (middle - 2, middle, middle + 2) for j in (2 * i + 1, 3 * i, 5 * i))


@dataclass(frozen=True)
class Orientation:
    """How a viewer shows a plane of the grid.

    Parameters
    ----------
    transposed : bool
        Whether the plane's first axis runs from left to right.
    flips : (bool, bool)
        Whether rows and columns of the picture run against the grid.
    """

    transposed: bool = False
    flips: tuple[bool, bool] = (False, False)

    @classmethod
    def of(cls, dims: Any, shown: ResultLayer, plane: Plane) -> Orientation:
        """Return it.

        Parameters
        ----------
        dims : napari.components.Dims
            The viewer's.
        shown : ResultLayer
            The layer of the result.
        plane : tuple of (int or slice)
            Index into the grid.
        """
        layer, grid = shown.layer, shown.grid
        held = [axis for axis, index in enumerate(plane[-3:]) if isinstance(index, slice)]
        places, against = [], []
        for axis in held:
            own = grid.grid.axes[axis]
            own += grid.extra is not None and own >= grid.extra
            places.append(list(dims.displayed).index(own + dims.ndim - layer.ndim))
            against.append((float(layer.scale[own]) < 0) != bool(grid.grid.flips[axis]))
        transposed = places[0] > places[1]
        return cls(transposed, (against[1], against[0]) if transposed else (against[0], against[1]))

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a picture of the plane as the viewer shows it.

        Parameters
        ----------
        picture : ndarray (h, w, 3) uint8
            In the grid's order.
        """
        turned = picture.transpose(1, 0, 2) if self.transposed else picture
        rows, columns = (slice(None, None, -1 if flip else None) for flip in self.flips)
        return np.ascontiguousarray(turned[rows, columns])


def make_sheet(
    result: Segmentation,
    plane: Plane,
    inner: int,
    spared: Collection[int],
    turn: Orientation,
    regions: Regions | None = None,
) -> tuple[SheetCell, ...]:
    """Return the cells of a contact sheet; for any thread.

    Parameters
    ----------
    result : Segmentation
        The result.
    plane : tuple of (int or slice)
        The shown slice, as an index into the grid.
    inner : int
        i that is chosen.
    spared : collection of int
        Label values whose voxels stay.
    turn : Orientation
        How the viewer shows it.
    regions : Regions or None
        The result's connected regions; None: they are counted, and nothing is held.
    """
    scored = scored_plane(result, plane)
    before = scored.labels
    regions = regions_of(result, None) if regions is None else regions
    crop = _around(before)
    cells = []
    for i, j in pairs_around(inner):
        windows = windows_for(i, j, result.label_map)
        gone = goes(scored.score(windows, spared=spared), scored.solid_labels, regions, plane, windows, spared) > 0
        picture = small_picture(before[crop], gone[crop], result.label_map.classes)
        share = 100 * gone.sum() / max(int((before > 0).sum()), 1)
        cells.append(SheetCell(i, j, turn.apply(picture), f"i {i}, j {j}: {share:.2g} %"))
    return tuple(cells)


def small_picture(labels: NDArray[np.uint8], gone: NDArray[np.bool_], classes: ClassTable) -> NDArray[np.uint8]:
    """Return a slice in faded class colours, with all that goes in one that stands out, however small it is.

    Parameters
    ----------
    labels : ndarray (H, W) uint8
        Label values.
    gone : ndarray (H, W) bool
        What changed its class.
    classes : ClassTable
        For the colours.

    Returns
    -------
    ndarray (h, w, 3) uint8
        No side longer than `SIDE`, unless the slice is smaller.
    """
    step = -(-max(labels.shape) // SIDE)
    table = np.zeros((256, 3), dtype=np.uint8)
    for tissue in classes:
        table[tissue.value] = [round(255 * _FADED * part) for part in tissue.colour]
    picture = table[labels[::step, ::step]]
    rows, columns = (-(-n // step) for n in labels.shape)
    padded = np.zeros((rows * step, columns * step), dtype=bool)
    padded[: labels.shape[0], : labels.shape[1]] = gone
    picture[padded.reshape(rows, step, columns, step).any((1, 3))] = GONE
    return picture


def _around(labels: NDArray[np.uint8]) -> tuple[slice, ...]:
    """Return the box of what is no background."""
    there = labels > 0
    if not there.any():
        return (slice(None), slice(None))
    box = []
    for axis in (0, 1):
        where = np.flatnonzero(there.any(1 - axis))
        box.append(slice(int(where[0]), int(where[-1]) + 1))
    return tuple(box)
