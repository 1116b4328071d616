"""A training: everything that a step needs, what a change makes of it, and how it is put away and taken up again."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_gmmseg.config.memory import Savings
from napari_gmmseg.config.recipes import Form, Recipe, recipe_for
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.deep.case import DeepCase
from napari_gmmseg.fitting.deep.objectives import Terms, make_objective, warm_terms
from napari_gmmseg.fitting.deep.outliers import OutlierTerm
from napari_gmmseg.fitting.deep.predictions import Predictions
from napari_gmmseg.fitting.deep.saving import Mark, base_arrays, base_of, load_trainer_, trainer_arrays
from napari_gmmseg.fitting.deep.training import Draws, Plateau, Schedule, Trainer, draw_axes, safe_precision
from napari_gmmseg.fitting.live import Change, Changed, attempt
from napari_gmmseg.fitting.progress import Fitted, Progress
from napari_gmmseg.fitting.runtime import multiplies_bfloat16_fast
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.networks import UNet, rehead_
from napari_gmmseg.volumes import Finding, FitState

PHASES = {"deepg": "deepG", "deepsvg": "deepSVG", "blindspot": "Blind-spot prior"}


def _norms(trainer: Trainer) -> tuple[Tensor, ...]:
    return tuple(value.clone() for value in trainer.network.buffers())


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
        self.recipe: Recipe = task.savings.applied(recipe_for(task.config, form))
        #: What was made smaller because the memory ran out.
        self.findings: list[Finding] = []
        self._told = 0
        self.steps = 0
        self._generator = torch.Generator().manual_seed(task.config.seed)
        self._case = DeepCase.of_task(task, base, sees_start=self._sees_start)
        self._objective = make_objective(form, self._case, self.recipe, self._generator)
        self._outliers = OutlierTerm(task, self._case)
        self._schedule = Schedule(self.recipe)
        self._trainer = self._new_trainer()
        self._draws = Draws(self._case.stack.trained, self.recipe.batch_slices, self._generator)
        self._plateau = self._new_plateau()
        self._predictions = self._new_predictions()
        self._terms: Terms | None = None
        self._rate = 0.0
        self._refused: Finding | None = None
        self._changed: Changed | None = None
        self._start: tuple[dict[str, np.ndarray], dict[str, Any]] | None = None
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
    def _seen(self) -> bool:
        """Whether the network is the better sight."""
        return self.steps > self.recipe.warm_steps + self.recipe.unseen_steps

    @property
    def _warm(self) -> bool:
        return self.steps <= self.recipe.warm_steps

    @property
    def _phase(self) -> str:
        return "Network learns the spatial mixture" if self._warm else PHASES[self.form]

    def step(self) -> None:
        """Take one step."""
        self.steps += 1
        case, objective, trainer = self._case, self._objective, self._trainer
        batch, looked_at = objective.see(case.batch(pieces := self._draws.next()))
        axes = draw_axes(case.stack.n_dims, self._generator) if self.recipe.mirrors else ()
        logits = trainer.flipped_logits(batch.inputs, axes)
        make_terms = warm_terms if self._warm else objective.terms
        terms = make_terms(batch, logits, looked_at)
        if not self._warm:
            terms = self._outliers.added(terms, batch, logits, pieces, trainer, (self.steps, self._schedule.end))
        self._rate = self._schedule.rate(self.steps)
        trainer.step(terms.loss, self._rate)
        if terms.nll is not None and self._plateau.reached(float(terms.nll)):
            self._schedule.settle(self.steps)
        self._terms = terms

    def predict(self) -> None:
        """Predict the whole case where it is time to; what was predicted before the memory ran out is kept."""
        self._predictions.after(self.steps, self._schedule.end)

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
        refused, self._refused = self._refused, None
        fresh, self._told = tuple(self.findings[self._told :]), len(self.findings)
        return Progress(
            self.steps,
            self._schedule.end,
            self._objective.mixture(),
            None if terms.nll is None else -float(terms.nll),
            self._predictions.preview() if self._seen else None,
            tuple(told),
            self._phase,
            None if self.base is None else self.base.mixture,
            self.task,
            refused,
            self.state() if saving else None,
            fresh,
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
        fitted = self._predictions.fitted()
        return replace(fitted, findings=(*fitted.findings, *self.findings))

    def change(self, change: Change) -> Progress | None:
        """Go on with other settings, classes or Gaussians; what is not possible is told with the next step.

        Parameters
        ----------
        change : Change
            What is to be different.

        Returns
        -------
        Progress or None
            A first sight of other classes, after which `take_up` is due; None where there is nothing more to do.
        """
        changed = self._attempt(change)
        if isinstance(changed, Finding):
            self._refused = changed
            return None
        self._changed = changed
        if changed.reshaped is None:
            self.take_up()
            return None
        return Progress(
            self.steps,
            self._schedule.end,
            changed.mixture,
            labels=self._predictions.sight(changed.reshaped, of_start=not self._seen),
            phase=self._phase,
            named_by=None if self.base is None else changed.mixture,
            task=replace(changed.task, left=()),
        )

    def take_up(self) -> None:
        """Bring the whole case in line with a change."""
        changed, self._changed = self._changed, None
        assert changed is not None
        recipe = changed.task.savings.applied(recipe_for(changed.task.config, self.form))
        before, old = self._case, self._trainer
        # The start does not move while a network is trained: what was split comes back as it was by itself.
        self.task, self.recipe = replace(changed.task, left=()), recipe
        if self.base is not None and (changed.reshaped is not None or changed.mixture is not self.base.mixture):
            memberships = self.base.memberships
            if changed.reshaped is not None:
                memberships = changed.reshaped.memberships(memberships, self.task.image, self.task.mask)
            self.base, self._start = replace(self.base, mixture=changed.mixture, memberships=memberships), None
            self._generation += 1
        self._case = DeepCase.of_task(self.task, self.base, sees_start=self._sees_start)
        self._objective = make_objective(self.form, self._case, recipe, self._generator)
        self._outliers.retune(self.task, self._case)
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
        for name, value in self._carried().items():
            arrays[name] = value.cpu().numpy().copy()
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
            "added": self._predictions.added,
            "savings": asdict(task.savings),
            "findings": [asdict(finding) for finding in self.findings],
        }
        start: dict[str, np.ndarray] = {}
        if self.base is not None:
            if self._start is None:
                self._start = base_arrays(self.base)
            start, meta["base"] = self._start
        return FitState(arrays, start, f"{self.form}-{self._generation}", meta)

    def _carried(self) -> dict[str, Tensor]:
        held = {"running": self._objective.running(), "outliers": self._outliers.state()}
        return {f"{kind}/{name}": value for kind, maps in held.items() for name, value in maps.items()}

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
        self._predictions.added = int(meta["added"])
        self.findings = [Finding(**finding) for finding in meta["findings"]]
        self._told = len(self.findings)
        device = task.image.device
        if "total" in state.arrays:
            self._predictions.total = torch.from_numpy(np.array(state.arrays["total"])).to(device)
        for prefix, take_up in (("running/", self._objective.run_on), ("outliers/", self._outliers.restore)):
            held = {name: value for name, value in state.arrays.items() if name.startswith(prefix)}
            take_up({name.removeprefix(prefix): torch.from_numpy(np.array(x)).to(device) for name, x in held.items()})
        self._generator.set_state(torch.from_numpy(np.array(state.arrays["generator"])))
        return self

    def mark(self) -> Mark:
        """Return where it stands before a step: all that a step changes before the weights."""
        draws = tuple(self._draws.left)
        return Mark(self.steps, self._generator.get_state(), draws, self._objective.running(), _norms(self._trainer))

    def go_back(self, mark: Mark) -> None:
        """Stand again where it stood.

        Parameters
        ----------
        mark : Mark
            From `mark`, with no step completed since.
        """
        self.steps = mark.steps
        self._generator.set_state(mark.generator)
        self._draws.left = list(mark.left)
        self._objective.run_on(mark.running)
        for norm, value in zip(self._trainer.network.buffers(), mark.norms, strict=True):
            norm.copy_(value)

    def on_processor(self) -> Training:
        """Return a training that goes on from here on the processor, with batches of the recipe's size again."""
        task = replace(self.task.to(torch.device("cpu")), savings=Savings())
        other = Training.restored(task, self.form, self.state())
        other._told, other._refused, other._rate = self._told, self._refused, self._rate
        if self._terms is not None:
            nll = None if self._terms.nll is None else self._terms.nll.cpu()
            parts = {name: part.cpu() for name, part in self._terms.parts.items()}
            other._terms = Terms(self._terms.loss.detach().cpu(), nll, parts)
        return other

    def lighten(self, *, predicting: bool) -> str | None:
        """Do with less memory on the same device; return what was made smaller, or None where nothing can be.

        Parameters
        ----------
        predicting : bool
            Whether a prediction ran out of memory, not a step.
        """
        savings, device = self.task.savings, self.task.image.device
        if not predicting and self._draws.per_step > 1:
            half = self._draws.per_step // 2
            savings, words = replace(savings, batch_slices=half), f"{half} {'piece' if half == 1 else 'pieces'} a step"
            self._draws.per_step = half
        elif predicting and self._predictions.at_once > 1:
            self._predictions.at_once //= 2
            words = f"predicting {self._predictions.at_once} of them at once"
        elif self._may_lower(device):
            savings, words = replace(savings, precision="bfloat16"), "in bfloat16"
            self._trainer.use_bfloat16()
        else:
            return None
        self.task = replace(self.task, savings=savings)
        self.recipe = savings.applied(self.recipe)
        return words

    def _may_lower(self, device: torch.device) -> bool:
        allowed = self.task.config.precision == "auto" and self._trainer.precision == "float32"
        return allowed and device.type == "cuda" and multiplies_bfloat16_fast(device)

    def _new_trainer(self) -> Trainer:
        case, recipe, device = self._case, self.recipe, self.task.image.device
        network = UNet(
            len(case.seen) * case.stack.n_looks,
            case.n_classes,
            width=recipe.width,
            depth=recipe.depth,
            n_dims=case.stack.n_dims,
            published=recipe.network == "published",
            norm_momentum=recipe.norm_momentum,
            generator=self._generator,
        )
        size = case.stack.gather(case.mask[None], [0]).shape[2:]
        asked = self.task.savings.precision or self.task.config.precision
        precision = safe_precision(asked, size, network.stride, device)
        return Trainer(network, recipe, device, precision)

    def _new_plateau(self) -> Plateau:
        recipe = self.recipe
        return Plateau(max(recipe.window, self._draws.steps_per_round), recipe.tolerance, recipe.least_steps)

    def _new_predictions(self) -> Predictions:
        predictions = Predictions(self.task, self.form, self.recipe, self._case, self._objective, self._trainer)
        predictions.steps = self.steps
        return predictions
