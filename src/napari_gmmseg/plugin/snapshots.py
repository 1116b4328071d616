"""Take down what a layer is, so that another thread can work on it while the person goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError

Kind = Literal["image", "labels"]


@dataclass(frozen=True)
class LayerSnapshot:
    """A layer's array and place at one moment; its array is referred to, not copied.

    Parameters
    ----------
    name : str
        The layer's name.
    kind : "image" or "labels"
        What layer it is.
    data : array-like (*shape)
        The full-resolution array; may be lazy (dask, zarr).
    transform : ndarray (n + 1, n + 1) float64
        Array index to napari's world, all of the layer's own transforms in one.
    millimetres : tuple of float or None
        For each axis how many mm one unit of the world is; None where the layer's unit is no length.
    axis_labels : tuple of str
        The layer's own names of its axes.
    metadata : mapping
        The layer's metadata.
    path : Path or None
        The file that it was read from.
    """

    name: str
    kind: Kind
    data: Any
    transform: NDArray[np.float64]
    millimetres: tuple[float | None, ...]
    axis_labels: tuple[str, ...]
    metadata: Mapping[Any, Any]
    path: Path | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return tuple(int(n) for n in self.data.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.data.shape)


def take_snapshot(layer: Any) -> LayerSnapshot:
    """Take down an Image or Labels layer; quick, for the GUI thread.

    Parameters
    ----------
    layer : napari.layers.Image or napari.layers.Labels
        The layer, from whatever reader.

    Raises
    ------
    InputError
        Where it is another kind of layer, holds colours or complex numbers, or has too few or too many axes.
    """
    kind = type(layer).__name__.lower()
    if kind not in ("image", "labels"):
        raise InputError(f"{layer.name!r} is a {type(layer).__name__} layer, not an image.", "Choose an Image layer.")
    if getattr(layer, "rgb", False):
        raise InputError(
            f"{layer.name!r} holds RGB colours.",
            "Split it into channels (right click, Split RGB), or open the image as grey values.",
        )
    data = layer.data[0] if layer.multiscale else layer.data
    if not 2 <= len(data.shape) <= 4:
        raise InputError(
            f"{layer.name!r} has {len(data.shape)} axes ({' x '.join(str(n) for n in data.shape)}).",
            "Give a slice, a volume, or a volume with one time or channel axis.",
        )
    if np.dtype(data.dtype).kind not in "buif":
        raise InputError(f"{layer.name!r} holds values of type {data.dtype}.", "Show the magnitude image.")
    path = layer.source.path
    return LayerSnapshot(
        name=str(layer.name),
        kind="image" if kind == "image" else "labels",
        data=data,
        transform=_transform(layer),
        millimetres=tuple(_millimetres(unit) for unit in layer.units),
        axis_labels=tuple(str(label) for label in layer.axis_labels),
        metadata=dict(layer.metadata),
        path=Path(path) if path else None,
    )


def _transform(layer: Any) -> NDArray[np.float64]:
    """Work out a layer's transform from where it puts the origin and one step along each axis."""
    n = int(layer.ndim)
    matrix = np.eye(n + 1)
    origin = np.asarray(layer.data_to_world((0.0,) * n), dtype=np.float64)
    for axis in range(n):
        step = tuple(1.0 if i == axis else 0.0 for i in range(n))
        matrix[:n, axis] = np.asarray(layer.data_to_world(step), dtype=np.float64) - origin
    matrix[:n, n] = origin
    return matrix


def _millimetres(unit: Any) -> float | None:
    """Return the length of a pint unit in mm, or None where it is no length."""
    quantity = 1.0 * unit
    if not quantity.check("[length]"):
        return None
    return float(quantity.to("millimeter").magnitude)
