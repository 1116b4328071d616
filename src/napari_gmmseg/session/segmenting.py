"""From an image and settings to a job that segments it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import FitConfig, PreparationConfig, Preset
from napari_gmmseg.errors import MissingLibraryError
from napari_gmmseg.session.jobs import FitGenerator, Job
from napari_gmmseg.volumes import FitReport, FitState, LabelMap, Segmentation, Volume

MaskLike = NDArray[np.generic] | LabelMap


@dataclass(frozen=True)
class SegmentationRequest:
    """All that a segmentation depends on, and where to look first.

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
    look : int or None
        The slice to preview first, as a position on the volume's Z axis; the result does not depend on it.
    start : Segmentation or None
        An earlier result of this image to go on from.
    state : FitState or None
        Where an earlier fit of this image stood: it goes on from there, with the settings of that time.
    plans : tuple of mapping
        How an earlier fit of it was done within its memory: so is this, for the same bits.
    proposes_brain : bool
        Whether a brain is looked for in a whole head; sessions of earlier versions did not.
    """

    volume: Volume
    preset: Preset
    mask: MaskLike | None = None
    region: MaskLike | None = None
    preparation: PreparationConfig = field(default_factory=PreparationConfig)
    config: FitConfig = field(default_factory=FitConfig)
    look: int | None = None
    start: Segmentation | None = None
    state: FitState | None = None
    plans: tuple[Mapping[str, Any], ...] = ()
    proposes_brain: bool = True


def segmentation_job(
    volume: Volume,
    *,
    preset: Preset,
    mask: MaskLike | None = None,
    region: MaskLike | None = None,
    preparation: PreparationConfig | None = None,
    config: FitConfig | None = None,
    look: int | None = None,
) -> Job[Segmentation]:
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
    look : int or None
        The slice to preview first.
    """
    request = SegmentationRequest(
        volume=volume,
        preset=preset,
        mask=mask,
        region=region,
        preparation=preparation or PreparationConfig(),
        config=config or FitConfig(),
        look=look,
    )
    return Job(lambda: segment_in_steps(request))


def segment_in_steps(request: SegmentationRequest) -> FitGenerator:
    """Prepare and fit, as a generator; loads torch when it is first asked for a step.

    Parameters
    ----------
    request : SegmentationRequest
        All that it depends on.

    Yields
    ------
    FitReport
        Progress.

    Returns
    -------
    Segmentation
        With what was doubted in the image, too.

    Raises
    ------
    GmmsegError
        Where image, mask and settings do not go together.
    MissingLibraryError
        Where torch cannot be loaded.
    """
    from napari_gmmseg.io.atlas import read_atlas
    from napari_gmmseg.networks.brain_extraction import extract_brain
    from napari_gmmseg.preparation import prepare_case

    yield FitReport("Preparing the image", 0, 0)
    volume, prepared = prepare_case(
        request.volume,
        request.preparation,
        mask=request.mask,
        region=request.region,
        preset=request.preset,
        n_classes=request.config.n_classes,
        atlas=read_atlas if request.proposes_brain else None,
        engine=extract_brain,
    )
    fit = _load_fit()
    result: Segmentation = yield from fit(
        volume,
        prepared,
        request.config,
        request.preset,
        look=request.look,
        start=request.start,
        state=request.state,
        plans=request.plans,
    )
    return result


def stack(volumes: Sequence[Volume], *, contrasts: Sequence[str] = (), resample: bool = False) -> Volume:
    """Make one volume of the channels of a case.

    Parameters
    ----------
    volumes : sequence of Volume
        The channels; the first gives the grid.
    contrasts : sequence of str
        One contrast a channel; empty keeps the names that they have.
    resample : bool
        Whether channels on another grid are resampled to the first's.

    Raises
    ------
    GeometryError
        Where grids differ and are not to be resampled.
    SettingsError
        Where there are too many channels, or two of one contrast.
    """
    from napari_gmmseg.preparation import stack_channels

    return stack_channels(volumes, contrasts=contrasts, resample=resample)


def _load_fit() -> Callable[..., FitGenerator]:
    """Import what needs torch, where it is needed."""
    try:
        from napari_gmmseg.fitting import fit
    except ImportError as error:
        raise MissingLibraryError(
            f"The library that fits could not be loaded: {error}.",
            "Run `napari-gmmseg doctor`, which tells what to install.",
        ) from error
    return fit
