"""The plane of the result's layer that is shown: found by what we left in its metadata, and painted on in passing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.metadata import entry_of, layer_grid_of, segmentation_of, volume_of
from napari_gmmseg.plugin.slices import ShownPlace, shown_place
from napari_gmmseg.session.histograms import Plane
from napari_gmmseg.volumes import Segmentation, Volume


@dataclass(frozen=True)
class ResultLayer:
    """The layer that shows a result.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer.
    grid : LayerGrid
        The way from the volume to it.
    """

    layer: Any
    grid: LayerGrid

    def plane(self, dims: Any) -> Plane | None:
        """Return which voxels of the volume the viewer shows; None where it shows no plane of it.

        Parameters
        ----------
        dims : napari.components.Dims
            The viewer's.
        """
        return plane_at(shown_place(dims, self.layer), self.grid)


def find_result_layer(viewer: Any, volume: Volume, result: Segmentation | None) -> ResultLayer | None:
    """Return the layer that shows the result, the newest where there are several; None where there is none.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where.
    volume : Volume
        The image.
    result : Segmentation or None
        The result; None takes any of the image.
    """
    found: list[tuple[bool, ResultLayer]] = []
    for layer in reversed(list(viewer.layers)):
        if entry_of(layer.metadata).get("role") != "result" or not isinstance(layer.data, np.ndarray):
            continue
        grid = layer_grid_of(layer.metadata) or _grid_of_image(viewer, layer)
        if grid is None:
            continue
        if grid.axis4 == "channel":
            grid = replace(grid, extra=None, axis4=None)
        array = grid.from_layer(layer.data) if layer.data.ndim == _n_axes(grid) else None
        if array is not None and array.shape == volume.grid_shape:
            found.append((segmentation_of(layer.metadata) is result, ResultLayer(layer, grid)))
    exact = [layer for same, layer in found if same]
    return exact[0] if exact else found[0][1] if found else None


def plane_at(place: ShownPlace, grid: LayerGrid) -> Plane | None:
    """Return the index into a volume's grid of the plane that is shown, whichever way it cuts the volume.

    Parameters
    ----------
    place : tuple of (float or None)
        From `shown_place`, of the labels' layer.
    grid : LayerGrid
        The way from the volume to that layer.

    Returns
    -------
    tuple of (int or slice) or None
        None where the whole volume is shown, or the plane lies beside it.
    """
    has_time = grid.axis4 == "time" and grid.extra is not None
    index: list[int | slice | None] = []
    if has_time and grid.extra is not None:
        along = place[grid.extra]
        index.append(slice(None) if along is None else _nearest(along))
    for axis, flip in zip(grid.grid.axes, grid.grid.flips, strict=True):
        index.append(0 if axis < 0 else _place_along(place, grid, axis, flip, has_time))
    if None in index or not any(isinstance(i, int) for i in index[-3:]):
        return None
    return tuple(i for i in index if i is not None)


class PlanePainter:
    """Shows other labels in the plane while a Gaussian is dragged; what a person has painted there stays.

    Parameters
    ----------
    shown : ResultLayer
        Where.
    plane : tuple of (int or slice)
        Which voxels.
    result : Segmentation
        What the layer shows.
    """

    def __init__(self, shown: ResultLayer, plane: Plane, result: Segmentation) -> None:
        self._layer = shown.layer
        self._array = shown.grid.from_layer(shown.layer.data)
        self.plane = plane
        self._before = np.array(self._array[plane])
        self._painted = self._before != result.label_map.labels[plane]

    def paint(self, labels: NDArray[np.uint8]) -> None:
        """Show these labels.

        Parameters
        ----------
        labels : ndarray (*plane) uint8
            On the volume's grid.
        """
        self._array[self.plane] = np.where(self._painted, self._before, labels)
        self._refresh()

    def end(self, *, shows: bool) -> None:
        """Have the layer hold what it held before: it was no stroke.

        Parameters
        ----------
        shows : bool
            Whether that is shown, too; not where the answer for the whole volume is about to come.
        """
        self._array[self.plane] = self._before
        if shows:
            self._refresh()

    def _refresh(self) -> None:
        self._layer.refresh(thumbnail=False, highlight=False, extent=False)


def _grid_of_image(viewer: Any, layer: Any) -> LayerGrid | None:
    """Return the grid of a run's layer that does not tell it yet, where its image came from our reader."""
    of = entry_of(layer.metadata).get("of")
    image = next((other for other in viewer.layers if id(other) == of), None)
    volume = None if image is None else volume_of(image.metadata)
    if volume is None or volume.grid_shape != tuple(layer.data.shape) or len(volume.grid_shape) != 3:
        return None
    return LayerGrid.plain(volume.geometry)


def _n_axes(grid: LayerGrid) -> int:
    return len(grid.grid.shape) + (grid.axis4 == "time")


def _place_along(place: ShownPlace, grid: LayerGrid, axis: int, flip: bool, has_time: bool) -> int | slice | None:
    shifted = has_time and grid.extra is not None and axis >= grid.extra
    along = place[axis + 1 if shifted else axis]
    if along is None:
        return slice(None)
    n = grid.grid.shape[axis]
    i = _nearest(along)
    if not 0 <= i < n:
        return None
    return n - 1 - i if flip else i


def _nearest(along: float) -> int:
    return int(np.floor(along + 0.5))
