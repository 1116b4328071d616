"""From a prepared volume to a segmentation."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import FitConfig, Preset
from napari_gmmseg.fitting.driving import Driver
from napari_gmmseg.fitting.runtime import torch_threads
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import Command, FitReport, FitState, Segmentation, Volume

Fit = Generator[FitReport, Command | None, Segmentation]


def fit(
    volume: Volume,
    prepared: Prepared,
    config: FitConfig,
    preset: Preset,
    *,
    fixed_labels: NDArray[np.integer[Any]] | None = None,
    look: int | None = None,
    start: Segmentation | None = None,
    state: FitState | None = None,
    plans: Sequence[Mapping[str, Any]] = (),
) -> Fit:
    """Fit a mixture to one case; a generator of reports that returns the segmentation.

    Send it a `Command`: `Stop()` ends with the best so far, `Look(z)` previews another slice; `Retune`, `Merge`,
    `Split` and `Adjust` change settings, classes and Gaussians from where it is (what cannot be done comes back in the
    next report's `refused`); `SaveState()` puts into the next report what another fit needs to go on. Close it to
    cancel.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        Mask, crop and scale.
    config : FitConfig
        How to fit.
    preset : Preset
        What the classes mean.
    fixed_labels : ndarray (*grid) integer, optional
        Known class k (0 ... K - 1) of a voxel, or -1: k among the fitted classes as they are numbered at the start, or
        the k-th class of `start`. Where classes are split or merged, known voxels go with their class.
    look : int or None
        The slice of the volume's Z axis that is previewed first while a network is trained.
    start : Segmentation or None
        An earlier result of this image to go on from: its Gaussians, split or merged where K differs, and its names.
    state : FitState or None
        Where an earlier fit stood: it goes on with the same bits; `config` is then taken from there.
    plans : sequence of mapping
        How an earlier fit of this case was done within its memory, from its reports: so is this, whatever there is now.

    Raises
    ------
    SettingsError
        Where settings do not fit the data or the machine.
    """
    driver = Driver(volume, prepared, config, preset, fixed_labels, look, plans)
    driver.begin(start, state)
    command: Command | None = None
    try:
        while True:
            with torch_threads(driver.threads):
                report = driver.advance(command)
            if report is None:
                break
            command = yield report
    finally:
        driver.close()
    with torch_threads(driver.threads):
        return driver.result()
