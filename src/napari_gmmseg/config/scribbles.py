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
    reach: Annotated[
        float | None,
        Field(
            gt=0,
            le=1000,
            title="Reach [mm]",
            description="Geodesic distance over which a stroke's say falls to 1/e; empty: from the strokes.",
        ),
    ] = None
    edge_weight: Annotated[
        float,
        Field(
            ge=0,
            le=1000,
            title="Edge weight [mm]",
            description="How many mm a step across the whole range of intensities counts for.",
        ),
    ] = 30.0
    evidence: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            title="Weight of unlabelled voxels",
            description="All unlabelled voxels together against all strokes when Gaussians are estimated.",
        ),
    ] = 1.0
    neighbour_weight: Annotated[
        float,
        Field(ge=0, le=10, title="Neighbour weight β", description="Pull of the face neighbours."),
    ] = 3.0
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
