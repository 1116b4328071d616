"""Where our nouns travel with a layer: one key in its metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.volumes import LabelMap, Segmentation, Volume

#: Layers are found by this key, never by their name.
KEY = "napari_gmmseg"


def entry_of(metadata: Mapping[Any, Any]) -> Mapping[str, Any]:
    """Return what we have put into a layer's metadata; empty where we have not.

    Parameters
    ----------
    metadata : mapping
        A layer's `metadata`.
    """
    entry = metadata.get(KEY)
    return entry if isinstance(entry, Mapping) else {}


def volume_of(metadata: Mapping[Any, Any]) -> Volume | None:
    """Return the volume that a layer of our reader shows.

    Parameters
    ----------
    metadata : mapping
        A layer's `metadata`.
    """
    volume = entry_of(metadata).get("volume")
    return volume if isinstance(volume, Volume) else None


def label_map_of(metadata: Mapping[Any, Any]) -> LabelMap | None:
    """Return the label map that a layer of ours was made from; the layer's data may have been painted on since.

    Parameters
    ----------
    metadata : mapping
        A layer's `metadata`.
    """
    label_map = entry_of(metadata).get("label_map")
    return label_map if isinstance(label_map, LabelMap) else None


def segmentation_of(metadata: Mapping[Any, Any]) -> Segmentation | None:
    """Return the segmentation that a result layer shows.

    Parameters
    ----------
    metadata : mapping
        A layer's `metadata`.
    """
    segmentation = entry_of(metadata).get("segmentation")
    return segmentation if isinstance(segmentation, Segmentation) else None


def preset_of(metadata: Mapping[Any, Any]) -> str:
    """Return the name of the preset that a sample goes with; "" where none is known.

    Parameters
    ----------
    metadata : mapping
        A layer's `metadata`.
    """
    return str(entry_of(metadata).get("preset", ""))


def layer_grid_of(metadata: Mapping[Any, Any]) -> LayerGrid | None:
    """Return the way from a layer of ours to its label map's order of axes.

    Parameters
    ----------
    metadata : mapping
        A layer's `metadata`.
    """
    grid = entry_of(metadata).get("grid")
    return grid if isinstance(grid, LayerGrid) else None


def axis4_is_open(metadata: Mapping[Any, Any]) -> bool:
    """Whether nobody has said yet what the fourth axis of a layer of our reader is.

    Parameters
    ----------
    metadata : mapping
        A layer's `metadata`.
    """
    return bool(entry_of(metadata).get("axis4_open", False))


def is_region(metadata: Mapping[Any, Any]) -> bool:
    """Whether a layer of ours says where to look, such as the left ventricle of the sample heart.

    Parameters
    ----------
    metadata : mapping
        A layer's `metadata`.
    """
    return entry_of(metadata).get("role") == "region"


def result_layer_of(layers: Iterable[Any]) -> Any | None:
    """Return the layer that shows the newest result, or a run that is on; None where there is none.

    Parameters
    ----------
    layers : iterable of napari.layers.Layer
        Of a viewer, oldest first.
    """
    results = [layer for layer in layers if entry_of(layer.metadata).get("role") == "result"]
    return next(iter([*(r for r in reversed(results) if r.visible), *reversed(results)]), None)
