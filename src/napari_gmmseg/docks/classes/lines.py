"""What the table of classes shows of each: plain data between presenter and view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from napari_gmmseg.volumes import ClassTable, Geometry, Mixture

_THIN_SPACE = "\u202f"


@dataclass(frozen=True)
class ClassLine:
    """One line.

    Parameters
    ----------
    value : int
        Label value, by which the class is told from others.
    name : str
        For the person.
    colour : (r, g, b)
        Each 0 ... 1.
    locked : bool
        Whether its Gaussian is held.
    intensities : tuple of str
        Mean ± standard deviation in each channel.
    amount : str
        Volume in ml, or voxels where there is no spacing, with the unit.
    share : str
        Of all classes, in percent, with the sign.
    """

    value: int
    name: str
    colour: tuple[float, float, float]
    locked: bool
    intensities: tuple[str, ...]
    amount: str
    share: str


@dataclass(frozen=True)
class ClassButtons:
    """Which buttons can be pressed.

    Parameters
    ----------
    merge, split, colour, by_contrast : bool
        Whether each can be pressed.
    """

    merge: bool = False
    split: bool = False
    colour: bool = False
    by_contrast: bool = False


def class_lines(
    classes: ClassTable,
    mixture: Mixture | None,
    counts: Mapping[int, float],
    geometry: Geometry,
    n_frames: int,
    locked: frozenset[int],
) -> tuple[ClassLine, ...]:
    """Return the lines of the table.

    Parameters
    ----------
    classes : ClassTable
        Names and colours.
    mixture : Mixture or None
        Class k is the k-th of `classes`; None where nothing is fitted yet.
    counts : mapping of int to float
        Voxels of each label value.
    geometry : Geometry
        Tells the size of a voxel.
    n_frames : int
        Volumes are those of one frame.
    locked : frozenset of int
        Label values of held classes.
    """
    total = max(1.0, sum(counts.get(c.value, 0.0) for c in classes))
    spreads = intensities(mixture) if mixture is not None and mixture.n_classes == len(classes) else [()] * len(classes)
    return tuple(
        ClassLine(
            value=c.value,
            name=c.name,
            colour=c.colour,
            locked=c.value in locked,
            intensities=tuple(spread),
            amount=_amount(counts.get(c.value, 0.0) / n_frames, geometry),
            share=f"{100 * counts.get(c.value, 0.0) / total:.0f} %",
        )
        for c, spread in zip(classes, spreads, strict=True)
    )


def intensities(mixture: Mixture) -> list[list[str]]:
    """Return mean ± standard deviation of each class in each channel.

    Parameters
    ----------
    mixture : Mixture
        One or several Gaussians a class.
    """
    means = mixture.class_means()
    apart = mixture.means - means[mixture.class_of]
    weights = np.bincount(mixture.class_of, mixture.mixing_weights, minlength=len(means))
    shares = mixture.mixing_weights / np.maximum(weights, 1e-300)[mixture.class_of]
    variances = np.zeros_like(means)
    np.add.at(variances, mixture.class_of, shares[:, None] * (mixture.stds**2 + apart**2))
    return [
        [f"{_number(mean)} ± {_number(std)}" for mean, std in zip(row, np.sqrt(spread), strict=True)]
        for row, spread in zip(means, variances, strict=True)
    ]


def _number(value: float) -> str:
    """Return three digits that count, without an exponent where there is room."""
    if value == 0 or 0.01 <= abs(value) < 99_999.5:
        digits = max(0, 2 - int(np.floor(np.log10(abs(value))))) if value else 0
        return f"{value:.{digits}f}".replace("-", "−")
    return f"{value:.1e}".replace("-", "−")


def _amount(n: float, geometry: Geometry) -> str:
    if geometry.unit != "mm":
        return f"{n:,.0f} voxels".replace(",", _THIN_SPACE)
    return f"{n * geometry.voxel_volume_ml:.1f} ml"
