"""The one Labels layer that is bound to a session's strokes: what is in it is the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


class ScribbleLayer:
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
        self._viewer, self._grid = viewer, grid
        self._painted, self._taken_back = painted, taken_back
        self._scribbles = scribbles
        self._known = np.array(grid.to_layer(scribbles.labels()))
        self._table: ClassTable | None = None
        self._busy = self._suspected = False
        found = find_scribble_layer(viewer.layers, image)
        self._layer = self._add(image) if found is None or not self._fits(found) else found
        self._show_classes(scribbles.classes)
        self._connect()
        # A layer that was painted on while no session listened: its strokes are taken up.
        self._suspected = True

    @property
    def layer(self) -> Any | None:
        """The layer; None where it is not in the viewer any more."""
        return self._layer if any(layer is self._layer for layer in self._viewer.layers) else None

    @property
    def known(self) -> Scribbles:
        """The strokes that it shows."""
        return self._scribbles

    def show(self, scribbles: Scribbles) -> None:
        """Show the session's strokes; what the layer has otherwise is written over.

        Parameters
        ----------
        scribbles : Scribbles
            All of them.
        """
        if scribbles is self._scribbles:
            return
        same = scribbles.strokes == () == self._scribbles.strokes or _same(scribbles.strokes, self._scribbles.strokes)
        self._scribbles = scribbles
        self._show_classes(scribbles.classes)
        layer = self.layer
        if layer is None or same:
            return
        labels = self._grid.to_layer(scribbles.labels())
        self._known = np.array(labels)
        if self._fits(layer) and not np.array_equal(layer.data, labels):
            self._busy = True
            try:
                np.copyto(layer.data, labels)
                _forget_strokes(layer)
                layer.refresh(thumbnail=False, highlight=False, extent=False)
            finally:
                self._busy = False

    def poll(self) -> None:
        """Look whether the layer holds something else than was told, such as after napari's own undo."""
        layer = self.layer
        if not self._suspected or layer is None:
            return
        self._suspected = False
        if not self._fits(layer):
            return
        changed = layer.data != self._known
        if not changed.any():
            return
        if self._is_without_newest(layer):
            self._known = np.array(layer.data)
            self._taken_back()
        else:
            self._tell(layer, np.argwhere(changed))

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

    def set_brush(self, millimetres: float, *, ball: bool) -> None:
        """Set the size of the brush.

        Parameters
        ----------
        millimetres : float
            Its diameter, in the unit of the image where that is no length.
        ball : bool
            Whether it is a ball through the slices; else a disc in the shown one.
        """
        layer = self.layer
        if layer is None:
            return
        layer.n_edit_dimensions = min(layer.ndim, 3) if ball else 2
        axes = list(self._viewer.dims.displayed)[-2:] if not ball else list(range(layer.ndim))[-3:]
        sizes = np.abs(np.asarray(layer.scale, dtype=np.float64))[[axis - self._viewer.dims.ndim for axis in axes]]
        # napari's brush counts in the smallest of the voxels' sides.
        layer.brush_size = max(1, round(millimetres / float(sizes.min())))

    def release(self) -> None:
        """Listen no more; the layer stays."""
        for event, listener in self._listeners():
            event.disconnect(listener)

    def _listeners(self) -> list[tuple[Any, Callable[[Any], None]]]:
        events = self._layer.events
        return [(events.paint, self._on_paint), (events.set_data, self._on_shown), (events.data, self._on_shown)]

    def _connect(self) -> None:
        for event, listener in self._listeners():
            event.connect(listener)

    def _on_paint(self, event: Any) -> None:
        """A stroke is finished: only the box around it is compared."""
        layer = self.layer
        if self._busy or layer is None or not self._fits(layer):
            return
        box = _box_of(event.value, layer.data.shape)
        changed = np.argwhere(layer.data[box] != self._known[box])
        if len(changed):
            self._tell(layer, changed + np.array([part.start for part in box]))
        else:
            # Some tools say so before they paint.
            self._suspected = True

    def _on_shown(self, _event: Any = None) -> None:
        # napari undoes without a word but this; a slice that is turned to comes along, too.
        self._suspected |= not self._busy

    def _tell(self, layer: Any, positions: NDArray[np.int64]) -> None:
        where = tuple(positions.T)
        values = np.asarray(layer.data[where])
        self._known[where] = values
        now = time.time()
        voxels = voxels_of(positions, self._grid)
        told = [Stroke(int(value), voxels[values == value], time=now) for value in np.unique(values)]
        self._painted(told)

    def _is_without_newest(self, layer: Any) -> bool:
        strokes = self._scribbles.strokes
        if not strokes:
            return False
        from dataclasses import replace

        earlier = replace(self._scribbles, strokes=strokes[:-1]).labels()
        return bool(np.array_equal(layer.data, self._grid.to_layer(earlier)))

    def _fits(self, layer: Any) -> bool:
        return isinstance(layer.data, np.ndarray) and layer.data.shape == self._known.shape

    def _add(self, image: Any) -> Any:
        place = display_like(image, self._grid.label_axes(int(image.ndim)))
        added = self._viewer.add_labels(
            np.array(self._known), name="Scribbles", metadata={KEY: {"role": ROLE, "of": id(image)}}, **place
        )
        # The viewer that napari hands a plugin wraps what it returns, anew each time: the list has the layer itself.
        return next(layer for layer in self._viewer.layers if layer == added)

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
        features["abbreviation"].append("")
        self._layer.colormap = DirectLabelColormap(color_dict=shown)
        self._layer.features = features


def voxels_of(positions: NDArray[np.int64], grid: LayerGrid) -> NDArray[np.int64]:
    """Return where voxels of a layer lie in its volume.

    Parameters
    ----------
    positions : ndarray (n, d) int64
        Index into the layer's labels.
    grid : LayerGrid
        The way to the volume.

    Returns
    -------
    ndarray (n, 3) or (n, 4) int64
        Index into the volume's grid.
    """
    has_time = positions.shape[1] > len(grid.grid.shape)
    extra = grid.extra or 0
    spatial = np.delete(positions, extra, axis=1) if has_time else positions
    columns = [positions[:, extra]] if has_time else []
    for axis, flip in zip(grid.grid.axes, grid.grid.flips, strict=True):
        if axis < 0:
            columns.append(np.zeros(len(positions), dtype=np.int64))
        else:
            columns.append(grid.grid.shape[axis] - 1 - spatial[:, axis] if flip else spatial[:, axis])
    return np.stack(columns, axis=-1)


def _box_of(atoms: Any, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the box around what napari says was painted; the whole array where it does not say it as it used to."""
    told = list(atoms or ())
    boxes = [key for atom in told if (key := _slices_of(atom, len(shape))) is not None]
    if len(boxes) < len(told) or not boxes:
        return tuple(slice(0, n) for n in shape)
    return tuple(
        slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes)) for axis in range(len(shape))
    )


def _slices_of(atom: Any, ndim: int) -> tuple[slice, ...] | None:
    key = getattr(atom, "slice_key", None)
    if key is None and isinstance(atom, tuple) and isinstance(atom[0], tuple):
        sides = [np.atleast_1d(np.asarray(indices)) for indices in atom[0]]
        if len(sides) == ndim and all(side.size and side.dtype.kind in "iu" for side in sides):
            return tuple(slice(int(side.min()), int(side.max()) + 1) for side in sides)
        return None
    whole = isinstance(key, tuple) and len(key) == ndim
    return key if whole and all(isinstance(part, slice) and part.start is not None for part in key) else None


def _same(a: Sequence[Stroke], b: Sequence[Stroke]) -> bool:
    return len(a) == len(b) and all(one is other for one, other in zip(a, b, strict=True))


def _forget_strokes(layer: Any) -> None:
    """Have napari undo nothing any more: what it would put back is not what was there."""
    editable, mode = layer.editable, layer.mode
    # napari forgets them when a layer is closed to editing.
    layer.editable = False
    layer.editable = editable
    layer.mode = mode
