"""Layers to volumes: the image of a layer in the volume's order, with the way back to the layer and to its file."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config.machine import available_memory
from napari_gmmseg.config.memory import in_words
from napari_gmmseg.errors import InputError, ResourceError, SettingsError
from napari_gmmseg.io.contrasts import guess_contrast
from napari_gmmseg.io.grids import RawImage, place, to_float32
from napari_gmmseg.io.reading import Axis4
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.matching import match_file
from napari_gmmseg.plugin.metadata import axis4_is_open, volume_of
from napari_gmmseg.plugin.places import LayerPlace, find_place
from napari_gmmseg.plugin.snapshots import LayerSnapshot
from napari_gmmseg.volumes import SourceGrid, Volume

#: Bytes of a number.
_FLOAT = 4


@dataclass(frozen=True)
class LayerVolume:
    """A layer's image as a volume.

    Parameters
    ----------
    volume : Volume
        The image; its source is the layer's file where that is known, else the layer's own grid.
    grid : LayerGrid
        The way back to the layer.
    """

    volume: Volume
    grid: LayerGrid


def volume_from_layer(layer: LayerSnapshot, *, axis4: Axis4 | None = None, contrast: str = "") -> LayerVolume:
    """Make a volume of a layer's image; may read files and lazy arrays, so not for the GUI thread.

    Parameters
    ----------
    layer : LayerSnapshot
        The layer, from whatever reader.
    axis4 : "time", "channel" or None
        What a fourth axis is.
    contrast : str
        Contrast that the person chose; "" guesses from the layer's name.

    Returns
    -------
    LayerVolume
        Data (C, Z, Y, X), or (C, T, Z, Y, X) with a time axis.

    Raises
    ------
    SettingsError
        Where there is a fourth axis and it is not said what it is.
    InputError
        Where the layer is empty or holds no finite value.
    ResourceError
        Where the memory cannot hold it.
    GeometryError
        Where the layer's transform cannot place voxels in space.
    """
    if 0 in layer.shape:
        raise InputError(f"The layer {layer.name!r} is empty.", "Choose another layer.")
    _check_memory(layer)
    ours = _shows_volume(layer)
    if layer.ndim == 4 and axis4 is None and (ours is None or axis4_is_open(layer.metadata)):
        size = " x ".join(str(n) for n in layer.shape)
        raise SettingsError(
            f"The layer {layer.name!r} has four axes ({size}), and it is not said what the fourth is.",
            "Choose time or channels beside the image, or show one frame as a layer of its own.",
        )
    if ours is not None:
        return _named(_of_our_reader(layer, ours, axis4), layer, contrast)
    where = find_place(layer)
    array = to_float32(np.asarray(layer.data))
    if where.extra is not None:
        array = np.moveaxis(array, where.extra, 0)
    if not np.isfinite(array).any():
        raise InputError(
            f"The layer {layer.name!r} holds no number: every voxel is NaN or infinite.", "Choose another layer."
        )
    return _named(_placed(layer, array, where, axis4), layer, contrast)


def _check_memory(layer: LayerSnapshot) -> None:
    """Refuse a layer that the memory cannot hold, before a lazy array (dask, zarr, a memory-mapped file) is read."""
    dtype = np.dtype(layer.data.dtype)
    loaded = isinstance(layer.data, np.ndarray) and not isinstance(layer.data, np.memmap)
    # As it is stored, as float32, and in the volume's order.
    each = (0 if loaded else dtype.itemsize) + (0 if dtype == np.float32 else _FLOAT) + _FLOAT
    needed, free = math.prod(layer.shape) * each, available_memory()
    if needed > free:
        size = " x ".join(str(n) for n in layer.shape)
        raise ResourceError(
            f"The layer {layer.name!r} of {size} voxels needs about {in_words(needed)} of memory before it is fitted, "
            f"and {in_words(free)} are free.",
            "Crop it, or show a coarser level of it as a layer; of a NIfTI file, `napari-gmmseg segment FILE "
            "--method gmm` goes through it slab by slab.",
        )


def label_axes(layer: LayerSnapshot, axis4: Axis4 | None) -> list[int]:
    """Return which of a layer's axes its labels will have, before anything is read: all but channels.

    Parameters
    ----------
    layer : LayerSnapshot
        The image's layer.
    axis4 : "time", "channel" or None
        What a fourth axis is.

    Raises
    ------
    GeometryError
        Where the layer's transform cannot place voxels in space.
    """
    axes = list(range(layer.ndim))
    if axis4 == "channel" and layer.ndim == 4:
        axes.remove(0 if _shows_volume(layer) is not None else find_place(layer).extra or 0)
    return axes


def _shows_volume(layer: LayerSnapshot) -> Volume | None:
    """Return the volume that our reader left in the metadata, if the layer still has its shape."""
    volume = volume_of(layer.metadata)
    if volume is None or volume.n_channels != 1 or volume.data.shape[1:] != layer.shape:
        return None
    return volume


def _of_our_reader(layer: LayerSnapshot, volume: Volume, axis4: Axis4 | None) -> LayerVolume:
    """Take the volume of our reader, with the layer's own array: it may have been changed since."""
    array = to_float32(np.asarray(layer.data))
    if volume.data.ndim == 4:
        return LayerVolume(replace(volume, data=array[np.newaxis]), LayerGrid.plain(volume.geometry))
    if axis4 == "channel":
        channels = ("",) * array.shape[0]
        return LayerVolume(
            replace(volume, data=array, channels=channels), LayerGrid.plain(volume.geometry, axis4="channel")
        )
    return LayerVolume(replace(volume, data=array[np.newaxis]), LayerGrid.plain(volume.geometry, axis4="time"))


def _placed(layer: LayerSnapshot, array: NDArray[np.float32], where: LayerPlace, axis4: Axis4 | None) -> LayerVolume:
    """Bring an array (E?, *spatial) to the volume's order and find the grid to write on."""
    n_spatial = 2 if layer.ndim == 2 else 3
    raw = RawImage(
        shape=array.shape[array.ndim - n_spatial :],
        n_extra=1,
        load=lambda _: array,
        affine=where.affine,
        format="layer",
        unit=where.unit,
        verified=where.verified,
    )
    grid, geometry = place(raw, layer.path or Path(layer.name))
    grid = replace(grid, paths=())
    own = LayerGrid(grid, extra=where.extra, axis4=axis4)
    match = match_file(layer, array, axis4, (grid.axes, grid.flips)) if n_spatial == 3 else None
    if match is not None:
        return LayerVolume(match.volume, replace(own, grid=replace(grid, axes=match.axes, flips=match.flips)))
    whole = np.moveaxis(array, 0, -1) if where.extra is not None else array
    data = grid.to_volume(whole)
    if where.extra is not None:
        data = np.moveaxis(data, -1, 0)
    volume = Volume(
        data=np.ascontiguousarray(data if axis4 == "channel" else data[np.newaxis]),
        geometry=geometry,
        source=replace(_to_write_on(grid, where.reversed_axes), details={"layer": layer.name}),
        findings=where.findings,
    )
    return LayerVolume(volume, own)


def _to_write_on(grid: SourceGrid, reversed_axes: bool) -> SourceGrid:
    """Return the grid of the file that the layer would be: its axes, in the order in which files hold them."""
    if len(grid.shape) != 3 or not reversed_axes:
        return grid
    swap = np.eye(4)[[2, 1, 0, 3]]
    z, y, x = (2 - axis for axis in grid.axes)
    return replace(grid, shape=grid.shape[::-1], affine=grid.affine @ swap, axes=(z, y, x))


def _named(found: LayerVolume, layer: LayerSnapshot, contrast: str) -> LayerVolume:
    """Name the channel: as the person said, else as it was, else as the layer's name tells."""
    volume = found.volume
    if volume.n_channels > 1:
        return found
    name = contrast or volume.channels[0] or guess_contrast(layer.name, layer.path.name if layer.path else "")
    return replace(found, volume=replace(volume, channels=(name,)))
