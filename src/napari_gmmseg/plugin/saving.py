"""Write what a layer shows back on the grid that its image came from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_gmmseg.config import numbered_classes
from napari_gmmseg.errors import OutputError
from napari_gmmseg.io import write_labels, write_map
from napari_gmmseg.plugin.layers import LayerVolume, volume_from_layer
from napari_gmmseg.plugin.masks import painted_labels
from napari_gmmseg.plugin.metadata import label_map_of, layer_grid_of
from napari_gmmseg.plugin.snapshots import LayerSnapshot
from napari_gmmseg.volumes import LabelMap


def labels_of(layer: LayerSnapshot) -> LabelMap:
    """Return the label map that a Labels layer shows now, paint included.

    Parameters
    ----------
    layer : LayerSnapshot
        A Labels layer: of ours, or from a reader that tells where its voxels lie.

    Raises
    ------
    OutputError
        Where the layer does not tell which side is left.
    MaskError
        Where its shape was changed, or its values do not fit one byte.
    """
    label_map, grid = label_map_of(layer.metadata), layer_grid_of(layer.metadata)
    if label_map is not None and grid is not None:
        labels = painted_labels(label_map, grid.from_layer(np.asarray(layer.data)))
        return replace(label_map, labels=labels)
    found = volume_from_layer(layer, axis4="time" if layer.ndim == 4 else None)
    return _with_numbers(layer, found)


def _with_numbers(layer: LayerSnapshot, found: LayerVolume) -> LabelMap:
    """Number the labels of a layer that is not ours."""
    geometry = found.volume.geometry
    if geometry.unit == "mm" and not geometry.verified:
        raise OutputError(
            f"The layer {layer.name!r} does not tell which side is left, so a mask could come out mirrored.",
            "Save it from the Segment dock (Save mask...), which knows the image that it lies over.",
        )
    array = found.volume.data[0]
    highest = int(array.max(initial=0))
    if array.min(initial=0) < 0 or highest > 255:
        raise OutputError(
            f"The labels of {layer.name!r} run to {highest}; a mask holds 0 to 255.", "Give them values below 256."
        )
    return LabelMap(array.astype(np.uint8), geometry, numbered_classes(max(2, highest)), found.volume.source)


def save_labels(path: str | Path, layer: LayerSnapshot) -> Path:
    """Write a Labels layer as a mask, re-read and compared.

    Parameters
    ----------
    path : path
        Target.
    layer : LayerSnapshot
        See `labels_of`.

    Raises
    ------
    OutputError
        Where it cannot be written, or read back differently.
    ResourceError
        Where the disk is full.
    """
    return write_labels(path, labels_of(layer))


def save_map(path: str | Path, layer: LayerSnapshot) -> Path:
    """Write an Image layer of ours (a probability, an uncertainty) on its image's grid, re-read and compared.

    Parameters
    ----------
    path : path
        Target.
    layer : LayerSnapshot
        The layer.

    Raises
    ------
    OutputError
        Where it is no layer of ours, cannot be written, or read back differently.
    ResourceError
        Where the disk is full.
    """
    label_map, grid = label_map_of(layer.metadata), layer_grid_of(layer.metadata)
    if label_map is None or grid is None:
        raise OutputError(
            f"The layer {layer.name!r} is no probability or uncertainty of a segmentation.",
            "Masks and maps can be saved here; save images with napari's own writer.",
        )
    return write_map(path, grid.from_layer(np.asarray(layer.data)), label_map)
