"""What was said to a run and when, and where it stood: enough to take it up again before any of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from napari_gmmseg.config import FitConfig
from napari_gmmseg.session.orders import Order
from napari_gmmseg.session.situation import Given, Situation, arrays_of, sizes
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

    @property
    def place(self) -> int | None:
        """After how many of the run's reports it was told, or is to be told at the earliest; None for the next step."""
        earliest = self.order.not_before
        waits = None if earliest is None else self.offset + earliest
        return waits if self.position is None else self.position


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
        self._sizes: dict[int, tuple[FitState, Mapping[int, int]]] = {}

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

    def held(self) -> Mapping[int, int]:
        """Return the bytes of all arrays that it holds, by the identity of who owns their memory."""
        held = self._before_it()
        for state in self.states.values():
            held.update(self._sizes_of(state))
        return held

    def newest(self) -> Mapping[int, int]:
        """Return the part of `held` that the run itself needs."""
        held = self._before_it()
        if self.states:
            held.update(self._sizes_of(self.states[max(self.states)]))
        return held

    def keep(self, points: Iterable[RunPoint]) -> None:
        """Forget the states that none of some points goes back to; the newest stays.

        Parameters
        ----------
        points : iterable of RunPoint
            Of this run.
        """
        needed = {point.offset for point in points} | {max(self.states, default=0)}
        self.states = {n: state for n, state in self.states.items() if n in needed}

    def _before_it(self) -> dict[int, int]:
        return sizes([*arrays_of(self.start), *self.before.arrays()])

    def _sizes_of(self, state: FitState) -> Mapping[int, int]:
        """Return what a state holds; it has hundreds of arrays, and is asked for often."""
        known = self._sizes.get(id(state))
        if known is None or known[0] is not state:
            known = state, sizes([*state.arrays.values(), *state.start.values()])
            live = {id(held) for held in self.states.values()}
            self._sizes = {key: entry for key, entry in self._sizes.items() if key in live} | {id(state): known}
        return known[1]

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

    @property
    def offset(self) -> int:
        """The last state before this point, as the number of reports before it; 0 for the beginning."""
        log = self.log
        later = [said.position for said in log.said if said not in self.said and not said.refused]
        bound = min((position for position in later if position is not None), default=None)
        return max((n for n in log.states if bound is None or n <= bound), default=0)

    def resumption(self) -> Resumption:
        """Return how to take the run up: at the last state before this point, or from its beginning.

        What was said between that state and this point is said again at the same places, so that the run comes to
        this point as it did before.
        """
        log, offset = self.log, self.offset
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
                after = None if said.place is None else max(said.place - offset, 0)
                again.append((after, said.sentence))
        new.said = tuple(in_state)
        return Resumption(new, log.states.get(offset), offset, tuple(again))
