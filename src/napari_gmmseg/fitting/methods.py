"""The three mixtures as fits: GMM, SVGMM and the spatial mixture."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.live import Change, Changed, attempt
from napari_gmmseg.fitting.progress import Fitted, Method, Progress, Told
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.mixture import (
    EMResult,
    EMStep,
    em,
    initial_mixture,
    initial_mixtures,
    mean_log_likelihood,
    most_likely_class,
    responsibilities,
)
from napari_gmmseg.mixture.bright import bright_voxels, with_bright
from napari_gmmseg.mixture.gaussian_classes import GaussianClasses
from napari_gmmseg.mixture.labelling import label_winners
from napari_gmmseg.mixture.neighbours import axis_weights
from napari_gmmseg.mixture.noise import noise_ratio, noise_std, size_weight, trust_in_neighbours
from napari_gmmseg.mixture.spatial import ClassModel, OneChannelClasses, SpatialPrior, SpatialStep, mean_field
from napari_gmmseg.mixture.tensors import scatter
from napari_gmmseg.volumes import Finding, Mixture, Stop
from napari_gmmseg.volumes.segmentation import MIXED_VOXEL_NOISE

#: EM steps, where none were set.
MOST_EM_STEPS = 200
#: Sweeps of the spatial mixture; by then the labels of the phantoms have settled to a few voxels in ten thousand.
MOST_SWEEPS = 12
SPATIAL = "Spatial mixture"
#: A class that ends with a smaller share of the voxels that it began with has run into another.
LOST_SHARE = 0.1
_HELD_MEANS = Finding(
    "held-means",
    "In this much noise the intensities of two classes ran into one: they were held where k-means had found them.",
    "Smooth the image, add a channel, or ask for fewer classes.",
)
#: beta at 1 mm, in nat, where the neighbours are fully trusted, before the image has been asked.
FULL_NEIGHBOUR_WEIGHT = 1.0


def fit_gmm(task: FitTask, *, spatially_variant: bool = False, start: Mixture | None = None) -> Method:
    """Fit a GMM or SVGMM by EM; yields after each step, takes changes, ends early when sent Stop.

    Parameters
    ----------
    task : FitTask
        The case.
    spatially_variant : bool
        SVGMM instead of GMM.
    start : Mixture or None
        To begin with, in the image's own unit; None to find one.
    """
    while True:
        ended = yield from _em_steps(task, start, spatially_variant=spatially_variant)
        if isinstance(ended, Fitted):
            return replace(ended, task=task)
        task, start = ended.task, ended.mixture


def _em_steps(
    task: FitTask, start: Mixture | None, *, spatially_variant: bool
) -> Generator[Progress, Told | None, Fitted | Changed]:
    """Take EM steps to the end, or to the next change."""
    config, samples, fixed = task.config, task.samples(), task.fixed_samples()
    most = config.max_steps or MOST_EM_STEPS
    limit = most * (max(config.n_starts, 1) if start is None else 1)
    steps = em(
        samples,
        _starts(task, samples, fixed) if start is None else (start,),
        spatially_variant=spatially_variant,
        covariance=task.covariance,
        weights=task.sample_counts(),
        fixed_labels=fixed,
        tolerance=config.tolerance,
        max_steps=most,
    )
    best: EMStep | None = None
    result: EMResult | None = None
    refused: Finding | None = None
    while result is None:
        try:
            last = next(steps)
        except StopIteration as end:
            result = end.value
            break
        best = _better(best, last)
        told = yield Progress(
            last.step, max(limit, last.step), last.mixture, last.log_likelihood, task=task, refused=refused
        )
        refused = None
        if isinstance(told, Stop):
            steps.close()
            break
        if isinstance(told, Change):
            changed = _unless_locked(task, last.mixture, told)
            if isinstance(changed, Changed):
                steps.close()
                return changed
            refused = changed
    state = best if result is None else result
    assert state is not None
    count = last.step if result is None else result.steps
    findings = () if result is None else result.findings
    rows = responsibilities(state.posterior, samples, fixed_labels=fixed).T
    return Fitted(scatter(rows, task.mask), state.mixture, state.log_likelihood, count, findings)


def _unless_locked(task: FitTask, mixture: Mixture, change: Change) -> Changed | Finding:
    """Take up a change, unless it holds a class, which EM on intensities alone cannot."""
    if change.locked:
        return Finding(
            "refused", "EM moves every class: none can be held.", "Use the method spatial, or a deep one, to lock."
        )
    return attempt(task, mixture, change)


def _better(best: EMStep | None, last: EMStep) -> EMStep:
    """Return the step to end with when stopped: the last of the likeliest start, at the finest level so far."""
    if best is None or best.level != last.level or best.start == last.start:
        return last
    return last if last.log_likelihood > best.log_likelihood else best


def _starts(task: FitTask, samples: Tensor, fixed: Tensor | None) -> tuple[Mixture, ...]:
    config = task.config
    per_class = task.gaussians_per_class()
    if task.bright and fixed is None and not config.initial_means:
        return (_bright_start(task, samples),)
    if config.n_starts > 1 and not config.initial_means:
        return initial_mixtures(
            samples,
            per_class,
            config.n_starts,
            seed=config.seed,
            covariance=task.covariance,
            weights=task.sample_counts(),
            fixed_labels=fixed,
        )
    return (
        initial_mixture(
            samples,
            per_class,
            initialisation=config.initialisation,
            means=config.initial_means or None,
            covariance=task.covariance,
            weights=task.sample_counts(),
            fixed_labels=fixed,
            seed=config.seed,
        ),
    )


def _likeliest_start(task: FitTask, samples: Tensor, fixed: Tensor | None) -> Mixture:
    """Return one start: of several channels the likelier of k-means++ and quantiles of the first, if none was chosen.

    k-means weighs all channels alike, and where most of them tell two tissues apart badly it splits the third.
    """
    starts = _starts(task, samples, fixed)
    config = task.config
    chosen = bool(task.bright or config.initial_means) or config.initialisation != "k-means++"
    if len(samples) > 1 and fixed is None and not chosen:
        quantiles = initial_mixture(
            samples, task.gaussians_per_class(), initialisation="quantiles", covariance=task.covariance
        )
        starts = (*starts, quantiles)
    if len(starts) == 1:
        return starts[0]
    likelihoods = [mean_log_likelihood(start, samples, dtype=torch.float32) for start in starts]
    return starts[int(np.argmax(likelihoods))]


def _bright_start(task: FitTask, samples: Tensor) -> Mixture:
    """Return the tissues' start in what is not bright, and a Gaussian for what is bright in each contrast."""
    x = samples.cpu().numpy()
    groups = bright_voxels(x, task.volume.channels, task.bright)
    rest = np.flatnonzero(groups < 0)
    n_tissues = task.config.n_classes - len(task.bright)
    tissues = replace(
        task,
        bright=(),
        config=replace(task.config, n_classes=n_tissues, gaussians_per_class=(), covariance=task.covariance),
    )
    return with_bright(_likeliest_start(tissues, samples[:, rest], None), x, groups, covariance=task.covariance)


def fit_spatial(task: FitTask, start: Mixture | None = None) -> Method:
    """Fit the spatial mixture; yields labels after each sweep, takes changes, ends early when sent Stop.

    Parameters
    ----------
    task : FitTask
        The case.
    start : Mixture or None
        To begin with, in the image's own unit; None to find one.

    Raises
    ------
    SettingsError
        Where the mask holds fewer distinct intensities than classes.
    """
    while True:
        ended = yield from _sweeps(task, start)
        if isinstance(ended, Fitted):
            return ended
        task, start = ended.task, ended.mixture


def _sweeps(task: FitTask, start: Mixture | None) -> Generator[Progress, Told | None, Fitted | Changed]:
    """Take sweeps to the end, or to the next change."""
    config, samples, fixed = task.config, task.samples(), task.fixed_samples()
    if start is None:
        start = _likeliest_start(task, samples, fixed)
    noise, ratio = _noise(task, start)
    model, start, task = _class_model(task, start, noise)
    prior = _prior(task, ratio)
    limit = min(task.most_sweeps or MOST_SWEEPS, MOST_SWEEPS)
    labels = _labels_on_grid(most_likely_class(start, samples, fixed_labels=fixed), task.mask)
    began = _class_counts(task, labels)
    del samples
    report = Progress(0, limit, start, labels=labels, phase=SPATIAL, task=task)
    sweeps = mean_field(model, task.mask, prior, config.n_classes, fixed_labels=task.fixed_labels, max_steps=limit)
    last: SpatialStep | None = None
    findings: tuple[Finding, ...] = ()
    taken = 0
    while True:
        told = yield report
        refused: Finding | None = None
        if isinstance(told, Change):
            changed = attempt(task, report.mixture, told)
            if isinstance(changed, Changed):
                return changed
            refused = changed
        if isinstance(told, Stop) and last is not None:
            break
        try:
            last = next(sweeps)
        except StopIteration:
            if findings or not _ran_together(task, report.labels, began, ratio):
                break
            # Its maps go before there are others. Means that stay settle at once: three sweeps, which measured best.
            taken, last, findings = report.step, None, (_HELD_MEANS,)
            report = replace(report, step=0, mixture=start, labels=None, terms=(), refused=refused)
            model, prior = _class_model(task, start, noise)[0], replace(prior, anchor=float("inf"), trust=None)
            sweeps = mean_field(
                model, task.mask, prior, config.n_classes, fixed_labels=task.fixed_labels, max_steps=limit
            )
            continue
        report = Progress(
            last.step,
            max(limit, last.step),
            last.mixture,
            labels=label_winners(last.memberships, task.mask),
            terms=(("mean shift", last.shift),),
            phase=SPATIAL,
            task=task,
            refused=refused,
        )
    if last is None:
        raise SettingsError("The spatial mixture was given no step.", "Allow at least one step.")
    notes = (("noise ratio", ratio), ("neighbour weight", last.neighbour_weight), ("size weight", prior.size_weight))
    mixed = ((MIXED_VOXEL_NOISE, float(noise[0])),) if isinstance(model, OneChannelClasses) else ()
    return _ended(task, last, taken, findings, (*notes, *mixed))


def _ended(
    task: FitTask, last: SpatialStep, taken: int, findings: tuple[Finding, ...], notes: tuple[tuple[str, float], ...]
) -> Fitted:
    """Return what the sweeps came to; `taken` were made in vain before."""
    likelihood = mean_log_likelihood(last.mixture, task.samples(), dtype=torch.float32)
    return Fitted(last.memberships, last.mixture, likelihood, taken + last.step, findings, notes, task=task)


def _noise(task: FitTask, start: Mixture) -> tuple[NDArray[np.float64], float]:
    """Return the noise (C,) in the image's own unit, and how it compares with the classes' distances."""
    noise = noise_std(task.image, task.mask, task.volume.geometry.spacing)
    return noise, noise_ratio(start.class_means(), noise)


def _ran_together(task: FitTask, labels: Tensor | None, began: Tensor, ratio: float) -> bool:
    """Whether a class lost nearly all its voxels in an image so noisy that means move freely: they can run into one."""
    if labels is None or trust_in_neighbours(ratio) < 1.0 or task.spatial_means == "fixed":
        return False
    counts = _class_counts(task, labels)
    return bool(((counts == 0) | (counts < LOST_SHARE * began)).any())


def _class_counts(task: FitTask, labels: Tensor) -> Tensor:
    """Return the number of voxels (K,) int64 of each class in labels that are 0 outside the mask."""
    return torch.bincount(labels.reshape(-1).to(torch.int64), minlength=task.config.n_classes + 1)[1:]


def first_look(task: FitTask, start: Mixture | None) -> tuple[Mixture, Tensor]:
    """Return a start, and the labels that it gives without any step.

    Parameters
    ----------
    task : FitTask
        The case.
    start : Mixture or None
        To look with, in the image's own unit; None to find one.

    Returns
    -------
    Mixture
        The start.
    Tensor (*crop) uint8
        Class k + 1 of each voxel, 0 outside the mask.
    """
    samples, fixed = task.samples(), task.fixed_samples()
    found = _likeliest_start(task, samples, fixed) if start is None else start
    return found, _labels_on_grid(most_likely_class(found, samples, fixed_labels=fixed), task.mask)


def _labels_on_grid(labels: Tensor, mask: Tensor) -> Tensor:
    return scatter((labels + 1)[None], mask)[0]


def _class_model(task: FitTask, start: Mixture, noise: NDArray[np.float64]) -> tuple[ClassModel, Mixture, FitTask]:
    """Return the class likelihoods, with partial volume for one channel, and start and task in their order."""
    one_each = len(start.class_of) == start.n_classes
    if task.volume.n_channels == 1 and one_each and task.fixed_labels is None and not task.widths_set:
        order = np.argsort(start.means[:, 0], kind="stable")
        task = replace(task, identities=tuple(task.identities[int(start.class_of[g])] for g in order))
        start = replace(
            start,
            mixing_weights=start.mixing_weights[order],
            means=start.means[order],
            covariances=start.covariances[order],
            class_of=np.arange(len(order)),
        )
        return OneChannelClasses(task.image, task.mask, start, float(noise[0]), held=task.held), start, task
    return GaussianClasses(task.image, task.mask, start, task.covariance, held=task.held), start, task


def _prior(task: FitTask, ratio: float) -> SpatialPrior:
    config, geometry = task.config, task.volume.geometry
    trust = trust_in_neighbours(ratio)
    # An unnamed class is small: it needs its share and its neighbours to be told from stray bright voxels of tissue.
    pull = 1.0 if task.bright else trust
    wanted = config.neighbour_weight
    return SpatialPrior(
        neighbour_weight=FULL_NEIGHBOUR_WEIGHT * pull if wanted is None else wanted,
        axis_weights=axis_weights(geometry.spacing, geometry.unit),
        size_weight=1.0 if task.bright else size_weight(ratio),
        anchor={"free": 0.0, "anchored": 1.0 - trust, "fixed": float("inf")}[task.spatial_means],
        n_neighbours=config.neighbourhood,
        trust=None if task.bright or wanted is not None else trust,
    )
