"""What the Histogram dock shows: plain data between presenter and view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.session.histograms import Histogram

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Offer:
    """What can be chosen above the plot.

    Parameters
    ----------
    regions : tuple of (key, name)
        Whose voxels are counted.
    region : str
        The key of the one that is chosen.
    channels : tuple of (channels, name)
        One channel, or two together.
    chosen : tuple of int
        The channels that are shown.
    """

    regions: tuple[tuple[str, str], ...] = ()
    region: str = "slice"
    channels: tuple[tuple[tuple[int, ...], str], ...] = ()
    chosen: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class ClassCurve:
    """A class over the histogram.

    Parameters
    ----------
    value : int
        Its label value.
    name, abbreviation : str
        What it is called.
    colour : (r, g, b)
        Each 0 ... 1.
    mean, std : tuple of float
        In each of the channels that are shown, in the image's own unit.
    limits : tuple of (low, high)
        For each of the channels, how far the mean may go.
    locked : bool
        Whether its Gaussian is held.
    line : ndarray
        One channel: its height (M,) over the curves' places, in voxels per bin. Two: outlines (n, 2), with rows of NaN
        between them.
    peak : float
        Its height over its mean, in voxels per bin; 0 with two channels.
    shoulder : float
        Its height one standard deviation from the mean, in voxels per bin; 0 with two channels.
    """

    value: int
    name: str
    abbreviation: str
    colour: Colour
    mean: tuple[float, ...]
    std: tuple[float, ...]
    limits: tuple[tuple[float, float], ...]
    locked: bool
    line: NDArray[np.float64]
    peak: float = 0.0
    shoulder: float = 0.0


@dataclass(frozen=True)
class Curves:
    """The mixture over the histogram.

    Parameters
    ----------
    at : ndarray (M,) float64
        Where the lines are drawn; empty with two channels.
    classes : tuple of ClassCurve
        In the class table's order.
    total : ndarray (M,) float64
        Sum of the lines; empty with two channels.
    """

    at: NDArray[np.float64]
    classes: tuple[ClassCurve, ...] = ()
    total: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Drawn:
    """A histogram with the names of its axes.

    Parameters
    ----------
    histogram : Histogram
        Counts.
    names : tuple of str
        Of its channels.
    """

    histogram: Histogram
    names: tuple[str, ...]
