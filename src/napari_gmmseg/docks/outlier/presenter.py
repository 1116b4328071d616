"""What the Outlier dock does, in plain Python: windows, heat map, what would go, and what is done about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from napari_gmmseg.docks.common.keys import REDO, UNDO
from napari_gmmseg.docks.common.sentences import Message, error_message, finding_message
from napari_gmmseg.docks.histogram.background import Background
from napari_gmmseg.docks.outlier.live_heat import LiveHeat
from napari_gmmseg.docks.outlier.planning import Planning, following, settings_of
from napari_gmmseg.docks.outlier.sheet import Orientation, make_sheet
from napari_gmmseg.docks.outlier.shown import (
    NO_PLANE,
    NO_RESULT,
    Numbers,
    SheetCell,
    Shown,
    island_lines,
    islands_in_words,
    length_in_words,
    loss_lines,
    plan_in_words,
)
from napari_gmmseg.docks.outlier.view_protocol import OutlierDockView
from napari_gmmseg.docks.scribble.advising import go_to
from napari_gmmseg.session import Session
from napari_gmmseg.session.islands import CleaningPlan, windows_for
from napari_gmmseg.volumes import Finding, Island

KEYS = (UNDO, REDO)
#: Time in s without another move, after which it is worked out what would go, and a network is told.
REST = 0.25


class OutlierPresenter:
    """Runs the Outlier dock.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose slice is scored.
    session : Session
        What the person is doing.
    view : OutlierDockView
        The window.
    clock : callable
        Returns the time in s.
    """

    def __init__(
        self, viewer: Any, session: Session, view: OutlierDockView, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._viewer, self._session, self._view, self._clock = viewer, session, view, clock
        self._heat = LiveHeat(viewer, session)
        self._planning = Planning(session)
        self._sheets: Background[tuple[SheetCell, ...]] = Background("contact sheet")
        self._numbers = Numbers()
        self._spared: frozenset[int] = frozenset()
        self._wants_heat = True
        self._untold = False
        self._moved_at = float("-inf")
        self._said: Message | None = None
        self._sheet = False
        self._closed = False
        self._events = (
            (viewer.dims.events.current_step, self._on_plane),
            (viewer.dims.events.ndisplay, self._on_plane),
            (viewer.dims.events.order, self._on_plane),
            (viewer.layers.events.inserted, self._on_plane),
            (viewer.layers.events.removed, self._on_removed),
            (session.changed, self._on_session),
            (session.refused, self._on_refused),
        )
        for signal, slot in self._events:
            signal.connect(slot)
        self._follow_settings()
        view.refresh_soon()

    @property
    def numbers(self) -> Numbers:
        """What is chosen."""
        return self._numbers

    @property
    def busy(self) -> bool:
        """Whether anything is worked out, or about to be."""
        at_work = self._planning.busy or self._sheets.busy or self._heat.busy or self._session.editing
        return at_work or self._untold

    def choose_length(self, inner: int) -> None:
        """Choose how small an island has to be to go; the outer window follows. Called while a slider moves.

        Parameters
        ----------
        inner : int
            i in voxels of the finest axis, odd; 1 takes nothing out.
        """
        self._choose(replace(self._numbers, inner=inner, outer=3 * inner))

    def choose_windows(self, inner: int, outer: int) -> None:
        """Choose both windows. Called while a slider moves; the larger one is kept larger.

        Parameters
        ----------
        inner, outer : int
            i and j in voxels of the finest axis, odd.
        """
        moves_inner = inner != self._numbers.inner
        if outer <= inner:
            inner, outer = (inner, inner + 2) if moves_inner else (max(outer - 2, 1), max(outer, 3))
        self._choose(replace(self._numbers, inner=inner, outer=outer))

    def choose_loss(self, weight: float, ramp: float) -> None:
        """Choose how strongly, and from when on, a network that learns is pulled; one that learns now hears it.

        Parameters
        ----------
        weight : float
            γ; 0 for not at all.
        ramp : float
            Share of the steps before which it does not count.
        """
        was_on = self._numbers.weight > 0
        self._numbers = replace(self._numbers, weight=weight, ramp=ramp)
        self._untold = was_on or weight > 0
        self._tell()
        self._view.refresh_soon()

    def show_heat(self, on: bool) -> None:
        """Show the heat map, or take it away.

        Parameters
        ----------
        on : bool
            Whether it is shown.
        """
        self._wants_heat = on
        if not on:
            self._heat.layer.remove()
        self._view.refresh_soon()

    def spare(self, value: int, may_go: bool) -> None:
        """Have a class lose its islands, or keep them.

        Parameters
        ----------
        value : int
            Its label value.
        may_go : bool
            Whether its voxels may go.
        """
        self._spared = self._spared - {value} if may_go else self._spared | {value}
        self._view.refresh_soon()

    def clean(self) -> None:
        """Take the islands out, as one act."""
        result = self._session.result
        if result is None:
            return
        self._said = None
        length = length_in_words(self._numbers.inner, result.label_map)
        windows = windows_for(self._numbers.inner, self._numbers.outer, result.label_map)
        self._session.clean(windows, self._spared, f"Remove islands smaller than {length}")
        self._view.refresh_soon()

    def go(self, row: int) -> None:
        """Show an island in the middle of the viewer.

        Parameters
        ----------
        row : int
            Of the list.
        """
        islands, place = self._islands([row]), self._heat.place()
        if place is None:
            self._say(NO_PLANE)
        elif islands:
            go_to(self._viewer, place[0].layer, place[0].grid, islands[0].voxel)

    def keep(self, rows: Sequence[int]) -> None:
        """Have islands stay, whatever comes.

        Parameters
        ----------
        rows : sequence of int
            Of the list.
        """
        self._decide(rows, self._session.keep_islands)

    def remove(self, rows: Sequence[int]) -> None:
        """Give islands the class that is next to them.

        Parameters
        ----------
        rows : sequence of int
            Of the list.
        """
        self._decide(rows, self._session.remove_islands)

    def make_class(self, rows: Sequence[int]) -> None:
        """Make one new class of islands.

        Parameters
        ----------
        rows : sequence of int
            Of the list.
        """
        self._decide(rows, self._session.make_class_of)

    def compare(self) -> None:
        """Show what other windows make of the shown slice."""
        place, result = self._heat.place(), self._session.result
        if place is None or result is None:
            self._say(NO_RESULT if result is None else NO_PLANE)
            return
        shown, plane = place
        turn = Orientation.of(self._viewer.dims, shown, plane)
        inner, spared, regions = self._numbers.inner, self._stays, self._heat.regions
        self._sheets.ask("sheet", lambda: make_sheet(result, plane, inner, spared, turn, regions))
        self._view.start_polling()

    def take(self, inner: int, outer: int) -> None:
        """Take the windows of a cell of the contact sheet.

        Parameters
        ----------
        inner, outer : int
            i and j.
        """
        self._choose(replace(self._numbers, inner=inner, outer=outer))

    def press(self, key: str) -> None:
        """Do what a key does: take back what was done last, or do it again.

        Parameters
        ----------
        key : str
            Name of one of `KEYS`.
        """
        if key == UNDO.name and self._session.can_undo is not None:
            self._session.undo()
        elif key == REDO.name and self._session.can_redo is not None:
            self._session.redo()

    def refresh(self) -> None:
        """Bring all up to date; called by the window when it has time."""
        if self._closed:
            return
        if self._session.editing and not self._session.running:
            self._session.poll()
        self._paint()
        self._follow_plan()
        self._take_sheet()
        if self._clock() - self._moved_at >= REST:
            self._show()
        if self.busy:
            self._view.start_polling()
        else:
            self._view.stop_polling()

    def shut_down(self) -> None:
        """End with the window: nothing listens any more, and the heat map is gone."""
        if self._closed:
            return
        self._closed = True
        for signal, slot in self._events:
            signal.disconnect(slot)
        self._planning.end()
        self._sheets.end()
        self._heat.forget()
        self._heat.layer.remove()
        self._view.stop_polling()

    @property
    def _stays(self) -> frozenset[int]:
        """Label values of the classes whose voxels stay."""
        return self._spared | self._session.locked

    def _choose(self, numbers: Numbers) -> None:
        if numbers == self._numbers:
            return
        self._numbers, self._moved_at = numbers, self._clock()
        self._planning.outdate()
        self._untold = numbers.weight > 0
        self._paint()
        self._show_numbers()
        self._view.start_polling()

    def _paint(self) -> None:
        if self._wants_heat:
            self._heat.paint(self._numbers.inner, self._numbers.outer, self._stays)

    def _follow_plan(self) -> None:
        """Take what was worked out; ask anew where something else is wanted and the hand rests."""
        failed = self._planning.take()
        if failed is not None:
            self._said = error_message(failed)
        if self._clock() - self._moved_at >= REST:
            self._tell()
            self._planning.follow(self._numbers.inner, self._numbers.outer, self._stays)

    def _take_sheet(self) -> None:
        done = self._sheets.take()
        if done is None:
            return
        if done.error is not None:
            self._said = error_message(done.error)
        self._sheet = bool(done.result)
        self._view.show_sheet(done.result or ())

    def _tell(self) -> None:
        """Tell the session what the loss is to be, where that counts."""
        if not self._untold:
            return
        self._untold = False
        self._session.set_outliers(**settings_of(self._numbers))

    def _follow_settings(self) -> None:
        """Take up the session's settings, where they count: undo, or another dock, may have changed them."""
        result = self._session.result
        self._numbers = following(self._numbers, self._session.config, None if result is None else result.label_map)

    def _decide(self, rows: Sequence[int], act: Callable[[Sequence[Island]], object]) -> None:
        islands = self._islands(rows)
        if islands:
            self._said = None
            act(islands)
            self._view.refresh_soon()

    def _islands(self, rows: Sequence[int]) -> tuple[Island, ...]:
        listed = () if self._planning.newest is None else self._planning.newest.islands
        return tuple(listed[row] for row in rows if 0 <= row < len(listed))

    def _show_numbers(self) -> None:
        """Show the numbers alone: all that changes while a slider moves."""
        result = self._session.result
        length = length_in_words(self._numbers.inner, None if result is None else result.label_map)
        self._numbers = replace(self._numbers, length=length)
        self._view.show_numbers(self._numbers)

    def _show(self) -> None:
        self._show_numbers()
        result, undo, redo = self._session.result, self._session.can_undo, self._session.can_redo
        if result is None:
            self._view.show_state(Shown(self._numbers, heat=self._wants_heat, undo=undo, redo=redo))
            self._view.show_messages([*([] if self._said is None else [self._said]), NO_RESULT])
            return
        classes, geometry = result.label_map.classes, result.label_map.geometry
        plan, newest = self._planning.plan, self._planning.newest
        islands = () if newest is None else newest.islands
        idle = not self._session.running and not self._session.editing
        self._view.show_state(
            Shown(
                numbers=self._numbers,
                sentence=plan_in_words(plan, geometry),
                losses=loss_lines(classes, geometry, plan, self._stays),
                islands=island_lines(islands, classes, geometry, self._heat.slider()),
                title=islands_in_words(newest),
                has_result=True,
                can_clean=idle and plan is not None and any(loss.voxels for loss in plan.losses),
                heat=self._wants_heat,
                undo=undo,
                redo=redo,
            )
        )
        self._view.show_messages(self._messages(plan))

    def _messages(self, plan: CleaningPlan | None) -> list[Message]:
        said = [] if self._said is None else [self._said]
        if self._wants_heat and self._heat.place() is None:
            said.append(NO_PLANE)
        return [*said, *(finding_message(finding) for finding in (() if plan is None else plan.findings))]

    def _say(self, message: Message) -> None:
        self._said = message
        self._view.refresh_soon()

    def _on_plane(self, _event: Any = None) -> None:
        self._view.refresh_soon()

    def _on_removed(self, _event: Any = None) -> None:
        if self._heat.layer.was_removed:
            self._wants_heat = False
            self._heat.layer.remove()
        self._view.refresh_soon()

    def _on_session(self, what: str) -> None:
        if what == "settings":
            self._follow_settings()
        if what == "history":
            self._said = None
        self._view.refresh_soon()

    def _on_refused(self, finding: Finding) -> None:
        self._say(finding_message(finding))
