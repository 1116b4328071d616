"""Random walks from every voxel: the probability to meet each class's strokes first."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Conductance that is left across any edge, so that systems stay solvable in float32.
LEAST_CONDUCTANCE = 1e-5
#: Pull of every voxel towards "any class alike"; it decides only where no path leads to a stroke.
PULL = 1e-7
TOLERANCE = 5e-4
MOST_STEPS = 60
DAMPING = 0.8
#: Grids of fewer nodes are not coarsened further.
COARSEST = 32


@dataclass(frozen=True)
class Level:
    """A graph Laplacian on a grid: edges to the next voxel along each axis, and what is added to the diagonal.

    Parameters
    ----------
    edges : tuple of (Tensor or None)
        For each of the three last axes the conductance between a voxel and its next, one shorter along that axis;
        None where the axis has one voxel.
    extra : Tensor (*grid) float32
        Conductance to what is held: strokes, and the pull.
    inverse : Tensor (*grid) float32
        One over the diagonal; 0 where a voxel takes no part.
    """

    edges: tuple[Tensor | None, ...]
    extra: Tensor
    inverse: Tensor


def conductances(
    image: Tensor, mask: Tensor, spacing: tuple[float, float, float], edge_sharpness: float
) -> tuple[Tensor | None, ...]:
    """Return the conductance of each edge: exp(-edge_sharpness d^2) / h^2, 0 across the mask's border.

    Grady (2006), eq. 1, with d^2 the mean squared difference over channels and h the edge's length in units of the
    shortest, so that a thick slice is farther away than a neighbour in the plane.

    Parameters
    ----------
    image : Tensor (C, *grid) float32
        Intensities on a scale of 0 to 1.
    mask : Tensor (*grid) bool
        Voxels that walks may visit.
    spacing : (dz, dy, dx)
        In any unit of length.
    edge_sharpness : float
        beta.
    """
    shortest = min(h for h, n in zip(spacing, mask.shape[-3:], strict=True) if n > 1 or max(mask.shape[-3:]) == 1)
    edges: list[Tensor | None] = []
    for axis, length in zip((-3, -2, -1), spacing, strict=True):
        n = mask.shape[axis]
        if n < 2:
            edges.append(None)
            continue
        difference = torch.diff(image, dim=axis).square_().mean(0)
        weight = torch.exp_(difference.mul_(-edge_sharpness)).clamp_min_(LEAST_CONDUCTANCE)
        both = mask.narrow(axis, 0, n - 1) & mask.narrow(axis, 1, n - 1)
        edges.append(weight.mul_((shortest / length) ** 2).mul_(both))
    return tuple(edges)


def first_met(
    edges: tuple[Tensor | None, ...], mask: Tensor, classes: Tensor, n_classes: int, links: Tensor | None = None
) -> Tensor:
    """Return the probability (K, *grid) float32 that a random walk from a voxel meets each class's strokes first.

    Grady (2006), eq. 9: L_u x = -B^T m for each class, by conjugate gradients with a multigrid cycle over blocks of two
    as preconditioner. Where no path leads to any stroke all classes are alike; outside the mask, 0.

    Parameters
    ----------
    edges : tuple of (Tensor or None)
        From `conductances`.
    mask : Tensor (*grid) bool
        Voxels that walks may visit.
    classes : Tensor (*grid) integer
        Class k of a voxel on a stroke; negative where there is none.
    n_classes : int
        Number of classes K.
    links : Tensor (K, *grid) float32 or None
        Conductance from a voxel to strokes of each class that lie elsewhere, such as in another slice.
    """
    held = (classes >= 0) & mask
    free = mask & ~held
    inside = free.to(torch.float32)
    # The last class is what is left: probabilities sum to 1.
    known = torch.stack([((classes == k) & held).to(torch.float32) for k in range(n_classes - 1)])
    right = _neighbours(edges, known)
    away = torch.zeros_like(inside)
    if links is not None:
        right, away = right.add_(links[:-1]), links.sum(0)
    top = _top_level(edges, free, held, away)
    # Solved for what differs from "any class alike": nothing does where no path leads.
    alike = 1.0 / n_classes
    right.sub_(alike * (top.extra - PULL)).mul_(inside)
    levels = [top]
    while levels[-1].extra.shape[-3:].numel() > COARSEST and max(levels[-1].extra.shape[-3:]) > 2:
        levels.append(_coarser(levels[-1]))
    found = (_solve(levels, right, inside) + alike * inside).add_(known)
    found.clamp_(0.0, 1.0)
    last = (1.0 - found.sum(0, keepdim=True)).clamp_min_(0.0)
    return torch.cat([found, last]).mul_(mask)


def _neighbours(edges: tuple[Tensor | None, ...], x: Tensor, out: Tensor | None = None) -> Tensor:
    """Return the sum over neighbours of conductance times x (..., *grid)."""
    out = torch.zeros_like(x) if out is None else out.zero_()
    for axis, edge in zip((-3, -2, -1), edges, strict=True):
        if edge is not None:
            n = x.shape[axis]
            out.narrow(axis, 1, n - 1).addcmul_(x.narrow(axis, 0, n - 1), edge)
            out.narrow(axis, 0, n - 1).addcmul_(x.narrow(axis, 1, n - 1), edge)
    return out


def _degrees(edges: tuple[Tensor | None, ...], like: Tensor) -> Tensor:
    return _neighbours(edges, torch.ones_like(like))


def _top_level(edges: tuple[Tensor | None, ...], free: Tensor, held: Tensor, away: Tensor) -> Level:
    """Return the Laplacian among free voxels; edges to strokes go to the diagonal."""
    inner: list[Tensor | None] = []
    for axis, edge in zip((-3, -2, -1), edges, strict=True):
        if edge is None:
            inner.append(None)
            continue
        n = free.shape[axis]
        inner.append(edge * (free.narrow(axis, 0, n - 1) & free.narrow(axis, 1, n - 1)))
    extra = _neighbours(edges, held.to(torch.float32)).add_(away).add_(PULL).mul_(free)
    return _level(tuple(inner), extra)


def _level(edges: tuple[Tensor | None, ...], extra: Tensor) -> Level:
    diagonal = _degrees(edges, extra).add_(extra)
    return Level(edges, extra, torch.where(diagonal > 0, 1.0 / diagonal, torch.zeros(())))


def _coarser(level: Level) -> Level:
    """Return the Laplacian between blocks of two along each axis (Galerkin, constant within blocks)."""
    edges: list[Tensor | None] = []
    for axis, edge in zip((-3, -2, -1), level.edges, strict=True):
        n = level.extra.shape[axis]
        if edge is None or n < 3:
            edges.append(None)
            continue
        crossing = edge.narrow(axis, 1, n - 2).index_select(axis, torch.arange(0, n - 2, 2))
        edges.append(_block_sums(crossing, keep=axis))
    return _level(tuple(edges), _block_sums(level.extra))


def _block_sums(x: Tensor, keep: int | None = None) -> Tensor:
    """Return sums over blocks of two along the last three axes, except the one to keep."""
    for axis in (-3, -2, -1):
        n = x.shape[axis]
        if axis == keep or n < 2:
            continue
        even, odd = x.index_select(axis, torch.arange(0, n, 2)), x.index_select(axis, torch.arange(1, n, 2))
        even.narrow(axis, 0, n // 2).add_(odd)
        x = even
    return x


def _spread(x: Tensor, shape: torch.Size) -> Tensor:
    """Return the inverse of blocks: each voxel's value is its block's."""
    for axis in (-3, -2, -1):
        if x.shape[axis] != shape[axis]:
            x = x.repeat_interleave(2, axis).narrow(axis, 0, shape[axis])
    return x


def _times(level: Level, x: Tensor) -> Tensor:
    """Return the Laplacian times x."""
    diagonal = torch.where(level.inverse > 0, 1.0 / level.inverse, torch.zeros(()))
    return diagonal * x - _neighbours(level.edges, x)


def _cycle(levels: list[Level], right: Tensor) -> Tensor:
    """Return about the solution of the first level's system: a V-cycle with one damped Jacobi step on either side."""
    level = levels[0]
    x = right * level.inverse * DAMPING
    if len(levels) == 1:
        for _ in range(8):
            x += (right - _times(level, x)) * level.inverse * DAMPING
        return x
    rest = right - _times(level, x)
    x = x + _spread(_cycle(levels[1:], _block_sums(rest)), right.shape) * (level.inverse > 0)
    return x.add_((right - _times(level, x)) * level.inverse, alpha=DAMPING)


def _solve(levels: list[Level], right: Tensor, inside: Tensor) -> Tensor:
    """Return x of the first level's system, by preconditioned conjugate gradients, every right side for itself."""
    sums = tuple(range(1, right.ndim))
    x = _cycle(levels, right) * inside
    rest = right - _times(levels[0], x)
    goal = TOLERANCE * right.square().sum(sums).sqrt()
    direction = torch.zeros_like(x)
    before = torch.ones(len(x))
    for step in range(MOST_STEPS):
        if bool((rest.square().sum(sums).sqrt() <= goal).all()):
            break
        ready = _cycle(levels, rest) * inside
        now = (rest * ready).sum(sums)
        turn = now / before if step else torch.zeros(len(x))
        direction = ready + direction * _wide(turn, x)
        moved = _times(levels[0], direction)
        # A system that is solved to the last digit has no direction left.
        length = now / (direction * moved).sum(sums).clamp_min(1e-30)
        x = x + direction * _wide(length, x)
        rest = rest - moved * _wide(length, x)
        before = now.clamp_min(1e-30)
    return x


def _wide(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *(1,) * (like.ndim - 1))
