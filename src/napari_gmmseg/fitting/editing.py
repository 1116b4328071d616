"""The answer under Gaussians that a person has moved, without another fit."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.mixture.densities import class_log_densities
from napari_gmmseg.mixture.labelling import label_winners
from napari_gmmseg.volumes import Mixture, Segmentation, Volume

#: Least probability that a class had: one that a person moves can win voxels where it had none.
_LEAST = 1e-4


def edited_probabilities(
    volume: Volume, segmentation: Segmentation, mixture: Mixture, *, plane: tuple[int | slice, ...] = ()
) -> NDArray[np.float32]:
    """Return the class probabilities that a result would have with other Gaussians.

    p'_k(x) is proportional to p_k(x) N(I(x); edited k) / N(I(x); fitted k): what the spatial prior or the network said
    of the voxel stays, and the likelihood is exchanged. With the fitted Gaussians it is the result itself.

    Parameters
    ----------
    volume : Volume
        The image.
    segmentation : Segmentation
        The result.
    mixture : Mixture
        Edited parameters in the image's own unit, classes as in the result.
    plane : tuple of int or slice
        Index into the grid, such as (z,) for one slice; () for all of it.

    Returns
    -------
    ndarray (K, *plane) float32
        0 outside the mask.
    """
    answer, _ = _edited(volume, segmentation, mixture, plane)
    result: NDArray[np.float32] = answer.numpy()
    return result


def edited_labels(
    volume: Volume, segmentation: Segmentation, mixture: Mixture, *, plane: tuple[int | slice, ...] = ()
) -> NDArray[np.uint8]:
    """Return the label values that a result would have with other Gaussians; see `edited_probabilities`.

    Parameters
    ----------
    volume : Volume
        The image.
    segmentation : Segmentation
        The result.
    mixture : Mixture
        Edited parameters in the image's own unit, classes as in the result.
    plane : tuple of int or slice
        Index into the grid, such as (z,) for one slice; () for all of it.

    Returns
    -------
    ndarray (*plane) uint8
        0 outside the mask.
    """
    answer, inside = _edited(volume, segmentation, mixture, plane)
    values = np.array([0, *(c.value for c in segmentation.label_map.classes)], dtype=np.uint8)
    result: NDArray[np.uint8] = values[label_winners(answer, inside).numpy()]
    return result


def _edited(
    volume: Volume, segmentation: Segmentation, mixture: Mixture, plane: tuple[int | slice, ...]
) -> tuple[Tensor, Tensor]:
    index = (slice(None), *plane)
    inside = torch.from_numpy(np.array(segmentation.mask[plane]))
    old = torch.from_numpy(np.array(segmentation.probabilities[index], dtype=np.float32))
    samples = torch.from_numpy(np.array(segmentation.intensities(volume, plane)))[:, inside]
    logits = old[:, inside].clamp_min(_LEAST).log()
    # The difference first: where nothing was edited it is 0 to the last bit, and the labels stay.
    logits += class_log_densities(mixture, samples) - class_log_densities(segmentation.mixture, samples)
    answer = torch.zeros_like(old)
    answer[:, inside] = torch.softmax(logits, 0)
    return answer, inside
