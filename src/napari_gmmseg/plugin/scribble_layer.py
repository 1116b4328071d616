"""The one Labels layer that is bound to a session's strokes: what is in it is the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.plugin.bound_labels import BoundLabels, Painted, positions_of
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.metadata import KEY, entry_of
from napari_gmmseg.plugin.shown import ColourTable, class_features, colours, display_like
from napari_gmmseg.volumes import IGNORED, UNLABELLED, ClassTable, Scribbles, Stroke

#: Under our metadata key.
ROLE = "scribbles"
_IGNORED_COLOUR = (0.5, 0.5, 0.5, 1.0)


def find_scribble_layer(layers: Iterable[Any], image: Any) -> Any | None:
    """Return the layer that holds the strokes on an image, whatever it is called; None where there is none.

    Parameters
    ----------
    layers : iterable of napari.layers.Layer
        Of the viewer.
    image : napari.layers.Image
        The image.
    """
    for layer in layers:
        entry = entry_of(layer.metadata)
        if entry.get("role") == ROLE and entry.get("of") == id(image):
            return layer
    return None


class ScribbleLayer(BoundLabels):
    """Strokes in a viewer: each that a person finishes is told, and each that goes is told, too.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where.
    image : napari.layers.Image
        What is painted on.
    grid : LayerGrid
        The way between the image's layer and its volume.
    scribbles : Scribbles
        To begin with.
    painted : callable
        Takes strokes as they are finished, on the volume's grid.
    taken_back : callable
        Called where napari's own undo took the newest stroke away.
    """

    def __init__(
        self,
        viewer: Any,
        image: Any,
        grid: LayerGrid,
        scribbles: Scribbles,
        painted: Callable[[Sequence[Stroke]], object],
        taken_back: Callable[[], object],
    ) -> None:
        self._painted, self._taken_back = painted, taken_back
        self._scribbles = scribbles
        self._table: ClassTable | None = None
        known = np.array(grid.to_layer(scribbles.labels()))
        layer = find_scribble_layer(viewer.layers, image)
        if layer is None or layer.data.shape != known.shape:
            layer = _add(viewer, image, grid, known)
        super().__init__(viewer, layer, grid, known)
        self._show_classes(scribbles.classes)
        # A layer that was painted on while no session listened: its strokes are taken up.
        self._suspected = True

    @property
    def known(self) -> Scribbles:
        """The strokes that it shows."""
        return self._scribbles

    def show(self, scribbles: Scribbles, *, again: bool = False) -> None:
        """Show the session's strokes; what the layer has otherwise is written over.

        Parameters
        ----------
        scribbles : Scribbles
            All of them.
        again : bool
            Whether to compare even where no stroke came or went.
        """
        before, self._scribbles = self._scribbles, scribbles
        self._show_classes(scribbles.classes)
        if again or not (_same(scribbles.strokes, before.strokes) or self._has(scribbles.strokes, before.strokes)):
            self._write(self._grid.to_layer(scribbles.labels()))

    def _has(self, strokes: Sequence[Stroke], before: Sequence[Stroke]) -> bool:
        """Whether only strokes have come that the layer holds already: looked at where they are, not everywhere."""
        layer, new = self.layer, strokes[len(before) :]
        if layer is None or not new or not _same(strokes[: len(before)], before):
            return False
        for stroke in new:
            where = tuple(positions_of(stroke.voxels.astype(np.int64), self._grid).T)
            if not ((layer.data[where] == stroke.value).all() and (self._known[where] == stroke.value).all()):
                return False
        return True

    def choose(self, value: int) -> None:
        """Paint with a label value from now on; with `UNLABELLED`, erase.

        Parameters
        ----------
        value : int
            Of a class, `UNLABELLED` or `IGNORED`.
        """
        layer = self.layer
        if layer is None:
            return
        self._viewer.layers.selection.active = layer
        if value == UNLABELLED:
            layer.mode = "erase"
            return
        layer.selected_label = value
        layer.mode = "paint"

    def _tell(self, painted: list[Painted]) -> None:
        now = time.time()
        self._painted([Stroke(value, voxels, time=now) for value, voxels in painted])

    def _is_taken_back(self, layer: Any) -> bool:
        strokes = self._scribbles.strokes
        if not strokes:
            return False
        earlier = replace(self._scribbles, strokes=strokes[:-1]).labels()
        return bool(np.array_equal(layer.data, self._grid.to_layer(earlier)))

    def _take_back(self) -> None:
        self._taken_back()

    def _show_classes(self, table: ClassTable) -> None:
        if table == self._table:
            return
        from napari.utils.colormaps import DirectLabelColormap

        self._table = table
        shown: ColourTable = {**colours(table), IGNORED: _IGNORED_COLOUR}
        features = class_features(table)
        features["index"].append(IGNORED)
        features["class"][0] = "Unlabelled"
        features["class"].append("Ignored")
        self._layer.colormap = DirectLabelColormap(color_dict=shown)
        self._layer.features = features


def _add(viewer: Any, image: Any, grid: LayerGrid, labels: NDArray[np.uint8]) -> Any:
    place = display_like(image, grid.label_axes(int(image.ndim)))
    added = viewer.add_labels(labels.copy(), name="Scribbles", metadata={KEY: {"role": ROLE, "of": id(image)}}, **place)
    # The viewer that napari hands a plugin wraps what it returns, anew each time: the list has the layer itself.
    return next(layer for layer in viewer.layers if layer == added)


def _same(a: Sequence[Stroke], b: Sequence[Stroke]) -> bool:
    return len(a) == len(b) and all(one is other for one, other in zip(a, b, strict=True))
