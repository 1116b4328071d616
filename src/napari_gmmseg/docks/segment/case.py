"""One run: what was chosen, taken down on the GUI thread and worked on by the job's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import FitConfig, PreparationConfig, Preset, numbered_classes
from napari_gmmseg.config.recipes import FORMS, recipe_for
from napari_gmmseg.docks.common.settings import make_settings
from napari_gmmseg.docks.segment.choices import Choices
from napari_gmmseg.docks.segment.outcome import Outcome, make_outcome
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.layers import LayerVolume, volume_from_layer
from napari_gmmseg.plugin.masks import mask_from_layer
from napari_gmmseg.plugin.slices import ShownPlace, slice_at
from napari_gmmseg.plugin.snapshots import LayerSnapshot
from napari_gmmseg.session import SegmentationRequest, Steps, segment_in_steps, stack
from napari_gmmseg.session.mailbox import Mailbox
from napari_gmmseg.volumes import ClassTable, Command, FitReport, Segmentation, Volume


@dataclass(frozen=True)
class CaseInputs:
    """What a run depends on.

    Parameters
    ----------
    images : tuple of LayerSnapshot
        The channels; the first gives the grid.
    contrasts : tuple of str
        One a channel.
    mask : "auto", "none" or LayerSnapshot
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
    mask: Literal["auto", "none"] | LayerSnapshot
    region: LayerSnapshot | None
    axis4: Literal["time", "channel"] | None
    preset: Preset
    config: FitConfig
    shown: ShownPlace = ()
    wants_maps: bool = False

    @property
    def expected_classes(self) -> ClassTable:
        """Classes as they are shown before there is a result."""
        classes, k = self.preset.classes, self.config.n_classes
        return classes if classes is not None and len(classes) == k else numbered_classes(k)


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


class Case:
    """A run's work, as a generator for a job.

    Parameters
    ----------
    inputs : CaseInputs
        What it depends on.
    """

    def __init__(self, inputs: CaseInputs) -> None:
        self.inputs = inputs
        self._grid: LayerGrid | None = None
        self._previews: Mailbox[NDArray[np.uint8]] = Mailbox()

    @property
    def grid(self) -> LayerGrid | None:
        """The way to the first image's layer; None until it is known. May be asked from any thread."""
        return self._grid

    def take_preview(self) -> NDArray[np.uint8] | None:
        """Return the newest labels so far, once; None where none came since. May be asked from any thread.

        Of reports only the newest is kept, and many bring no labels: here those of an earlier one wait.
        """
        return self._previews.take()

    def steps(self) -> Steps[Outcome]:
        """Read the layers, fit, and work out what is shown.

        Yields
        ------
        FitReport
            Progress.

        Returns
        -------
        Outcome
            The result.

        Raises
        ------
        GmmsegError
            Where layers and settings do not go together.
        """
        yield FitReport("Reading the image", 0, 0)
        found = [self._read(i) for i in range(len(self.inputs.images))]
        grid = self._grid = found[0].grid
        request = self._request(found)
        segmentation = yield from self._keeping_previews(segment_in_steps(request))
        return make_outcome(segmentation, grid, wants_maps=self.inputs.wants_maps)

    def _keeping_previews(self, steps: Steps[Segmentation]) -> Steps[Segmentation]:
        command: Command | None = None
        try:
            while True:
                try:
                    report = steps.send(command)
                except StopIteration as end:
                    result: Segmentation = end.value
                    return result
                if report.preview is not None:
                    self._previews.put(report.preview)
                command = yield report
        finally:
            steps.close()

    def _read(self, i: int) -> LayerVolume:
        image = self.inputs.images[i]
        axis4 = self.inputs.axis4 if image.ndim == 4 else None
        return volume_from_layer(image, axis4=axis4, contrast=self.inputs.contrasts[i])

    def _request(self, found: list[LayerVolume]) -> SegmentationRequest:
        inputs, first = self.inputs, found[0]
        volume: Volume = stack([f.volume for f in found])
        mask = None
        if isinstance(inputs.mask, LayerSnapshot):
            mask = mask_from_layer(inputs.mask, inputs.images[0], first)
        region = None
        if inputs.region is not None:
            region = mask_from_layer(inputs.region, inputs.images[0], first)
        mode = "given" if isinstance(inputs.mask, LayerSnapshot) else inputs.mask
        return SegmentationRequest(
            volume=volume,
            preset=inputs.preset,
            mask=mask,
            region=region,
            preparation=PreparationConfig(mask=mode),
            config=inputs.config,
            look=slice_at(inputs.shown, first.grid) if inputs.shown else None,
        )
