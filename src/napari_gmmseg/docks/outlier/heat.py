"""The layer that shows how much of an outlier each voxel of the shown slice is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.docks.histogram.result_plane import ResultLayer
from napari_gmmseg.plugin.metadata import KEY, entry_of
from napari_gmmseg.plugin.shown import display_like
from napari_gmmseg.session.histograms import Plane
from napari_gmmseg.volumes import LabelMap

ROLE = "outlier heat"


class HeatLayer:
    """Adds, paints and takes away the heat map of one viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._array: NDArray[np.float32] | None = None
        self._layer: Any | None = None

    @property
    def is_there(self) -> bool:
        """Whether the viewer has the layer."""
        return self._layer is not None and any(layer is self._layer for layer in self._viewer.layers)

    @property
    def was_removed(self) -> bool:
        """Whether the person took the layer away."""
        return self._layer is not None and not self.is_there

    def paint(self, shown: ResultLayer, label_map: LabelMap, plane: Plane, score: NDArray[np.float32]) -> None:
        """Show the score of a plane; other planes stay as they were.

        Parameters
        ----------
        shown : ResultLayer
            What it lies over.
        label_map : LabelMap
            Whose outliers.
        plane : tuple of (int or slice)
            Index into the grid.
        score : ndarray (H, W) float32
            0 ... 1.
        """
        if self._array is None or self._array.shape != label_map.labels.shape or not self.is_there:
            self._add(shown, label_map)
        assert self._array is not None
        assert self._layer is not None
        self._array[plane] = score
        self._layer.refresh(thumbnail=False, highlight=False, extent=False)

    def clear(self) -> None:
        """Forget the scores of a result that is another's."""
        if self._array is not None and self.is_there and self._layer is not None:
            self._array[...] = 0
            self._layer.refresh(thumbnail=False, highlight=False, extent=False)

    def remove(self) -> None:
        """Take the layer away."""
        layer, there = self._layer, self.is_there
        self._layer = self._array = None
        if there:
            self._viewer.layers.remove(layer)

    def _add(self, shown: ResultLayer, label_map: LabelMap) -> None:
        self.remove()
        # Zeros take no memory before they are written to: only planes that were looked at do.
        data = shown.grid.to_layer(np.zeros(label_map.labels.shape, dtype=np.float32))
        layers = self._viewer.layers
        active = layers.selection.active
        added = self._viewer.add_image(
            data,
            name=f"{shown.layer.name} outliers",
            colormap="inferno",
            contrast_limits=(0.0, 1.0),
            blending="additive",
            metadata={KEY: {"role": ROLE, "label_map": label_map, "grid": shown.grid}},
            **display_like(shown.layer, range(int(shown.layer.ndim))),
        )
        # The viewer that napari hands a plugin wraps what it returns: the list has the layer itself.
        self._layer = next(layer for layer in layers if layer == added)
        self._array = shown.grid.from_layer(self._layer.data)
        if active is not None and active in layers:
            layers.selection.active = active


def is_heat(layer: Any) -> bool:
    """Tell whether a layer is a heat map of this dock.

    Parameters
    ----------
    layer : napari.layers.Layer
        Any.
    """
    return bool(entry_of(layer.metadata).get("role") == ROLE)
