"""How long a fit will still take at most, told from its reports."""

from __future__ import annotations

#: Weight of the newest step in the running mean of a step's seconds.
_NEWEST = 0.2


class RemainingTime:
    """Estimate the seconds left from the time that steps took; time spent paused is not passed in.

    A report's `n_steps` is an upper bound, so the estimate is "at most". A new phase begins a new estimate, since its
    steps take another time; where its steps are counted on from the phase before, the first one tells already.
    """

    def __init__(self) -> None:
        self._phase = ""
        self._step = self._n_steps = 0
        self._per_step: float | None = None

    def update(self, phase: str, step: int, n_steps: int, seconds: float) -> float | None:
        """Take in one report and return the seconds left at most, or None where it cannot be told yet.

        Parameters
        ----------
        phase : str
            The report's phase.
        step, n_steps : int
            Steps done, and the most that there will be.
        seconds : float
            Seconds worked since the report before.
        """
        if phase != self._phase:
            counted_on = n_steps == self._n_steps and step > self._step
            self._phase, self._n_steps, self._per_step = phase, n_steps, None
            if not counted_on:
                self._step = step
                return None
        steps = step - self._step
        self._step = step
        if steps > 0:
            newest = seconds / steps
            old = self._per_step
            self._per_step = newest if old is None else (1 - _NEWEST) * old + _NEWEST * newest
        if self._per_step is None:
            return None
        return max(0.0, (n_steps - step) * self._per_step)
