"""The layer that shows a run: added when it begins, gone again when it is cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.docks.segment.outcome import Outcome
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.metadata import KEY, entry_of
from napari_gmmseg.plugin.shown import class_features, colours, display_like
from napari_gmmseg.volumes import ClassTable


class ResultLayer:
    """Shows one run in the viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where.
    image : napari.layers.Image
        The first channel, over which it lies.
    generation : int
        The job's number, by which the layer is known as this run's.
    axes : sequence of int
        Those of the image's axes that its labels have.
    """

    def __init__(self, viewer: Any, image: Any, generation: int, axes: Sequence[int]) -> None:
        self._viewer = viewer
        self._image = image
        self._generation = generation
        self._place = display_like(image, axes)
        whole = image.data[0] if image.multiscale else image.data
        self._shape = tuple(int(whole.shape[axis]) for axis in axes)
        self._begun = False
        self._hidden: list[Any] = []
        self._own: Any = None
        self._classes: ClassTable | None = None

    @property
    def place(self) -> dict[str, Any]:
        """The transform with which it lies over the image."""
        return self._place

    @property
    def layer(self) -> Any | None:
        """The layer of this run, or None where it is not in the viewer."""
        # Not by its metadata: a duplicate that the person makes has the same, and is theirs.
        return self._own if any(layer is self._own for layer in self._viewer.layers) else None

    @property
    def name(self) -> str:
        """The layer's name; "" where it is not in the viewer."""
        layer = self.layer
        return "" if layer is None else str(layer.name)

    @property
    def was_removed(self) -> bool:
        """Whether the person took it away in mid-run."""
        return self._begun and self.layer is None

    def begin(self, classes: ClassTable) -> None:
        """Add the layer, empty as yet.

        napari takes a tenth of a second to make a layer: better now than while there is something to show.

        Parameters
        ----------
        classes : ClassTable
            Colours and names to begin with.
        """
        self._hidden = self._hide_earlier()
        self._add(np.zeros(self._shape, dtype=np.uint8), classes)
        self._begun = True

    def preview(self, labels: NDArray[np.uint8], grid: LayerGrid) -> None:
        """Show the labels so far.

        Parameters
        ----------
        labels : ndarray (Z, Y, X) or (T, Z, Y, X) uint8
            On the volume's grid.
        grid : LayerGrid
            The way to the layer.
        """
        layer = self.layer
        if layer is not None and self.keeps_its_shape:
            self._fill(layer, grid.to_layer(labels))

    def rest(self) -> None:
        """Close it to the brush while a run goes on in it: what would be painted would be written over."""
        layer = self.layer
        if layer is not None:
            layer.editable = False

    def finish(self, outcome: Outcome) -> None:
        """Show a result, to be painted on.

        Parameters
        ----------
        outcome : Outcome
            The result.
        """
        shown = outcome.grid.to_layer(outcome.segmentation.label_map.labels)
        layer = self.layer
        if layer is None:
            layer = self._add(np.array(shown), outcome.segmentation.label_map.classes)
        elif self.keeps_its_shape:
            self._fill(layer, shown)
            # Closed, it forgets its strokes: they were made on what was there before.
            layer.editable = False
        layer.editable = True
        self._describe(layer, outcome)

    def colour(self, classes: ClassTable) -> None:
        """Show other names and colours.

        Parameters
        ----------
        classes : ClassTable
            From now on.
        """
        layer = self.layer
        if layer is not None and self._classes != classes:
            layer.features = class_features(classes)
            layer.colormap = _colormap(classes)
            self._classes = classes

    def paint_on(self, outcome: Outcome) -> NDArray[Any] | None:
        """Return what the layer holds, in its own order, where it was painted on; None where it was not.

        Parameters
        ----------
        outcome : Outcome
            The result that it shows.
        """
        layer = self.layer
        if layer is None or np.array_equal(layer.data, outcome.grid.to_layer(outcome.segmentation.label_map.labels)):
            return None
        return np.array(layer.data)

    @property
    def keeps_its_shape(self) -> bool:
        """Whether the layer is there and still has the image's shape, so that it can show another result."""
        layer = self.layer
        return layer is not None and isinstance(layer.data, np.ndarray) and layer.data.shape == self._shape

    def swap(self, outcome: Outcome, painted: NDArray[Any] | None) -> None:
        """Show another result of the same run.

        Parameters
        ----------
        outcome : Outcome
            The result.
        painted : ndarray or None
            From `paint_on`, of an earlier time when it was shown.
        """
        layer = self.layer
        if layer is not None:
            self._fill(
                layer, outcome.grid.to_layer(outcome.segmentation.label_map.labels) if painted is None else painted
            )
            _forget_strokes(layer)
            self._describe(layer, outcome)

    def _describe(self, layer: Any, outcome: Outcome) -> None:
        """Have all but the labels fit a result: thumbnail, class names and colours, and what is saved."""
        label_map = outcome.segmentation.label_map
        layer.refresh(data_displayed=False, highlight=False)
        entry = {"label_map": label_map, "grid": outcome.grid, "segmentation": outcome.segmentation}
        layer.metadata = {**layer.metadata, KEY: {**entry_of(layer.metadata), **entry}}
        self.colour(label_map.classes)

    def remove(self) -> None:
        """Take the layer away: it is as before."""
        layer = self.layer
        if layer is not None:
            self._viewer.layers.remove(layer)
        for hidden in self._hidden:
            hidden.visible = True
        self._hidden, self._begun = [], False

    @staticmethod
    def _fill(layer: Any, labels: NDArray[np.uint8]) -> None:
        """Write into the layer's own array, which is quicker than giving it another."""
        np.copyto(layer.data, labels)
        layer.refresh(thumbnail=False, highlight=False, extent=False)

    def _add(self, labels: NDArray[np.uint8], classes: ClassTable) -> Any:
        chosen = self._viewer.layers.selection.active
        added = self._viewer.add_labels(
            labels,
            name=f"{self._image.name} segmentation",
            opacity=0.6,
            colormap=_colormap(classes),
            features=class_features(classes),
            metadata={KEY: {"role": "result", "job": self._generation, "of": id(self._image)}},
            **self._place,
        )
        # The viewer that napari hands a plugin wraps what it returns, anew each time: the list has the layer itself.
        layer = next(layer for layer in self._viewer.layers if layer == added)
        layer.editable = False
        self._own, self._classes = layer, classes
        if chosen is not None and chosen in self._viewer.layers:
            self._viewer.layers.selection.active = chosen
        return layer

    def _hide_earlier(self) -> list[Any]:
        """Hide earlier results of the same image, so that this one can be seen, and return which were shown."""
        earlier = []
        for layer in self._viewer.layers:
            entry = entry_of(layer.metadata)
            if entry.get("role") == "result" and entry.get("of") == id(self._image) and layer.visible:
                layer.visible = False
                earlier.append(layer)
        return earlier


def _forget_strokes(layer: Any) -> None:
    """Have napari undo nothing any more: strokes on one result would be undone in the other."""
    editable, mode = layer.editable, layer.mode
    # napari forgets them when a layer is closed to editing.
    layer.editable = False
    layer.editable = editable
    layer.mode = mode


def _colormap(classes: ClassTable) -> Any:
    from napari.utils.colormaps import DirectLabelColormap

    return DirectLabelColormap(color_dict=colours(classes))
