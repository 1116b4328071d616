"""A Gaussian that a person moves: its curve and the shown plane follow at once, the session when it is let go."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari_gmmseg.docks.histogram.editing import Move
from napari_gmmseg.docks.histogram.result_plane import PlanePainter, find_result_layer
from napari_gmmseg.session import Session
from napari_gmmseg.session.histograms import Axis
from napari_gmmseg.volumes import ClassTable, Mixture

#: Shortest time in s between two moves that a running fit is told.
_TELL = 0.2
#: A width that is dragged is at least this share of the axis.
_NARROWEST = 1e-3


@dataclass(frozen=True)
class Gaussians:
    """A mixture with what its classes are called.

    Parameters
    ----------
    mixture : Mixture
        Class k is the k-th of `table`.
    table : ClassTable
        Names, colours and label values.
    """

    mixture: Mixture
    table: ClassTable


class Dragging:
    """Moves Gaussians of a session.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose plane follows.
    session : Session
        Whose Gaussians.
    clock : callable
        Returns the time in s.
    """

    def __init__(self, viewer: Any, session: Session, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._viewer, self._session, self._clock = viewer, session, clock
        self._before: Gaussians | None = None
        self._move: Move | None = None
        self._painter: PlanePainter | None = None
        self._shown: Gaussians | None = None
        #: Moves that the session still works out; what is dragged meanwhile goes on from there.
        self._awaited = Move(0)
        self._told_at = float("-inf")

    @property
    def on(self) -> bool:
        """Whether somebody holds a Gaussian."""
        return self._move is not None

    @property
    def gaussians(self) -> Gaussians | None:
        """What is to be shown: as dragged, as the session will have it, or as it has it."""
        if self._shown is not None and not self.on and not self._session.editing:
            self._shown, self._awaited = None, Move(0)
        return self._shown or self._of_session()

    def begin(self, value: int) -> None:
        """Take hold of a class.

        Parameters
        ----------
        value : int
            Its label value.
        """
        before = self.gaussians
        if before is None or value not in before.table.values or self.on:
            return
        self._session.begin_drag()
        self._before, self._move, self._painter = before, Move(value), self._paint_on()

    def move(self, value: int, what: str, numbers: tuple[float, ...], axes: dict[int, Axis]) -> bool:
        """Have a class look as if it were elsewhere or wider; return whether it does.

        Parameters
        ----------
        value : int
            Its label value.
        what : str
            "mean" or "std".
        numbers : tuple of float
            What is wanted in each of the channels that are shown, in the image's own unit.
        axes : dict of int to Axis
            Those channels, with their bins.

        Raises
        ------
        GmmsegError
            Where the numbers make no Gaussian.
        """
        before = self._before
        if self._move is None or before is None or self._move.value != value:
            return False
        wanted = tuple(_within_reach(what, n, axis) for n, axis in zip(numbers, axes.values(), strict=True))
        self._move = move = self._move.to(what, wanted, tuple(axes), before.mixture, before.table)
        self._shown = Gaussians(move.applied(before.mixture, before.table), before.table)
        if self._painter is not None:
            whole = self._awaited.and_then(move)
            self._painter.paint(self._session.adjusted_labels(whole.means, whole.stds, plane=self._painter.plane))
        elif self._session.running and self._clock() - self._told_at >= _TELL:
            self._told_at = self._clock()
            self._session.adjust(means=move.means, stds=move.stds)
        return True

    def end(self) -> None:
        """Let go: the session moves the class, and the whole volume follows."""
        move, self._move, self._before = self._move, None, None
        if move is None:
            return
        if self._painter is not None:
            self._painter.end(shows=not move.moves)
        self._painter = None
        if move.moves:
            self._awaited = self._awaited.and_then(move)
            self._session.adjust(means=move.means, stds=move.stds)
        self._session.end_drag()

    def set_numbers(self, value: int, what: str, numbers: tuple[float, ...], channels: tuple[int, ...]) -> None:
        """Give a class an exact mean or standard deviation.

        Parameters
        ----------
        value : int
            Its label value.
        what : str
            "mean" or "std".
        numbers : tuple of float
            One for each of the channels, in the image's own unit.
        channels : tuple of int
            Which.
        """
        before = self.gaussians
        if before is None or value not in before.table.values or self.on:
            return
        move = Move(value).to(what, numbers, channels, before.mixture, before.table)
        self._shown = Gaussians(move.applied(before.mixture, before.table), before.table)
        self._awaited = self._awaited.and_then(move)
        self._session.adjust(means=move.means, stds=move.stds)

    def _of_session(self) -> Gaussians | None:
        mixture, table = self._session.mixture, self._session.classes
        if mixture is None or table is None or len(table) != mixture.n_classes:
            return None
        return Gaussians(mixture, table)

    def _paint_on(self) -> PlanePainter | None:
        """Return what paints the shown plane; None where a fit paints there, or no plane of the result is shown."""
        request, result = self._session.request, self._session.result
        if request is None or result is None or self._session.running:
            return None
        shown = find_result_layer(self._viewer, request.volume, result)
        plane = None if shown is None else shown.plane(self._viewer.dims)
        return None if shown is None or plane is None else PlanePainter(shown, plane, result)


def _within_reach(what: str, number: float, axis: Axis) -> float:
    """Return a number that can be drawn: a mean on the axis, a width that is not nothing."""
    span = axis.high - axis.low
    low, high = (axis.low, axis.high) if what == "mean" else (_NARROWEST * span, span)
    return min(max(number, low), high)
