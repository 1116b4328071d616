"""What the networks are trained on; one file a loss, each with its equation and its paper."""

from napari_gmmseg.losses.averages import mean_over_mask
from napari_gmmseg.losses.blind_spot import hide
from napari_gmmseg.losses.elbo import elbo
from napari_gmmseg.losses.global_nll import global_nll
from napari_gmmseg.losses.imitation import imitation
from napari_gmmseg.losses.mean_prior import mean_prior
from napari_gmmseg.losses.partial_cross_entropy import partial_cross_entropy
from napari_gmmseg.losses.spatially_variant_nll import spatially_variant_nll
from napari_gmmseg.losses.total_variation import total_variation

__all__ = [
    "elbo",
    "global_nll",
    "hide",
    "imitation",
    "mean_over_mask",
    "mean_prior",
    "partial_cross_entropy",
    "spatially_variant_nll",
    "total_variation",
]
