"""A training: everything that a step needs, what a change makes of it, and how it is put away and taken up again."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from napari_gmmseg.config.recipes import Form, Recipe, recipe_for
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.deep.case import DeepCase
from napari_gmmseg.fitting.deep.objectives import Terms, make_objective, warm_terms
from napari_gmmseg.fitting.deep.predictions import Predictions
from napari_gmmseg.fitting.deep.saving import base_arrays, base_of, load_trainer_, trainer_arrays
from napari_gmmseg.fitting.deep.training import Draws, Plateau, Schedule, Trainer, draw_axes, safe_precision
from napari_gmmseg.fitting.live import Change, Changed, attempt
from napari_gmmseg.fitting.progress import Fitted, Progress
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.networks import UNet, rehead_
from napari_gmmseg.volumes import Finding, FitState

#: Steps of the likelihood before the first preview: until then the spatial mixture is the better sight.
UNSEEN = 20

PHASES = {"deepg": "deepG", "deepsvg": "deepSVG", "blindspot": "Blind-spot prior"}


class Training:
    """A network in training on one case.

    Parameters
    ----------
    task : FitTask
        The case, with its settings.
    form : "deepg", "deepsvg" or "blindspot"
        The method.
    base : Fitted or None
        The spatial mixture that it starts from.
    """

    def __init__(self, task: FitTask, form: Form, base: Fitted | None) -> None:
        self.task, self.form, self.base = task, form, base
        self.recipe: Recipe = recipe_for(task.config, form)
        self.steps = 0
        self._generator = torch.Generator().manual_seed(task.config.seed)
        self._case = DeepCase.of_task(task, base, sees_start=self._sees_start)
        self._objective = make_objective(form, self._case, self.recipe, self._generator)
        self._schedule = Schedule(self.recipe)
        self._trainer = self._new_trainer()
        self._draws = Draws(self._case.stack.trained, self.recipe.batch_slices, self._generator)
        self._plateau = self._new_plateau()
        self._predictions = self._new_predictions()
        self._terms: Terms | None = None
        self._rate = 0.0
        self._refused: Finding | None = None
        self._generation = 0

    @property
    def done(self) -> bool:
        """Whether the last step was taken."""
        return self.steps >= self._schedule.end

    @property
    def _sees_start(self) -> bool:
        """Whether the network sees the start's responsibilities."""
        return self.form == "blindspot" or self.recipe.warm_steps > 0

    @property
    def _warm(self) -> bool:
        return self.steps <= self.recipe.warm_steps

    def step(self) -> None:
        """Take one step."""
        self.steps += 1
        case, objective, trainer = self._case, self._objective, self._trainer
        batch, looked_at = objective.see(case.batch(self._draws.next()))
        axes = draw_axes(case.stack.n_dims, self._generator) if self.recipe.mirrors else ()
        logits = trainer.flipped_logits(batch.inputs, axes)
        make_terms = warm_terms if self._warm else objective.terms
        terms = make_terms(batch, logits, looked_at)
        self._rate = self._schedule.rate(self.steps)
        trainer.step(terms.loss, self._rate)
        if terms.nll is not None and self._plateau.reached(float(terms.nll)):
            self._schedule.settle(self.steps)
        self._predictions.after(self.steps, self._schedule.end)
        self._terms = terms

    def progress(self, *, saving: bool) -> Progress:
        """Return what is told of the last step.

        Parameters
        ----------
        saving : bool
            Whether to put the state into it.
        """
        terms = self._terms
        assert terms is not None
        told = [("loss", float(terms.loss.detach())), *((name, float(value)) for name, value in terms.parts.items())]
        told.append(("learning rate", self._rate))
        seen = self.steps > self.recipe.warm_steps + UNSEEN
        refused, self._refused = self._refused, None
        return Progress(
            self.steps,
            self._schedule.end,
            self._objective.mixture(),
            None if terms.nll is None else -float(terms.nll),
            self._predictions.preview() if seen else None,
            tuple(told),
            "Network learns the spatial mixture" if self._warm else PHASES[self.form],
            None if self.base is None else self.base.mixture,
            self.task,
            refused,
            self.state() if saving else None,
        )

    def look(self, slice_index: int) -> None:
        """Preview another slice from now on.

        Parameters
        ----------
        slice_index : int
            Position on the volume's Z axis.
        """
        self.task = replace(self.task, look=slice_index)
        self._predictions.look(slice_index)

    def fitted(self) -> Fitted:
        """Return the answer."""
        return self._predictions.fitted()

    def change(self, change: Change) -> None:
        """Go on with other settings, classes or Gaussians; what is not possible is told with the next step.

        Parameters
        ----------
        change : Change
            What is to be different.
        """
        changed = self._attempt(change)
        if isinstance(changed, Finding):
            self._refused = changed
            return
        recipe = recipe_for(changed.task.config, self.form)
        before, old = self._case, self._trainer
        self._generation += 1
        # The start does not move while a network is trained: what was split comes back as it was by itself.
        self.task, self.recipe = replace(changed.task, left=()), recipe
        if self.base is not None:
            memberships = self.base.memberships
            if changed.reshaped is not None:
                memberships = changed.reshaped.memberships(memberships, self.task.image, self.task.mask)
            self.base = replace(self.base, mixture=changed.mixture, memberships=memberships)
        self._case = DeepCase.of_task(self.task, self.base, sees_start=self._sees_start)
        self._objective = make_objective(self.form, self._case, recipe, self._generator)
        self._schedule.retune(recipe, self.steps, reopen=changed.reshaped is not None)
        if changed.reshaped is not None:
            self._trainer = self._new_trainer()
            rehead_(
                self._trainer.network,
                old.network,
                changed.reshaped.parents,
                n_channels=len(before.image),
                n_looks=before.stack.n_looks,
                generator=self._generator,
            )
        self._plateau = self._new_plateau()
        self._predictions = self._new_predictions()

    def _attempt(self, change: Change) -> Changed | Finding:
        if self.base is None and (change.means or change.stds or change.locked):
            return Finding(
                "refused",
                f"The recipe {self.task.config.recipe!r} starts from no mixture: its Gaussians cannot be set or held.",
                "Use --recipe tuned, which starts from the spatial mixture.",
            )
        # What classes are anchored at stays where it was: a network that moved them does not move their anchor.
        mixture = self._objective.mixture() if self.base is None else self.base.mixture
        changed = attempt(self.task, mixture, change)
        try:
            if isinstance(changed, Changed):
                recipe_for(changed.task.config, self.form)
        except SettingsError as error:
            return Finding("refused", error.message, error.hint)
        return changed

    def state(self) -> FitState:
        """Return all that it needs to go on from here."""
        arrays = trainer_arrays(self._trainer)
        arrays["generator"] = self._generator.get_state().numpy().copy()
        if self._predictions.total is not None:
            arrays["total"] = self._predictions.total.cpu().numpy().copy()
        for name, value in self._objective.running().items():
            arrays[f"running/{name}"] = value.cpu().numpy().copy()
        task = self.task
        meta: dict[str, Any] = {
            "phase": "network",
            "form": self.form,
            "step": self.steps,
            "config": asdict(task.config),
            "identities": list(task.identities),
            "next_identity": task.next_identity,
            "known": list(task.known),
            "origins": [list(origin) for origin in task.origins],
            "locked": sorted(task.locked),
            "widths_set": task.widths_set,
            "schedule": self._schedule.values(),
            "plateau": self._plateau.values(),
            "left": list(self._draws.left),
            "snapshots": self._predictions.n_snapshots,
        }
        start: dict[str, np.ndarray] = {}
        if self.base is not None:
            start, noted = base_arrays(self.base)
            meta["base"] = noted
        return FitState(arrays, start, f"{self.form}-{self._generation}", meta)

    @classmethod
    def restored(cls, task: FitTask, form: Form, state: FitState) -> Training:
        """Return a training that goes on where another was: with the same bits.

        Parameters
        ----------
        task : FitTask
            The case, with the state's settings and identities.
        form : "deepg", "deepsvg" or "blindspot"
            The method.
        state : FitState
            From `state`.
        """
        meta = state.meta
        base = base_of(state, task.image.device) if "base" in meta else None
        self = cls(task, form, base)
        load_trainer_(self._trainer, state.arrays)
        self.steps = int(meta["step"])
        self._generation = int(str(state.start_key).rsplit("-", 1)[1])
        self._schedule.restore(meta["schedule"])
        self._plateau.restore(meta["plateau"])
        self._draws.left = [int(piece) for piece in meta["left"]]
        self._predictions.steps = self.steps
        self._predictions.n_snapshots = int(meta["snapshots"])
        device = task.image.device
        if "total" in state.arrays:
            self._predictions.total = torch.from_numpy(np.array(state.arrays["total"])).to(device)
        running = {
            name.removeprefix("running/"): torch.from_numpy(np.array(value)).to(device)
            for name, value in state.arrays.items()
            if name.startswith("running/")
        }
        self._objective.run_on(running)
        self._generator.set_state(torch.from_numpy(np.array(state.arrays["generator"])))
        return self

    def _new_trainer(self) -> Trainer:
        case, recipe, device = self._case, self.recipe, self.task.image.device
        network = UNet(
            len(case.seen) * case.stack.n_looks,
            case.n_classes,
            width=recipe.width,
            depth=recipe.depth,
            n_dims=case.stack.n_dims,
            published=recipe.network == "published",
            generator=self._generator,
        )
        size = case.stack.gather(case.mask[None], [0]).shape[2:]
        precision = safe_precision(self.task.config.precision, size, network.stride, device)
        return Trainer(network, recipe, device, precision)

    def _new_plateau(self) -> Plateau:
        recipe = self.recipe
        return Plateau(max(recipe.window, self._draws.steps_per_round), recipe.tolerance, recipe.least_steps)

    def _new_predictions(self) -> Predictions:
        predictions = Predictions(self.task, self.form, self.recipe, self._case, self._objective, self._trainer)
        predictions.steps = self.steps
        return predictions
