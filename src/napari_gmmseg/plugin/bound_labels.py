"""A Labels layer that a session follows: what a person paints in it is told, and it shows what the session has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.plugin.layer_grids import LayerGrid

#: Label value, and the voxels (n, 3) or (n, 4) on the volume's grid that have it now.
Painted = tuple[int, NDArray[np.int64]]


class BoundLabels:
    """Compares a layer with what it is known to hold, and tells the difference.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where.
    layer : napari.layers.Labels
        The layer.
    grid : LayerGrid
        The way between the image's layer and its volume.
    known : ndarray, any shape, uint8
        What it holds, in the layer's order.
    """

    def __init__(self, viewer: Any, layer: Any, grid: LayerGrid, known: NDArray[np.uint8]) -> None:
        self._viewer, self._layer, self._grid, self._known = viewer, layer, grid, known
        self._busy = self._suspected = False
        for event, listener in self._listeners():
            event.connect(listener)

    @property
    def layer(self) -> Any | None:
        """The layer; None where it is not in the viewer any more."""
        return self._layer if any(layer is self._layer for layer in self._viewer.layers) else None

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
        if self._is_taken_back(layer):
            self._known = np.array(layer.data)
            self._take_back()
        else:
            self._compare(layer, np.argwhere(changed))

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

    def _tell(self, painted: list[Painted]) -> None:
        raise NotImplementedError

    def _is_taken_back(self, _layer: Any) -> bool:
        """Whether the newest of what was told is gone."""
        return False

    def _take_back(self) -> None:
        """Say so."""

    def _write(self, labels: NDArray[np.uint8]) -> None:
        """Show other labels, in the layer's order; napari forgets what it could undo, where they are others."""
        layer = self.layer
        self._known = np.array(labels)
        if layer is None or not self._fits(layer) or np.array_equal(layer.data, labels):
            return
        self._busy = True
        try:
            np.copyto(layer.data, labels)
            _forget_strokes(layer)
            layer.refresh(thumbnail=False, highlight=False, extent=False)
        finally:
            self._busy = False

    def _fits(self, layer: Any) -> bool:
        return isinstance(layer.data, np.ndarray) and layer.data.shape == self._known.shape

    def _listeners(self) -> list[tuple[Any, Callable[[Any], None]]]:
        events = self._layer.events
        return [(events.paint, self._on_paint), (events.set_data, self._on_shown), (events.data, self._on_shown)]

    def _on_paint(self, event: Any) -> None:
        """A stroke is finished: only the box around it is compared."""
        layer = self.layer
        if self._busy or layer is None or not self._fits(layer):
            return
        box = _box_of(event.value, layer.data.shape)
        changed = np.argwhere(layer.data[box] != self._known[box])
        if len(changed):
            self._compare(layer, changed + np.array([part.start for part in box]))
        else:
            # Some tools say so before they paint.
            self._suspected = True

    def _on_shown(self, _event: Any = None) -> None:
        # napari undoes without a word but this; a slice that is turned to comes along, too.
        self._suspected |= not self._busy

    def _compare(self, layer: Any, positions: NDArray[np.int64]) -> None:
        where = tuple(positions.T)
        values = np.asarray(layer.data[where])
        self._known[where] = values
        voxels = voxels_of(positions, self._grid)
        self._tell([(int(value), voxels[values == value]) for value in np.unique(values)])


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


def positions_of(voxels: NDArray[np.int64], grid: LayerGrid) -> NDArray[np.int64]:
    """Return where voxels of a volume lie in a layer's labels, the inverse of `voxels_of`.

    Parameters
    ----------
    voxels : ndarray (n, 3) or (n, 4) int64
        Index into the volume's grid.
    grid : LayerGrid
        The way to the layer.

    Returns
    -------
    ndarray (n, d) int64
        Index into the layer's labels.
    """
    columns: list[NDArray[np.int64]] = [np.zeros(len(voxels), dtype=np.int64)] * len(grid.grid.shape)
    for column, axis, flip in zip(voxels.T[-3:], grid.grid.axes, grid.grid.flips, strict=True):
        if axis >= 0:
            columns[axis] = grid.grid.shape[axis] - 1 - column if flip else column
    if voxels.shape[1] > 3:
        columns.insert(grid.extra or 0, voxels[:, 0])
    return np.stack(columns, axis=-1)


def _box_of(atoms: Any, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the box around what napari says was painted; the whole array where it does not say it as it used to."""
    told = list(atoms or ())
    boxes = [key for atom in told if (key := _slices_of(atom, len(shape)))]
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
    if not isinstance(key, tuple) or len(key) != ndim:
        return None
    return key if all(isinstance(part, slice) and part.start is not None for part in key) else None


def _forget_strokes(layer: Any) -> None:
    """Have napari undo nothing any more: what it would put back is not what was there."""
    editable, mode = layer.editable, layer.mode
    # napari forgets them when a layer is closed to editing.
    layer.editable = False
    layer.editable = editable
    layer.mode = mode
