"""The spatial mixture: a spatially variant mixture whose class probabilities come from each voxel's neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.mixture.moments import VARIANCE_FLOOR
from napari_gmmseg.mixture.neighbours import AxisWeights, neighbour_sum
from napari_gmmseg.mixture.partial_volume import PartialVolumeModel
from napari_gmmseg.mixture.pseudo_likelihood import Agreement
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.volumes import Mixture

#: Smallest share of a class in log pi: a class that has lost its voxels can come back.
LEAST_SHARE = 1e-4
#: So many voxels of a class are swept at a time: a few megabytes for all classes.
PORTION = 200_000
#: Sweeps after which the weight of neighbours is asked for, from the second on: it goes half of the way in each.
LEARNING = 6


@dataclass(frozen=True)
class SpatialPrior:
    """How neighbours, class sizes and the start hold the classes.

    Parameters
    ----------
    neighbour_weight : float
        beta, the pull of one of six neighbours at 1 mm, in nat.
    axis_weights : (wz, wy, wx)
        From `axis_weights`.
    size_weight : float
        Power tau of the class shares pi: 0 = all classes alike, 1 = the mixture's own.
    anchor : float
        Pseudo-voxels that hold each mean at its start, as a share of the voxels per class (N / K); 0 = free,
        inf = fixed.
    n_neighbours : int
        6 or 26; see `neighbour_sum`.
    trust : float or None
        beta follows the image, from the second sweep to the seventh: it goes half of the way to this share of the
        weight of greatest pseudo-likelihood. None holds it.
    """

    neighbour_weight: float
    axis_weights: AxisWeights
    size_weight: float
    anchor: float
    n_neighbours: int = 6
    trust: float | None = None


@dataclass(frozen=True)
class SpatialStep:
    """The state after a sweep.

    Parameters
    ----------
    step : int
        Sweeps done.
    memberships : Tensor (K, ..., Z, Y, X) float32
        Posterior of each class, 0 outside the mask; overwritten by the sweep after the next.
    mixture : Mixture
        In the image's own unit.
    shift : float
        Largest move of a class mean in this sweep, as a share of the means' range.
    neighbour_weight : float
        beta, as it is now.
    """

    step: int
    memberships: Tensor
    mixture: Mixture
    shift: float
    neighbour_weight: float


#: Sets logits (K, ..., P, Y, X) of planes of Z, from the first to the one before the last.
Evidence = Callable[[Tensor, int, int], None]


class ClassModel(Protocol):
    """Class likelihoods that are re-estimated from memberships."""

    def log_densities(self, size_weight: float) -> Evidence:
        """Return what sets logits (K, ..., P, Y, X) to log p_k(x) + size_weight * log pi_k in planes of Z.

        Parameters
        ----------
        size_weight : float
            Power of the class shares.
        """

    def update(self, memberships: Tensor, anchor: float) -> float:
        """Re-estimate from memberships; return the largest shift of a mean, as a share of the means' range.

        Parameters
        ----------
        memberships : Tensor (K, ..., Z, Y, X) float32
            Posterior of each class, 0 outside the mask.
        anchor : float
            See `SpatialPrior`.
        """

    def mixture(self) -> Mixture:
        """Return the parameters."""


class OneChannelClasses:
    """Likelihoods of one channel with partial volume, from a table over its intensities.

    Parameters
    ----------
    image : Tensor (1, ..., Z, Y, X) float32
        Intensities.
    mask : Tensor (..., Z, Y, X) bool
        Voxels that are fitted.
    start : Mixture
        One Gaussian a class, rising means.
    noise : float
        Standard deviation of the noise, in the image's own unit.
    held : sequence of int
        Classes whose mean and variance stay at the start.
    """

    def __init__(self, image: Tensor, mask: Tensor, start: Mixture, noise: float, *, held: Sequence[int] = ()) -> None:
        inside = image[0][mask]
        low, high = (float(value) for value in torch.aminmax(inside))
        margin = 1e-6 * max(high - low, 1e-30)
        model = PartialVolumeModel(start.means[:, 0].copy(), noise, low, high + margin)
        self._held = list(held)
        self._model = model.with_means(model.means, self._held)
        self._start_means = self._model.means
        self._bins = self._model.bins(image)
        self._inside = int(mask.sum())
        # Deviations from the middle: squares of large offsets would eat the digits of a small spread.
        self._centre = float(np.float32((low + high) / 2))
        self._image = torch.where(mask, image[0] - self._centre, torch.zeros((), device=image.device))
        self._least_variance = VARIANCE_FLOOR * float(Standardisation.of_samples(inside[None]).scale[0]) ** 2
        self._shares = np.array(start.mixing_weights)
        self._variances = start.covariances[:, 0, 0].copy()

    def log_densities(self, size_weight: float) -> Evidence:
        """Return what sets logits (K, ..., P, Y, X) to log p_k(x) + size_weight * log pi_k in planes of Z.

        Parameters
        ----------
        size_weight : float
            Power of the class shares.
        """
        table = self._model.table() + size_weight * np.log(np.maximum(self._shares, LEAST_SHARE))[:, None]
        rows = torch.from_numpy(table).to(self._bins.device, torch.float32)

        def fill(logits: Tensor, first: int, last: int) -> None:
            flat = self._bins[..., first:last, :, :].reshape(-1)
            for row, out in zip(rows, logits, strict=True):
                torch.index_select(row, 0, flat, out=out.view(-1))

        return fill

    def update(self, memberships: Tensor, anchor: float) -> float:
        """Re-estimate from memberships; return the largest shift of a mean, as a share of the means' range.

        Parameters
        ----------
        memberships : Tensor (K, ..., Z, Y, X) float32
            Posterior of each class, 0 outside the mask.
        anchor : float
            See `SpatialPrior`.
        """
        sizes, firsts, seconds = self._moments(memberships)
        held = anchor * self._inside / len(sizes)
        before = self._model.means
        floor = np.maximum(sizes, 1e-9)
        if np.isfinite(anchor):
            deviations = (firsts + held * (self._start_means - self._centre)) / np.maximum(sizes + held, 1e-9)
            means = np.where(sizes + held < 1.0, before, self._centre + deviations)
            means[self._held] = before[self._held]
            self._model = self._model.with_means(means, self._held)
        self._shares = sizes / max(float(sizes.sum()), 1.0)
        variances = np.maximum(seconds / floor - (firsts / floor) ** 2, self._least_variance)
        still = np.isin(np.arange(len(sizes)), self._held)
        self._variances = np.where((sizes >= 1.0) & ~still, variances, self._variances)
        span = max(float(np.ptp(before)), 1e-30)
        return float(np.abs(self._model.means - before).max()) / span

    def _moments(self, memberships: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return sizes, sums and sums of squares (K,) of deviations: float32 within a row, float64 over rows."""
        rows = memberships.reshape(len(memberships), -1, memberships.shape[-1])
        image = self._image.reshape(-1, memberships.shape[-1])
        weighted = torch.empty_like(rows[0])
        result = np.zeros((3, len(rows)))
        for k, row in enumerate(rows):
            result[0, k] = _total(row)
            torch.mul(row, image, out=weighted)
            result[1, k] = _total(weighted)
            result[2, k] = _total(weighted.mul_(image))
        return result[0], result[1], result[2]

    def mixture(self) -> Mixture:
        """Return the parameters as Gaussians."""
        weights = np.maximum(self._shares, 1e-300)
        return self._model.mixture(weights / weights.sum(), self._variances)


def _total(rows: Tensor) -> float:
    """Return the sum of (n, X) float32: along rows in float32, over rows in float64, which Apple's card has not."""
    return float(rows.sum(-1).cpu().double().sum())


def mean_field(
    model: ClassModel,
    mask: Tensor,
    prior: SpatialPrior,
    n_classes: int,
    *,
    fixed_labels: Tensor | None = None,
    tolerance: float = 1e-4,
    max_steps: int = 15,
) -> Generator[SpatialStep, None, SpatialStep]:
    """Fit the spatial mixture by synchronous mean-field sweeps.

    z_k(x) = log p_k(x) + tau log pi_k + beta sum over neighbours y of a(y) w_k(y), w = softmax_k(z), then the
    M-step on w: the spatially variant mixture of Schwab, Mayr & Haltmeier (Alg. 2) with Pi(x) taken from the neighbours
    instead of the voxel itself (a Potts prior; Zhang, Brady & Smith 2001 in mean-field form). The first sweep has no
    neighbours. Each works through a few planes at a time, which fit a processor's cache; as all voxels listen to the
    sweep before, the portions make no difference.

    Parameters
    ----------
    model : ClassModel
        Class likelihoods.
    mask : Tensor (..., Z, Y, X) bool
        Voxels that are fitted.
    prior : SpatialPrior
        Weights of neighbours, class sizes and anchor.
    n_classes : int
        K.
    fixed_labels : Tensor (..., Z, Y, X) integer, optional
        Known class k of a voxel, or -1.
    tolerance : float
        Ends when no mean moves by more than this share of their range, and the weight of neighbours is learnt.
    max_steps : int
        Sweeps at most.

    Yields
    ------
    SpatialStep
        After each sweep; the last is also returned.
    """
    memberships = torch.zeros((n_classes, *mask.shape), dtype=torch.float32, device=mask.device)
    before = torch.empty_like(memberships)
    inside = mask.to(torch.float32)
    portions = _portions(mask)
    agreement: Agreement | None = None
    # Made once: fresh memory costs as much as the arithmetic.
    scratch = torch.empty(n_classes * inside.narrow(-3, 0, portions[0][1]).numel(), device=mask.device)
    step = 0
    while True:
        before, memberships = memberships, before
        evidence = model.log_densities(prior.size_weight)
        for planes in portions:
            _sweep_planes(evidence, before if step else None, inside, prior, planes, memberships, scratch)
        if fixed_labels is not None:
            clamp_(memberships, fixed_labels)
        shift = model.update(memberships, prior.anchor)
        if prior.trust and 1 <= step <= LEARNING:
            agreement = agreement or Agreement(mask, prior.axis_weights, prior.n_neighbours)
            prior = _learnt(prior, agreement, memberships, model.mixture())
        step += 1
        result = SpatialStep(step, memberships, model.mixture(), shift, prior.neighbour_weight)
        yield result
        learning = bool(prior.trust) and step <= LEARNING
        if step >= max_steps or (step >= 3 and shift < tolerance and not learning):
            return result


def _learnt(prior: SpatialPrior, agreement: Agreement, memberships: Tensor, mixture: Mixture) -> SpatialPrior:
    """Return the prior with the weight of its neighbours half of the way to what the image says."""
    trust = prior.trust or 1.0
    shares = np.bincount(mixture.class_of, mixture.mixing_weights)
    log_shares = torch.from_numpy(prior.size_weight * np.log(np.maximum(shares, LEAST_SHARE)))
    best = agreement(memberships, log_shares, prior.neighbour_weight / trust)
    return replace(prior, neighbour_weight=(prior.neighbour_weight + trust * best) / 2)


def _portions(mask: Tensor) -> list[tuple[int, int]]:
    """Return the planes of Z that are swept together: all at once on a card."""
    n = mask.shape[-3]
    portion = n if mask.device.type != "cpu" else max(1, PORTION * n // max(mask.numel(), 1))
    return [(first, min(first + portion, n)) for first in range(0, n, portion)]


def _sweep_planes(
    evidence: Evidence,
    before: Tensor | None,
    inside: Tensor,
    prior: SpatialPrior,
    planes: tuple[int, int],
    memberships: Tensor,
    scratch: Tensor,
) -> None:
    """Set the memberships of some planes from those before; None where neighbours are not asked yet."""
    first, last = planes
    here = inside.narrow(-3, first, last - first)
    shape = (len(memberships), *here.shape)
    logits = scratch[: math.prod(shape)].view(shape)
    evidence(logits, first, last)
    if before is not None:
        weights, scale = prior.axis_weights, prior.neighbour_weight
        neighbour_sum(before, weights, logits, scale, n_neighbours=prior.n_neighbours, planes=planes)
    # The softmax by hand: torch's rounds the last few voxels of a portion otherwise than those before them.
    greatest = logits[0].clone()
    for row in logits[1:]:
        torch.maximum(greatest, row, out=greatest)
    total = logits.sub_(greatest).exp_()[0].clone()
    for row in logits[1:]:
        total.add_(row)
    torch.mul(logits, torch.div(here, total, out=total), out=memberships.narrow(-3, first, last - first))


def smoothed(
    evidence: Tensor, inside: Tensor, fixed_labels: Tensor, pull: tuple[float, float, float], sweeps: int
) -> Tensor:
    """Return memberships (K, *grid) float32 after mean-field sweeps with the classes' evidence held fixed.

    w = softmax_k(e_k(x) + sum over face neighbours y of a(y) w_k(y)), the sweep of `mean_field` without its M-step.

    Parameters
    ----------
    evidence : Tensor (K, ..., Z, Y, X) float32
        What is known of each class without neighbours, in nat, up to a constant of the voxel.
    inside : Tensor (..., Z, Y, X) bool
        Voxels that count.
    fixed_labels : Tensor (..., Z, Y, X) integer
        Known class k of a voxel; negative elsewhere.
    pull : (wz, wy, wx)
        Of one neighbour along each axis, in nat.
    sweeps : int
        How many; none at 0.
    """
    memberships = torch.softmax(evidence, 0).mul_(inside)
    clamp_(memberships, fixed_labels)
    for _ in range(sweeps if any(pull) else 0):
        memberships = torch.softmax(neighbour_sum(memberships, pull, evidence.clone()), 0).mul_(inside)
        clamp_(memberships, fixed_labels)
    return memberships


def clamp_(memberships: Tensor, fixed_labels: Tensor) -> None:
    """Give voxels of known class a membership of 1 there, in place.

    Parameters
    ----------
    memberships : Tensor (K, ..., Z, Y, X) float32
        Changed in place.
    fixed_labels : Tensor (..., Z, Y, X) integer
        Known class k of a voxel, or -1.
    """
    known = fixed_labels >= 0
    for k in range(len(memberships)):
        memberships[k][known] = (fixed_labels[known] == k).to(torch.float32)
