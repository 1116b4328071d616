"""The outlier-region loss in the training of a network on one case: what it looks at, from when on, how strongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from napari_gmmseg.config.outlier import windows_on_grid
from napari_gmmseg.fitting.deep.case import Batch, DeepCase
from napari_gmmseg.fitting.deep.objectives import Terms
from napari_gmmseg.fitting.deep.training import Trainer
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.losses import OutlierRegionLoss, Outliers, outlier_region
from napari_gmmseg.mixture.labelling import label_winners
from napari_gmmseg.mixture.outlier_score import likeliest, surrounding_labels

#: Voxels of a case up to which the score is taken anew in each step; of a larger one, in every so many steps.
_SMALL, _EVERY = 1 << 18, 20


def ramp(share: float, begins: float) -> float:
    """Return how much of its weight the loss has: none at first, all of it from half-way between beginning and end on.

    Wan et al. (2023), section 3.4.3, have it rise late, "once basic stability has been achieved", and tell no numbers.

    Parameters
    ----------
    share : float
        Of the steps that were taken, 0 ... 1.
    begins : float
        From which share on it counts, 0 ... 1.
    """
    return min(1.0, max(0.0, 2.0 * (share - begins) / (1.0 - begins)))


class OutlierTerm:
    """Islands in what a network predicts of a case, and the pull on them in a step.

    A step sees slices; islands are told from thin tissue in a volume. So the labels that the network gave last are kept
    for the whole case, the score is taken on them in 3-D, and it counts where the network still says the same.

    Parameters
    ----------
    task : FitTask
        The case, with its settings.
    case : DeepCase
        Its pieces.
    """

    def __init__(self, task: FitTask, case: DeepCase) -> None:
        self._case = case
        #: What the network said last, 0 outside the mask; (T, Z, Y, X) uint8, None where it does not count yet.
        self.labels: Tensor | None = None
        #: What it had said when the score was taken.
        self.scored: Tensor | None = None
        self._found: tuple[Tensor, Tensor] | None = None
        self.retune(task, case)

    def retune(self, task: FitTask, case: DeepCase) -> None:
        """Go on with other settings or classes; what was scored with others is forgotten.

        Parameters
        ----------
        task : FitTask
            The case, with its settings.
        case : DeepCase
            Its pieces.
        """
        if case.n_classes != self._case.n_classes:
            self.labels = None
        config, self._case = task.config, case
        self.scored = self._found = None
        self._weight, self._begins = config.outlier_weight, config.outlier_ramp
        if not self._weight:
            return
        self._printed = None
        if config.outlier_mode == "printed":
            self._printed = OutlierRegionLoss(
                inner=config.outlier_inner, outer=config.outlier_outer, mode="printed", smooth=1.0
            )
        self._windows = windows_on_grid(
            config.outlier_inner,
            config.outlier_outer,
            config.outlier_unit,
            task.volume.geometry.spacing,
            case.mask.shape[-3:],
        )
        if self._windows[0] == self._windows[1]:
            self._weight = 0.0

    def added(
        self,
        terms: Terms,
        batch: Batch,
        logits: Tensor,
        pieces: Sequence[int],
        trainer: Trainer,
        taken: tuple[int, int],
    ) -> Terms:
        """Return the terms of a step with this one.

        Parameters
        ----------
        terms : Terms
            The others.
        batch : Batch
            What was seen.
        logits : Tensor (B, K, *S) float32
            The network's.
        pieces : sequence of int
            Numbers of what was seen.
        trainer : Trainer
            With the network.
        taken : (int, int)
            Steps taken, and how many there will be.
        """
        weight = self._weight * ramp(taken[0] / taken[1], self._begins)
        if not weight:
            return terms
        log_prior = torch.log_softmax(logits, 1)
        # What a person said of a voxel is never fought.
        free = batch.mask if batch.evidence is None else batch.mask & ~batch.evidence.any(1)
        if self._printed is not None:
            part = self._printed(log_prior, free)
        else:
            part = outlier_region(log_prior, self._outliers(log_prior.detach(), batch, pieces, trainer, taken[0]), free)
        parts = terms.parts | {"outlier region": part.detach()}
        return replace(terms, loss=terms.loss + weight * part, parts=parts)

    def _outliers(
        self, log_prior: Tensor, batch: Batch, pieces: Sequence[int], trainer: Trainer, step: int
    ) -> Outliers:
        now = likeliest(log_prior, batch.mask)
        self._keep(now, pieces, trainer)
        assert self.labels is not None
        if self._found is None or step % _EVERY == 0 or self.labels.numel() <= _SMALL:
            self.scored = self.labels.clone()
            self._score()
        assert self._found is not None
        assert self.scored is not None
        gather = self._case.stack.gather
        score, around, scored = (gather(maps[None], pieces)[:, 0] for maps in (*self._found, self.scored))
        score = score * (scored == now)
        places = score.view(-1).nonzero()[:, 0]
        rows = torch.nn.functional.one_hot(around.view(-1)[places].long() - 1, self._case.n_classes)
        return Outliers(score, places, rows.to(log_prior.dtype))

    def _keep(self, now: Tensor, pieces: Sequence[int], trainer: Trainer) -> None:
        case = self._case
        if self.labels is None:
            self.labels = self._first(trainer)
        old = case.stack.gather(self.labels[None], pieces).to(torch.int16)
        case.stack.put(self.labels.view(torch.int8)[None], pieces, (now[:, None] - old).to(torch.int8))

    def _first(self, trainer: Trainer) -> Tensor:
        """Return the labels of the spatial mixture; without one, what the network says of the whole case."""
        case = self._case
        maps = case.target
        if maps is None:
            maps = torch.zeros((case.n_classes, *case.mask.shape), device=case.mask.device)
            for piece in range(case.stack.n_pieces):
                trainer.add_prior(case.stack, case.seen, maps, range(piece, piece + 1))
        return label_winners(maps, case.mask)

    def _score(self) -> None:
        assert self.scored is not None
        labels = self.scored if self.scored.ndim == 4 else self.scored[None]
        score, around = surrounding_labels(labels, self._case.n_classes, *self._windows)
        self._found = score.view(self.scored.shape), around.view(self.scored.shape)

    def state(self) -> dict[str, Tensor]:
        """Return what it carries from step to step."""
        held = {"labels": self.labels, "scored": self.scored}
        return {name: value for name, value in held.items() if value is not None}

    def restore(self, held: dict[str, Tensor]) -> None:
        """Take up what it carried.

        Parameters
        ----------
        held : dict of str to Tensor (*crop) uint8
            From `state`.
        """
        self.labels, self.scored = held.get("labels"), held.get("scored")
        if self.scored is not None:
            self._score()
