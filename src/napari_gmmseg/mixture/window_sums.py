"""Sums and counts over a box around each voxel, whose cost does not grow with the box: separable running sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

#: Bits that the count of one class takes in a word, and classes that a word of 64 bits holds.
_BITS, _PER_WORD = 21, 3
#: Bits of a count that has a word of its own.
_ALONE = 31
#: Voxels of a slab from which on it pays to slide the box slab by slab.
_SLAB = 4096


def window_sums(values: Tensor, window: Sequence[int]) -> Tensor:
    """Return the sum over the box centred at each voxel; what lies beyond the border counts 0.

    One axis after the other: the difference of two running sums, or a box that slides, so that each axis costs the same
    for every window. (An integral image over all axes at once would lose whole numbers in float32.)

    Parameters
    ----------
    values : Tensor (..., *S) float32, float64, int32 or int64
        One number a voxel; gradients pass.
    window : sequence of int
        Odd voxels along each axis of S.

    Returns
    -------
    Tensor (..., *S)
        In the values' unit and kind.
    """
    result: Tensor = _WindowSums.apply(values, tuple(window))  # type: ignore[no-untyped-call]
    return result


class _WindowSums(torch.autograd.Function):
    """The sum over a centred box is its own transpose: backwards, the gradients are summed over the same box."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, window: tuple[int, ...]) -> Tensor:
        ctx.window = window
        return _sums(values, window)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _sums(gradient, ctx.window), None


def _sums(values: Tensor, window: Sequence[int]) -> Tensor:
    # Nothing holds on to a map that is summed already: of a volume, each is large.
    in_place = False
    for axis, width in zip(range(-len(window), 0), window, strict=True):
        n = values.shape[axis]
        if width == 1:
            continue
        if n > 1 and axis != -1 and values.numel() // n >= _SLAB:
            values = _slab_sums(values, axis, width // 2)
        else:
            values = _line_sums(values, axis, min(width // 2, n), in_place=in_place)
        in_place = True
    return values


def _line_sums(values: Tensor, axis: int, reach: int, *, in_place: bool) -> Tensor:
    n = values.shape[axis]
    running = values.cumsum_(axis) if in_place else torch.cumsum(values, axis, dtype=values.dtype)
    result = torch.empty_like(running)
    result.narrow(axis, 0, n - reach).copy_(running.narrow(axis, reach, n - reach))
    result.narrow(axis, n - reach, reach).copy_(running.narrow(axis, n - 1, 1))
    if reach + 1 < n:
        result.narrow(axis, reach + 1, n - reach - 1).sub_(running.narrow(axis, 0, n - reach - 1))
    return result


def _slab_sums(values: Tensor, axis: int, reach: int) -> Tensor:
    """Slide the box: a slab comes in, another goes out. Reads memory in order, where `torch.cumsum` strides."""
    result = torch.empty_like(values)
    coming, made = values.unbind(axis), result.unbind(axis)
    made[0].copy_(coming[0])
    for slab in coming[1 : reach + 1]:
        made[0].add_(slab)
    for t in range(1, len(made)):
        if t + reach < len(made):
            torch.add(made[t - 1], coming[t + reach], out=made[t])
        else:
            made[t].copy_(made[t - 1])
        if t > reach:
            made[t].sub_(coming[t - reach - 1])
    return result


class ClassCounts:
    """How many voxels of each class lie in boxes around each voxel.

    Three classes share one word of 64 bits; of two, where one is left over, and for windows that hold 2^21 voxels or
    more, each has a word of 32. Sums of words may overflow on the way; the counts are exact all the same, as whole
    numbers are counted modulo 2^64 and no count reaches 2^21.

    Parameters
    ----------
    labels : Tensor (B, *S) uint8
        1 ... K; 0 belongs to no class.
    n_classes : int
        K.
    largest : sequence of int or None
        The largest window that will be asked for, odd voxels along each axis of S; None: it holds fewer than 2^21
        voxels.
    """

    def __init__(self, labels: Tensor, n_classes: int, largest: Sequence[int] | None = None) -> None:
        self._shape = labels.shape
        self._per_word = _classes_per_word(n_classes, 0 if largest is None else _held(largest, labels.shape[1:]))
        self._words = _words(labels, _tables(n_classes, self._per_word, labels.device))

    def within(self, window: Sequence[int], *, last: bool = False) -> WindowCounts:
        """Return the counts in the box centred at each voxel; what lies beyond the border counts nowhere.

        Parameters
        ----------
        window : sequence of int
            Odd voxels along each axis of S.
        last : bool
            Whether no other box is asked for after this one: what is counted is then given up on the way.

        Raises
        ------
        ValueError
            Where the box holds more voxels than a count can tell.
        """
        _check_size(window, self._shape[1:], self._per_word)
        if last:
            return WindowCounts([_sums(self._words.pop(0), window) for _ in self._words.copy()], self._per_word)
        return WindowCounts([_sums(words, window) for words in self._words], self._per_word)


class PlaneCounts:
    """How many voxels of each class lie in boxes around the voxels of one plane of a volume, for windows that change.

    What lies across the plane is summed up first, and kept: another window costs what one of a slice costs.

    Parameters
    ----------
    stack : Tensor (N, *S) uint8
        The volume, its planes one after the other; 1 ... K, 0 belongs to no class.
    n_classes : int
        K.
    position : int
        Of the plane.
    most_bytes : int
        That sums may take.
    voxels : int
        That the largest window holds.
    """

    def __init__(
        self, stack: Tensor, n_classes: int, position: int, *, most_bytes: int = 1 << 26, voxels: int = 0
    ) -> None:
        self.n_classes, self.stack_shape = n_classes, tuple(stack.shape)
        #: The plane itself; (1, *S) uint8.
        self.labels = stack[position : position + 1].contiguous()
        self._stack, self._position, self._most = stack, position, most_bytes
        self._per_word = _classes_per_word(n_classes, voxels)
        self._tables = _tables(n_classes, self._per_word, stack.device)
        self._wide: PlaneCounts | None = None
        self._summed = {0: _words(self.labels, self._tables)}
        self._kept: tuple[tuple[int, ...], WindowCounts] | None = None

    def within(self, window: Sequence[int], *, last: bool = False) -> WindowCounts:
        """Return the counts in the box centred at each voxel; what lies beyond the border counts nowhere.

        Parameters
        ----------
        window : sequence of int
            Odd voxels, across the plane first.
        last : bool
            Whether the counts are given up; else they are kept, for the next time that this window is asked for.

        Raises
        ------
        ValueError
            Where the box holds more voxels than a count can tell.
        """
        if not last and self._kept is not None and self._kept[0] == tuple(window):
            return self._kept[1]
        _check_size(window, self.stack_shape, self._per_word)
        across = self._across(min(window[0] // 2, max(self.stack_shape[0] - 1, 0)))
        counts = WindowCounts([_sums(words, window[1:]) for words in across], self._per_word)
        if not last:
            self._kept = tuple(window), counts
        return counts

    def for_windows_up_to(self, largest: Sequence[int]) -> PlaneCounts:
        """Return what counts in windows up to a size: this, or where its words are too short, one with longer words.

        Parameters
        ----------
        largest : sequence of int
            Odd voxels, across the plane first.
        """
        voxels = _held(largest, self.stack_shape)
        if self._per_word == _classes_per_word(self.n_classes, voxels):
            return self
        if self._wide is None:
            self._wide = PlaneCounts(self._stack, self.n_classes, self._position, most_bytes=self._most, voxels=voxels)
        return self._wide

    def _across(self, reach: int) -> list[Tensor]:
        """Return the sums of words over the planes that are this near."""
        if reach not in self._summed:
            known = max(r for r in self._summed if r < reach)
            total = [words.clone() for words in self._summed[known]]
            for far in range(known + 1, reach + 1):
                for position in (self._position - far, self._position + far):
                    if 0 <= position < len(self._stack):
                        plane = self._stack[position : position + 1].contiguous()
                        for words, more in zip(total, _words(plane, self._tables), strict=True):
                            words.add_(more)
            size = sum(words.nbytes for words in total)
            if (len(self._summed) + 1) * size > self._most:
                self._summed = {0: self._summed[0]}
            self._summed[reach] = total
        return self._summed[reach]


class WindowCounts:
    """The counts in one box around each voxel.

    Parameters
    ----------
    words : list of Tensor (B, *S) int64 or int32
        Counts of so many classes each.
    per_word : int
        How many.
    """

    def __init__(self, words: list[Tensor], per_word: int) -> None:
        self._words, self._per_word = words, per_word

    def without_(self, inner: WindowCounts) -> WindowCounts:
        """Take away the counts in a smaller box, in place: what is left is between the two.

        Parameters
        ----------
        inner : WindowCounts
            Of the same labels.
        """
        for words, less in zip(self._words, inner._words, strict=True):
            words.sub_(less)
        return self

    def at(self, places: Tensor) -> WindowCounts:
        """Return the counts at some voxels.

        Parameters
        ----------
        places : Tensor (n,) int64
            Their positions in the labels, one voxel after the other.
        """
        return WindowCounts([words.view(-1)[places] for words in self._words], self._per_word)

    def of_class(self, k: int) -> Tensor:
        """Return the count of one class; (B, *S) int64 or int32, or (n,) after `at`.

        Parameters
        ----------
        k : int
            1 ... K.
        """
        word, position = divmod(k - 1, self._per_word)
        words = self._words[word]
        return words if self._per_word == 1 else (words >> _BITS * position).bitwise_and_((1 << _BITS) - 1)

    def of_own_class(self, labels: Tensor) -> Tensor:
        """Return the count of each voxel's own class, and that of the first where it has none.

        Parameters
        ----------
        labels : Tensor (B, *S) or (n,) uint8
            1 ... K; 0 belongs to no class.
        """
        labels = labels.clamp_min(1)
        own = self._words[0]
        for number, words in enumerate(self._words[1:], start=1):
            own = torch.where(labels > number * self._per_word, words, own)
        if self._per_word == 1:
            return own
        shift = labels.sub_(1).remainder_(self._per_word).mul_(_BITS)
        return torch.bitwise_right_shift(own, shift).bitwise_and_((1 << _BITS) - 1)


def _held(window: Sequence[int], shape: Sequence[int]) -> int:
    """Return how many voxels of a grid a box holds at most."""
    return math.prod(min(width, n) for width, n in zip(window, shape, strict=True))


def _classes_per_word(n_classes: int, voxels: int) -> int:
    """Return how many classes share a word, so that a box of so many voxels can be counted."""
    return _PER_WORD if n_classes > 2 and voxels < 1 << _BITS else 1


def _check_size(window: Sequence[int], shape: Sequence[int], per_word: int) -> None:
    held, most = _held(window, shape), 1 << (_ALONE if per_word == 1 else _BITS)
    if held >= most:
        raise ValueError(f"A window holds fewer than {most} voxels; seen: {tuple(window)}, {held} in it.")


def _words(labels: Tensor, tables: Sequence[Tensor]) -> list[Tensor]:
    """Return one word or several for each voxel, in which its class counts once."""
    numbers = labels.int().view(-1)
    return [table.index_select(0, numbers).view(labels.shape) for table in tables]


def _tables(n_classes: int, per_word: int, device: torch.device) -> list[Tensor]:
    """Return what a voxel of each label 0 ... K adds to each word."""
    firsts = range(1, n_classes + 1, per_word)
    return [_table(range(k, min(k + per_word, n_classes + 1)), n_classes, device) for k in firsts]


def _table(held: range, n_classes: int, device: torch.device) -> Tensor:
    """Return what a voxel of each label 0 ... K adds to the word that counts the classes of a range."""
    table = [1 << (_BITS * (k - held.start)) if k in held else 0 for k in range(n_classes + 1)]
    return torch.tensor(table, dtype=torch.int32 if len(held) == 1 else torch.int64, device=device)
