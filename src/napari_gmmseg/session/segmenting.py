"""From an image and settings to a job that segments it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import FitConfig, PreparationConfig, Preset
from napari_gmmseg.errors import MissingLibraryError
from napari_gmmseg.session.jobs import FitGenerator, Job
from napari_gmmseg.volumes import LabelMap, Volume

MaskLike = NDArray[np.generic] | LabelMap


@dataclass(frozen=True)
class SegmentationRequest:
    """All that a segmentation depends on.

    Parameters
    ----------
    volume : Volume
        The image.
    preset : Preset
        What kind of image it is.
    mask : ndarray (Z, Y, X) or (T, Z, Y, X), LabelMap, or None
        Voxels to fit are not zero; None for the mode of `preparation`.
    region : ndarray (Z, Y, X) or (T, Z, Y, X), LabelMap, or None
        Where to look is not zero, such as the left ventricle.
    preparation : PreparationConfig
        Mask mode, box and disc.
    config : FitConfig
        How to fit.
    """

    volume: Volume
    preset: Preset
    mask: MaskLike | None = None
    region: MaskLike | None = None
    preparation: PreparationConfig = field(default_factory=PreparationConfig)
    config: FitConfig = field(default_factory=FitConfig)


def segmentation_job(
    volume: Volume,
    *,
    preset: Preset,
    mask: MaskLike | None = None,
    region: MaskLike | None = None,
    preparation: PreparationConfig | None = None,
    config: FitConfig | None = None,
) -> Job:
    """Make a job that segments a volume; it still has to be started.

    Parameters
    ----------
    volume : Volume
        The image.
    preset : Preset
        What kind of image it is.
    mask, region : ndarray (Z, Y, X) or (T, Z, Y, X), LabelMap, or None
        See `SegmentationRequest`.
    preparation : PreparationConfig or None
        Mask mode, box and disc; None for the defaults.
    config : FitConfig or None
        How to fit; None for the defaults.
    """
    request = SegmentationRequest(
        volume=volume,
        preset=preset,
        mask=mask,
        region=region,
        preparation=preparation or PreparationConfig(),
        config=config or FitConfig(),
    )
    return request_job(lambda: request)


def request_job(make_request: Callable[[], SegmentationRequest]) -> Job:
    """Make a job whose request is put together on the job's own thread.

    Parameters
    ----------
    make_request : callable
        Returns the request; what takes long, such as reading a lazy array, belongs in here.
    """

    def make_generator() -> FitGenerator:
        return _segment(make_request())

    return Job(make_generator)


def _segment(request: SegmentationRequest) -> FitGenerator:
    prepare, fit = _load()
    prepared = prepare(
        request.volume, request.preparation, mask=request.mask, region=request.region, preset=request.preset
    )
    generator: FitGenerator = fit(request.volume, prepared, request.config, request.preset)
    return generator


def _load() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Import what needs torch, where it is needed."""
    from napari_gmmseg.preparation import prepare

    try:
        from napari_gmmseg.fitting import fit
    except ImportError as error:
        raise MissingLibraryError(
            f"The library that fits could not be loaded: {error}.",
            "Run `napari-gmmseg doctor`, which tells what to install.",
        ) from error
    return prepare, fit
