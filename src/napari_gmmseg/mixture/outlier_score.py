"""Which voxels lie in a region too small to be believed, and which classes surround them (Wan et al. 2023)."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_gmmseg.mixture.window_sums import ClassCounts, PlaneCounts

#: Added to counts in numerator and denominator of the density: `smooth` of the paper, which leaves its value open. The
#: density is cut at 1 here, so that little is enough; with 1, the islands of figure 9 would have .02 less.
SMOOTH = 1e-6
#: Share of the ring that other classes have to hold, for a voxel to be told what surrounds it.
_LEAST_RING = 1e-3

Window = int | Sequence[int]


@dataclass(frozen=True)
class Windows:
    """The inner and the outer box of the score, and what follows from their sizes.

    Parameters
    ----------
    inner, outer : tuple of int
        Odd voxels along each axis; the outer is as large or larger along each, and larger along one.

    Raises
    ------
    ValueError
        Where sizes are even, below 1, or do not lie in each other.
    """

    inner: tuple[int, ...]
    outer: tuple[int, ...]

    def __post_init__(self) -> None:
        inner, outer = self.inner, self.outer
        odd = all(width >= 1 and width % 2 for width in (*inner, *outer))
        nested = len(inner) == len(outer) and all(i <= j for i, j in zip(inner, outer, strict=True))
        if not odd or not nested or inner == outer:
            raise ValueError(f"Windows are odd, and the inner lies within the outer; seen: {inner} and {outer}.")

    @classmethod
    def of(cls, inner: Window, outer: Window, size: Sequence[int]) -> Windows:
        """Return windows for maps of a size: a whole number holds for each axis that has more than one voxel.

        Parameters
        ----------
        inner, outer : int or sequence of int
            Odd voxels, for all axes or for each.
        size : sequence of int
            Voxels of the maps along each axis.

        Raises
        ------
        ValueError
            Where the windows do not fit each other or the number of axes.
        """
        windows = cls(_for_each_axis(inner, size), _for_each_axis(outer, size))
        if len(windows.inner) != len(size):
            raise ValueError(f"One number for each of {len(size)} axes is needed; seen: {inner} and {outer}.")
        return windows

    @property
    def inner_voxels(self) -> int:
        """Voxels of the inner box."""
        return math.prod(self.inner)

    @property
    def ring_voxels(self) -> int:
        """Voxels between the boxes."""
        return math.prod(self.outer) - self.inner_voxels

    @property
    def threshold(self) -> int:
        """Most voxels of a voxel's own class in the ring of an outlier: equation 8, with the ceiling taken upwards.

        The corner voxel of a region as large as the inner box sees ceil(i/2) of it along each axis in its own inner
        box; the rest of the region lies in its ring. (The paper calls Ceil "a round-down operation"; rounded down, more
        of an 8 x 8 or a 9 x 9 region would be flagged.)
        """
        return self.inner_voxels - math.prod((width + 1) // 2 for width in self.inner)

    @property
    def reference(self) -> float:
        """Density of a region that fills the inner box and nothing of the ring."""
        return self.inner_voxels / self.ring_voxels


def _for_each_axis(window: Window, size: Sequence[int]) -> tuple[int, ...]:
    return tuple(window if n > 1 else 1 for n in size) if isinstance(window, int) else tuple(window)


@dataclass(frozen=True)
class Outliers:
    """What lies in too small a region, and what surrounds it; without gradients.

    Parameters
    ----------
    score : Tensor (B, *S) float32
        0 for a voxel that may stay, up to 1 for one that has nothing of its class around it.
    places : Tensor (n,) int64
        Positions of the voxels whose score is above 0, one voxel after the other.
    surround : Tensor (n, K) float32
        Share of each other class in the ring around each of them; sums up to 1.
    """

    score: Tensor
    places: Tensor
    surround: Tensor

    @classmethod
    def of_maps(cls, score: Tensor, surround: Tensor) -> Outliers:
        """Return outliers from maps.

        Parameters
        ----------
        score : Tensor (B, *S) float
            0 ... 1.
        surround : Tensor (B, K, *S) float
            What surrounds each voxel.
        """
        places = score.reshape(-1).nonzero()[:, 0]
        return cls(score, places, surround.movedim(1, -1).flatten(0, -2)[places])


def outlier_score(
    probabilities: Tensor,
    inner: Window,
    outer: Window,
    *,
    mask: Tensor | None = None,
    classes: Collection[int] | None = None,
    smooth: float = SMOOTH,
) -> Tensor:
    """Return how much of an outlier each voxel is: Wan et al. (2023), equations 4 to 11, for K classes, 2-D or 3-D.

    With n voxels of the voxel's own class in the inner box N_i, and g of them in the ring N_j without N_i: the density
    rho = (n + smooth) / (|N_j| - |N_i| - g + smooth) / ref with ref = |N_i| / (|N_j| - |N_i|), at most 1; the score is
    1 - rho where g is at most the threshold of equation 8, and 0 elsewhere. Departures from the paper, which has two
    classes in 2-D: whole counts of the likeliest class instead of soft ones (a background of 5 % already unflags three
    quarters of an island); masks look at the voxel's own colour (equations 9 and 10 are both printed as MaskBlack, and
    the other reading flags the background instead of the islands); what lies beyond the border counts as another class,
    so that islands there have the density that they have elsewhere; the density is divided by that of an island as
    large as the inner box. docs/explanation/outlier.md tells more.

    Parameters
    ----------
    probabilities : Tensor (B, K, *S) float
        Class probabilities; with K = 1 that of a foreground.
    inner, outer : int or sequence of int
        i and j: odd voxels, for all axes (those of one voxel excepted) or for each.
    mask : Tensor (B, *S) bool or None
        Voxels that count; what lies outside belongs to no class. None: all.
    classes : collection of int or None
        Classes 0 ... K - 1 whose voxels may be outliers; None: all.
    smooth : float
        Added above and below.

    Returns
    -------
    Tensor (B, *S) float32
        0 ... 1, without gradient; 0 outside the mask.

    Raises
    ------
    ValueError
        Where windows are even, not within each other, or not one for each axis.
    """
    return find_outliers(probabilities, inner, outer, mask=mask, classes=classes, smooth=smooth).score


def find_outliers(
    probabilities: Tensor,
    inner: Window,
    outer: Window,
    *,
    mask: Tensor | None = None,
    classes: Collection[int] | None = None,
    smooth: float = SMOOTH,
) -> Outliers:
    """Return the score of `outlier_score`, and what surrounds the outliers: each voxel counts for its likeliest class.

    Parameters
    ----------
    probabilities : Tensor (B, K, *S) float
        Class probabilities, or their logarithms; with K = 1 the probability of a foreground.
    inner, outer : int or sequence of int
        i and j: odd voxels, for all axes (those of one voxel excepted) or for each.
    mask : Tensor (B, *S) bool or None
        Voxels that count; None: all.
    classes : collection of int or None
        Classes 0 ... K - 1 whose voxels may be outliers; None: all.
    smooth : float
        Added above and below.

    Raises
    ------
    ValueError
        Where windows are even, not within each other, or not one for each axis.
    """
    with torch.no_grad():
        probabilities = both_classes(probabilities.detach())
        labels, n_classes = likeliest(probabilities, mask), probabilities.shape[1]
        return find_outliers_of_labels(labels, n_classes, inner, outer, classes=classes, smooth=smooth)


def find_outliers_of_labels(
    labels: Tensor,
    n_classes: int,
    inner: Window,
    outer: Window,
    *,
    classes: Collection[int] | None = None,
    smooth: float = SMOOTH,
) -> Outliers:
    """Return the same of labels.

    Parameters
    ----------
    labels : Tensor (B, *S) uint8
        1 ... K, 0 outside the mask.
    n_classes : int
        K.
    inner, outer : int or sequence of int
        i and j: odd voxels, for all axes (those of one voxel excepted) or for each.
    classes : collection of int or None
        Classes 0 ... K - 1 whose voxels may be outliers; None: all.
    smooth : float
        Added above and below.

    Raises
    ------
    ValueError
        Where windows are even, not within each other, or not one for each axis.
    """
    windows = Windows.of(inner, outer, labels.shape[1:])
    return _outliers(ClassCounts(labels, n_classes, windows.outer), labels, n_classes, windows, classes, smooth)


def find_outliers_of_plane(
    counts: PlaneCounts, inner: Sequence[int], outer: Sequence[int], *, classes: Collection[int] | None = None
) -> Outliers:
    """Return the same of one plane of a volume, where it has the score that it has in the volume.

    Parameters
    ----------
    counts : PlaneCounts
        Of the plane.
    inner, outer : sequence of int
        i and j: odd voxels, across the plane first.
    classes : collection of int or None
        Classes 0 ... K - 1 whose voxels may be outliers; None: all.

    Raises
    ------
    ValueError
        Where windows are even, not within each other, or not one for each axis.
    """
    windows = Windows.of(inner, outer, counts.stack_shape)
    counts = counts.for_windows_up_to(windows.outer)
    return _outliers(counts, counts.labels, counts.n_classes, windows, classes, SMOOTH)


def _outliers(
    counts: ClassCounts | PlaneCounts,
    labels: Tensor,
    n_classes: int,
    windows: Windows,
    classes: Collection[int] | None,
    smooth: float,
) -> Outliers:
    inside = counts.within(windows.inner)
    ring = counts.within(windows.outer, last=True).without_(inside)
    flagged = torch.zeros(labels.shape, dtype=torch.bool, device=labels.device)
    for k in range(n_classes) if classes is None else classes:
        flagged |= (ring.of_class(k + 1) <= windows.threshold).logical_and_(labels == k + 1)
    # From here on only voxels count that may be outliers: few, but in noise.
    places = flagged.view(-1).nonzero()[:, 0]
    inside, ring, own = inside.at(places), ring.at(places), labels.reshape(-1)[places]
    values = _score(inside.of_own_class(own), ring.of_own_class(own), windows, smooth)
    surround = torch.stack([ring.of_class(k).to(torch.float32) for k in range(1, n_classes + 1)], 1)
    surround.scatter_(1, own[:, None].long() - 1, 0.0)
    total = surround.sum(1)
    # Where nothing but the voxel's own class and the outside is near, there is no class to go to.
    kept = (values > 0) & (total >= _LEAST_RING * windows.ring_voxels)
    places, values = places[kept], values[kept]
    score = torch.zeros(labels.shape, device=labels.device)
    score.view(-1)[places] = values
    return Outliers(score, places, surround[kept].div_(total[kept][:, None]))


def surrounding_labels(
    labels: Tensor,
    n_classes: int,
    inner: Sequence[int],
    outer: Sequence[int],
    *,
    classes: Collection[int] | None = None,
    slab: int = 24,
) -> tuple[Tensor, Tensor]:
    """Return the score of labels, and the class that there is most of in the ring around each voxel, but its own.

    As `find_outliers_of_labels` has it, slab by slab of the first axis, so that a volume takes little memory.

    Parameters
    ----------
    labels : Tensor (B, *S) uint8
        1 ... K, 0 outside the mask.
    n_classes : int
        K.
    inner, outer : sequence of int
        i and j: odd voxels along each axis.
    classes : collection of int or None
        Classes 0 ... K - 1 whose voxels may be outliers; None: all.
    slab : int
        Slices of the first axis that are worked on at once, besides those that their windows see.

    Returns
    -------
    score : Tensor (B, *S) float32
        0 ... 1.
    around : Tensor (B, *S) uint8
        1 ... K, 0 where the score is 0.

    Raises
    ------
    ValueError
        Where windows are even, not within each other, or not one for each axis.
    """
    score = torch.zeros(labels.shape, device=labels.device)
    around = torch.zeros_like(labels)
    reach, n = outer[0] // 2, labels.shape[1]
    for begin in range(0, n, slab):
        end, low = min(begin + slab, n), max(begin - reach, 0)
        seen = labels[:, low : end + reach]
        found = find_outliers_of_labels(seen, n_classes, inner, outer, classes=classes)
        own = slice(begin - low, end - low)
        score[:, begin:end] = found.score[:, own]
        most = torch.zeros_like(seen, memory_format=torch.contiguous_format)
        most.view(-1)[found.places] = found.surround.argmax(1).add_(1).to(torch.uint8)
        around[:, begin:end] = most[:, own]
    return score, around


def both_classes(probabilities: Tensor) -> Tensor:
    """Return background and foreground where there is only the foreground's probability, else what was given.

    Parameters
    ----------
    probabilities : Tensor (B, K, *S) float
        Class probabilities.
    """
    return torch.cat([1 - probabilities, probabilities], 1) if probabilities.shape[1] == 1 else probabilities


def likeliest(probabilities: Tensor, mask: Tensor | None) -> Tensor:
    """Return k + 1 of the likeliest class, the first of equals; 0 outside the mask; (B, *S) uint8.

    Parameters
    ----------
    probabilities : Tensor (B, K, *S) float
        Class probabilities.
    mask : Tensor (B, *S) bool or None
        Voxels that count; None: all.
    """
    n_classes = probabilities.shape[1]
    labels = (probabilities[:, 1] > probabilities[:, 0]).to(torch.uint8).add_(1)
    highest = torch.maximum(probabilities[:, 0], probabilities[:, 1]) if n_classes > 2 else None
    for k in range(2, n_classes):
        assert highest is not None
        row = probabilities[:, k]
        labels.masked_fill_(row > highest, k + 1)
        if k + 1 < n_classes:
            torch.maximum(highest, row, out=highest)
    return labels if mask is None else labels.mul_(mask)


def _score(n: Tensor, ring: Tensor, windows: Windows, smooth: float) -> Tensor:
    """Return the score of voxels that have n of their own class in the inner box, and so many in the ring."""
    others = windows.ring_voxels + smooth - ring.to(torch.float32)
    density = (n.to(torch.float32) + smooth).div_(others.mul_(windows.reference))
    return density.neg_().add_(1).clamp_min_(0)
