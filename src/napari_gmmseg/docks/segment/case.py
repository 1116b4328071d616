"""One case: what was chosen, taken down on the GUI thread and read by a job's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from napari_gmmseg.config import FitConfig, PreparationConfig, Preset, numbered_classes
from napari_gmmseg.config.preparation import MaskWord
from napari_gmmseg.config.recipes import FORMS, recipe_for
from napari_gmmseg.docks.common.sentences import Message
from napari_gmmseg.docks.common.settings import make_settings
from napari_gmmseg.docks.segment.choices import Choices
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.layers import volume_from_layer
from napari_gmmseg.plugin.masks import mask_from_layer
from napari_gmmseg.plugin.slices import ShownPlace, slice_at
from napari_gmmseg.plugin.snapshots import LayerSnapshot
from napari_gmmseg.session import SegmentationRequest, Steps, stack
from napari_gmmseg.volumes import ClassTable, FitReport


@dataclass(frozen=True)
class CaseInputs:
    """What a run depends on.

    Parameters
    ----------
    images : tuple of LayerSnapshot
        The channels; the first gives the grid.
    contrasts : tuple of str
        One a channel.
    mask : "auto", "none", "deepbet" or LayerSnapshot
        Where to look.
    region : LayerSnapshot or None
        Cut out of it.
    axis4 : "time", "channel" or None
        What a fourth axis is.
    preset : Preset
        What kind of image it is.
    config : FitConfig
        How to fit.
    shown : tuple of (float or None)
        Where the viewer's plane cuts the first image: its slice is previewed first.
    wants_maps : bool
        Whether probabilities and the like are shown.
    """

    images: tuple[LayerSnapshot, ...]
    contrasts: tuple[str, ...]
    mask: MaskWord | LayerSnapshot
    region: LayerSnapshot | None
    axis4: Literal["time", "channel"] | None
    preset: Preset
    config: FitConfig
    shown: ShownPlace = ()
    wants_maps: bool = False

    @property
    def expected_classes(self) -> ClassTable:
        """Classes as they are shown before there is a result."""
        k = self.config.n_classes
        return self.preset.classes_in(self.contrasts, k) or numbered_classes(k)


def config_of(choices: Choices) -> FitConfig:
    """Return how to fit, as chosen.

    Parameters
    ----------
    choices : Choices
        All that is chosen.

    Raises
    ------
    SettingsError
        Where a value is out of bounds or of another kind, or values contradict each other.
    """
    values: dict[str, Any] = {"n_classes": choices.n_classes}
    if choices.method == "quick":
        values["method"] = "spatial"
    elif choices.method == "advanced":
        values |= choices.advanced
    config: FitConfig = make_settings(FitConfig, values)
    for form in FORMS:
        if form == config.method:
            recipe_for(config, form)
    return config


@dataclass(frozen=True)
class Opened:
    """A case that was read from its layers.

    Parameters
    ----------
    request : SegmentationRequest
        What is fitted.
    grid : LayerGrid
        The way to the first image's layer.
    how : "anew", "again" or "restored"
        A new case; the case that was worked on before, but for settings, so that what was kept and done then stays; or
        one that the session has already.
    """

    request: SegmentationRequest
    grid: LayerGrid
    how: Literal["anew", "again", "restored"] = "anew"


@dataclass(frozen=True)
class Asked:
    """What a run is asked for.

    Parameters
    ----------
    steps : callable
        Returns the generator that reads the case.
    classes : ClassTable
        As they are shown before there is a result.
    image : napari.layers.Image
        The first channel.
    axes : sequence of int
        Those of the image's axes that its labels have.
    wants_maps : bool
        Whether probabilities and the like are shown.
    messages : tuple of Message
        What is said with its first result.
    """

    steps: Callable[[], Steps[Opened]]
    classes: ClassTable
    image: Any
    axes: Sequence[int]
    wants_maps: bool = False
    messages: tuple[Message, ...] = ()


def open_in_steps(inputs: CaseInputs, before: SegmentationRequest | None = None) -> Steps[Opened]:
    """Read the layers of a case, as a generator for a job: a layer may be lazy, or its file be read again.

    Parameters
    ----------
    inputs : CaseInputs
        What was chosen.
    before : SegmentationRequest or None
        What was worked on before.

    Yields
    ------
    FitReport
        Progress.

    Returns
    -------
    Opened
        The case.

    Raises
    ------
    GmmsegError
        Where layers do not go together.
    """
    yield FitReport("Reading the image", 0, 0)
    found = [
        volume_from_layer(image, axis4=inputs.axis4 if image.ndim == 4 else None, contrast=contrast)
        for image, contrast in zip(inputs.images, inputs.contrasts, strict=True)
    ]
    first = found[0]
    volume = stack([f.volume for f in found])
    mask, region = (
        mask_from_layer(layer, inputs.images[0], first) if isinstance(layer, LayerSnapshot) else None
        for layer in (inputs.mask, inputs.region)
    )
    request = SegmentationRequest(
        volume=volume,
        preset=inputs.preset,
        mask=mask,
        region=region,
        preparation=PreparationConfig(mask="given" if isinstance(inputs.mask, LayerSnapshot) else inputs.mask),
        config=inputs.config,
        look=slice_at(inputs.shown, first.grid) if inputs.shown else None,
    )
    again = before is not None and _is_one_case(before, request)
    return Opened(request, first.grid, "again" if again else "anew")


def restored_in_steps(request: SegmentationRequest, grid: LayerGrid) -> Steps[Opened]:
    """Return a case that the session has already, as a generator for a job.

    Parameters
    ----------
    request : SegmentationRequest
        The session's.
    grid : LayerGrid
        The way to the first image's layer.

    Yields
    ------
    FitReport
        Progress.

    Returns
    -------
    Opened
        The case.
    """
    yield FitReport("Showing the session", 0, 0)
    return Opened(request, grid, "restored")


def _is_one_case(a: SegmentationRequest, b: SegmentationRequest) -> bool:
    """Whether two requests differ in settings alone."""
    return (
        a.preset == b.preset
        and a.preparation == b.preparation
        and a.volume.channels == b.volume.channels
        and all(_equal(one, other) for one, other in ((a.mask, b.mask), (a.region, b.region)))
        and np.array_equal(a.volume.geometry.affine, b.volume.geometry.affine)
        and _equal(a.volume.data, b.volume.data)
    )


def _equal(a: Any, b: Any) -> bool:
    """Whether two arrays, label maps or nothing hold the same."""
    if a is None or b is None:
        return a is b
    one, other = (getattr(x, "labels", x) for x in (a, b))
    return one is other or np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
