"""How much memory a fit will take, before it starts and without torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.machine import available_memory
from napari_gmmseg.config.memory import Footprint, in_words
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.session.segmenting import SegmentationRequest
from napari_gmmseg.volumes import LabelMap


def predicted_memory(request: SegmentationRequest) -> int | None:
    """Return the bytes that a fit takes at its peak, above the image; None where its settings contradict each other.

    Where the mask is not known yet, its box counts as the whole image: then it is the most that there will be.

    Parameters
    ----------
    request : SegmentationRequest
        Image and settings.
    """
    volume = request.volume
    return _peak(volume.grid_shape, _box(request), volume.n_channels, volume.geometry.spacing, request.config)


def predicted_in_words(request: SegmentationRequest) -> str:
    """Return how much memory a fit will take, and how much is free, as a sentence; "" where that cannot be told.

    Parameters
    ----------
    request : SegmentationRequest
        Image and settings.
    """
    return _in_words(predicted_memory(request), request.config)


def needed_in_words(
    grid_shape: Sequence[int], n_channels: int, spacing: tuple[float, float, float], config: FitConfig
) -> str:
    """Return how much memory a fit of an image takes at most, and how much is free; "" where that cannot be told.

    From sizes alone: for whoever has not read the image yet.

    Parameters
    ----------
    grid_shape : sequence of int
        (Z, Y, X) or (T, Z, Y, X).
    n_channels : int
        Number of channels C.
    spacing : (z, y, x)
        Voxel size in mm.
    config : FitConfig
        How to fit.
    """
    return _in_words(_peak(grid_shape, grid_shape, n_channels, spacing, config), config)


def undo_in_words(used: int, limit: int) -> str:
    """Return what undo holds, as a sentence.

    Parameters
    ----------
    used, limit : int
        Bytes that it holds, and may hold.
    """
    return f"Holds {in_words(used)} of {in_words(limit)} at most; the oldest is forgotten beyond."


def _peak(
    grid_shape: Sequence[int],
    box: Sequence[int],
    n_channels: int,
    spacing: tuple[float, float, float],
    config: FitConfig,
) -> int | None:
    try:
        low = _multiplies_bfloat16_fast(config.device)
        return Footprint.of(grid_shape, box, n_channels, config, spacing, low=low).peak()
    except SettingsError:
        return None


def _in_words(predicted: int | None, config: FitConfig) -> str:
    if predicted is None:
        return ""
    free = _free(config.device)
    if free is None:
        return f"Needs about {in_words(predicted)} of memory."
    words = f"Needs about {in_words(predicted)} of {in_words(free)} free memory."
    return words if predicted <= free else f"{words} It will be done in smaller steps where that helps."


def _box(request: SegmentationRequest) -> Sequence[int]:
    """Return the size of the box around a mask that was given on the image's grid, else of the image."""
    shape = request.volume.grid_shape
    given = request.mask.labels if isinstance(request.mask, LabelMap) else request.mask
    if given is None or given.shape != shape:
        return shape
    inside = np.asarray(given) != 0
    sizes = []
    for axis in range(inside.ndim):
        filled = np.flatnonzero(inside.any(axis=tuple(other for other in range(inside.ndim) if other != axis)))
        sizes.append(int(filled[-1] - filled[0]) + 1 if len(filled) else 0)
    return sizes if all(sizes) else shape


def _multiplies_bfloat16_fast(device: str) -> bool | None:
    """Tell it where torch is loaded already; None where it is not."""
    if not _loaded():
        return None
    import torch

    from napari_gmmseg.session.devices import multiplies_bfloat16_fast

    meant = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    return multiplies_bfloat16_fast(meant)


def _free(device: str) -> int | None:
    """Return the bytes that are free where it will be fitted; None where only torch could tell, and is not loaded."""
    if device == "cpu":
        return available_memory()
    if not _loaded():
        return available_memory() if device == "auto" else None
    import torch

    from napari_gmmseg.errors import GmmsegError
    from napari_gmmseg.fitting.memory import free_memory
    from napari_gmmseg.fitting.runtime import choose_device

    try:
        place = choose_device(device)
    except GmmsegError:
        return None
    return free_memory(torch.device(place))


def _loaded() -> bool:
    return hasattr(sys.modules.get("torch"), "cuda")
