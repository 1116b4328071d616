"""A cropped case as the pieces that a network sees one batch at a time: slices, or patches of a volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Protocol

import torch
from torch import Tensor

from napari_gmmseg.config.deep import View
from napari_gmmseg.config.slicing import PATCH, neighbours_seen, slice_axis

#: Voxels at the rim of a 3-D patch, which are predicted but not used.
_RIM = 8
#: A slice with less than this share of the fullest one's mask is predicted, but not trained on.
_EMPTIEST = 0.05


class Stack(Protocol):
    """The pieces of a case."""

    n_dims: int
    #: How often the channels of one map appear in a network's input: once, or once a neighbouring slice.
    n_looks: int
    #: Whether its pieces are slices of the volume's Z axis.
    shows_slices: bool
    #: How near neighbours along each axis of a piece are: finest spacing / spacing.
    nearness: tuple[float, ...]

    @property
    def n_pieces(self) -> int:
        """Number of pieces that hold voxels of the mask."""

    @property
    def trained(self) -> Tensor:
        """Numbers of the pieces that are worth training on; (n,) int64 on the CPU."""

    def gather(self, maps: Tensor, pieces: Sequence[int]) -> Tensor:
        """Return these pieces of maps (M, *crop) as (B, M, *S).

        Parameters
        ----------
        maps : Tensor (M, *crop)
            Any maps.
        pieces : sequence of int
            Their numbers.
        """

    def look(self, maps: Tensor, pieces: Sequence[int]) -> Tensor:
        """Return what a network sees of maps (M, *crop): (B, n_looks * M, *S), the piece itself first.

        Parameters
        ----------
        maps : Tensor (M, *crop)
            Any maps.
        pieces : sequence of int
            Their numbers.
        """

    def put(self, maps: Tensor, pieces: Sequence[int], values: Tensor) -> None:
        """Add values (B, M, *S) to maps (M, *crop), in place.

        Parameters
        ----------
        maps : Tensor (M, *crop)
            Changed in place.
        pieces : sequence of int
            Their numbers.
        values : Tensor (B, M, *S)
            What is added.
        """

    def piece_of_slice(self, z: int) -> int | None:
        """Return the piece that shows this slice of the crop's Z axis; None where none is one slice.

        Parameters
        ----------
        z : int
            Position on the crop's Z axis.
        """


def make_stack(mask: Tensor, spacing: tuple[float, float, float], view: View) -> Stack:
    """Cut a crop into pieces.

    Parameters
    ----------
    mask : Tensor ([T,] Z, Y, X) bool
        Voxels that are fitted.
    spacing : (dz, dy, dx)
        Voxel size, which tells along which axis to slice.
    view : "auto", "2d", "2.5d" or "3d"
        What the network shall see.
    """
    shape = mask.shape[-3:]
    if view == "3d" and min(shape) > 1:
        return PatchStack(mask, spacing)
    axis = slice_axis(shape, spacing)
    neighbours = neighbours_seen(shape, spacing, view, axis)
    return SliceStack(mask, axis - 3, neighbours=neighbours, spacing=spacing)


@dataclass(frozen=True)
class _Slice:
    frame: int
    index: int


class SliceStack:
    """Slices along one axis, each with its neighbours where these are wanted.

    Parameters
    ----------
    mask : Tensor ([T,] Z, Y, X) bool
        Voxels that are fitted.
    axis : int
        -3, -2 or -1: the axis that is sliced.
    neighbours : int
        Slices on each side that a network sees, too.
    spacing : (dz, dy, dx)
        Voxel size.
    """

    n_dims = 2

    def __init__(
        self, mask: Tensor, axis: int, *, neighbours: int = 0, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ) -> None:
        #: The axis that is sliced, -3, -2 or -1.
        self.axis = axis
        self.shows_slices = axis == -3
        self.nearness = _nearness([size for a, size in enumerate(spacing) if a != axis % 3])
        self._n = mask.shape[axis]
        self._offsets = (0, *(sign * o for o in range(1, neighbours + 1) for sign in (-1, 1)))
        self.n_looks = len(self._offsets)
        frames = mask if mask.ndim == 4 else mask[None]
        counts = frames.movedim(axis, 1).flatten(2).sum(2).cpu()
        filled = counts.nonzero().tolist()
        self._pieces = [_Slice(t, i) for t, i in filled]
        sizes = torch.tensor([int(counts[t, i]) for t, i in filled])
        self.trained = (sizes >= _EMPTIEST * sizes.max()).nonzero()[:, 0]

    @property
    def n_pieces(self) -> int:
        """Number of slices that hold voxels of the mask."""
        return len(self._pieces)

    def _plane(self, maps: Tensor, frame: int, index: int) -> Tensor:
        chosen = maps[:, frame] if maps.ndim == 5 else maps
        return chosen.select(self.axis, index)

    def gather(self, maps: Tensor, pieces: Sequence[int]) -> Tensor:
        """Return slices (B, M, A, B) of maps.

        Parameters
        ----------
        maps : Tensor (M, [T,] Z, Y, X)
            Any maps.
        pieces : sequence of int
            Their numbers.
        """
        return torch.stack([self._plane(maps, self._pieces[p].frame, self._pieces[p].index) for p in pieces])

    def look(self, maps: Tensor, pieces: Sequence[int]) -> Tensor:
        """Return slices with their neighbours (B, n_looks * M, A, B); beyond the crop there is 0.

        Parameters
        ----------
        maps : Tensor (M, [T,] Z, Y, X)
            Any maps.
        pieces : sequence of int
            Their numbers.
        """
        seen = []
        for p in pieces:
            here = self._pieces[p]
            planes = []
            for offset in self._offsets:
                index = here.index + offset
                inside = 0 <= index < self._n
                plane = self._plane(maps, here.frame, index if inside else here.index)
                planes.append(plane if inside else torch.zeros_like(plane))
            seen.append(torch.cat(planes))
        return torch.stack(seen)

    def holding(self, marked: Tensor) -> list[int]:
        """Return the numbers of the slices with a marked voxel.

        Parameters
        ----------
        marked : Tensor ([T,] Z, Y, X) bool
            Some voxels.
        """
        return [p for p in range(self.n_pieces) if bool(self.gather(marked[None], [p]).any())]

    def put(self, maps: Tensor, pieces: Sequence[int], values: Tensor) -> None:
        """Add slices to maps, in place.

        Parameters
        ----------
        maps : Tensor (M, [T,] Z, Y, X)
            Changed in place.
        pieces : sequence of int
            Their numbers.
        values : Tensor (B, M, A, B)
            What is added.
        """
        for p, value in zip(pieces, values, strict=True):
            self._plane(maps, self._pieces[p].frame, self._pieces[p].index).add_(value)

    def piece_of_slice(self, z: int) -> int | None:
        """Return the slice's number; None where the volume is sliced along another axis, or the slice is empty.

        Parameters
        ----------
        z : int
            Position on the crop's Z axis.
        """
        return next(iter(self.pieces_of_slice(z)), None)

    def pieces_of_slice(self, z: int) -> list[int]:
        """Return the slice's number in each frame; none where the volume is sliced along another axis.

        Parameters
        ----------
        z : int
            Position on the crop's Z axis.
        """
        return [p for p, piece in enumerate(self._pieces) if piece.index == z] if self.shows_slices else []


class PatchStack:
    """Overlapping 3-D patches.

    Parameters
    ----------
    mask : Tensor ([T,] Z, Y, X) bool
        Voxels that are fitted.
    spacing : (dz, dy, dx)
        Voxel size.
    """

    n_dims = 3
    n_looks = 1
    shows_slices = False

    def __init__(self, mask: Tensor, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> None:
        self.nearness = _nearness(spacing)
        frames = mask if mask.ndim == 4 else mask[None]
        self._pieces: list[tuple[int, tuple[slice, ...], tuple[slice, ...]]] = []
        along = [_tiles(n) for n in frames.shape[-3:]]
        sizes = []
        for t in range(len(frames)):
            for tiles in product(*along):
                patch = tuple(tile for tile, _ in tiles)
                core = tuple(core for _, core in tiles)
                inside = int(frames[t][patch][core].sum())
                if inside:
                    self._pieces.append((t, patch, core))
                    sizes.append(inside)
        counts = torch.tensor(sizes)
        self.trained = (counts >= _EMPTIEST * counts.max()).nonzero()[:, 0]

    @property
    def n_pieces(self) -> int:
        """Number of patches whose core holds voxels of the mask."""
        return len(self._pieces)

    def gather(self, maps: Tensor, pieces: Sequence[int]) -> Tensor:
        """Return patches (B, M, D, H, W) of maps.

        Parameters
        ----------
        maps : Tensor (M, [T,] Z, Y, X)
            Any maps.
        pieces : sequence of int
            Their numbers.
        """
        chosen = []
        for p in pieces:
            t, patch, _ = self._pieces[p]
            frame = maps[:, t] if maps.ndim == 5 else maps
            chosen.append(frame[(slice(None), *patch)])
        return torch.stack(chosen)

    look = gather

    def put(self, maps: Tensor, pieces: Sequence[int], values: Tensor) -> None:
        """Add the patches' cores to maps, in place: each voxel lies in one core.

        Parameters
        ----------
        maps : Tensor (M, [T,] Z, Y, X)
            Changed in place.
        pieces : sequence of int
            Their numbers.
        values : Tensor (B, M, D, H, W)
            What is added.
        """
        for p, value in zip(pieces, values, strict=True):
            t, patch, core = self._pieces[p]
            frame = maps[:, t] if maps.ndim == 5 else maps
            frame[(slice(None), *patch)][(slice(None), *core)].add_(value[(slice(None), *core)])

    def piece_of_slice(self, z: int) -> int | None:  # noqa: ARG002 - a patch is no slice
        """Return None: no piece is one slice.

        Parameters
        ----------
        z : int
            Position on the crop's Z axis.
        """
        return None


def _nearness(spacing: Sequence[float]) -> tuple[float, ...]:
    return tuple(min(spacing) / size for size in spacing)


def _tiles(n: int) -> list[tuple[slice, slice]]:
    """Return patches of equal length that cover n voxels, each with its core within it; cores do not overlap."""
    size = min(PATCH, n)
    if size == n:
        return [(slice(0, n), slice(0, n))]
    step = size - 2 * _RIM
    begins = [*range(0, n - size, step), n - size]
    edges = [0, *(begin + _RIM for begin in begins[1:]), n]
    return [
        (slice(begin, begin + size), slice(low - begin, high - begin))
        for begin, (low, high) in zip(begins, pairwise(edges), strict=True)
    ]
