"""Fit a deep mixture to one case: deepG, deepSVG or the blind-spot prior."""

from __future__ import annotations

from dataclasses import replace

from napari_gmmseg.config.recipes import Form, Recipe, recipe_for
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.deep.steps import Training
from napari_gmmseg.fitting.deep.surviving import survive
from napari_gmmseg.fitting.live import Change
from napari_gmmseg.fitting.methods import fit_spatial
from napari_gmmseg.fitting.progress import Fitted, Method, Told
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.volumes import FitState, Look, Mixture, SaveState, Stop


def fit_deep(task: FitTask, form: Form, start: Mixture | None = None, state: FitState | None = None) -> Method:
    """Fit a deep mixture, after the spatial mixture where it starts from that; takes changes, ends early with Stop.

    Parameters
    ----------
    task : FitTask
        The case.
    form : "deepg", "deepsvg" or "blindspot"
        The method.
    start : Mixture or None
        For the spatial mixture to begin with, in the image's own unit; None to find one.
    state : FitState or None
        Where the training goes on; None to begin.

    Raises
    ------
    SettingsError
        Where settings contradict each other.
    """
    recipe = recipe_for(task.config, form)
    _check_gaussians(task, form, recipe)
    if recipe.means != "fixed" and task.config.covariance == "auto":
        task = replace(task, config=replace(task.config, covariance="diagonal"))
    base: Fitted | None = None
    if state is None and (form == "blindspot" or recipe.warm_steps or recipe.means != "free" or recipe.mean_weight):
        base = yield from fit_spatial(task.for_start(), start)
    fitted = yield from train(task, form, base, state)
    return fitted


def _check_gaussians(task: FitTask, form: Form, recipe: Recipe) -> None:
    """Refuse Gaussians that a moving M-step does not have."""
    correlated = task.config.covariance == "full" and task.volume.n_channels > 1
    if recipe.means != "fixed" and (correlated or max(task.config.gaussians_per_class, default=1) > 1):
        raise SettingsError(
            f"With moving class means, {form} has one Gaussian a class, with independent channels.",
            "Use --means fixed, or a diagonal covariance and one Gaussian a class.",
        )


def train(task: FitTask, form: Form, base: Fitted | None, state: FitState | None = None) -> Method:
    """Train a network on one case, and answer; takes changes, ends early when sent Stop.

    Parameters
    ----------
    task : FitTask
        The case.
    form : "deepg", "deepsvg" or "blindspot"
        The method.
    base : Fitted or None
        The spatial mixture that it starts from.
    state : FitState or None
        Where the training goes on; None to begin.
    """
    if base is not None and base.task is not None:
        task = replace(base.task, as_start=False, left=())
    training = Training(task, form, base) if state is None else Training.restored(task, form, state)
    told: Told | None = None
    saving = False
    while not training.done and not isinstance(told, Stop):
        training = survive(training, Training.step)
        training = survive(training, Training.predict, predicting=True)
        told = yield training.progress(saving=saving)
        while isinstance(told, Change):
            sight, told = training.change(told), None
            if sight is not None:
                # The shown slice first: the maps of the whole case take a second.
                told = yield sight
                training.take_up()
        saving = isinstance(told, SaveState)
        if isinstance(told, Look):
            training.look(told.slice_index)
    # Until then the network has not yet learnt what was known before: what was not shown is not returned.
    known, recipe = training.base, training.recipe
    early = training.steps < max(recipe.warm_steps + recipe.unseen_steps, 2)
    if isinstance(told, Stop) and known is not None and early:
        return replace(known, name="spatial", task=training.task, findings=(*known.findings, *training.findings))
    answers: list[Fitted] = []
    survive(training, lambda lighter: answers.append(lighter.fitted()), predicting=True)
    doubted = () if known is None else known.findings
    return replace(answers[-1], findings=(*doubted, *answers[-1].findings))
