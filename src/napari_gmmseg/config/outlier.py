"""Settings of the outlier-region loss (Wan et al. 2023), and its windows on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from napari_gmmseg.config.strict import STRICT
from napari_gmmseg.errors import SettingsError

OutlierUnit = Literal["voxels", "mm"]
OutlierMode = Literal["surrounding", "printed"]
#: How much larger the outer window is than the inner one where only one of them was told: 21 to 7 in the paper.
OUTER_TO_INNER = 3


@dataclass(frozen=True, kw_only=True, config=STRICT)
class OutlierSettings:
    """How regions too small to be believed are kept out of what a network learns; without one they change nothing."""

    outlier_weight: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            title="Outlier weight γ",
            description="Pull of islands and holes towards the classes around them, while a network learns; 0: none.",
        ),
    ] = 0.0
    outlier_inner: Annotated[
        int,
        Field(
            ge=1,
            le=101,
            title="Inner window i",
            description="Regions up to this wide are outliers, and lines of half its width; odd, in the outlier unit.",
        ),
    ] = 7
    outlier_outer: Annotated[
        int,
        Field(
            ge=3,
            le=303,
            title="Outer window j",
            description="How far it is looked for more of the same class; odd, larger than i, in the outlier unit.",
        ),
    ] = 21
    outlier_unit: Annotated[
        OutlierUnit,
        Field(
            title="Outlier unit",
            description="Of i and j. voxels: along the finest axis, and the same length along coarser ones; mm: any "
            "whole numbers, rounded to odd voxels.",
        ),
    ] = "voxels"
    outlier_ramp: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            title="Outlier ramp",
            description="Share of the steps before which γ is 0; from there it rises, to its full value half-way on.",
        ),
    ] = 0.5


#: Names of all of them.
OUTLIER_FIELDS = tuple(OutlierSettings.__dataclass_fields__)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FitOutlierSettings(OutlierSettings):
    """The same for a fit without labels, which can also take the paper's formula to the letter."""

    outlier_mode: Annotated[
        OutlierMode,
        Field(
            title="Outlier formula",
            description="surrounding: outliers learn the classes around them; printed: the formula of Wan et al. to "
            "the letter, which makes islands denser; for two classes.",
        ),
    ] = "surrounding"


#: The same of a fit.
FIT_OUTLIER_FIELDS = tuple(FitOutlierSettings.__dataclass_fields__)


def check_outliers(settings: OutlierSettings, n_classes: int) -> None:
    """Refuse settings that contradict each other.

    Parameters
    ----------
    settings : OutlierSettings
        What is asked for.
    n_classes : int
        K.

    Raises
    ------
    SettingsError
        Where windows are even or not within each other, or the printed formula is to know more than two classes.
    """
    if not settings.outlier_weight:
        return
    inner, outer = settings.outlier_inner, settings.outlier_outer
    if inner >= outer:
        raise SettingsError(
            f"The inner window i = {inner} is not smaller than the outer one, j = {outer}.",
            f"Give a j of about {OUTER_TO_INNER} i: for this i, {OUTER_TO_INNER * inner}.",
        )
    if settings.outlier_unit == "voxels" and not (inner % 2 and outer % 2):
        raise SettingsError(
            f"Windows have a voxel in their middle: i and j are odd; seen: {inner} and {outer}.",
            f"Use {inner | 1} and {outer | 1}.",
        )
    printed = isinstance(settings, FitOutlierSettings) and settings.outlier_mode == "printed"
    if printed and n_classes != 2:
        raise SettingsError(
            f"The printed formula knows two classes, and there are {n_classes}.",
            "Use the formula surrounding, or two classes.",
        )


def window_voxels(length: float, spacing: Sequence[float], shape: Sequence[int]) -> tuple[int, ...]:
    """Return the odd number of voxels along each axis that comes nearest to a length; 1 along an axis of one voxel.

    Parameters
    ----------
    length : float
        In the unit of the spacing.
    spacing : sequence of float
        Voxel size along each axis.
    shape : sequence of int
        Voxels along each axis.
    """
    return tuple(
        1 + 2 * max(0, int((length / size - 1) / 2 + 0.5)) if n > 1 else 1
        for size, n in zip(spacing, shape, strict=True)
    )


def windows_on_grid(
    inner: float, outer: float, unit: OutlierUnit, spacing: Sequence[float], shape: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the windows i and j in voxels along each axis of a grid; where both come out the same, j is the next.

    Parameters
    ----------
    inner, outer : float
        i and j.
    unit : "voxels" or "mm"
        Of both; voxels are those of the finest axis.
    spacing : sequence of float
        Voxel size along each axis.
    shape : sequence of int
        Voxels along each axis.
    """
    finest = min((size for size, n in zip(spacing, shape, strict=True) if n > 1), default=1.0)
    scale = finest if unit == "voxels" else 1.0
    windows = tuple(window_voxels(length * scale, spacing, shape) for length in (inner, outer))
    if windows[0] == windows[1]:
        return windows[0], tuple(width + 2 if n > 1 else 1 for width, n in zip(windows[0], shape, strict=True))
    return windows[0], windows[1]
