"""Whose intensities are counted: the image of a session, and the voxels that count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.docks.histogram.result_plane import ResultLayer
from napari_gmmseg.plugin.contrasts import CONTRAST_NAMES
from napari_gmmseg.plugin.layers import LayerVolume
from napari_gmmseg.plugin.masks import mask_from_layer, region_from_shapes
from napari_gmmseg.plugin.metadata import entry_of
from napari_gmmseg.plugin.snapshots import LayerSnapshot, take_snapshot
from napari_gmmseg.session import SegmentationRequest
from napari_gmmseg.session.histograms import Axis, find_axes
from napari_gmmseg.volumes import LabelMap, Segmentation, Volume
from napari_gmmseg.volumes.bias_field import BiasField

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Source:
    """An image with the voxels that count, and an axis for each channel.

    Parameters
    ----------
    volume : Volume
        The image.
    seen : Volume
        The same as the classes see it: without the bias field that was taken out.
    inside : ndarray (*grid) bool
        Voxels that count.
    axes : tuple of Axis
        One a channel.
    corrected : tuple of bool
        Of each channel: whether a field was taken out of it.
    """

    volume: Volume
    seen: Volume
    inside: Mask
    axes: tuple[Axis, ...]
    corrected: tuple[bool, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What the axes of the channels are called."""
        names = channel_names(self.volume)
        return tuple(
            f"{name} without bias" if corrected else name for name, corrected in zip(names, self.corrected, strict=True)
        )


def mask_behind(request: SegmentationRequest, result: Segmentation | None) -> object:
    """Return what says which voxels count: the result's mask, else the one that was given; None where none was.

    Parameters
    ----------
    request : SegmentationRequest
        What is worked on.
    result : Segmentation or None
        The result.
    """
    return request.mask if result is None or not _fits(result, request.volume) else result.mask


def field_behind(request: SegmentationRequest, result: Segmentation | None) -> BiasField | None:
    """Return the bias field that was taken out before the classes were fitted; None where none was.

    Parameters
    ----------
    request : SegmentationRequest
        What is worked on.
    result : Segmentation or None
        The result.
    """
    return None if result is None or not _fits(result, request.volume) else result.bias_field


def _fits(result: Segmentation, volume: Volume) -> bool:
    return result.mask.shape == volume.grid_shape


def make_source(volume: Volume, mask: object, result: Segmentation | None = None) -> Source:
    """Find out which voxels count, and where the axes end; reads every voxel.

    Parameters
    ----------
    volume : Volume
        The image.
    mask : object
        From `mask_behind`; without one all voxels count that are not 0 in the first channel.
    result : Segmentation or None
        Whose bias field is taken out.
    """
    given = mask.labels if isinstance(mask, LabelMap) else mask
    if isinstance(given, np.ndarray) and given.shape == volume.grid_shape:
        inside = given if given.dtype == np.bool_ else given != 0
    else:
        inside = volume.data[0] != 0
    seen, corrected = volume, (False,) * volume.n_channels
    if result is not None and result.bias_field is not None and _fits(result, volume):
        seen = replace(volume, data=result.intensities(volume))
        corrected = tuple(bool(own.any()) for own in result.bias_field.coefficients)
    return Source(volume, seen, inside, find_axes(seen, inside), corrected)


def channel_names(volume: Volume) -> tuple[str, ...]:
    """Return what the channels are called.

    Parameters
    ----------
    volume : Volume
        The image.
    """
    if volume.n_channels == 1:
        return (CONTRAST_NAMES.get(volume.channels[0], volume.channels[0]) or "Intensity",)
    return tuple(CONTRAST_NAMES.get(name, name) or f"Channel {i}" for i, name in enumerate(volume.channels, start=1))


def channel_choices(volume: Volume) -> tuple[tuple[tuple[int, ...], str], ...]:
    """Return each channel and each pair of channels with its name.

    Parameters
    ----------
    volume : Volume
        The image.
    """
    names = channel_names(volume)
    pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    alone = [((i,), name) for i, name in enumerate(names)]
    return (*alone, *((pair, f"{names[pair[0]]} × {names[pair[1]]}") for pair in pairs))


def region_layers(viewer: Any) -> dict[str, Any]:
    """Return the layers that can say which voxels are counted, by a key that stays theirs: Labels and Shapes.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose layers.
    """
    return {
        f"layer {id(layer)}": layer
        for layer in viewer.layers
        if type(layer).__name__ in ("Labels", "Shapes")
        and entry_of(layer.metadata).get("role") not in ("result", "kept")
    }


def region_work(layer: Any, shown: ResultLayer, volume: Volume) -> Callable[[], Mask]:
    """Return what works out which voxels of a volume a layer says; the layer is taken down at once.

    Parameters
    ----------
    layer : napari.layers.Labels or napari.layers.Shapes
        Says which.
    shown : ResultLayer
        Lies over the image.
    volume : Volume
        The image.

    Raises
    ------
    MaskError
        Where shapes are not over the image.
    InputError
        Where the layer cannot be taken down.
    """
    over = take_snapshot(shown.layer)
    is_shapes = type(layer).__name__ == "Shapes"
    taken: LayerSnapshot = region_from_shapes(layer, over) if is_shapes else take_snapshot(layer)
    like = LayerVolume(volume, shown.grid)

    def work() -> Mask:
        found: NDArray[Any] = np.asarray(mask_from_layer(taken, over, like)) != 0
        return np.broadcast_to(found, volume.grid_shape)

    return work
