"""What EM can be asked: shapes, counts and ranges, refused with a sentence."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.volumes import Mixture


def check_samples(
    samples: Tensor,
    n_gaussians: int,
    *,
    weights: Tensor | None = None,
    class_priors: Tensor | None = None,
    fixed_labels: Tensor | None = None,
) -> None:
    """Refuse samples that no mixture of this size fits.

    Parameters
    ----------
    samples : Tensor (C, N)
        Intensities.
    n_gaussians : int
        Number of Gaussians G.
    weights : Tensor (N,), optional
        How often each voxel counts.
    class_priors : Tensor (N, K), optional
        Prior probability of each class.
    fixed_labels : Tensor (N,), optional
        Known class k, or -1.

    Raises
    ------
    SettingsError
        If shapes do not fit, weights are negative, fixed labels are below -1, or there are fewer voxels than Gaussians.
    """
    if samples.ndim != 2:
        raise SettingsError(f"Samples of shape {tuple(samples.shape)} were given.", "Give channels by voxels, (C, N).")
    n = samples.shape[1]
    if n < n_gaussians:
        raise SettingsError(
            f"There are {n} voxels for {n_gaussians} Gaussians.", "Enlarge the mask, or ask for fewer classes."
        )
    for name, extra in (("weights", weights), ("class priors", class_priors), ("fixed labels", fixed_labels)):
        if extra is not None and extra.shape[0] != n:
            raise SettingsError(f"There are {extra.shape[0]} {name} for {n} voxels.", "Give one for each voxel.")
    if weights is not None and bool((weights < 0).any()):
        raise SettingsError("Some weights are negative.", "Give weights of at least 0.")
    if fixed_labels is not None and (fixed_labels.is_floating_point() or fixed_labels.dtype == torch.bool):
        raise SettingsError(f"The fixed labels are of kind {fixed_labels.dtype}.", "Give integers, -1 where unknown.")
    if fixed_labels is not None and int(fixed_labels.min()) < -1:
        raise SettingsError(f"A fixed label is {int(fixed_labels.min())}.", "Give -1 where the class is unknown.")


def check_start(
    start: Mixture, samples: Tensor, *, class_priors: Tensor | None = None, fixed_labels: Tensor | None = None
) -> None:
    """Refuse a start that does not fit the samples.

    Parameters
    ----------
    start : Mixture
        Where EM is to begin.
    samples : Tensor (C, N)
        Intensities.
    class_priors : Tensor (N, K), optional
        Prior probability of each class.
    fixed_labels : Tensor (N,), optional
        Known class k, or -1.

    Raises
    ------
    SettingsError
        If channels or classes do not fit.
    """
    if start.n_channels != samples.shape[0]:
        raise SettingsError(
            f"The start has {start.n_channels} channels and the image {samples.shape[0]}.",
            "Give one mean for each channel.",
        )
    k = start.n_classes
    if class_priors is not None and class_priors.shape[1] != k:
        raise SettingsError(f"There are priors for {class_priors.shape[1]} classes of {k}.", "Give one for each class.")
    check_fixed_labels(fixed_labels, k)


def check_fixed_labels(fixed_labels: Tensor | None, n_classes: int) -> None:
    """Refuse fixed labels of classes that are not fitted.

    Parameters
    ----------
    fixed_labels : Tensor (N,) integer or None
        Known class k, or -1.
    n_classes : int
        Number of classes K.

    Raises
    ------
    SettingsError
        If a label is K or more.
    """
    if fixed_labels is not None and int(fixed_labels.max()) >= n_classes:
        raise SettingsError(
            f"A voxel is fixed to class {int(fixed_labels.max())} of {n_classes}.",
            f"Number classes from 0 to {n_classes - 1}.",
        )
