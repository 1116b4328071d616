"""Gaussians of an image's classes from what a network says of them, and the answer that both give."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_gmmseg.fitting.scribbling.training_cases import TrainingCase
from napari_gmmseg.mixture.neighbours import axis_weights
from napari_gmmseg.mixture.spatial import smoothed
from napari_gmmseg.volumes import Geometry, Mixture

#: Least variance of a class in standardised intensity: a standard deviation of 10 %.
_LEAST_VARIANCE = 1e-2
#: How much a voxel's own intensity counts beside the network's prior.
OWN_INTENSITY = 0.5
#: Least probability of a class in the logarithm of the prior.
_LEAST = 1e-4
#: Pull of one face neighbour at 1 mm, in nat, and mean-field sweeps.
_PULL, _SWEEPS = 1.0, 10


def gaussians_of(case: TrainingCase, memberships: Tensor, counted: Tensor, prior: Mixture | None = None) -> Mixture:
    """Return one Gaussian a class with independent channels, in standardised intensities.

    Parameters
    ----------
    case : TrainingCase
        The image.
    memberships : Tensor (K, *crop), any real kind
        How much each voxel belongs to each class.
    counted : Tensor (*crop) bool
        Voxels that count.
    prior : Mixture or None
        What stands for a class without voxels; None: the whole image's Gaussian.
    """
    weights = memberships[:, counted].double()
    image = case.image[:, counted].double()
    totals = weights.sum(1)
    safe = totals.clamp_min(1e-9)[:, None]
    means = weights @ image.T / safe
    variances = (weights @ image.square().T / safe - means**2).clamp_min(_LEAST_VARIANCE)
    empty = (totals < 1.0).cpu().numpy()
    told, spread = means.cpu().numpy(), variances.cpu().numpy()
    k, c = told.shape
    told[empty], spread[empty] = 0.0, 1.0
    if prior is not None:
        told[empty] = prior.class_means()[empty]
    shares = np.maximum(totals.cpu().numpy(), 1.0)
    return Mixture(shares / shares.sum(), told, spread[:, :, None] * np.eye(c), np.arange(k))


def by_network(
    case: TrainingCase, prior: Tensor, mixture: Mixture | None, geometry: Geometry
) -> tuple[Tensor, Mixture]:
    """Return the answer of a network to an image without strokes, and the classes' Gaussians there.

    The Gaussians of the images before are the start of one EM step with the network's prior: what they and the prior
    say together has the image's own Gaussians, under which each voxel's own intensity then counts in part;
    neighbours are heard last.

    Parameters
    ----------
    case : TrainingCase
        The image.
    prior : Tensor (K, *crop) float32
        What the network says.
    mixture : Mixture or None
        Gaussians of the images before, in standardised intensities.
    geometry : Geometry
        Voxel size.
    """
    before = prior if mixture is None else torch.softmax(_evidence(case, prior, mixture, 1.0), 0).mul_(case.mask)
    found = gaussians_of(case, before, case.counted, mixture)
    z, y, x = (_PULL * weight for weight in axis_weights(geometry.spacing, geometry.unit))
    unknown = torch.full_like(case.labels, -1)
    return smoothed(_evidence(case, prior, found, OWN_INTENSITY), case.mask, unknown, (z, y, x), _SWEEPS), found


def _evidence(case: TrainingCase, prior: Tensor, mixture: Mixture, share: float) -> Tensor:
    densities = case.under(mixture).densities
    assert densities is not None
    evidence: Tensor = prior.clamp_min(_LEAST).log() + share * densities
    return evidence
