"""Settings of an answer from scribbles: bounds, unit, title and tip of each stand here and nowhere else."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from napari_gmmseg.config.strict import STRICT


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ScribbleConfig:
    """How strokes become a segmentation at once."""

    object_gaussians: Annotated[
        int,
        Field(ge=1, le=8, title="Gaussians per class", description="At most; a class of few voxels has fewer."),
    ] = 2
    background_gaussians: Annotated[
        int,
        Field(ge=1, le=8, title="Gaussians of the background", description="At most; it holds all sorts of tissue."),
    ] = 4
    edge_sharpness: Annotated[
        float,
        Field(
            ge=0,
            le=100_000,
            title="Edge sharpness",
            description="How steeply a random walk avoids a step in intensity, as a share of their range.",
        ),
    ] = 200.0
    edge_weight: Annotated[
        float,
        Field(
            ge=0,
            le=1000,
            title="Edge weight [mm]",
            description="How many mm of geodesic distance a step across the whole range of intensities counts for.",
        ),
    ] = 30.0
    spatial_weight: Annotated[
        float | None,
        Field(
            ge=0,
            le=10,
            title="Weight of place",
            description="Power of the random walk's probabilities; empty: less where no class is background.",
        ),
    ] = None
    intensity_weight: Annotated[
        float | None,
        Field(
            ge=0,
            le=10,
            title="Weight of intensities",
            description="Power of the strokes' mixture; empty: less against a background, and with more strokes.",
        ),
    ] = None
    evidence: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            title="Weight of unlabelled voxels",
            description="All unlabelled voxels together against all strokes when Gaussians are estimated.",
        ),
    ] = 0.02
    neighbour_weight: Annotated[
        float | None,
        Field(
            ge=0,
            le=10,
            title="Neighbour weight β",
            description="Pull of the face neighbours; empty: less where no class is background.",
        ),
    ] = None
    sweeps: Annotated[int, Field(ge=0, le=100, title="Sweeps", description="Mean-field sweeps.")] = 10
    extension: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            title="Extension [mm]",
            description="How far, in geodesic distance, a stroke outside the mask extends it.",
        ),
    ] = 10.0
    seed: Annotated[int, Field(ge=0, lt=2**63, title="Seed", description="Same seed, same mask.")] = 0
    threads: Annotated[
        int | None,
        Field(ge=1, le=256, title="Threads", description="Processor threads; empty: all cores but one."),
    ] = None
