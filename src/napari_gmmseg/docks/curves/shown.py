"""What the Curves dock shows: plain data between presenter and view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Line:
    """One curve.

    Parameters
    ----------
    name : str
        What it is called.
    colour : (r, g, b) or None
        Each 0 ... 1; None takes one that goes with the theme.
    steps, values : ndarray (P,) float64
        Where it goes; NaN makes a gap.
    """

    name: str
    colour: tuple[float, float, float] | None
    steps: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """Curves with one axis.

    Parameters
    ----------
    key : str
        Tells it from others.
    title : str
        What is drawn, with its unit.
    lines : tuple of Line
        The curves.
    """

    key: str
    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Mark:
    """A place along the steps at which something was done.

    Parameters
    ----------
    step : float
        Where.
    words : str
        What.
    kind : "retuned", "paused" or "phase"
        Who did it: the person, or the fit itself.
    """

    step: float
    words: str
    kind: str


@dataclass(frozen=True)
class Picture:
    """All that is drawn.

    Parameters
    ----------
    panels : tuple of Panel
        From top to bottom.
    marks : tuple of Mark
        In every panel.
    n_steps : int
        How far the axis of steps goes.
    """

    panels: tuple[Panel, ...] = ()
    marks: tuple[Mark, ...] = ()
    n_steps: int = 0
