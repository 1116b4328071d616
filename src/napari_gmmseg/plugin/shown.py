"""Nouns to what napari adds: LayerData tuples (data, settings, kind), which need no viewer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.plugin.contrasts import CONTRAST_NAMES
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.metadata import KEY
from napari_gmmseg.volumes import ClassTable, Geometry, LabelMap, Volume

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]
ColourTable: TypeAlias = dict[int | None, tuple[float, float, float, float]]

_CLEAR = (0.0, 0.0, 0.0, 0.0)
_AXES = ("z", "y", "x")
#: Share of voxels beyond each end of the grey scale.
_BEYOND = 0.2


def display_of(geometry: Geometry, *, has_time: bool = False) -> dict[str, Any]:
    """Return the diagonal transform with which napari shows a volume.

    The world is (inferior, posterior, left), so that the head is upright, the person's right is on the left of the
    picture as radiologists have it, and the three-dimensional view is not mirrored. Obliqueness is left out of the
    picture; the true affine stays in the `Volume`.

    Parameters
    ----------
    geometry : Geometry
        The volume's.
    has_time : bool
        Whether an axis comes before the spatial ones.
    """
    sizes, places = geometry.spacing, geometry.origin
    lead = 1 if has_time else 0
    return {
        "scale": [1.0] * lead + [-s for s in sizes],
        "translate": [0.0] * lead + [-p for p in places],
        "units": ["pixel"] * lead + [geometry.unit] * 3,
        "axis_labels": ["t"] * lead + list(_AXES),
    }


def display_like(layer: Any, axes: Iterable[int]) -> dict[str, Any]:
    """Return the transform of a layer, so that another one lies exactly over it.

    Parameters
    ----------
    layer : napari.layers.Layer
        The layer.
    axes : iterable of int
        Those of its axes that the other has too.
    """
    kept = list(axes)
    square = np.ix_(kept, kept)
    shown = {
        "scale": np.asarray(layer.scale)[kept],
        "translate": np.asarray(layer.translate)[kept],
        "units": [layer.units[axis] for axis in kept],
        "axis_labels": [layer.axis_labels[axis] for axis in kept],
    }
    whole = np.asarray(layer.affine.affine_matrix)
    if not np.allclose(whole, np.eye(len(whole))):
        keep = [*kept, len(whole) - 1]
        shown["affine"] = whole[np.ix_(keep, keep)]
    rotate, shear = np.asarray(layer.rotate), np.asarray(layer.shear)
    if not np.allclose(rotate, np.eye(len(rotate))):
        shown["rotate"] = rotate[square]
    if np.any(shear):
        shown["shear"] = _shear_matrix(shear, int(layer.ndim))[square]
    return shown


def _shear_matrix(shear: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return napari's upper triangular shear as a matrix."""
    if shear.ndim == 2:
        return shear
    matrix = np.eye(n)
    matrix[np.triu_indices(n, k=1)] = shear
    return matrix


def image_layers(volume: Volume, name: str, extra: Mapping[str, Any] | None = None) -> list[LayerData]:
    """Return one Image layer a channel, each with its `Volume` in the metadata.

    Parameters
    ----------
    volume : Volume
        The image.
    name : str
        Name of the layers; several channels add theirs.
    extra : mapping or None
        What else stands under our metadata key.
    """
    from dataclasses import replace

    layers: list[LayerData] = []
    has_time = volume.data.ndim == 5
    for c, channel in enumerate(volume.channels):
        alone = replace(volume, data=volume.data[c : c + 1], channels=(channel,))
        label = f"{name} {CONTRAST_NAMES.get(channel, channel) or c + 1}" if volume.n_channels > 1 else name
        settings = {
            "name": label,
            "colormap": "gray",
            "blending": "translucent" if c == 0 else "additive",
            "visible": c == 0,
            "contrast_limits": grey_limits(alone.data),
            "metadata": {KEY: {"volume": alone, **(extra or {})}},
            **display_of(volume.geometry, has_time=has_time),
        }
        layers.append((alone.data[0], settings, "image"))
    return layers


def grey_limits(data: NDArray[np.float32]) -> tuple[float, float]:
    """Return where black and white lie: almost all of what is not background is between them.

    Parameters
    ----------
    data : ndarray, any shape
        Intensities; not finite ones are left out.
    """
    sample = data.reshape(-1)[:: max(1, data.size // 500_000)]
    sample = sample[np.isfinite(sample)]
    not_zero = sample[sample != 0]
    if not not_zero.size:
        return 0.0, 1.0
    low, high = np.percentile(not_zero, (_BEYOND, 100 - _BEYOND))
    low = min(float(low), 0.0) if (sample == 0).any() else float(low)
    return (low, float(high)) if high > low else (low, low + 1.0)


def colours(classes: ClassTable) -> ColourTable:
    """Return the colour of each label value, clear for the rest.

    Parameters
    ----------
    classes : ClassTable
        The classes.
    """
    table: ColourTable = {None: _CLEAR, 0: _CLEAR}
    table.update({c.value: (*c.colour, 1.0) for c in classes})
    return table


def class_features(classes: ClassTable) -> dict[str, list[Any]]:
    """Return the table that napari shows under the pointer: one row a label value.

    Parameters
    ----------
    classes : ClassTable
        The classes.
    """
    return {
        "index": [0, *classes.values],
        "class": ["Background", *(c.name for c in classes)],
    }


def label_settings(label_map: LabelMap, grid: LayerGrid, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return colours, names and metadata of a Labels layer, without its place.

    Parameters
    ----------
    label_map : LabelMap
        What it shows.
    grid : LayerGrid
        The way back from the layer.
    extra : mapping or None
        What else stands under our metadata key.
    """
    from napari.utils.colormaps import DirectLabelColormap

    return {
        "colormap": DirectLabelColormap(color_dict=colours(label_map.classes)),
        "features": class_features(label_map.classes),
        "metadata": {KEY: {"label_map": label_map, "grid": grid, **(extra or {})}},
    }


def label_layer(
    label_map: LabelMap, grid: LayerGrid, place: Mapping[str, Any], name: str, extra: Mapping[str, Any] | None = None
) -> LayerData:
    """Return a Labels layer with class colours and names; the person may paint on it.

    Parameters
    ----------
    label_map : LabelMap
        What it shows.
    grid : LayerGrid
        The order of the layer's axes.
    place : mapping
        From `display_of` or `display_like`.
    name : str
        Name of the layer.
    extra : mapping or None
        What else stands under our metadata key.
    """
    # napari paints in place, and nouns are read-only: the layer gets its own copy.
    data = np.array(grid.to_layer(label_map.labels))
    return data, {"name": name, "opacity": 0.6, **label_settings(label_map, grid, extra), **place}, "labels"
