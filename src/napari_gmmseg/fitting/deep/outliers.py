"""The outlier-region loss in the training of a network on one case: from when on it counts, and how strongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from napari_gmmseg.config.outlier import windows_on_grid
from napari_gmmseg.config.slicing import slice_axis
from napari_gmmseg.fitting.deep.case import Batch, DeepCase
from napari_gmmseg.fitting.deep.kept_labels import KeptLabels
from napari_gmmseg.fitting.deep.objectives import Terms
from napari_gmmseg.fitting.deep.training import Trainer
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.losses import OutlierRegionLoss, outlier_region
from napari_gmmseg.mixture.labelling import label_winners


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


@dataclass(frozen=True)
class Printed:
    """The paper's formula to the letter, on pieces of a case; it has no score that could be taken in the volume.

    Parameters
    ----------
    windows : (tuple of int, tuple of int)
        i and j on the case's grid: odd voxels along (z, y, x).
    axis : int
        The axis along which slices are cut, where pieces are slices.
    """

    windows: tuple[tuple[int, ...], tuple[int, ...]]
    axis: int

    def __call__(self, log_prior: Tensor, mask: Tensor) -> Tensor:
        """Return the loss of pieces.

        Parameters
        ----------
        log_prior : Tensor (B, 2, *S) float
            Log of the network's class probabilities, in nat.
        mask : Tensor (B, *S) bool
            Voxels that count.

        Returns
        -------
        Tensor, scalar float
            Minus the mean density.
        """
        sliced = log_prior.ndim == 4
        inner, outer = (
            tuple(w for a, w in enumerate(window) if not sliced or a != self.axis) for window in self.windows
        )
        if inner == outer:
            # They differ across the slices alone.
            outer = tuple(width + 2 for width in outer)
        return OutlierRegionLoss(inner=inner, outer=outer, mode="printed", smooth=1.0)(log_prior, mask)


class OutlierTerm:
    """Islands in what a network predicts of a case, and the pull on them in a step.

    Parameters
    ----------
    task : FitTask
        The case, with its settings.
    case : DeepCase
        Its pieces.
    """

    def __init__(self, task: FitTask, case: DeepCase) -> None:
        self._case = case
        self._kept = KeptLabels(case.stack, case.mask, case.n_classes)
        self.retune(task, case)

    @property
    def labels(self) -> Tensor | None:
        """What the network said last, 0 outside the mask; (T, Z, Y, X) uint8, None where it does not count yet."""
        return self._kept.labels

    @property
    def scored(self) -> Tensor | None:
        """What it had said when the score was taken."""
        return self._kept.scored

    def retune(self, task: FitTask, case: DeepCase) -> None:
        """Go on with other settings or classes; what was scored with others is forgotten.

        Parameters
        ----------
        task : FitTask
            The case, with its settings.
        case : DeepCase
            Its pieces.
        """
        config, self._case = task.config, case
        self._weight, self._begins = config.outlier_weight, config.outlier_ramp
        shape, spacing = case.mask.shape[-3:], task.volume.geometry.spacing
        windows = windows_on_grid(config.outlier_inner, config.outlier_outer, config.outlier_unit, spacing, shape)
        self._printed = None
        if self._weight and config.outlier_mode == "printed":
            self._printed = Printed(windows, slice_axis(shape, spacing))
        self._kept.retune(case.stack, case.mask, case.n_classes, windows)
        if windows[0] == windows[1]:
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
            found = self._kept.outliers(
                log_prior.detach(), batch.mask, pieces, step=taken[0], first=lambda: self._first(trainer)
            )
            part = outlier_region(log_prior, found, free)
        parts = terms.parts | {"outlier region": part.detach()}
        return replace(terms, loss=terms.loss + weight * part, parts=parts)

    def _first(self, trainer: Trainer) -> Tensor:
        """Return the labels of the spatial mixture; without one, what the network says of the whole case."""
        case = self._case
        maps = case.target
        if maps is None:
            maps = torch.zeros((case.n_classes, *case.mask.shape), device=case.mask.device)
            for piece in range(case.stack.n_pieces):
                trainer.add_prior(case.stack, case.seen, maps, range(piece, piece + 1))
        return label_winners(maps, case.mask)

    def state(self) -> dict[str, Tensor]:
        """Return what it carries from step to step."""
        return self._kept.state()

    def restore(self, held: dict[str, Tensor]) -> None:
        """Take up what it carried.

        Parameters
        ----------
        held : dict of str to Tensor (*crop) uint8
            From `state`.
        """
        self._kept.restore(held)
