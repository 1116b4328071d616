"""napari's Save: Labels layers and our maps, on the grid of their image."""

from __future__ import annotations

from typing import Any

from napari_gmmseg.plugin.saving import save_labels, save_map
from napari_gmmseg.plugin.snapshots import LayerSnapshot, take_snapshot


def write_labels_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a Labels layer as a mask, with its class names and colours beside it.

    Parameters
    ----------
    path : str
        Target.
    data : array
        The layer's array.
    meta : dict
        The layer's settings.

    Returns
    -------
    list of str
        The file, after it was read back and compared.
    """
    return [str(save_labels(path, _snapshot(data, meta, "labels")))]


def write_map_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a probability or an uncertainty.

    Parameters
    ----------
    path : str
        Target.
    data : array
        The layer's array.
    meta : dict
        The layer's settings.

    Returns
    -------
    list of str
        The file, after it was read back and compared.
    """
    return [str(save_map(path, _snapshot(data, meta, "image")))]


def _snapshot(data: Any, meta: dict[str, Any], kind: str) -> LayerSnapshot:
    """Make the layer again that napari has taken apart."""
    from napari.layers import Layer

    return take_snapshot(Layer.create(data, meta, kind))
