"""What each deep form minimises, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from napari_gmmseg.config.recipes import Form, Recipe
from napari_gmmseg.fitting.deep.case import Batch, DeepCase
from napari_gmmseg.fitting.deep.parameters import Parameters
from napari_gmmseg.losses import (
    elbo,
    global_nll,
    hide,
    imitation,
    mean_prior,
    spatially_variant_nll,
    total_variation,
)
from napari_gmmseg.mixture.soft_moments import SoftMixture, soft_log_densities
from napari_gmmseg.mixture.spatial import LEAST_SHARE
from napari_gmmseg.volumes import Mixture


@dataclass(frozen=True)
class Terms:
    """The loss of a batch and what it is made of.

    Parameters
    ----------
    loss : Tensor ()
        What is minimised.
    nll : Tensor () or None
        Negative log-likelihood in nat per voxel, in the image's own unit.
    parts : dict of str to Tensor ()
        Each term, unweighted.
    """

    loss: Tensor
    nll: Tensor | None
    parts: dict[str, Tensor]


class Objective(Protocol):
    """What a form minimises."""

    def see(self, batch: Batch) -> tuple[Batch, Tensor]:
        """Return the batch as the network shall see it, and the voxels (B, *S) that the loss looks at.

        Parameters
        ----------
        batch : Batch
            As it is.
        """

    def terms(self, batch: Batch, logits: Tensor, looked_at: Tensor) -> Terms:
        """Return the loss of a batch.

        Parameters
        ----------
        batch : Batch
            From `see`.
        logits : Tensor (B, K, *S) float32
            The network's.
        looked_at : Tensor (B, *S) bool
            From `see`.
        """

    def settle(self, prior: Tensor) -> None:
        """Estimate the parameters a last time, from the whole case.

        Parameters
        ----------
        prior : Tensor (K, *crop) float32
            The network's class probabilities, 0 outside the mask.
        """

    def running(self) -> dict[str, Tensor]:
        """Return what it carries from step to step."""

    def run_on(self, running: dict[str, Tensor]) -> None:
        """Take up what it carried.

        Parameters
        ----------
        running : dict of str to Tensor, of any shape
            From `running`.
        """

    def mixture(self) -> Mixture:
        """Return the parameters so far, in the image's own unit."""

    def log_densities(self) -> Tensor:
        """Return the class log densities (K, *crop) under the parameters, in the image's own unit."""

    def log_sizes(self) -> Tensor:
        """Return what is added to each class's log density in the answer; (K,)."""


def make_objective(form: Form, case: DeepCase, recipe: Recipe, generator: torch.Generator) -> Objective:
    """Return what a form minimises.

    Parameters
    ----------
    form : "deepg", "deepsvg" or "blindspot"
        The method.
    case : DeepCase
        The case.
    recipe : Recipe
        Its settings.
    generator : torch.Generator
        On the CPU; draws hidden voxels.
    """
    if form == "blindspot":
        return BlindSpot(case, recipe, generator)
    return DeepMixture(case, recipe, global_prior=form == "deepg")


def warm_terms(batch: Batch, logits: Tensor, looked_at: Tensor) -> Terms:
    """Return the loss of the warm-up: cross-entropy to the spatial mixture's classes.

    Parameters
    ----------
    batch : Batch
        With a target.
    logits : Tensor (B, K, *S) float32
        The network's.
    looked_at : Tensor (B, *S) bool
        Voxels that count.
    """
    assert batch.target is not None
    loss = imitation(torch.log_softmax(logits, 1), batch.target, looked_at)
    return Terms(loss, None, {"imitation": loss.detach()})


def _size_power(case: DeepCase) -> float:
    return 1.0 if case.base is None else dict(case.base.notes).get("size weight", 1.0)


def _log_sizes(case: DeepCase) -> Tensor:
    """Return the logarithm of each class's share in the spatial mixture, to the power that it has there; (K,)."""
    weights = case.class_weights()
    if weights is None:
        return torch.zeros(case.n_classes, device=case.image.device)
    return _size_power(case) * weights.clamp_min(LEAST_SHARE).log()


class DeepMixture:
    """deepG and deepSVG: the mixture's negative log-likelihood of a network's class probabilities.

    Schwab, Mayr & Haltmeier, Algorithm 3 (one image) and 4 (slices of a volume are the images of a batch). deepSVG:
    Pi = w. deepG: pi = mean of w; its loss is the likelihood as published, or, where the recipe says so, the
    negative ELBO, in which a voxel's own probabilities count one by one.

    Parameters
    ----------
    case : DeepCase
        The case.
    recipe : Recipe
        Its settings.
    global_prior : bool
        deepG instead of deepSVG.
    """

    def __init__(self, case: DeepCase, recipe: Recipe, *, global_prior: bool) -> None:
        self._case, self._recipe, self._global = case, recipe, global_prior
        self._parameters = Parameters(case, recipe)
        self._size_power = _size_power(case) if recipe.weighs_sizes else 1.0

    def see(self, batch: Batch) -> tuple[Batch, Tensor]:
        """Return the batch as it is, and its mask.

        Parameters
        ----------
        batch : Batch
            As it is.
        """
        return batch, batch.mask

    def terms(self, batch: Batch, logits: Tensor, looked_at: Tensor) -> Terms:
        """Return likelihood, mean prior and smoothness of a batch.

        Parameters
        ----------
        batch : Batch
            From `see`.
        logits : Tensor (B, K, *S) float32
            The network's.
        looked_at : Tensor (B, *S) bool
            From `see`.
        """
        recipe = self._recipe
        log_prior = torch.log_softmax(logits, 1)
        memberships = log_prior.exp()
        through = recipe.gradient == "full"
        found = self._parameters.update(batch, memberships if through else memberships.detach())
        if recipe.means == "fixed" and batch.densities is not None:
            densities, offset = batch.densities, 0.0
        else:
            densities, offset = soft_log_densities(batch.image, found), self._case.standardisation.log_volume
            if batch.evidence is not None:
                densities = densities + batch.evidence
        nll = self._nll(log_prior, found, densities, looked_at)
        loss, parts = nll, {}
        if recipe.mean_weight and self._parameters.start is not None:
            parts["mean prior"] = mean_prior(found.means, self._parameters.start.means)
            loss = loss + recipe.mean_weight * parts["mean prior"]
        if recipe.smoothness:
            parts["total variation"] = total_variation(memberships, looked_at, self._case.stack.nearness)
            loss = loss + recipe.smoothness * parts["total variation"]
        return Terms(loss, nll.detach() + offset, {name: part.detach() for name, part in parts.items()})

    def _nll(self, log_prior: Tensor, found: SoftMixture, densities: Tensor, looked_at: Tensor) -> Tensor:
        floor = self._recipe.likelihood_floor
        if not self._global:
            if self._recipe.weighs_sizes:
                densities = densities + self.log_sizes().view((1, -1) + (1,) * (densities.ndim - 2))
            return spatially_variant_nll(log_prior, densities, looked_at, floor=floor)
        if self._recipe.bound:
            # Shares count as in the spatial mixture: with their full weight a large class swallows the others.
            return elbo(log_prior, found.mixing_weights**self._size_power, densities, looked_at)
        return global_nll(found.mixing_weights, densities, looked_at, floor=floor)

    def settle(self, prior: Tensor) -> None:
        """Take the M-step of the whole case, unless the means are fixed.

        Parameters
        ----------
        prior : Tensor (K, *crop) float32
            The network's class probabilities, 0 outside the mask.
        """
        if self._recipe.means != "fixed":
            self._parameters.settle(prior)

    def running(self) -> dict[str, Tensor]:
        """Return what it carries from step to step."""
        return self._parameters.running()

    def run_on(self, running: dict[str, Tensor]) -> None:
        """Take up what it carried.

        Parameters
        ----------
        running : dict of str to Tensor, of any shape
            From `running`.
        """
        self._parameters.run_on(running)

    def mixture(self) -> Mixture:
        """Return the parameters so far, in the image's own unit."""
        return self._parameters.mixture()

    def log_densities(self) -> Tensor:
        """Return class log densities (K, *crop), in the image's own unit."""
        if self._recipe.means == "fixed" and self._case.densities is not None:
            return self._case.densities
        return self._parameters.log_densities()

    def log_sizes(self) -> Tensor:
        """Return the weighed logarithm of each class's share; 0 where the recipe weighs none."""
        if self._recipe.weighs_sizes:
            return _log_sizes(self._case)
        return torch.zeros(self._case.n_classes, device=self._case.image.device)


class BlindSpot:
    """The blind-spot prior: a network that predicts each voxel's class from its neighbours alone.

    In each step a random share of the voxels is hidden from the network (`napari_gmmseg.losses.hide`), and the
    spatially variant likelihood is taken there only: the network cannot copy a voxel's own answer, so training on goes
    on learning how classes lie beside each other (after Noise2Self, Batson & Royer 2019). Each class's density is
    weighed by its share to the power that the spatial mixture has.

    Parameters
    ----------
    case : DeepCase
        The case, with a start.
    recipe : Recipe
        Its settings.
    generator : torch.Generator
        On the CPU.
    """

    def __init__(self, case: DeepCase, recipe: Recipe, generator: torch.Generator) -> None:
        assert case.base is not None
        self._case, self._recipe, self._generator = case, recipe, generator
        self._parameters = Parameters(case, recipe)
        self._log_sizes = _log_sizes(case)
        self._n_own = len(case.seen)

    def see(self, batch: Batch) -> tuple[Batch, Tensor]:
        """Hide voxels of the piece itself, not of its neighbouring slices.

        Parameters
        ----------
        batch : Batch
            As it is.
        """
        own, hidden = hide(batch.inputs[:, : self._n_own], self._recipe.hidden_share, self._generator)
        inputs = torch.cat([own, batch.inputs[:, self._n_own :]], 1)
        return replace(batch, inputs=inputs), hidden & batch.mask

    def terms(self, batch: Batch, logits: Tensor, looked_at: Tensor) -> Terms:
        """Return the likelihood of the hidden voxels.

        Parameters
        ----------
        batch : Batch
            From `see`.
        logits : Tensor (B, K, *S) float32
            The network's.
        looked_at : Tensor (B, *S) bool
            From `see`.
        """
        log_prior = torch.log_softmax(logits, 1)
        assert batch.densities is not None
        densities, offset = batch.densities, 0.0
        if self._recipe.means != "fixed":
            with torch.no_grad():
                posterior = torch.softmax(log_prior + self._sized(self._parameters.current(batch)), 1)
                found = self._parameters.update(batch, posterior)
                densities = soft_log_densities(batch.image, found)
                offset = self._case.standardisation.log_volume
                if batch.evidence is not None:
                    densities = densities + batch.evidence
        nll = spatially_variant_nll(log_prior, self._sized(densities), looked_at)
        loss, parts = nll, {}
        if self._recipe.smoothness:
            parts["total variation"] = total_variation(log_prior.exp(), batch.mask, self._case.stack.nearness)
            loss = loss + self._recipe.smoothness * parts["total variation"]
        return Terms(loss, nll.detach() + offset, {name: part.detach() for name, part in parts.items()})

    def _sized(self, densities: Tensor) -> Tensor:
        return densities + self._log_sizes.view((1, -1) + (1,) * (densities.ndim - 2))

    def settle(self, prior: Tensor) -> None:
        """Take the M-step of the whole case on the posterior, unless the means are fixed.

        Parameters
        ----------
        prior : Tensor (K, *crop) float32
            The network's class probabilities, 0 outside the mask.
        """
        if self._recipe.means != "fixed":
            sizes = self._log_sizes.view((-1,) + (1,) * self._case.mask.ndim)
            logits = prior.clamp_min(LEAST_SHARE).log() + self.log_densities() + sizes
            self._parameters.settle(torch.softmax(logits, 0).mul_(self._case.mask))

    def running(self) -> dict[str, Tensor]:
        """Return what it carries from step to step."""
        return self._parameters.running()

    def run_on(self, running: dict[str, Tensor]) -> None:
        """Take up what it carried.

        Parameters
        ----------
        running : dict of str to Tensor, of any shape
            From `running`.
        """
        self._parameters.run_on(running)

    def mixture(self) -> Mixture:
        """Return the parameters so far, in the image's own unit."""
        return self._parameters.mixture()

    def log_densities(self) -> Tensor:
        """Return class log densities (K, *crop), in the image's own unit."""
        assert self._case.densities is not None
        return self._case.densities if self._recipe.means == "fixed" else self._parameters.log_densities()

    def log_sizes(self) -> Tensor:
        """Return the weighed logarithm of each class's share."""
        return self._log_sizes
