"""From class memberships to labels."""

from __future__ import annotations

import torch
from torch import Tensor


def label_winners(memberships: Tensor, mask: Tensor) -> Tensor:
    """Return k + 1 of the class of highest membership, 0 outside the mask; ties go to the first class.

    Written as a running maximum over classes: `argmax` over the leading axis takes twenty times as long on a processor.

    Parameters
    ----------
    memberships : Tensor (K, ..., Z, Y, X) float32
        Class memberships.
    mask : Tensor (..., Z, Y, X) bool
        Voxels that are fitted.

    Returns
    -------
    Tensor (..., Z, Y, X) uint8
        0 ... K.
    """
    highest = memberships[0].clone()
    labels = torch.ones(mask.shape, dtype=torch.uint8, device=mask.device)
    for k, row in enumerate(memberships[1:], start=2):
        labels.masked_fill_(row > highest, k)
        torch.maximum(highest, row, out=highest)
    return labels.mul_(mask)
