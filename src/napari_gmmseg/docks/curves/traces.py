"""Numbers against steps, kept in a bounded room however long a run is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.session.histograms import class_weights
from napari_gmmseg.volumes import FitReport

#: Most places of a curve: two points each, about as many as a dock is wide, and drawn in a few milliseconds.
_PLACES = 192
#: Loss terms that are not in nat per voxel: they have an axis of their own.
PACE = ("learning rate", "mean shift")

Key = tuple[str, str | int]


class Trace:
    """One number against steps: of what shares a place, the least and the most are kept.

    Parameters
    ----------
    places : int
        Most places; an even number.
    """

    def __init__(self, places: int = _PLACES) -> None:
        self._steps = np.empty(places)
        self._least, self._most = np.empty(places), np.empty(places)
        self._n = 0
        self._share = 1
        self._held = 0

    def __len__(self) -> int:
        return self._n

    def append(self, step: float, value: float) -> None:
        """Add a number; steps come in order.

        Parameters
        ----------
        step : float
            When.
        value : float
            The number; not a number makes a gap.
        """
        if self._held and self._held < self._share and self._n:
            last = self._n - 1
            self._least[last] = np.fmin(self._least[last], value)
            self._most[last] = np.fmax(self._most[last], value)
            self._held += 1
            return
        if self._n == len(self._steps):
            self._halve()
        self._steps[self._n], self._least[self._n], self._most[self._n] = step, value, value
        self._n += 1
        self._held = 1

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return steps (P,) and numbers (P,) to draw: the least and the most of each place, one after the other."""
        steps, least, most = self._steps[: self._n], self._least[: self._n], self._most[: self._n]
        if self._share == 1:
            return steps.copy(), least.copy()
        return np.repeat(steps, 2), np.stack([least, most], axis=1).reshape(-1)

    def _halve(self) -> None:
        """Make one place of two neighbours."""
        self._n //= 2
        pairs = slice(0, 2 * self._n)
        self._steps[: self._n] = self._steps[pairs].reshape(-1, 2)[:, 0]
        self._least[: self._n] = np.fmin.reduce(self._least[pairs].reshape(-1, 2), axis=1)
        self._most[: self._n] = np.fmax.reduce(self._most[pairs].reshape(-1, 2), axis=1)
        self._share *= 2


@dataclass(frozen=True)
class ClassLook:
    """How a class is shown.

    Parameters
    ----------
    name : str
        What it is called, in short.
    colour : (r, g, b)
        Each 0 ... 1.
    """

    name: str
    colour: tuple[float, float, float]


class Traces:
    """All numbers of a run against its steps; a step is a report."""

    def __init__(self) -> None:
        self.n_steps = 0
        self.phases: list[tuple[int, str]] = []
        self.looks: dict[int, ClassLook] = {}
        self.n_channels = 0
        self._traces: dict[Key, Trace] = {}

    def add(self, reports: Iterable[FitReport]) -> None:
        """Take reports, in order; those of reading and preparing, which count no steps, are left out.

        Parameters
        ----------
        reports : iterable of FitReport
            Newer ones.
        """
        for report in reports:
            if report.n_steps > 0:
                self._add(report)

    def named(self, group: str) -> Mapping[str | int, Trace]:
        """Return the traces of one kind by name, or by label value.

        Parameters
        ----------
        group : str
            "nll", "term", "pace", "weight", or "mean 0" and so on for a channel.
        """
        return {name: trace for (kind, name), trace in self._traces.items() if kind == group}

    def _add(self, report: FitReport) -> None:
        self.n_steps += 1
        if not self.phases or self.phases[-1][1] != report.phase:
            self.phases.append((self.n_steps, report.phase))
        numbers: dict[Key, float] = {}
        if report.log_likelihood is not None:
            numbers["nll", "NLL"] = -report.log_likelihood
        for name, value in report.terms.items():
            numbers["pace" if name in PACE else "term", name] = value
        numbers |= self._of_mixture(report)
        for key, value in numbers.items():
            self._trace(key).append(self.n_steps, value)
        for key, trace in self._traces.items():
            # A class is gone only where there are others; a report without Gaussians says nothing of it.
            if key not in numbers and (isinstance(key[1], str) or report.mixture is not None):
                trace.append(self.n_steps, np.nan)

    def _of_mixture(self, report: FitReport) -> dict[Key, float]:
        mixture, classes = report.mixture, report.classes
        if mixture is None or classes is None or len(classes) != mixture.n_classes:
            return {}
        self.n_channels = mixture.n_channels
        numbers: dict[Key, float] = {}
        weights = class_weights(mixture)
        means = mixture.class_means()
        for k, tissue in enumerate(classes):
            self.looks[tissue.value] = ClassLook(tissue.abbreviation, tissue.colour)
            numbers["weight", tissue.value] = float(weights[k])
            for channel in range(mixture.n_channels):
                numbers[f"mean {channel}", tissue.value] = float(means[k, channel])
        return numbers

    def _trace(self, key: Key) -> Trace:
        if key not in self._traces:
            self._traces[key] = Trace()
        return self._traces[key]
