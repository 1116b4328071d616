"""The layer that shows which voxels were selected: ours, found by its metadata, and one an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.docks.histogram.result_plane import ResultLayer
from napari_gmmseg.plugin.metadata import KEY, entry_of
from napari_gmmseg.plugin.shown import display_like

_ROLE = "selection"
#: White: no class has it.
_COLOUR = (1.0, 1.0, 1.0, 1.0)


def is_selection(layer: Any) -> bool:
    """Whether a layer is one that we made for a selection.

    Parameters
    ----------
    layer : napari.layers.Layer
        Any layer.
    """
    return entry_of(layer.metadata).get("role") == _ROLE


def show_selection(viewer: Any, like: ResultLayer, chosen: NDArray[np.bool_]) -> Any:
    """Show voxels in the selection's layer, which is added where it is not there.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where.
    like : ResultLayer
        The layer over which it lies.
    chosen : ndarray (*grid) bool
        On the volume's grid.

    Returns
    -------
    napari.layers.Labels
        The layer.
    """
    labels = np.array(like.grid.to_layer(chosen.view(np.uint8)))
    of = entry_of(like.layer.metadata).get("of")
    for layer in viewer.layers:
        if is_selection(layer) and entry_of(layer.metadata).get("of") == of and layer.data.shape == labels.shape:
            np.copyto(layer.data, labels)
            layer.refresh(extent=False)
            layer.visible = True
            return layer
    return _add(viewer, like, labels, of)


def _add(viewer: Any, like: ResultLayer, labels: NDArray[np.uint8], of: Any) -> Any:
    from napari.utils.colormaps import DirectLabelColormap

    clear = (0.0, 0.0, 0.0, 0.0)
    active = viewer.layers.selection.active
    added = viewer.add_labels(
        labels,
        name="Selected voxels",
        opacity=0.8,
        colormap=DirectLabelColormap(color_dict={None: clear, 0: clear, 1: _COLOUR}),
        metadata={KEY: {"role": _ROLE, "of": of, "grid": like.grid}},
        **display_like(like.layer, range(like.layer.ndim)),
    )
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active
    # The viewer that napari hands a plugin wraps what it returns: the list has the layer itself.
    return next(layer for layer in viewer.layers if layer == added)
