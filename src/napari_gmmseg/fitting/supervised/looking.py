"""A network's answer to whole cases, slice by slice."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.fitting.supervised.slices import SlicedCase, collate
from napari_gmmseg.networks import DeepLab

#: Slices predicted at once.
_AT_ONCE = 8


def probabilities_of(network: DeepLab, case: SlicedCase, device: torch.device) -> NDArray[np.float32]:
    """Return the class probabilities of a case.

    Parameters
    ----------
    network : DeepLab
        In prediction mode.
    case : SlicedCase
        With or without labels.
    device : torch.device
        Where the network is.

    Returns
    -------
    ndarray (K, Z, Y, X) float32
        Background first; sums to 1.
    """
    parts: list[Tensor] = []
    with torch.inference_mode():
        for start in range(0, case.n_slices, _AT_ONCE):
            chosen = range(start, min(start + _AT_ONCE, case.n_slices))
            batch = collate([(case.image(z), case.target(z), case.foreground[z], case.numbers(z)) for z in chosen])
            logits = network(batch.images.to(device), batch.attributes.to(device))
            parts.append(logits.float().softmax(1).cpu())
    found: NDArray[np.float32] = torch.cat(parts).transpose(0, 1).contiguous().numpy()
    return found


def mean_dice(answer: NDArray[np.intp], truth: NDArray[np.int16], n_classes: int) -> float:
    """Return the mean Dice of the classes after background; 1 for one that is in neither.

    Parameters
    ----------
    answer, truth : ndarray (Z, Y, X) integer
        Classes, 0 background.
    n_classes : int
        K, background included.
    """
    found = []
    for k in range(1, n_classes):
        first, second = answer == k, truth == k
        total = int(first.sum()) + int(second.sum())
        found.append(2.0 * int((first & second).sum()) / total if total else 1.0)
    return float(np.mean(found))
