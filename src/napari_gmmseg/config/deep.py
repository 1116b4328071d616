"""Settings of the deep mixtures; what is left empty follows from the recipe (`napari_gmmseg.config.recipes`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from napari_gmmseg.config.strict import STRICT

RecipeName = Literal["tuned", "paper", "code"]
View = Literal["auto", "2d", "2.5d", "3d"]
Gradient = Literal["full", "detached"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DeepSettings:
    """How a network is fitted; matters for deepg, deepsvg and blindspot only."""

    recipe: Annotated[
        RecipeName,
        Field(
            title="Recipe",
            description="Where the settings of a deep method that are left empty come from. tuned: start from the "
            "spatial mixture, anchored means; paper: Schwab et al.; code: their published program.",
        ),
    ] = "tuned"
    refine: Annotated[
        bool,
        Field(
            title="Refine",
            description="Whether the method auto refines the spatial mixture by a network where that measured better.",
        ),
    ] = True
    warm_steps: Annotated[
        int | None,
        Field(
            ge=0,
            le=10000,
            title="Warm-up steps",
            description="Steps in which the network learns the spatial mixture's classes, before the likelihood.",
        ),
    ] = None
    learning_rate: Annotated[
        float | None, Field(gt=0, le=1, title="Learning rate", description="Of AdamW, at the start.")
    ] = None
    mean_weight: Annotated[
        float | None,
        Field(
            ge=0,
            le=1e6,
            title="Mean weight λ",
            description="Pull of the class means towards the start: λ times the sum of their squared distances, in "
            "standardised intensity. Needs a gradient through the means.",
        ),
    ] = None
    smoothness: Annotated[
        float | None,
        Field(ge=0, le=100, title="Smoothness", description="Weight of the total variation of the class maps."),
    ] = None
    gradient: Annotated[
        Gradient | None,
        Field(
            title="Gradient",
            description="full: through the class means and variances, as published; detached: these are held while "
            "the network takes its step, as in generalised EM.",
        ),
    ] = None
    hidden_share: Annotated[
        float | None,
        Field(
            gt=0,
            lt=1,
            title="Hidden share",
            description="Share of voxels that the blind-spot network has to predict from their neighbours in a step.",
        ),
    ] = None
    own_intensity: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            title="Own intensity",
            description="How much a voxel's own intensity counts in its label beside the network's prior: 0 = the "
            "prior alone, 1 = Bayes' rule.",
        ),
    ] = None
    view: Annotated[
        View,
        Field(
            title="View",
            description="What the network sees: 2d: one slice; 2.5d: a slice with its neighbours; 3d: patches. auto: "
            "2.5d for volumes with slices near enough to each other, else 2d.",
        ),
    ] = "auto"
    width: Annotated[
        int | None,
        Field(ge=1, le=128, title="Network width", description="Channels of the U-Net's first level, doubled below."),
    ] = None
    depth: Annotated[
        int | None, Field(ge=1, le=6, title="Network depth", description="How often the U-Net halves the image.")
    ] = None
    precision: Annotated[
        Precision,
        Field(
            title="Precision",
            description="Of the network's arithmetic; the likelihood is always computed in float32. auto: bfloat16 "
            "where the processor or card multiplies it faster.",
        ),
    ] = "auto"
