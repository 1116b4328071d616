"""Labels and Shapes layers as masks on an image's volume: what is shown over a voxel is what it gets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError, MaskError
from napari_gmmseg.plugin.layers import LayerVolume
from napari_gmmseg.plugin.metadata import label_map_of, layer_grid_of, volume_of
from napari_gmmseg.plugin.snapshots import LayerSnapshot
from napari_gmmseg.volumes import Geometry, LabelMap
from napari_gmmseg.volumes.resampling import resample_nearest

#: Two transforms agree if no voxel's step differs by more than this share of the longest step.
_TOLERANCE = 1e-3


def mask_from_layer(mask: LayerSnapshot, image: LayerSnapshot, like: LayerVolume) -> NDArray[Any]:
    """Bring a Labels layer to an image's volume; for any thread.

    Parameters
    ----------
    mask : LayerSnapshot
        The Labels layer; it may lack the image's fourth axis, and may lie on another grid.
    image : LayerSnapshot
        The image's layer.
    like : LayerVolume
        The image's volume.

    Returns
    -------
    ndarray (Z, Y, X) or (T, Z, Y, X)
        On the volume's grid: each voxel has the value that is shown over it.

    Raises
    ------
    GeometryError
        Where both know their true place and it differs, whatever is shown; or the mask has other frames.
    MaskError
        Where the mask is not over the image.
    """
    _check_true_places(mask, image, like)
    array = np.asarray(mask.data)
    spatial = [axis for axis in range(image.ndim) if axis != like.grid.extra]
    labels_of = like.grid.label_axes(image.ndim)
    for kept in (labels_of, spatial):
        if mask.shape == tuple(image.shape[axis] for axis in kept) and _agree(mask.transform, image.transform, kept):
            return like.grid.from_layer(array)
    if mask.ndim != len(spatial):
        raise GeometryError(
            f"The mask {mask.name!r} has the shape {mask.shape} and the image {image.name!r} {image.shape}.",
            "Give a mask of one frame, or with the same frames at the same place.",
        )
    shown = resample_nearest(_three_axes(array), _shown(mask, list(range(mask.ndim))), _shown(image, spatial))
    if not shown.any():
        raise MaskError(
            f"The mask {mask.name!r} is empty, or not over the image {image.name!r}.",
            "Paint it over the image, or choose another layer.",
        )
    return like.grid.from_layer(shown.reshape(tuple(image.shape[axis] for axis in spatial)))


def region_from_shapes(layer: Any, image: LayerSnapshot) -> LayerSnapshot:
    """Fill a Shapes layer's closed shapes on an image's grid; for the GUI thread, in which napari lives.

    Parameters
    ----------
    layer : napari.layers.Shapes
        Rectangles, ellipses and polygons. Drawn in two dimensions, they hold for every slice; drawn in a slice of a
        volume, for that slice.
    image : LayerSnapshot
        The image's layer.

    Returns
    -------
    LayerSnapshot
        A mask that lies on the image's spatial axes, the last ones.

    Raises
    ------
    MaskError
        Where there is no closed shape over the image.
    """
    from napari.layers import Shapes

    closed = [i for i, kind in enumerate(layer.shape_type) if kind in ("rectangle", "ellipse", "polygon")]
    n = min(int(layer.ndim), 3, image.ndim)
    back = np.linalg.inv(image.transform)
    moved = []
    for i in closed:
        world = np.asarray([layer.data_to_world(corner) for corner in np.asarray(layer.data[i])], dtype=np.float64)
        whole = np.zeros((len(world), image.ndim + 1))
        whole[:, -1] = 1.0
        whole[:, image.ndim - n : image.ndim] = world[:, -n:]
        index = (whole @ back.T)[:, image.ndim - n : image.ndim]
        if n == 3:
            index[:, 0] = np.round(index[:, 0])
        moved.append(index)
    shape = image.shape[-min(3, image.ndim) :]
    filled = np.zeros(shape, dtype=bool)
    for corners, i in zip(moved, closed, strict=True):
        alone = Shapes([corners], shape_type=[layer.shape_type[i]])
        filled |= alone.to_masks(shape[-n:])[0]
    if not filled.any():
        raise MaskError(
            f"The layer {layer.name!r} holds no closed shape over the image {image.name!r}.",
            "Draw an ellipse, rectangle or polygon around the region, or paint it in a Labels layer.",
        )
    first = image.ndim - len(shape)
    keep = [*range(first, image.ndim), image.ndim]
    return LayerSnapshot(
        name=str(layer.name),
        kind="labels",
        data=filled,
        transform=image.transform[np.ix_(keep, keep)],
        millimetres=image.millimetres[first:],
        axis_labels=image.axis_labels[first:],
        metadata={},
    )


def _check_true_places(mask: LayerSnapshot, image: LayerSnapshot, like: LayerVolume) -> None:
    """Compare the true places of two layers of ours: what is shown leaves obliqueness out."""
    label_map, grid = label_map_of(mask.metadata), layer_grid_of(mask.metadata)
    if label_map is None or grid is None or volume_of(image.metadata) is None:
        return
    if grid.to_layer(label_map.labels).shape != mask.shape:
        return
    if not like.volume.geometry.same_grid(label_map.geometry):
        raise GeometryError(
            f"The mask {mask.name!r} was made for another grid than that of {image.name!r}: "
            f"{label_map.geometry.describe()}, and {like.volume.geometry.describe()}.",
            "Choose a mask of this image, or resample it first.",
        )


def _agree(mask: NDArray[np.float64], image: NDArray[np.float64], kept: list[int]) -> bool:
    keep = [*kept, image.shape[0] - 1]
    there = image[np.ix_(keep, keep)]
    step = float(np.abs(there[:-1, :-1]).max())
    return bool(np.abs(mask - there).max() <= _TOLERANCE * step)


def _three_axes(array: NDArray[Any]) -> NDArray[Any]:
    return array.reshape((1,) * (3 - array.ndim) + array.shape)


def _shown(layer: LayerSnapshot, axes: list[int]) -> Geometry:
    """Return where napari shows a layer's spatial axes."""
    added = 3 - len(axes)
    affine = np.eye(4)
    keep = [*axes, layer.ndim]
    affine[added:, added:] = layer.transform[np.ix_(keep, keep)]
    sizes = [1] * added + [layer.shape[axis] for axis in axes]
    return Geometry(shape=(sizes[0], sizes[1], sizes[2]), affine=affine)


def painted_labels(label_map: LabelMap, array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return labels as they stand in a layer now, for the label map's grid.

    Parameters
    ----------
    label_map : LabelMap
        What the layer was made from.
    array : ndarray
        The layer's array, brought to the volume's order.

    Raises
    ------
    MaskError
        Where it has another shape, or values that do not fit one byte.
    """
    if array.shape != label_map.labels.shape:
        raise MaskError(
            f"The labels have the shape {array.shape} now, and {label_map.labels.shape} when they were made.",
            "Undo the change of shape.",
        )
    if array.min(initial=0) < 0 or array.max(initial=0) > 255:
        raise MaskError(
            f"The labels run from {array.min()} to {array.max()}; a mask holds 0 to 255.",
            "Give the new class a label below 256.",
        )
    return array.astype(np.uint8)
