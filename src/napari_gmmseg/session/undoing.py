"""What can be undone and redone, within a bound of memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_gmmseg.session.situation import HoldsStates, PointInRun, Situation, sizes

#: Bytes that undo may hold beyond what is shown.
LIMIT = 1_000_000_000
#: Acts that are held, however small.
_MOST = 100


@dataclass(frozen=True)
class Act:
    """One thing that a person did.

    Parameters
    ----------
    words : str
        What it was.
    situation : Situation
        As it was before, or, among those to be redone, after.
    tag : object
        Its own.
    """

    words: str
    situation: Situation
    tag: object
    _results: Mapping[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_results", sizes(self.situation.arrays()))

    @property
    def results(self) -> Mapping[int, int]:
        """Bytes of the arrays of its results, by the identity of who owns their memory."""
        return self._results


class UndoStack:
    """Acts, newest last; the oldest are forgotten where memory asks for it.

    Parameters
    ----------
    limit : int
        Bytes of arrays that may be held beyond those of the situation as it is.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._done: list[Act] = []
        self._undone: list[Act] = []

    @property
    def can_undo(self) -> str | None:
        """What would be undone, in words."""
        return self._done[-1].words if self._done else None

    @property
    def can_redo(self) -> str | None:
        """What would be redone, in words."""
        return self._undone[-1].words if self._undone else None

    def is_newest(self, tag: object) -> bool:
        """Tell whether the newest act has this tag.

        Parameters
        ----------
        tag : object
            Of an act.
        """
        return bool(self._done) and self._done[-1].tag is tag

    def push(self, act: Act, now: Situation) -> None:
        """Note what was done; what was undone before cannot be redone any more.

        Parameters
        ----------
        act : Act
            With the situation before.
        now : Situation
            As it is after: not counted.
        """
        self._undone.clear()
        self._done.append(act)
        self.fit_memory(now)

    def undo(self, now: Situation) -> Act | None:
        """Return the newest act, whose situation is to be put back; None where there is none.

        Parameters
        ----------
        now : Situation
            As it is, to be redone.
        """
        return _move(self._done, self._undone, now)

    def redo(self, now: Situation) -> Act | None:
        """Return the act that was undone last, whose situation is to be put back; None where there is none.

        Parameters
        ----------
        now : Situation
            As it is, to be undone again.
        """
        return _move(self._undone, self._done, now)

    def forget(self, tag: object) -> None:
        """Drop one act: it came to nothing.

        Parameters
        ----------
        tag : object
            Of the act.
        """
        self._done = [act for act in self._done if act.tag is not tag]

    def cut(self, tag: object) -> None:
        """Drop an act and all that came after it, and what was undone.

        Parameters
        ----------
        tag : object
            Of the act; where it is forgotten already, all that is left came after it.
        """
        tags = [act.tag for act in self._done]
        del self._done[tags.index(tag) if tag in tags else 0 :]
        self._undone.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._done.clear()
        self._undone.clear()

    def memory_used(self, now: Situation) -> int:
        """Return the bytes of arrays that are held beyond those of the situation as it is.

        Parameters
        ----------
        now : Situation
            As it is.
        """
        held: dict[int, int] = {}
        for log in self._points(now):
            held.update(log.held())
        for act in (*self._done, *self._undone):
            held.update(act.results)
        shown = dict(Act("", now, None).results)
        if now.run is not None:
            shown.update(now.run.log.newest())
        return sum(n for owner, n in held.items() if owner not in shown)

    def fit_memory(self, now: Situation) -> None:
        """Forget the oldest acts until the rest is within the bounds, and the states of runs that no act needs.

        Parameters
        ----------
        now : Situation
            As it is.
        """
        del self._done[: max(len(self._done) - _MOST, 0)]
        self._forget_states(now)
        for acts in (self._done, self._undone):
            while acts and self.memory_used(now) > self.limit:
                del acts[0]
                self._forget_states(now)

    def _forget_states(self, now: Situation) -> None:
        for log, points in self._points(now).items():
            log.keep(points)

    def _points(self, now: Situation) -> dict[HoldsStates, list[PointInRun]]:
        """Return the points that are held in each run."""
        points: dict[HoldsStates, list[PointInRun]] = {}
        for situation in (now, *(act.situation for act in (*self._done, *self._undone))):
            if situation.run is not None:
                points.setdefault(situation.run.log, []).append(situation.run)
        return points


def _move(source: list[Act], target: list[Act], now: Situation) -> Act | None:
    if not source:
        return None
    act = source.pop()
    target.append(Act(act.words, now, act.tag))
    return act
