"""A ring around the place where a stroke would help most."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_gmmseg.plugin.bound_labels import positions_of
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.metadata import KEY, entry_of
from napari_gmmseg.plugin.shown import display_like

#: Diameter of the ring as a share of the image's longest shown side: seen, and in nobody's way.
_SHARE = 0.08
_COLOUR = "#ff40ff"


class SpotLayer:
    """Shows one place in a viewer, and goes when it is dealt with.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where.
    image : napari.layers.Image
        Over which it lies.
    grid : LayerGrid
        The way between the image's layer and its volume.
    """

    def __init__(self, viewer: Any, image: Any, grid: LayerGrid) -> None:
        self._viewer, self._image, self._grid = viewer, image, grid

    def show(self, voxel: tuple[int, ...]) -> None:
        """Show a place.

        Parameters
        ----------
        voxel : tuple of int
            (z, y, x), or (t, z, y, x), on the volume's grid.
        """
        layer, place = self._layer(), positions_of(np.array([voxel]), self._grid).astype(np.float64)
        if layer is not None:
            layer.data = place
            return
        shown = self._viewer.dims.displayed
        longest = max(self._image.data.shape[axis - self._viewer.dims.ndim] for axis in shown)
        active = self._viewer.layers.selection.active
        self._viewer.add_points(
            place,
            name="Next spot",
            size=_SHARE * float(longest),
            face_color="transparent",
            border_color=_COLOUR,
            border_width=0.08,
            metadata={KEY: {"role": "spot", "of": id(self._image)}},
            # As the image lies: the sliders keep their steps.
            **display_like(self._image, self._grid.label_axes(int(self._image.ndim))),
        )
        self._viewer.layers.selection.active = active

    def hide(self) -> None:
        """Show none."""
        layer = self._layer()
        if layer is not None:
            self._viewer.layers.remove(layer)

    def _layer(self) -> Any | None:
        for layer in self._viewer.layers:
            entry = entry_of(layer.metadata)
            if entry.get("role") == "spot" and entry.get("of") == id(self._image):
                return layer
        return None
