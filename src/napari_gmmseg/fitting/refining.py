"""The automatic method: the spatial mixture at once, then the refinement that measured best for this kind of image."""

from __future__ import annotations

from dataclasses import replace

from napari_gmmseg.config.recipes import recipe_for
from napari_gmmseg.fitting.deep.fitting import train
from napari_gmmseg.fitting.methods import fit_spatial
from napari_gmmseg.fitting.progress import Fitted, Method
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.volumes import FitState, Mixture

#: Noise ratio from which on a network refines an image of one channel.
NOISY = 0.14


def fit_auto(task: FitTask, start: Mixture | None = None, state: FitState | None = None) -> Method:
    """Fit the spatial mixture, and refine it by the blind-spot prior where that pays; ends early when sent Stop.

    Parameters
    ----------
    task : FitTask
        The case.
    start : Mixture or None
        To begin with, in the image's own unit; None to find one.
    state : FitState or None
        Where the refinement goes on; None to begin.

    Raises
    ------
    SettingsError
        Where settings contradict each other, before anything is fitted.
    """
    if task.config.refine:
        recipe_for(task.config, "blindspot")
    base: Fitted | None = None
    if state is None:
        base = yield from fit_spatial(task.for_start(keep_means=True), start)
        refine = task.config.refine if base.task is None else base.task.config.refine
        if not refine or not refinement_pays(base):
            return replace(base, name="spatial")
    refined = yield from train(task, "blindspot", base, state)
    if refined.name == "spatial" or refined.start is None:
        return refined
    return replace(refined, base=replace(refined.start, name="spatial"))


def refinement_pays(base: Fitted) -> bool:
    """Tell whether a network can learn more from this image than the spatial mixture knows.

    It does where noise hides intensities, and where there are several channels. In a clean image of one channel a
    voxel's own intensity says most, and a prior learnt from neighbours erodes what is thin: there the spatial mixture
    stays (docs/reference/measured.md has both sides).

    Parameters
    ----------
    base : Fitted
        The spatial mixture.
    """
    noisy = dict(base.notes)["noise ratio"] >= NOISY
    return noisy or base.mixture.n_channels > 1
