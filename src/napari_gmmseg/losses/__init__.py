"""What the networks are trained on; one file a loss, each with its equation and its paper."""

from napari_gmmseg.losses.averages import mean_over_mask
from napari_gmmseg.losses.blind_spot import hide
from napari_gmmseg.losses.dice import dice
from napari_gmmseg.losses.elbo import elbo
from napari_gmmseg.losses.global_nll import global_nll
from napari_gmmseg.losses.imitation import imitation
from napari_gmmseg.losses.mean_prior import mean_prior
from napari_gmmseg.losses.outlier_region import (
    OutlierRegionLoss,
    outlier_region,
    printed_density_map,
    supervised_outlier_region,
)
from napari_gmmseg.losses.partial_cross_entropy import partial_cross_entropy
from napari_gmmseg.losses.spatially_variant_nll import spatially_variant_nll
from napari_gmmseg.losses.total_variation import total_variation
from napari_gmmseg.mixture.outlier_score import Outliers, find_outliers, outlier_score

__all__ = [
    "OutlierRegionLoss",
    "Outliers",
    "dice",
    "elbo",
    "find_outliers",
    "global_nll",
    "hide",
    "imitation",
    "mean_over_mask",
    "mean_prior",
    "outlier_region",
    "outlier_score",
    "partial_cross_entropy",
    "printed_density_map",
    "spatially_variant_nll",
    "supervised_outlier_region",
    "total_variation",
]
