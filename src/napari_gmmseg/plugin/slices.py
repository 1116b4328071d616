"""Between a viewer's sliders and the slices of a volume."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from napari_gmmseg.plugin.layer_grids import LayerGrid

#: Where a viewer's plane lies along each axis of a layer, in voxels; None along the axes that the plane holds.
ShownPlace: TypeAlias = tuple[float | None, ...]
#: Share of a voxel by which a step within the plane may leave a slice.
_ALONG = 1e-3


def shown_place(dims: Any, layer: Any) -> ShownPlace:
    """Return where a viewer's plane cuts a layer; quick, for the GUI thread.

    Parameters
    ----------
    dims : napari.components.Dims
        The viewer's.
    layer : napari.layers.Layer
        A layer of the viewer.
    """
    point = np.asarray(dims.point, dtype=np.float64)
    here = np.asarray(layer.world_to_data(point), dtype=np.float64)
    held = np.zeros(len(here), dtype=bool)
    for axis in dims.displayed:
        step = point.copy()
        step[axis] += dims.range[axis].step or 1.0
        held |= np.abs(np.asarray(layer.world_to_data(step)) - here) > _ALONG
    return tuple(None if is_held else float(place) for place, is_held in zip(here, held, strict=True))


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
    place = np.zeros(layer.ndim)
    place[along] = source.shape[source.axes[0]] - 1 - z if source.flips[0] else z
    axis = along + dims.ndim - layer.ndim
    if axis in dims.displayed:
        return None
    start, _, step = dims.range[axis]
    return int(np.round((layer.data_to_world(place)[along] - start) / step))
