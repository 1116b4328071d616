"""How long a network may learn: seconds, steps, or until it is stopped."""

from __future__ import annotations

import time

from napari_gmmseg.config.finetuning import FinetuneConfig

#: Share of the budget after which held-out strokes have told what they can.
CHECKED = 0.4
#: Steps at most where neither steps nor seconds are given.
MOST_STEPS = 10_000
#: Steps after which one slice has taught what it can: more measured no better, and worse in the end. Of a volume, each
#: further slices of such a number allow as many steps again.
ENOUGH, SLICES = 160, 16
#: Steps for the held-out strokes where there is no budget.
CHECKED_STEPS = 100


class Budget:
    """What is left of the budget.

    Parameters
    ----------
    config : FinetuneConfig
        With the budget.
    began : float
        When it began, as `time.perf_counter` tells.
    """

    def __init__(self, config: FinetuneConfig, began: float) -> None:
        self._config, self._began = config, began
        #: What the answer will take after the last step, in s.
        self.reserve = 0.0
        #: Steps that suffice within a time budget.
        self.enough = ENOUGH

    @property
    def seconds(self) -> float:
        """Time since the beginning, in s."""
        return time.perf_counter() - self._began

    def used(self, steps: int) -> float:
        """Return how much is used up, 0 ... 1; where there is no end, always less than half.

        Parameters
        ----------
        steps : int
            That were taken.
        """
        config = self._config
        if config.steps is not None:
            return min(1.0, steps / config.steps)
        if config.seconds is None:
            return 0.0 if steps < MOST_STEPS else 1.0
        return min(1.0, max((self.seconds + self.reserve) / config.seconds, steps / self.enough))

    def suit(self, n_slices: int) -> None:
        """Allow as many steps as an image is worth.

        Parameters
        ----------
        n_slices : int
            That are learnt from.
        """
        self.enough = ENOUGH * max(1, round(n_slices / SLICES))

    def checked(self, steps: int) -> bool:
        """Return whether it is time to learn from all strokes.

        Parameters
        ----------
        steps : int
            That were taken.
        """
        if self._config.steps is None and self._config.seconds is None:
            return steps >= CHECKED_STEPS
        return self.used(steps) >= CHECKED

    def steps(self, taken: int) -> int:
        """Return how many steps there will be at most, as far as can be told.

        Parameters
        ----------
        taken : int
            So far.
        """
        if self._config.steps is not None:
            return self._config.steps
        used = self.used(taken)
        if self._config.seconds is None or not taken or not used:
            return MOST_STEPS
        return max(taken, round(taken / used))
