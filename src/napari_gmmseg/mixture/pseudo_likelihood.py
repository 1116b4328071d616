"""How strongly neighbours agree in an image: the neighbour weight of greatest pseudo-likelihood."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_gmmseg.mixture.neighbours import AxisWeights, neighbour_weights

#: At least so many voxels are asked where there are as many, and less than twice: one number is estimated.
SAMPLES = 60_000
#: Most pull of a nearest neighbour, in nat: above it mean field freezes.
MOST_PULL = 2.0
#: Newton steps, and how far one may go, in nat of a nearest neighbour.
_STEPS = 2
_LONGEST = 0.5


class Agreement:
    """Estimates the neighbour weight that makes memberships likeliest, each voxel given its neighbours.

    sum over x, k of w_k(x) log softmax_k(tau log pi_k + beta n_k(x)), n = neighbour_sum(w), is Besag's (1975)
    pseudo-likelihood with memberships in place of labels; it is concave in beta, and a few Newton steps on voxels all
    over the mask find its top. Departures: memberships are soft, so that an unsure voxel counts less; a step has a
    longest length; beta stays between 0 and `MOST_PULL` for a nearest neighbour.

    Parameters
    ----------
    mask : Tensor (..., Z, Y, X) bool
        Voxels that count.
    weights : (wz, wy, wx)
        From `axis_weights`.
    n_neighbours : int
        6 or 26.
    """

    def __init__(self, mask: Tensor, weights: AxisWeights, n_neighbours: int = 6) -> None:
        sizes = (int(mask.shape[-3]), int(mask.shape[-2]), int(mask.shape[-1]))
        offsets = neighbour_weights(weights, sizes, n_neighbours)
        self._nearest = max(offsets.values(), default=0.0)
        inside = mask.flatten().nonzero()[:, 0]
        self._places = inside[:: max(1, len(inside) // SAMPLES)]
        #: For each neighbour where it is, and its weight, 0 outside the image.
        self._others = [self._other(shifts, weight, sizes) for shifts, weight in offsets.items()]

    def _other(self, shifts: tuple[int, int, int], weight: float, sizes: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
        rows = self._places // sizes[2]
        places = rows // sizes[1] % sizes[0], rows % sizes[1], self._places % sizes[2]
        there = torch.ones_like(rows, dtype=torch.bool)
        for place, shift, size in zip(places, shifts, sizes, strict=True):
            there &= (place + shift >= 0) & (place + shift < size)
        step = (shifts[0] * sizes[1] + shifts[1]) * sizes[2] + shifts[2]
        return torch.where(there, self._places + step, 0), weight * there.to(torch.float32)

    def __call__(self, memberships: Tensor, log_shares: Tensor, start: float) -> float:
        """Return the weight of greatest pseudo-likelihood.

        Parameters
        ----------
        memberships : Tensor (K, ..., Z, Y, X) float32
            Class memberships w, 0 outside the mask.
        log_shares : Tensor (K,) float64
            tau log pi of each class.
        start : float
            A weight to begin with; returned where there are no neighbours.
        """
        if not self._nearest or not len(self._places):
            return start
        flat = memberships.flatten(1)
        own, around = flat[:, self._places], self._around(flat).div_(self._nearest)
        log_shares = log_shares.to(own)[:, None]
        pull = start * self._nearest
        for _ in range(_STEPS):
            prior = torch.softmax(log_shares + pull * around, 0)
            mean = (prior * around).sum(0)
            slope = _total((own - prior).mul_(around))
            curvature = _total(prior.mul_(around.square())) - _total(mean.square_())
            step = min(max(slope / max(curvature, 1e-9), -_LONGEST), _LONGEST)
            pull = min(max(pull + step, 0.0), MOST_PULL)
        return pull / self._nearest

    def _around(self, flat: Tensor) -> Tensor:
        """Return the sums over the neighbours (K, n) of the voxels that are asked."""
        around = torch.zeros((len(flat), len(self._places)), dtype=torch.float32, device=flat.device)
        for other, weights in self._others:
            for row, sums in zip(flat, around, strict=True):
                sums.addcmul_(row.index_select(0, other), weights)
        return around


def _total(values: Tensor) -> float:
    """Return a sum in float64, which Apple's card has not."""
    return float(values.cpu().sum(dtype=torch.float64))
