"""The outlier-region loss in the training of a network on strokes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from napari_gmmseg.config.finetuning import FinetuneConfig
from napari_gmmseg.config.outlier import windows_on_grid
from napari_gmmseg.fitting.deep.kept_labels import KeptLabels
from napari_gmmseg.fitting.deep.outliers import ramp
from napari_gmmseg.fitting.scribbling.training_cases import TrainingCase, TuneBatch
from napari_gmmseg.losses import outlier_region
from napari_gmmseg.mixture.labelling import label_winners


class CaseIslands:
    """Islands in what a network says of one case, and the pull on them in a step; labelled voxels are left alone.

    Parameters
    ----------
    case : TrainingCase
        The case.
    config : FinetuneConfig
        Windows, weight and ramp.
    """

    def __init__(self, case: TrainingCase, config: FinetuneConfig) -> None:
        self._case = case
        self._kept = KeptLabels(case.stack, case.mask, len(case.nearness))
        self.retune(config)

    def retune(self, config: FinetuneConfig) -> None:
        """Go on with other windows, weight or ramp.

        Parameters
        ----------
        config : FinetuneConfig
            Windows, weight and ramp.
        """
        case = self._case
        windows = windows_on_grid(
            config.outlier_inner, config.outlier_outer, config.outlier_unit, case.spacing, case.mask.shape[-3:]
        )
        self._kept.retune(case.stack, case.mask, len(case.nearness), windows)
        self._weight = config.outlier_weight if windows[0] != windows[1] else 0.0
        self._begins = config.outlier_ramp

    def weight(self, progress: float) -> float:
        """Return what the loss counts by now.

        Parameters
        ----------
        progress : float
            How much of the budget is used up, 0 ... 1.
        """
        return self._weight * ramp(progress, self._begins)

    def pull(
        self,
        log_prior: Tensor,
        batch: TuneBatch,
        pieces: Sequence[int],
        *,
        step: int,
        first: Callable[[], Tensor],
    ) -> Tensor:
        """Return the loss of some slices, in nat per voxel; a scalar.

        Parameters
        ----------
        log_prior : Tensor (B, K, *S) float
            Log of the network's class probabilities, in nat.
        batch : TuneBatch
            What was seen.
        pieces : sequence of int
            Their numbers.
        step : int
            How many steps were taken.
        first : callable
            Returns class probabilities (K, *crop) float32 to begin with, where the case has no answer at once.
        """
        case = self._case

        def labels() -> Tensor:
            return label_winners(first() if case.target is None else case.target, case.mask)

        found = self._kept.outliers(log_prior.detach(), batch.mask, pieces, step=step, first=labels)
        return outlier_region(log_prior, found, batch.mask & (batch.labels < 0))
