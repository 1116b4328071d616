"""Expectation maximisation for Gaussian mixtures and for the spatially variant mixture."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from napari_gmmseg.config.fit import Covariance
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.mixture.cells import MOST_CHANNELS, bin_cells
from napari_gmmseg.mixture.climbing import Climb, Climber
from napari_gmmseg.mixture.doubts import doubts_about
from napari_gmmseg.mixture.histogram import bin_samples
from napari_gmmseg.mixture.moments import VARIANCE_FLOOR, floored
from napari_gmmseg.mixture.observations import Observations, Voxels
from napari_gmmseg.mixture.posterior import Posterior
from napari_gmmseg.mixture.quadratic import QuadraticFeatures
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.mixture.tensors import Array, as_tensor
from napari_gmmseg.mixture.validation import check_samples, check_start
from napari_gmmseg.volumes import Finding, Mixture

Route = Literal["auto", "histogram", "coarse-to-fine", "every-voxel"]

COARSE_STRIDE = 16
COARSE_FROM = 1 << 18  # voxels; below, sweeps over all are fast enough


@dataclass(frozen=True)
class EMStep:
    """What EM tells after a step.

    Parameters
    ----------
    step : int
        Steps done, over all starts and levels.
    log_likelihood : float
        Mean over voxels in nat, in the image's own unit, of the parameters before the step's update.
    mixture : Mixture
        After the step, in the image's own unit.
    start : int
        Which start the step belongs to.
    level : str
        "histogram", "coarse" (cells of a joint histogram, or a subset of voxels) or "every-voxel".
    posterior : Posterior
        After the step; the only way to the class probabilities of the spatially variant mixture.
    """

    step: int
    log_likelihood: float
    mixture: Mixture
    start: int
    level: str
    posterior: Posterior


@dataclass(frozen=True)
class EMResult:
    """What EM returns.

    Parameters
    ----------
    mixture : Mixture
        In the image's own unit.
    log_likelihood : float
        Mean over voxels in nat, in the image's own unit, before the last update (as scikit-learn's `lower_bound_`).
    steps : int
        Steps done, over all starts and levels.
    converged : bool
        False where the step limit came first.
    posterior : Posterior
        Takes intensities to class probabilities; the only way to those of the spatially variant mixture.
    findings : tuple of Finding
        Constant channels, empty classes, classes on the variance floor, no convergence.
    """

    mixture: Mixture
    log_likelihood: float
    steps: int
    converged: bool
    posterior: Posterior
    findings: tuple[Finding, ...] = ()


def em(
    samples: Tensor | Array,
    start: Mixture | Sequence[Mixture],
    *,
    spatially_variant: bool = False,
    covariance: Covariance = "diagonal",
    weights: Tensor | Array | None = None,
    class_priors: Tensor | Array | None = None,
    fixed_labels: Tensor | Array | None = None,
    variance_floor: float = VARIANCE_FLOOR,
    tolerance: float = 1e-4,
    max_steps: int = 200,
    route: Route = "auto",
    dtype: torch.dtype = torch.float32,
) -> Generator[EMStep, None, EMResult]:
    """Fit a mixture to voxels; a generator of steps that returns the result.

    The model is p(x) = sum_k A_k(x) sum_(g in k) w_g N(x; m_g, S_g) with A_k(x) constant (GMM), given (class priors),
    or the voxel's own last responsibilities (spatially variant; Schwab, Mayr & Haltmeier, Alg. 2).

    The spatially variant mixture needs no array of responsibilities: a product of Gaussians' likelihoods is again
    the exponential of a quadratic, so Pi after t steps is the softmax of summed coefficients, and its log-likelihood is
    the difference of two successive sums of logsumexp. In log space nothing underflows, and the guard 1e-30 is not
    needed. Departure: where a class has several Gaussians, Pi is kept for each Gaussian, and a class's is their sum.

    Routes: one channel without priors goes through a histogram that carries each bin's moments; several channels in
    many voxels take cells of a joint histogram (with priors or fixed voxels, or more than four channels, every 16th
    voxel) until that settles, and then sweeps over all, both with squared extrapolation; all else, plain EM over every
    voxel. Stops when a step's rise of the mean log-likelihood, with extrapolation the rise that is
    still to come, is below `tolerance`.

    Parameters
    ----------
    samples : Tensor or ndarray (C, N), any real kind
        Intensities of the voxels inside the mask, finite.
    start : Mixture or sequence of Mixture
        In the image's own unit; of several, the one that ends likeliest is kept.
    spatially_variant : bool
        SVGMM instead of GMM.
    covariance : "diagonal" or "full"
        Channels independent within a Gaussian, or correlated.
    weights : Tensor or ndarray (N,) float, optional
        How often each voxel counts, at least 0.
    class_priors : Tensor or ndarray (N, K) float, optional
        Prior probability of each class at each voxel, in place of constant class weights; rows sum to 1.
    fixed_labels : Tensor or ndarray (N,) integer, optional
        Known class k of a voxel, or -1.
    variance_floor : float
        Smallest variance of a Gaussian in any direction, as a share of each channel's variance over all voxels.
    tolerance : float
        In nat per voxel.
    max_steps : int
        Upper bound on the steps of each start at each level.
    route : "auto", "histogram", "coarse-to-fine" or "every-voxel"
        "every-voxel" is plain EM, step for step what the textbook does.
    dtype : torch.dtype
        Arithmetic within chunks of voxels; sums over chunks and histograms are float64 always. float32 errs by some
        .01 nat in a voxel where a class is at the default floor; a lower floor asks for float64.

    Raises
    ------
    InputError
        If a sample is NaN or infinite.
    SettingsError
        If there are fewer voxels than Gaussians, shapes do not fit, or the route does not fit the data.
    """
    x = as_tensor(samples)
    starts = (start,) if isinstance(start, Mixture) else tuple(start)
    voxels = _voxels(x, starts, weights, class_priors, fixed_labels, full=covariance == "full", dtype=dtype)
    climber = Climber(
        within_class=voxels.class_priors is not None,
        variance_floor=variance_floor,
        tolerance=tolerance,
        max_steps=max_steps,
    )
    best: Climb | None = None
    best_start = steps = 0
    for level, observations, climb in _levels(voxels, climber, route, spatially_variant=spatially_variant):
        inner = _inward(starts, voxels.quadratic, variance_floor) if best is None else {best_start: best.mixture}
        best = None
        for index, mixture in inner.items():
            last: Climb | None = None
            for last in climb(observations, mixture):
                steps += 1
                yield _step(steps, last, voxels, index, level)
            if last is not None and (best is None or last.log_likelihood > best.log_likelihood):
                best, best_start = last, index
    if best is None:
        raise SettingsError("No start was given, or no step allowed.", "Give a start, and at least one step.")
    return _result(best, steps, voxels, variance_floor, max_steps)


def _voxels(
    x: Tensor,
    starts: Sequence[Mixture],
    weights: Tensor | Array | None,
    class_priors: Tensor | Array | None,
    fixed_labels: Tensor | Array | None,
    *,
    full: bool,
    dtype: torch.dtype,
) -> Voxels:
    w, priors, fixed = (
        None if extra is None else as_tensor(extra).to(x.device) for extra in (weights, class_priors, fixed_labels)
    )
    for one in starts:
        check_samples(x, len(one.class_of), weights=w, class_priors=priors, fixed_labels=fixed)
        check_start(one, x, class_priors=priors, fixed_labels=fixed)
    quadratic = QuadraticFeatures(Standardisation.of_samples(x, w), full=full and len(x) > 1)
    return Voxels(x, quadratic, weights=w, class_priors=priors, fixed_labels=fixed, dtype=dtype)


Level = tuple[str, Observations, Callable[[Observations, Mixture], Iterator[Climb]]]


def _levels(voxels: Voxels, climber: Climber, route: Route, *, spatially_variant: bool) -> Iterator[Level]:
    """Yield what to go through, one after the other, and how."""
    n_channels, n_voxels = voxels.samples.shape
    binnable = n_channels == 1 and voxels.class_priors is None
    if route == "histogram" and not binnable:
        raise SettingsError(
            "A histogram needs one channel and no class priors per voxel.", "Let the route be chosen automatically."
        )
    plain = climber.spatially_variant if spatially_variant else climber.plainly
    if route == "histogram" or (route == "auto" and binnable):
        bins = bin_samples(voxels.samples, voxels.quadratic, weights=voxels.weights, fixed_labels=voxels.fixed_labels)
        yield "histogram", bins, plain
    elif not spatially_variant and (route == "coarse-to-fine" or (route == "auto" and n_voxels >= COARSE_FROM)):
        if n_voxels >= COARSE_STRIDE * COARSE_STRIDE:
            yield "coarse", _coarse(voxels), climber.with_extrapolation
        yield "every-voxel", voxels, climber.with_extrapolation
    else:
        yield "every-voxel", voxels, plain


def _coarse(voxels: Voxels) -> Observations:
    """Return cells of a joint histogram, or a systematic subset where voxels are more than their intensities."""
    alike = voxels.class_priors is None and voxels.fixed_labels is None
    if alike and len(voxels.samples) <= MOST_CHANNELS:
        return bin_cells(voxels.samples, voxels.quadratic, weights=voxels.weights)
    return voxels.every(COARSE_STRIDE)


def _inward(starts: Sequence[Mixture], quadratic: QuadraticFeatures, floor: float) -> dict[int, Mixture]:
    """Return the starts in standardised intensities, their covariances of the kind that is fitted."""
    inner = {}
    for index, one in enumerate(starts):
        mixture = quadratic.standardisation.inward(one)
        inner[index] = replace(mixture, covariances=floored(mixture.covariances, floor, full=quadratic.full))
    return inner


def _step(number: int, climb: Climb, voxels: Voxels, start: int, level: str) -> EMStep:
    standardisation = voxels.quadratic.standardisation
    likelihood = climb.log_likelihood - standardisation.log_volume
    posterior = Posterior(climb.coefficients, voxels.quadratic, climb.mixture.class_of)
    return EMStep(number, likelihood, standardisation.outward(climb.mixture), start, level, posterior)


def _result(best: Climb, steps: int, voxels: Voxels, variance_floor: float, max_steps: int) -> EMResult:
    quadratic = voxels.quadratic
    lowest, highest = torch.aminmax(voxels.samples, dim=1)
    findings = doubts_about(
        best.mixture,
        variance_floor=variance_floor,
        total_weight=voxels.total_weight,
        constant_channels=(lowest == highest).cpu().numpy(),
        converged=best.converged,
        max_steps=max_steps,
    )
    return EMResult(
        mixture=quadratic.standardisation.outward(best.mixture),
        log_likelihood=best.log_likelihood - quadratic.standardisation.log_volume,
        steps=steps,
        converged=best.converged,
        posterior=Posterior(best.coefficients, quadratic, best.mixture.class_of),
        findings=findings,
    )


def run_em(steps: Generator[EMStep, None, EMResult]) -> EMResult:
    """Run EM to its end.

    Parameters
    ----------
    steps : generator
        What `em` returned.
    """
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: EMResult = stop.value
            return result
