"""What a network in training says of the case: the shown slice now and then, all of it at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from napari_gmmseg.config.recipes import Form, Recipe
from napari_gmmseg.fitting.deep.case import DeepCase
from napari_gmmseg.fitting.deep.objectives import Objective
from napari_gmmseg.fitting.deep.training import Trainer
from napari_gmmseg.fitting.progress import Fitted
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.mixture import mean_log_likelihood
from napari_gmmseg.mixture.labelling import label_winners
from napari_gmmseg.mixture.noise import trust_in_neighbours
from napari_gmmseg.mixture.reshaping import Reshaped
from napari_gmmseg.mixture.spatial import clamp_

#: Shortest time in s between two predictions of the shown slice while training goes on.
_PREVIEW_INTERVAL = 0.3
#: Steps between the last predictions, which are averaged.
_BETWEEN_SNAPSHOTS = 5
#: Pieces that are predicted at once, in 2-D and 3-D.
_AT_ONCE = {2: 4, 3: 1}
#: Least probability of a class in the logarithm of the prior.
_LEAST_PRIOR = 1e-4


class Predictions:
    """What a training has predicted so far: previews of the shown slice, and the whole case at the end.

    Parameters
    ----------
    task : FitTask
        The case, with its settings.
    form : "deepg", "deepsvg" or "blindspot"
        The method.
    recipe : Recipe
        Its settings.
    case : DeepCase
        The maps.
    objective : Objective
        With the parameters.
    trainer : Trainer
        With the network.
    """

    def __init__(
        self, task: FitTask, form: Form, recipe: Recipe, case: DeepCase, objective: Objective, trainer: Trainer
    ) -> None:
        self._task, self._form, self._recipe, self._case = task, form, recipe, case
        self._objective, self._trainer = objective, trainer
        self.steps = 0
        self.total: Tensor | None = None
        self.n_snapshots = 0
        #: Pieces of the snapshot at hand that are in the sum already.
        self.added = 0
        #: Pieces that are predicted at once.
        self.at_once = _AT_ONCE[case.stack.n_dims]
        self._averaged = 0
        self._own = self._own_intensity()
        self.piece = self._shown(task.look)
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

    def look(self, slice_index: int) -> None:
        """Preview another slice from now on.

        Parameters
        ----------
        slice_index : int
            Position on the volume's Z axis.
        """
        self.piece = self._shown(slice_index)
        self._previewed_at = float("-inf")

    def after(self, step: int, end: int) -> None:
        """Note a step; predict the whole case after the last one, and after a few before it.

        Parameters
        ----------
        step, end : int
            Taken, and the last that there will be.
        """
        self.steps, left = step, end - step
        late = step > self._recipe.warm_steps and left < _BETWEEN_SNAPSHOTS * self._recipe.snapshots
        if late and left % _BETWEEN_SNAPSHOTS == 0:
            self._snapshot()

    def _snapshot(self) -> None:
        if self.total is None:
            self.total = torch.zeros((self._case.n_classes, *self._case.mask.shape), device=self._case.mask.device)
        stack = self._case.stack
        mirrored = self._recipe.mirrors_snapshots and self.n_snapshots % 2 == 1
        axes = tuple(range(-stack.n_dims, 0)) if mirrored else ()
        while self.added < stack.n_pieces:
            pieces = range(self.added, min(self.added + self.at_once, stack.n_pieces))
            self._trainer.add_prior(stack, self._case.seen, self.total, pieces, axes)
            self.added = pieces.stop
        self.added = 0
        self.n_snapshots += 1

    def preview(self) -> Tensor | None:
        """Return labels with the shown slice as the network has it now; None where it was told a moment ago."""
        now = time.monotonic()
        if now - self._previewed_at < _PREVIEW_INTERVAL:
            return None
        stack = self._case.stack
        if not stack.shows_slices:
            # No piece is the slice that is looked at: all are shown in turn.
            self.piece = (self.piece + 1) % stack.n_pieces
        pieces = [self.piece]
        log_answer = self._log_answer(pieces)
        inside = stack.gather(self._case.mask[None], pieces)[:, 0]
        winner = label_winners(log_answer.transpose(0, 1), inside)
        old = stack.gather(self._labels[None], pieces).to(torch.int16)
        stack.put(self._labels.view(torch.int8)[None], pieces, (winner[:, None] - old).to(torch.int8))
        self._previewed_at = time.monotonic()
        return self._labels

    def _log_answer(self, pieces: Sequence[int]) -> Tensor:
        """Return the logarithm (B, K, *S) of what some pieces are, up to a number for each voxel."""
        stack = self._case.stack
        log_answer = self._trainer.prior(stack.look(self._case.seen, pieces)).clamp_min(_LEAST_PRIOR).log()
        if self._own and self._case.densities is not None:
            sizes = self._objective.log_sizes().view((1, -1) + (1,) * stack.n_dims)
            log_answer = log_answer + self._own * (stack.gather(self._case.densities, pieces) + sizes)
        return log_answer

    def sight(self, reshaped: Reshaped, *, of_start: bool) -> Tensor:
        """Return labels of other classes before anything is fitted to them: the shown piece, and what was shown before.

        Parameters
        ----------
        reshaped : Reshaped
            How classes are split and merged.
        of_start : bool
            Whether the spatial mixture is shown still.

        Returns
        -------
        Tensor (*crop) uint8
            Class k + 1, 0 outside the mask. Halves of a class that are not in the shown piece are whole still.
        """
        stack, pieces = self._case.stack, [self.piece]
        labels = self._labels.clone()
        for old, new in enumerate(reshaped.heirs):
            if old != new:
                labels.masked_fill_(self._labels == old + 1, new + 1)
        start = self._case.target if of_start else None
        answer = self._log_answer(pieces).softmax(1) if start is None else stack.gather(start, pieces)
        inside = stack.gather(self._case.mask[None], pieces)[:, 0]
        new_answer = reshaped.memberships(answer[0], stack.gather(self._task.image, pieces)[0], inside[0])
        winner = label_winners(new_answer[:, None], inside)
        shown = stack.gather(labels[None], pieces).to(torch.int16)
        stack.put(labels.view(torch.int8)[None], pieces, (winner[:, None] - shown).to(torch.int8))
        return labels

    def fitted(self) -> Fitted:
        """Return the answer: the prior, and with as much of the own intensity as the recipe says, the posterior."""
        case, objective = self._case, self._objective
        if self.total is None or self.added:
            self._snapshot()
        assert self.total is not None
        prior = self.total.div_(self.n_snapshots).mul_(case.mask)
        # Where the memory runs out below, it is done again.
        self.n_snapshots, shots = 1, self.n_snapshots
        self._averaged = max(self._averaged, shots)
        objective.settle(prior)
        if self._form == "deepg":
            likelihood = mean_log_likelihood(objective.mixture(), self._task.samples(), dtype=torch.float32)
            memberships = prior
        else:
            likelihood, memberships = self._posterior(prior, objective.log_densities())
        if self._task.fixed_labels is not None:
            clamp_(memberships, self._task.fixed_labels)
        notes = () if case.base is None else case.base.notes
        return Fitted(
            memberships,
            objective.mixture(),
            likelihood,
            self.steps,
            (),
            (*notes, ("own intensity", self._own), ("snapshots", float(self._averaged))),
            prior=None if self._form == "deepg" else prior,
            name=self._form,
            named_by=None if case.base is None else case.base.mixture,
            task=self._task,
            start=case.base,
        )

    def _posterior(self, prior: Tensor, densities: Tensor) -> tuple[float, Tensor]:
        """Return the mean log-likelihood and the memberships, one slab after the other: whole maps would be many."""
        case = self._case
        memberships = prior.clone()
        sizes = self._objective.log_sizes().view((-1,) + (1,) * (case.mask.ndim - 1))
        # Apple's cards have no float64. Elsewhere the sums stay where they are: each that is read would be waited for.
        where = torch.device("cpu") if prior.device.type == "mps" else prior.device
        total = torch.zeros((), dtype=torch.float64, device=where)
        for i, inside in enumerate(case.mask):
            log_prior = prior[:, i].clamp_min(_LEAST_PRIOR).log_()
            total += torch.logsumexp(log_prior + densities[:, i], 0)[inside].to(where).double().sum()
            if self._own:
                log_prior.add_(densities[:, i], alpha=self._own).add_(sizes, alpha=self._own)
                memberships[:, i] = torch.softmax(log_prior, 0).mul_(inside)
        return float(total) / float(case.mask.sum()), memberships
