"""Between a viewer's sliders and the slices of a volume."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.plugin.layer_grids import LayerGrid

#: Where a viewer's plane lies along each axis of a layer, in voxels; None along the axes that the plane holds.
ShownPlace: TypeAlias = tuple[float | None, ...]


def shown_place(dims: Any, layer: Any) -> ShownPlace:
    """Return where a viewer's plane cuts a layer; quick, for the GUI thread.

    napari shows planes of a layer's own array: of a layer that lies askew, too.

    Parameters
    ----------
    dims : napari.components.Dims
        The viewer's.
    layer : napari.layers.Layer
        A layer of the viewer.
    """
    here = layer.world_to_data(_point(dims))
    held = _held(dims, layer)
    return tuple(None if axis in held else float(place) for axis, place in enumerate(here))


def slice_at(place: ShownPlace, grid: LayerGrid) -> int | None:
    """Return the volume's slice that is shown; None where the plane lies across the slices, or beside the volume.

    Parameters
    ----------
    place : tuple of (float or None)
        From `shown_place`, of the image's layer.
    grid : LayerGrid
        The way from the volume to that layer.
    """
    axis, source = grid.slice_axis, grid.grid
    along = None if axis is None else place[axis]
    if along is None:
        return None
    n_slices = source.shape[source.axes[0]]
    index = int(np.floor(along + 0.5))
    if not 0 <= index < n_slices:
        return None
    return n_slices - 1 - index if source.flips[0] else index


def across(place: ShownPlace, grid: LayerGrid) -> int:
    """Return the volume's axis across which the shown plane lies, counted from the end: -3 is z, also in a 3D view.

    Parameters
    ----------
    place : tuple of (float or None)
        From `shown_place`, of the image's layer.
    grid : LayerGrid
        The way from the volume to that layer.
    """
    for number, axis in enumerate(grid.grid.axes):
        held = axis + 1 if grid.extra is not None and axis >= grid.extra else axis
        if axis >= 0 and place[held] is not None:
            return number - 3
    return -3


def frame_at(place: ShownPlace, grid: LayerGrid) -> int | None:
    """Return the frame that is shown; None where the volume has no time axis, or time lies in the plane.

    Parameters
    ----------
    place : tuple of (float or None)
        From `shown_place`, of the image's layer.
    grid : LayerGrid
        The way from the volume to that layer.
    """
    along = place[grid.extra] if grid.extra is not None and grid.axis4 == "time" else None
    return None if along is None else int(np.floor(along + 0.5))


def slider_step(dims: Any, layer: Any, grid: LayerGrid, z: int) -> int | None:
    """Return where the viewer's slider shows a slice of the volume; None where no slider goes along the slices.

    napari counts along its world, so against a layer whose scale is negative.

    Parameters
    ----------
    dims : napari.components.Dims
        The viewer's.
    layer : napari.layers.Layer
        Labels of the volume.
    grid : LayerGrid
        The way from the volume to the image's layer.
    z : int
        The volume's slice.
    """
    image_axis = grid.slice_axis
    if image_axis is None:
        return None
    source = grid.grid
    along = grid.label_axes(image_axis + 1).index(image_axis)
    if along in _held(dims, layer):
        return None
    index = source.shape[source.axes[0]] - 1 - z if source.flips[0] else z
    axis = along + dims.ndim - layer.ndim
    point = _point(dims)
    start, _, step = dims.range[axis]
    point[axis] = start
    first = layer.world_to_data(point)[along]
    point[axis] = start + step
    return int(np.round((index - first) / (layer.world_to_data(point)[along] - first)))


def _point(dims: Any) -> NDArray[np.float64]:
    """Return what says which plane is shown: the place of each slider, and nothing of the axes that are displayed."""
    point = np.array(dims.point, dtype=np.float64)
    point[list(dims.displayed)] = 0.0
    return point


def _held(dims: Any, layer: Any) -> set[int]:
    """Return the layer's axes that lie within the plane."""
    return {axis - dims.ndim + layer.ndim for axis in dims.displayed}
