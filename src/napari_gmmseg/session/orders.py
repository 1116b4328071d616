"""What a running fit is to be told, in order, and where in its run it was told."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from napari_gmmseg.volumes import Command, Look, SaveState

#: Ask a fit so often for its state, in s: with the time that writing takes, less than 2 s of work are ever missing.
SAVE_EVERY = 1.2


class Order:
    """A command on its way to a fit.

    Parameters
    ----------
    command : Command
        What the fit is told.
    after : int or None
        Told after so many of the fit's reports, or at the first step after; None for the next step.
    """

    def __init__(self, command: Command, after: int | None = None) -> None:
        self.command = command
        self.not_before = after
        self.after: int | None = None

    @property
    def told(self) -> bool:
        """Whether the fit has it: `after` then says after how many of its reports."""
        return self.after is not None


class Orders:
    """Hold commands until the fit takes its next step, one a step; of looks the latest counts. For many threads.

    Parameters
    ----------
    save_every : float or None
        Ask for the fit's state so often, in s; None where nobody wants it.
    clock : callable
        Returns the time in s.
    """

    def __init__(self, save_every: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Order] = deque()
        self._look: Look | None = None
        self._looked: Look | None = None
        self._phase = ""
        self._save_every, self._clock = save_every, clock
        self._saved_at = clock()

    def add(self, order: Order) -> None:
        """Put a command behind the others; a look takes the place of the one before.

        Parameters
        ----------
        order : Order
            The command.
        """
        with self._lock:
            if isinstance(order.command, Look) and order.not_before is None:
                self._look = order.command
            else:
                self._waiting.append(order)

    def amend(self, order: Order, command: Command) -> bool:
        """Replace a command that was not told yet, and say whether it could be.

        Parameters
        ----------
        order : Order
            From `add`.
        command : Command
            What is to be told in its place.
        """
        with self._lock:
            waits = order in self._waiting
            if waits:
                order.command = command
            return waits

    def withdraw(self, order: Order) -> bool:
        """Take back a command that was not told yet, and say whether it could be.

        Parameters
        ----------
        order : Order
            From `add`.
        """
        with self._lock:
            waits = order in self._waiting
            if waits:
                self._waiting.remove(order)
            return waits

    def next(self, n_reports: int, *, heeded: bool, phase: str = "") -> Order | None:
        """Return what the fit is told now.

        Parameters
        ----------
        n_reports : int
            How many reports it has made.
        heeded : bool
            Whether it takes notice: reading and preparing do not, what is told then waits.
        phase : str
            What the fit is at: with another one it is told anew where to look.
        """
        with self._lock:
            if heeded and phase != self._phase:
                self._phase, self._look = phase, self._look or self._looked
            if not heeded:
                return None if self._look is None else Order(self._look)
            order = self._due(n_reports)
            if order is not None:
                order.after = n_reports
            return order

    def _due(self, n_reports: int) -> Order | None:
        # Nothing overtakes an order that waits for its place: what was said later has to count later.
        if self._waiting and (self._waiting[0].not_before or 0) <= n_reports:
            order = self._waiting.popleft()
            self._saved_at = self._clock() if isinstance(order.command, SaveState) else self._saved_at
            return order
        if self._look is not None:
            self._looked, self._look = self._look, None
            return Order(self._looked)
        if self._save_every is not None and self._clock() - self._saved_at >= self._save_every:
            self._saved_at = self._clock()
            return Order(SaveState())
        return None
