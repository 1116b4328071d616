"""Fit a deep mixture to one case: deepG, deepSVG or the blind-spot prior."""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from torch import Tensor

from napari_gmmseg.config.recipes import Form, Recipe, recipe_for
from napari_gmmseg.fitting.deep.case import DeepCase
from napari_gmmseg.fitting.deep.objectives import Objective, Terms, make_objective, warm_terms
from napari_gmmseg.fitting.deep.training import Draws, Plateau, Schedule, Trainer, draw_axes, safe_precision
from napari_gmmseg.fitting.methods import fit_spatial
from napari_gmmseg.fitting.progress import Fitted, Method, Progress
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.mixture import mean_log_likelihood
from napari_gmmseg.mixture.labelling import label_winners
from napari_gmmseg.mixture.noise import trust_in_neighbours
from napari_gmmseg.mixture.spatial import clamp_
from napari_gmmseg.networks import UNet
from napari_gmmseg.volumes import Command, Look, Stop

#: Shortest time in s between two predictions of the shown slice while training goes on.
_PREVIEW_INTERVAL = 0.3
#: Steps of the likelihood before the first of them: until then the spatial mixture is the better sight.
_UNSEEN = 20
#: Steps between the last predictions, which are averaged.
_BETWEEN_SNAPSHOTS = 5
#: Least probability of a class in the logarithm of the prior.
_LEAST_PRIOR = 1e-4

PHASES = {"deepg": "deepG", "deepsvg": "deepSVG", "blindspot": "Blind-spot prior"}


def fit_deep(task: FitTask, form: Form) -> Method:
    """Fit a deep mixture, after the spatial mixture where it starts from that; ends early when sent Stop.

    Parameters
    ----------
    task : FitTask
        The case.
    form : "deepg", "deepsvg" or "blindspot"
        The method.

    Raises
    ------
    SettingsError
        Where settings contradict each other.
    """
    recipe = recipe_for(task.config, form)
    base: Fitted | None = None
    if form == "blindspot" or recipe.warm_steps or recipe.means != "free" or recipe.mean_weight:
        base = yield from fit_spatial(task.for_start())
    fitted = yield from train(task, form, recipe, base)
    return fitted


def train(task: FitTask, form: Form, recipe: Recipe, base: Fitted | None) -> Method:
    """Train a network on one case, and answer; ends early when sent Stop.

    Parameters
    ----------
    task : FitTask
        The case.
    form : "deepg", "deepsvg" or "blindspot"
        The method.
    recipe : Recipe
        Its settings.
    base : Fitted or None
        The spatial mixture that it starts from.
    """
    generator = torch.Generator().manual_seed(task.config.seed)
    case = DeepCase.of_task(task, base)
    objective = make_objective(form, case, recipe, generator)
    schedule = Schedule(recipe)
    trainer = _trainer(task, case, recipe, generator)
    draws = Draws(case.stack.trained, recipe.batch_slices, generator)
    plateau = Plateau(max(recipe.window, draws.steps_per_round), recipe.tolerance, recipe.least_steps)
    run = _Run(task, form, recipe, case, objective, trainer)
    step, command = 0, None
    while step < schedule.end and not isinstance(command, Stop):
        step += 1
        warm = step <= recipe.warm_steps
        batch, looked_at = objective.see(case.batch(draws.next()))
        axes = draw_axes(case.stack.n_dims, generator) if recipe.mirrors else ()
        logits = trainer.flipped_logits(batch.inputs, axes)
        terms = warm_terms(batch, logits, looked_at) if warm else objective.terms(batch, logits, looked_at)
        rate = schedule.rate(step)
        trainer.step(terms.loss, rate)
        if terms.nll is not None and plateau.reached(float(terms.nll)):
            schedule.settle(step)
        run.after(step, schedule.end)
        command = yield run.progress(step, schedule.end, terms, rate, warm=warm)
        run.obey(command)
    # Until then the network has not yet learnt what was known before.
    if isinstance(command, Stop) and base is not None and step < max(recipe.warm_steps or _UNSEEN, 2):
        return replace(base, name="spatial")
    return run.fitted()


def _trainer(task: FitTask, case: DeepCase, recipe: Recipe, generator: torch.Generator) -> Trainer:
    device = task.image.device
    network = UNet(
        len(case.seen) * case.stack.n_looks,
        case.n_classes,
        width=recipe.width,
        depth=recipe.depth,
        n_dims=case.stack.n_dims,
        published=recipe.network == "published",
        generator=generator,
    )
    size = case.stack.gather(case.mask[None], [0]).shape[2:]
    return Trainer(network, recipe, device, safe_precision(task.config.precision, size, network.stride, device))


class _Run:
    """What a run has predicted so far."""

    def __init__(
        self, task: FitTask, form: Form, recipe: Recipe, case: DeepCase, objective: Objective, trainer: Trainer
    ) -> None:
        self._task, self._form, self._recipe, self._case = task, form, recipe, case
        self._objective, self._trainer = objective, trainer
        self.steps = 0
        self._total: Tensor | None = None
        self._n_snapshots = 0
        self._own = self._own_intensity()
        self._piece = self._shown(task.look)
        self._labels = (
            label_winners(case.target, case.mask) if case.target is not None else case.mask.to(torch.uint8).mul_(0)
        )
        self._previewed_at = time.monotonic()

    def _own_intensity(self) -> float:
        """Return how much the own intensity counts: in a blind-spot answer it is all in a clean image."""
        given = self._recipe.own_intensity
        base = self._case.base
        if self._form != "blindspot" or self._task.config.own_intensity is not None or base is None:
            return given
        trust = trust_in_neighbours(dict(base.notes).get("noise ratio", 1.0))
        return 1.0 - (1.0 - given) * trust

    def _shown(self, look: int | None) -> int:
        """Return the piece that is previewed: the slice looked at, else the middle one."""
        stack = self._case.stack
        middle = stack.n_pieces // 2
        if look is None:
            return middle
        piece = stack.piece_of_slice(look - self._task.prepared.crop[-3].start)
        return middle if piece is None else piece

    def obey(self, command: Command | None) -> None:
        """Look where the person looks."""
        if isinstance(command, Look):
            self._piece = self._shown(command.slice_index)
            self._previewed_at = float("-inf")

    def after(self, step: int, end: int) -> None:
        """Note a step; predict the whole case after the last one, and after a few before it."""
        self.steps, left = step, end - step
        late = step > self._recipe.warm_steps and left < _BETWEEN_SNAPSHOTS * self._recipe.snapshots
        if late and left % _BETWEEN_SNAPSHOTS == 0:
            self._snapshot()

    def _snapshot(self) -> None:
        if self._total is None:
            self._total = torch.zeros((self._case.n_classes, *self._case.mask.shape), device=self._case.mask.device)
        self._trainer.add_prior(self._case.stack, self._case.seen, self._total)
        self._n_snapshots += 1

    def progress(self, step: int, n_steps: int, terms: Terms, rate: float, *, warm: bool) -> Progress:
        """Return what is told of a step."""
        told = [("loss", float(terms.loss.detach())), *((name, float(value)) for name, value in terms.parts.items())]
        told.append(("learning rate", rate))
        nll = None if terms.nll is None else float(terms.nll)
        return Progress(
            step,
            n_steps,
            self._objective.mixture(),
            None if nll is None else -nll,
            self._preview() if step > self._recipe.warm_steps + _UNSEEN else None,
            tuple(told),
            "Network learns the spatial mixture" if warm else PHASES[self._form],
            None if self._case.base is None else self._case.base.mixture,
        )

    def _preview(self) -> Tensor | None:
        """Return labels with the shown slice as the network has it now; None where it was told a moment ago."""
        now = time.monotonic()
        if now - self._previewed_at < _PREVIEW_INTERVAL:
            return None
        self._previewed_at = now
        pieces = [self._piece]
        stack = self._case.stack
        log_answer = self._trainer.prior(stack.look(self._case.seen, pieces)).clamp_min(_LEAST_PRIOR).log()
        if self._own and self._case.densities is not None:
            sizes = self._objective.log_sizes().view((1, -1) + (1,) * stack.n_dims)
            log_answer = log_answer + self._own * (stack.gather(self._case.densities, pieces) + sizes)
        inside = stack.gather(self._case.mask[None], pieces)[:, 0]
        winner = label_winners(log_answer.transpose(0, 1), inside)
        old = stack.gather(self._labels[None], pieces).to(torch.int16)
        stack.put(self._labels.view(torch.int8)[None], pieces, (winner[:, None] - old).to(torch.int8))
        return self._labels

    def fitted(self) -> Fitted:
        """Return the answer: the prior, and with as much of the own intensity as the recipe says, the posterior."""
        case, objective = self._case, self._objective
        if self._total is None:
            self._snapshot()
        assert self._total is not None
        prior = self._total.div_(self._n_snapshots).mul_(case.mask)
        logits = prior.clamp_min(_LEAST_PRIOR).log_()
        objective.settle(prior)
        densities = objective.log_densities()
        if self._form == "deepg":
            likelihood = mean_log_likelihood(objective.mixture(), self._task.samples(), dtype=torch.float32)
        else:
            likelihood = float(torch.logsumexp(logits + densities, 0)[case.mask].double().mean())
        if self._own:
            sizes = objective.log_sizes().view((-1,) + (1,) * case.mask.ndim)
            logits.add_(densities + sizes, alpha=self._own)
            memberships = torch.softmax(logits, 0).mul_(case.mask)
        else:
            memberships = prior.clone()
        if self._task.fixed_labels is not None:
            clamp_(memberships, self._task.fixed_labels)
        notes = () if case.base is None else case.base.notes
        return Fitted(
            memberships,
            objective.mixture(),
            likelihood,
            self.steps,
            (),
            (*notes, ("own intensity", self._own), ("snapshots", float(self._n_snapshots))),
            prior=None if self._form == "deepg" else prior,
            name=self._form,
            named_by=None if case.base is None else case.base.mixture,
        )
