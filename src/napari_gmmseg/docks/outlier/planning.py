"""What would go, worked out beside the window's thread; and the numbers, between dock and session."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from napari_gmmseg.config import FitConfig
from napari_gmmseg.docks.histogram.background import Background
from napari_gmmseg.docks.outlier.shown import Numbers
from napari_gmmseg.errors import GmmsegError
from napari_gmmseg.session import Session
from napari_gmmseg.session.islands import CleaningPlan, finest_spacing, plan_cleaning, windows_for
from napari_gmmseg.volumes import LabelMap


class Planning:
    """Holds the newest plan of a session's result; what nobody wants any more is given up between its rounds.

    Parameters
    ----------
    session : Session
        Whose result.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._background: Background[CleaningPlan | None] = Background("islands")
        self._wanted: tuple[Any, ...] | None = None
        self._have: tuple[Any, ...] | None = None
        #: The plan that was worked out last: perhaps of other windows, or of another result.
        self.newest: CleaningPlan | None = None

    @property
    def busy(self) -> bool:
        """Whether one is being worked out, or has to be."""
        return self._background.busy or (self._wanted is None and self._session.result is not None)

    @property
    def plan(self) -> CleaningPlan | None:
        """The plan of what is wanted; None while it is not known."""
        return self.newest if self._have is not None and _same(self._have, self._wanted) else None

    def take(self) -> GmmsegError | None:
        """Take what was worked out; return why it could not be."""
        done = self._background.take()
        if done is None:
            return None
        if done.result is not None and done.key is self._wanted:
            self.newest, self._have = done.result, self._wanted
        return done.error

    def follow(self, inner: int, outer: int, stays: Collection[int]) -> None:
        """Have the plan worked out for these windows, unless it is.

        Parameters
        ----------
        inner, outer : int
            i and j, in voxels of the finest axis.
        stays : collection of int
            Label values of the classes whose voxels stay.
        """
        result, edits = self._session.result, self._session.edits
        if result is None:
            self._wanted = self._have = self.newest = None
            return
        key = (result, edits, inner, outer, frozenset(stays))
        if _same(key, self._wanted):
            return
        if self._wanted is not None and self._wanted[0] is not result:
            self.newest = None
        self._wanted = key
        windows = windows_for(inner, outer, result.label_map)
        self._background.ask(key, lambda: plan_cleaning(result, windows, stays, edits, lambda: self._wanted is key))

    def outdate(self) -> None:
        """Say that windows are being moved: the plan is of others until it is followed again."""
        self._wanted = None

    def end(self) -> None:
        """Want nothing any more."""
        self._wanted = None
        self._background.end()


def settings_of(numbers: Numbers) -> dict[str, Any]:
    """Return the settings of the loss, as a session has them; where nothing is to go, its windows stay what they are.

    Parameters
    ----------
    numbers : Numbers
        What is chosen.
    """
    told = {"outlier_weight": numbers.weight, "outlier_ramp": numbers.ramp}
    if numbers.inner <= 1:
        return told
    windows = {"outlier_inner": numbers.inner, "outlier_outer": max(numbers.outer, numbers.inner + 2)}
    return {**told, **windows, "outlier_unit": "voxels"}


def following(numbers: Numbers, config: FitConfig, label_map: LabelMap | None) -> Numbers:
    """Return numbers with the settings that a session has; its windows only where the loss counts and anything may go.

    Parameters
    ----------
    numbers : Numbers
        What was chosen.
    config : FitConfig
        The session's settings.
    label_map : LabelMap or None
        For the size of a voxel.
    """
    weight, ramp = config.outlier_weight, config.outlier_ramp
    if not weight or numbers.inner <= 1:
        return replace(numbers, weight=weight, ramp=ramp)
    inner, outer = config.outlier_inner, config.outlier_outer
    if config.outlier_unit == "mm" and label_map is not None:
        finest = finest_spacing(label_map)
        inner, outer = (round(length / finest) | 1 for length in (inner, outer))
    return replace(numbers, inner=inner, outer=max(outer, inner + 2), weight=weight, ramp=ramp)


def _same(one: tuple[Any, ...] | None, other: tuple[Any, ...] | None) -> bool:
    """Tell whether two wishes are one; results and edits are the same only where they are the same thing."""
    if one is None or other is None:
        return one is other
    return one[0] is other[0] and one[1] is other[1] and one[2:] == other[2:]
