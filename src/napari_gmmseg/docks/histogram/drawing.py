"""From a mixture to the lines over a histogram."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.docks.histogram.shown import ClassCurve, Curves
from napari_gmmseg.session.histograms import (
    Axis,
    Histogram,
    class_curves,
    class_ellipses,
    class_stds,
    class_weights,
)
from napari_gmmseg.volumes import ClassTable, Mixture

#: Places at which lines are drawn: so many along the axis, and so many more around each Gaussian.
_ALONG, _AROUND = 257, 49
#: How far from its mean a Gaussian is drawn finely, in standard deviations.
_REACH = 4.0
ELLIPSES = (1.0, 2.0)


def draw(
    mixture: Mixture,
    classes: ClassTable,
    histogram: Histogram,
    channels: tuple[int, ...],
    *,
    locked: frozenset[int],
) -> Curves:
    """Return the classes as they lie over a histogram.

    A line is scaled to the voxels that were counted: n_voxels times bin width times the class's share times its
    density. The share is the one that the class has of these voxels where that is known, else its mixing weight.

    Parameters
    ----------
    mixture : Mixture
        Parameters.
    classes : ClassTable
        What its classes mean.
    histogram : Histogram
        The counts.
    channels : tuple of int
        Those that were counted.
    locked : frozenset of int
        Label values of classes that are held.
    """
    if len(channels) == 2:
        return _joint(mixture, classes, histogram, channels, locked)
    (axis,), (channel,) = histogram.axes, channels
    means, stds = mixture.class_means(), class_stds(mixture)
    at = _places(mixture, channel, axis)
    shares = histogram.shares
    if shares is None or len(shares) != mixture.n_classes:
        shares = class_weights(mixture)
    scale = histogram.n_voxels * axis.width * shares
    lines = scale[:, None] * class_curves(mixture, channel, at)
    rows = []
    for k, tissue in enumerate(classes):
        mean, std = float(means[k, channel]), float(stds[k, channel])
        peak, shoulder = scale[k] * class_curves(mixture, channel, np.array([mean, mean + std]))[k]
        rows.append(
            ClassCurve(
                value=tissue.value,
                name=tissue.name,
                abbreviation=tissue.abbreviation,
                colour=tissue.colour,
                mean=(mean,),
                std=(std,),
                limits=((axis.low, axis.high),),
                locked=tissue.value in locked,
                line=lines[k],
                peak=float(peak),
                shoulder=float(shoulder),
            )
        )
    return Curves(at, tuple(rows), lines.sum(axis=0))


def _joint(
    mixture: Mixture,
    classes: ClassTable,
    histogram: Histogram,
    channels: tuple[int, ...],
    locked: frozenset[int],
) -> Curves:
    means, stds = mixture.class_means(), class_stds(mixture)
    outlines = class_ellipses(mixture, (channels[0], channels[1]), ELLIPSES)
    rows = tuple(
        ClassCurve(
            value=tissue.value,
            name=tissue.name,
            abbreviation=tissue.abbreviation,
            colour=tissue.colour,
            mean=tuple(float(means[k, c]) for c in channels),
            std=tuple(float(stds[k, c]) for c in channels),
            limits=tuple((axis.low, axis.high) for axis in histogram.axes),
            locked=tissue.value in locked,
            line=outlines[k],
        )
        for k, tissue in enumerate(classes)
    )
    return Curves(np.empty(0), rows)


def _places(mixture: Mixture, channel: int, axis: Axis) -> NDArray[np.float64]:
    """Return where lines are drawn: close enough together around narrow Gaussians, too."""
    around = np.linspace(-_REACH, _REACH, _AROUND)
    fine = mixture.means[:, channel, None] + mixture.stds[:, channel, None] * around
    places = np.concatenate([np.linspace(axis.low, axis.high, _ALONG), fine.reshape(-1)])
    result: NDArray[np.float64] = np.unique(places[(places >= axis.low) & (places <= axis.high)])
    return result
