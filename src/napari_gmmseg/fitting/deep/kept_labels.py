"""What a network in training said last of each voxel of a case, and which of it are outliers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from napari_gmmseg.fitting.deep.stacks import Stack
from napari_gmmseg.mixture.outlier_score import Outliers, likeliest, surrounding_labels

Windows = tuple[Sequence[int], Sequence[int]]

#: Voxels of a case up to which the score is taken anew in each step; of a larger one, in every so many steps.
_SMALL, _EVERY = 1 << 18, 20


class KeptLabels:
    """Labels of a whole case while a network that sees slices of it learns.

    A step sees slices; islands are told from thin tissue in a volume. So the labels that the network gave last are kept
    for the whole case, the score is taken on them in 3-D, and it counts where the network still says the same.

    Parameters
    ----------
    stack : Stack
        How the case is cut.
    mask : Tensor (*crop) bool
        Voxels that count.
    n_classes : int
        K.
    """

    def __init__(self, stack: Stack, mask: Tensor, n_classes: int) -> None:
        self._stack, self._mask, self._n_classes = stack, mask, n_classes
        self._windows: Windows = ((), ())
        #: What the network said last, 0 outside the mask; (*crop) uint8, None where it was not asked yet.
        self.labels: Tensor | None = None
        #: What it had said when the score was taken.
        self.scored: Tensor | None = None
        self._found: tuple[Tensor, Tensor] | None = None

    def retune(self, stack: Stack, mask: Tensor, n_classes: int, windows: Windows) -> None:
        """Go on with other windows or classes; what was scored with others is forgotten.

        Parameters
        ----------
        stack : Stack
            How the case is cut.
        mask : Tensor (*crop) bool
            Voxels that count.
        n_classes : int
            K; where it is another than before, the labels are forgotten, too.
        windows : (tuple of int, tuple of int)
            i and j: odd voxels along (z, y, x).
        """
        if n_classes != self._n_classes:
            self.labels = None
        self._stack, self._mask, self._n_classes, self._windows = stack, mask, n_classes, windows
        self.scored = self._found = None

    def outliers(
        self, log_prior: Tensor, mask: Tensor, pieces: Sequence[int], *, step: int, first: Callable[[], Tensor]
    ) -> Outliers:
        """Keep what the network says of some pieces, and return the outliers among it.

        Parameters
        ----------
        log_prior : Tensor (B, K, *S) float
            Log of its class probabilities, in nat, without gradient.
        mask : Tensor (B, *S) bool
            Voxels that count.
        pieces : sequence of int
            Which pieces.
        step : int
            How many steps were taken.
        first : callable
            Returns the labels (*crop) uint8 to begin with.
        """
        now = likeliest(log_prior, mask)
        if self.labels is None:
            self.labels = first()
        old = self._stack.gather(self.labels[None], pieces).to(torch.int16)
        self._stack.put(self.labels.view(torch.int8)[None], pieces, (now[:, None] - old).to(torch.int8))
        if self._found is None or step % _EVERY == 0 or self.labels.numel() <= _SMALL:
            self.scored = self.labels.clone()
            self._score()
        assert self._found is not None
        assert self.scored is not None
        score, around, scored = (self._stack.gather(maps[None], pieces)[:, 0] for maps in (*self._found, self.scored))
        score = score * (scored == now)
        places = score.view(-1).nonzero()[:, 0]
        rows = torch.nn.functional.one_hot(around.view(-1)[places].long() - 1, self._n_classes)
        return Outliers(score, places, rows.to(log_prior.dtype))

    def _score(self) -> None:
        assert self.scored is not None
        labels = self.scored if self.scored.ndim == 4 else self.scored[None]
        score, around = surrounding_labels(labels, self._n_classes, *self._windows)
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
