"""Snapshots of a network in training: members of an ensemble that costs nothing but memory."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

#: Snapshots beside the network itself that an ensemble has.
MEMBERS = 3
_FIRST_GAP = 2


class Snapshots:
    """Holds a few states of a training, evenly spread over what there was of it (Huang et al. 2017, one cycle).

    How long a training lasts is not known before: whenever too many are held, every second one is let go.
    """

    def __init__(self) -> None:
        self._gap = _FIRST_GAP
        self._held: dict[int, dict[str, Tensor]] = {}

    def offer(self, step: int, state: Callable[[], dict[str, Tensor]]) -> None:
        """Take a snapshot, where it is time for one.

        Parameters
        ----------
        step : int
            Steps so far.
        state : callable
            Returns the weights, of any shape.
        """
        if step % self._gap:
            return
        self._held[step] = state()
        if len(self._held) > 2 * MEMBERS + 1:
            self._gap *= 2
            self._held = {at: held for at, held in self._held.items() if not at % self._gap}

    def newest(self, step: int) -> list[dict[str, Tensor]]:
        """Return the newest snapshots before a step, oldest first.

        Parameters
        ----------
        step : int
            The last: what it gave is a member by itself.
        """
        before = sorted(at for at in self._held if at < step)
        return [self._held[at] for at in before[-MEMBERS:]]
