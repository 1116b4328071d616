"""Settings of what comes before a fit."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field
from pydantic.dataclasses import dataclass

from napari_gmmseg.config.strict import STRICT

MaskMode = Literal["auto", "none", "deepbet", "given"]
#: Words in place of a mask's file.
MaskWord = Literal["auto", "none", "deepbet"]
MASK_WORDS: tuple[str, ...] = get_args(MaskWord)

#: More files than this are several cases, not several channels of one.
MOST_CHANNELS = 4


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Box:
    """A box in voxels of the volume: start (inclusive) and stop (exclusive) along z, y, x."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Disc:
    """A disc in every slice: centre (y, x) and radius in voxels."""

    centre: tuple[float, float]
    radius: Annotated[float, Field(gt=0)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PreparationConfig:
    """Which voxels are fitted, and how intensities are brought to one scale."""

    mask: Annotated[
        MaskMode,
        Field(
            title="Mask",
            description="auto: what is not zero where the background is zero, a brain that is proposed in a whole "
            "head, else the foreground; none: every voxel; deepbet: the brain of a T1-weighted head, by the network "
            "of that name (the extra [brain]); given: the mask handed over.",
        ),
    ] = "auto"
    box: Annotated[Box | None, Field(title="Box", description="Fit inside this box only.")] = None
    disc: Annotated[Disc | None, Field(title="Disc", description="Fit inside this disc only.")] = None
