"""Settings of a fit: bounds, unit, title and tip of each stand here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from napari_gmmseg.config.deep import DeepSettings
from napari_gmmseg.config.outlier import FitOutlierSettings
from napari_gmmseg.config.strict import STRICT

Method = Literal["auto", "gmm", "svgmm", "spatial", "deepg", "deepsvg", "blindspot"]
Covariance = Literal["diagonal", "full"]
CovarianceChoice = Literal["auto", "diagonal", "full"]
Initialisation = Literal["quantiles", "k-means++"]
Means = Literal["free", "anchored", "fixed"]
Bias = Literal["off", "auto", "on"]
Neighbourhood = Literal[6, 26]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class MixtureSettings:
    """How a mixture is fitted, and where it runs."""

    method: Annotated[
        Method,
        Field(
            title="Method",
            description="auto: the method that measured best for this kind of image; gmm: intensities alone; svgmm: "
            "the spatially variant mixture of Schwab et al.; spatial: mixture with a neighbour prior; deepg, deepsvg: "
            "their deep forms, a U-Net trained by the likelihood; blindspot: a U-Net that learns each voxel's prior "
            "from its neighbours.",
        ),
    ] = "auto"
    n_classes: Annotated[
        int, Field(ge=2, le=16, title="Classes K", description="Number of tissue classes inside the mask.")
    ] = 3
    covariance: Annotated[
        CovarianceChoice,
        Field(
            title="Covariance",
            description="diagonal: channels independent within a class; full: correlated. Same for one channel. auto: "
            "full in a mixture with unnamed classes beside the tissues (preset glioma), else diagonal.",
        ),
    ] = "auto"
    gaussians_per_class: Annotated[
        tuple[int, ...],
        Field(title="Gaussians per class", description="One number a class, e.g. 2 1 1; empty: one each."),
    ] = ()
    initialisation: Annotated[
        Initialisation,
        Field(
            title="Start",
            description="quantiles: means at quantiles of the first channel; k-means++: seeded.",
        ),
    ] = "k-means++"
    initial_means: Annotated[
        tuple[tuple[float, ...], ...],
        Field(
            title="Start means",
            description="One tuple of C intensities a Gaussian; empty: found from the image.",
        ),
    ] = ()
    n_starts: Annotated[
        int,
        Field(ge=1, le=50, title="Starts", description="Fits from this many starts; the likeliest is kept."),
    ] = 1
    bias_field: Annotated[
        Bias,
        Field(
            title="Bias field",
            description="Smooth shading that is taken out of each channel before the classes are fitted. auto: where "
            "the image is clearly likelier with it, in what is as large as a head; on: always; off: never.",
        ),
    ] = "auto"
    tolerance: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            title="Tolerance [nat/voxel]",
            description="gmm and svgmm stop when the mean log-likelihood rises by less in one step.",
        ),
    ] = 1e-4
    max_steps: Annotated[
        int | None,
        Field(
            ge=1,
            le=10000,
            title="Steps at most",
            description="Upper bound on EM steps, sweeps, or network steps after the warm-up; empty: as the method "
            "needs.",
        ),
    ] = None
    neighbour_weight: Annotated[
        float | None,
        Field(
            ge=0,
            le=5,
            title="Neighbour weight β",
            description="Pull of a neighbour at 1 mm in the spatial mixture; empty: from the image's noise, and from "
            "how far neighbours agree.",
        ),
    ] = None
    neighbourhood: Annotated[
        Neighbourhood,
        Field(
            title="Neighbours",
            description="Which voxels a voxel asks in the spatial mixture: 6 across its faces, or 26 across faces, "
            "edges and corners, which weigh less; both pull as much in all.",
        ),
    ] = 6
    means: Annotated[
        Means | None,
        Field(
            title="Class means",
            description="In the spatial and the deep mixtures: free, anchored to the start, or fixed; empty: as the "
            "method measured best.",
        ),
    ] = None
    seed: Annotated[int, Field(ge=0, lt=2**63, title="Seed", description="Same seed, same mask.")] = 0
    device: Annotated[
        str,
        Field(
            pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$",
            title="Device",
            description="auto: the graphics card if torch sees one, else the processor.",
        ),
    ] = "auto"
    threads: Annotated[
        int | None,
        Field(ge=1, le=256, title="Threads", description="Processor threads; empty: all cores but one."),
    ] = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FitConfig(FitOutlierSettings, DeepSettings, MixtureSettings):
    """How one case is fitted."""


def recorded_config(values: Mapping[str, Any]) -> FitConfig:
    """Return settings that were recorded; what is younger than the record is as the program did without it.

    Parameters
    ----------
    values : mapping of str to object
        Fields of `FitConfig`.
    """
    return FitConfig(**{"bias_field": "off", **values})
