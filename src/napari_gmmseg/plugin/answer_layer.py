"""The Labels layer in which a session's result follows strokes; what a person paints in it is set by hand."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.plugin.bound_labels import BoundLabels, Painted, voxels_of
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.metadata import KEY, entry_of
from napari_gmmseg.plugin.shown import class_features, colours, display_like
from napari_gmmseg.volumes import ClassTable, Segmentation

#: A mouse that moves no farther between press and lift, in pixels of the screen, has clicked.
_STILL = 3.0


class AnswerLayer(BoundLabels):
    """Shows slices and volumes as they are answered.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where.
    image : napari.layers.Image
        The first channel, over which it lies.
    grid : LayerGrid
        The way between the image's layer and its volume.
    shape : tuple of int
        The volume's grid.
    edited : callable
        Takes what a person painted in it: label values, and voxels on the volume's grid.
    """

    def __init__(
        self,
        viewer: Any,
        image: Any,
        grid: LayerGrid,
        shape: tuple[int, ...],
        edited: Callable[[list[Painted]], object],
    ) -> None:
        self._edited = edited
        #: Takes the voxel that was clicked at while `point` holds, on the volume's grid; None beside the layer.
        self.pointed: Callable[[tuple[int, ...] | None], object] | None = None
        self._pointing = False
        self._classes: ClassTable | None = None
        self._image = image
        known = np.array(grid.to_layer(np.zeros(shape, dtype=np.uint8)))
        place = display_like(image, grid.label_axes(int(image.ndim)))
        added = viewer.add_labels(
            known.copy(),
            name=f"{image.name} scribbled",
            opacity=0.5,
            metadata={KEY: {"role": "result", "of": id(image)}},
            **place,
        )
        super().__init__(viewer, next(layer for layer in viewer.layers if layer == added), grid, known)
        self._layer.mouse_drag_callbacks.append(self._on_press)
        self._hide_others()

    def show_slice(self, labels: NDArray[np.uint8], slice_index: int) -> None:
        """Show a slice that was answered.

        Parameters
        ----------
        labels : ndarray (1, Y, X) or (T, 1, Y, X) uint8
            Label values.
        slice_index : int
            Position on the volume's Z axis.
        """
        layer = self.layer
        if layer is None or not self._fits(layer):
            return
        here = (..., slice(slice_index, slice_index + 1), slice(None), slice(None))
        self._busy = True
        try:
            for array in (layer.data, self._known):
                self._grid.from_layer(array)[here] = labels
            layer.refresh(thumbnail=False, highlight=False, extent=False)
        finally:
            self._busy = False

    def show(self, result: Segmentation | None) -> None:
        """Show a result, or nothing.

        Parameters
        ----------
        result : Segmentation or None
            The session's.
        """
        layer = self.layer
        if layer is None:
            return
        if result is None:
            self._write(np.zeros_like(self._known))
            return
        label_map = result.label_map
        self.colour(label_map.classes)
        self._write(self._grid.to_layer(label_map.labels))
        entry = {"label_map": label_map, "grid": self._grid, "segmentation": result}
        layer.metadata = {**layer.metadata, KEY: {**entry_of(layer.metadata), **entry}}

    def colour(self, classes: ClassTable) -> None:
        """Show names and colours.

        Parameters
        ----------
        classes : ClassTable
            From now on.
        """
        if classes == self._classes:
            return
        from napari.utils.colormaps import DirectLabelColormap

        self._classes = classes
        self._layer.colormap = DirectLabelColormap(color_dict=colours(classes))
        self._layer.features = class_features(classes)

    def edit(self, value: int) -> None:
        """Have the brush set voxels of the result by hand.

        Parameters
        ----------
        value : int
            Label value of a class; 0 for background.
        """
        layer = self.layer
        if layer is None:
            return
        self._pointing = False
        self._viewer.layers.selection.active = layer
        layer.selected_label = value
        layer.mode = "paint" if value else "erase"

    def point(self) -> None:
        """Have a click tell the voxel that it is at; a drag moves the picture."""
        layer = self.layer
        if layer is not None:
            self._viewer.layers.selection.active = layer
            layer.mode = "pan_zoom"
            self._pointing = True

    def rest(self) -> None:
        """Neither paint nor point any more."""
        self._pointing = False
        if self.layer is not None:
            self._layer.mode = "pan_zoom"

    def voxel_under_mouse(self) -> tuple[int, ...] | None:
        """Return the voxel of the volume that the mouse is over; None where it is over none."""
        return self._voxel_at(self._viewer.cursor.position)

    def release(self) -> None:
        """Listen no more; the layer stays."""
        super().release()
        if self._on_press in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._on_press)

    def _on_press(self, _layer: Any, event: Any) -> Generator[None]:
        """Tell a click from a drag: napari goes on with it when the mouse moves, and when it is lifted."""
        pressed = np.array(event.pos, dtype=np.float64)
        yield
        while event.type == "mouse_move":
            yield
        moved = float(np.abs(np.array(event.pos, dtype=np.float64) - pressed).max())
        if self._pointing and moved <= _STILL and event.button == 1 and self.pointed is not None:
            self.pointed(self._voxel_at(event.position))

    def _voxel_at(self, world: Sequence[float]) -> tuple[int, ...] | None:
        layer = self.layer
        if layer is None or self._viewer.dims.ndisplay != 2 or not self._fits(layer):
            return None
        place = np.asarray(layer.world_to_data(np.asarray(world)[-layer.ndim :]), dtype=np.float64)
        index = np.floor(place + 0.5).astype(np.int64)
        if not ((index >= 0) & (index < layer.data.shape)).all():
            return None
        return tuple(int(i) for i in voxels_of(index[None], self._grid)[0])

    def _tell(self, painted: list[Painted]) -> None:
        self._edited(painted)

    def _hide_others(self) -> None:
        """Hide other results on the same image, so that this one can be seen."""
        for layer in self._viewer.layers:
            entry = entry_of(layer.metadata)
            if layer is not self._layer and entry.get("role") == "result" and entry.get("of") == id(self._image):
                layer.visible = False
