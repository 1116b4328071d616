"""What was said to a run and when, and where it stood: enough to take it up again before any of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from napari_gmmseg.config import FitConfig
from napari_gmmseg.session.orders import Order
from napari_gmmseg.session.situation import Given, Situation, arrays_of
from napari_gmmseg.volumes import Command, FitReport, FitState, Segmentation


@dataclass(frozen=True)
class Sentence:
    """One thing to say to a run.

    Parameters
    ----------
    command : Command
        What the fit is told.
    words : str
        For marks beside curves.
    tag : object
        The same for all that belongs to one act of the person.
    before : Situation
        As it was before: what is put back where the fit cannot do it.
    """

    command: Command
    words: str
    tag: object
    before: Situation


@dataclass
class Said:
    """One thing that was said to a run.

    Parameters
    ----------
    sentence : Sentence
        What.
    order : Order
        On its way to the fit.
    offset : int
        Reports that the run had made before the job that took it.
    refused : bool
        Whether the fit could not do it.
    """

    sentence: Sentence
    order: Order
    offset: int
    refused: bool = False

    @property
    def position(self) -> int | None:
        """After how many of the run's reports it was told; None as long as it was not."""
        return None if self.order.after is None else self.offset + self.order.after


class RunLog:
    """The log of one run.

    Parameters
    ----------
    config : FitConfig
        Settings at its start.
    start : Segmentation or None
        The earlier result that it went on from.
    before : Situation
        As it was when it began.
    tag : object
        Of the act that began it.
    """

    def __init__(self, config: FitConfig, start: Segmentation | None, before: Situation, tag: object) -> None:
        self.config, self.start, self.before, self.tag = config, start, before, tag
        #: Whether its classes have no identity yet that an earlier result knows.
        self.fresh = start is None
        #: Label values of the fit, and what they became; written by the job.
        self.moved: Mapping[int, int] = {}
        self.said: tuple[Said, ...] = ()
        #: Its reports so far, without previews, and after how many of them it was paused.
        self.trail: list[FitReport] = []
        self.pauses: list[int] = []
        self.states: dict[int, FitState] = {}

    def add_state(self, n_reports: int, state: FitState) -> None:
        """Hold where the run stands; of older states only those are held that stand right before something was said.

        Parameters
        ----------
        n_reports : int
            Reports of the run so far.
        state : FitState
            From the last of them.
        """
        if self.states:
            newest = self.states[max(self.states)]
            if newest.start_key == state.start_key:
                state = replace(state, start=newest.start)
        self.states[n_reports] = state
        needed = {n_reports}
        for said in self.said:
            position = n_reports if said.position is None else said.position
            needed.add(max((n for n in self.states if n <= position), default=n_reports))
        self.states = {n: held for n, held in self.states.items() if n in needed}

    def given_after(self, given: Mapping[int, Given]) -> dict[int, Given]:
        """Return names and colours by the label values of the result.

        Parameters
        ----------
        given : mapping of int to Given
            By the fit's.
        """
        said = {self.moved.get(value, value): what for value, what in given.items()}
        return {**self.before.given, **said} if self.fresh else said

    def locked_after(self, locked: frozenset[int]) -> frozenset[int]:
        """Return which classes are held, by the label values of the result.

        Parameters
        ----------
        locked : frozenset of int
            By the fit's.
        """
        return frozenset(self.moved.get(value, value) for value in locked)


@dataclass(frozen=True)
class Resumption:
    """How a run is begun or taken up.

    Parameters
    ----------
    log : RunLog
        Of what comes.
    state : FitState or None
        Where it stood; None where it begins anew.
    offset : int
        How many reports it had made then.
    again : tuple of (int or None, Sentence)
        What is said to it once more: after how many of the job's reports, and what.
    """

    log: RunLog
    state: FitState | None = None
    offset: int = 0
    again: tuple[tuple[int | None, Sentence], ...] = ()


@dataclass(frozen=True)
class RunPoint:
    """A point in a run: right before whatever was said to it afterwards.

    Parameters
    ----------
    log : RunLog
        Of the run.
    said : tuple of Said
        What had been said.
    """

    log: RunLog
    said: tuple[Said, ...]

    def arrays(self) -> Iterator[NDArray[Any]]:
        """Yield the arrays that are held, some perhaps twice."""
        yield from arrays_of(self.log.start)
        yield from self.log.before.arrays()
        for state in self.log.states.values():
            yield from state.arrays.values()
            yield from state.start.values()

    def resumption(self) -> Resumption:
        """Return how to take the run up: at the last state before this point, or from its beginning.

        What was said between that state and this point is said again at the same places, so that the run comes to
        this point as it did before.
        """
        log = self.log
        later = [said.position for said in log.said if said not in self.said and not said.refused]
        bound = min((position for position in later if position is not None), default=None)
        offset = max((n for n in log.states if bound is None or n <= bound), default=0)
        new = RunLog(log.config, log.start, log.before, log.tag)
        new.fresh = log.fresh
        new.trail = log.trail[:offset]
        new.pauses = [n for n in log.pauses if n <= offset]
        new.states = {n: state for n, state in log.states.items() if n <= offset}
        in_state: list[Said] = []
        again: list[tuple[int | None, Sentence]] = []
        for said in self.said:
            if said.refused:
                continue
            if said.position is not None and said.position < offset:
                in_state.append(said)
            else:
                after = None if said.position is None else said.position - offset
                again.append((after, said.sentence))
        new.said = tuple(in_state)
        return Resumption(new, log.states.get(offset), offset, tuple(again))
