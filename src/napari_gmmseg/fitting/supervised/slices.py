"""Slices of labelled cases as what a network takes: standardised, with neighbours, position and attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.errors import InputError, MaskError
from napari_gmmseg.preparation.masks import automatic_mask
from napari_gmmseg.volumes import Attributes, AttributeTable, ClassTable, LabelledCase

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """Slices that a network sees at once.

    Parameters
    ----------
    images : Tensor (B, L C, Y, X) float32
        Standardised intensities (1) of L neighbouring slices, their channels one after the other.
    targets : Tensor (B, Y, X) int64
        0 background, 1 ... K - 1 classes; -1 where it is not known.
    foreground : Tensor (B, Y, X) bool
        Voxels of the head, inside the image.
    attributes : Tensor (B, N) float32
        What is known of the patients.
    plain : Tensor (B, L C, Y, X) float32
        The same images without changes of intensity; they are mirrored with all the rest.
    """

    images: Tensor
    targets: Tensor
    foreground: Tensor
    attributes: Tensor
    plain: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the same on a device.

        Parameters
        ----------
        device : torch.device
            Where to.
        """
        parts = (self.images, self.targets, self.foreground, self.attributes, self.plain)
        return Batch(*(part.to(device) for part in parts))


class SlicedCase:
    """One case, slice by slice.

    Parameters
    ----------
    case : LabelledCase
        Image and labels; held as they are, standardised slice by slice.
    classes : ClassTable
        What label values mean.
    table : AttributeTable
        How attributes become numbers.
    n_looks : int
        Slices that the network sees at once, odd.
    """

    def __init__(self, case: LabelledCase, classes: ClassTable, table: AttributeTable, n_looks: int) -> None:
        self.name, self.n_slices = case.name, int(case.image.shape[1])
        self._image, self._half = case.image, n_looks // 2
        self.foreground, self._centre, self._scale = _standard(case)
        self._targets = None if case.labels is None else _targets(case.labels, classes, case.name)
        self._attributes = _encoded(table, case.attributes, case.positions)

    @property
    def targets(self) -> NDArray[np.int16] | None:
        """Classes (Z, Y, X) int16, 0 background; None without labels."""
        return self._targets

    def shown(self, z: int) -> bool:
        """Tell whether a slice shows a labelled object.

        Parameters
        ----------
        z : int
            Its number.
        """
        return self._targets is not None and bool((self._targets[z] > 0).any())

    def empty(self, z: int) -> bool:
        """Tell whether a slice lies outside of head and object, and has nothing to teach.

        Parameters
        ----------
        z : int
            Its number.
        """
        return not self.foreground[z].any() and not self.shown(z)

    def image(self, z: int) -> Floats:
        """Return a slice with its neighbours, repeated at the ends; (L C, Y, X) float32, standardised.

        Parameters
        ----------
        z : int
            Its number.
        """
        near = [min(max(z + step, 0), self.n_slices - 1) for step in range(-self._half, self._half + 1)]
        stack = self._image[:, near].astype(np.float32)
        stack = (stack - self._centre[:, None, None, None]) / self._scale[:, None, None, None]
        # Not finite is not known: the mean says nothing.
        np.nan_to_num(stack, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        return stack.transpose(1, 0, 2, 3).reshape(-1, *stack.shape[2:])

    def target(self, z: int) -> NDArray[np.int64]:
        """Return the classes of a slice (Y, X) int64; -1 where the case has no labels.

        Parameters
        ----------
        z : int
            Its number.
        """
        if self._targets is None:
            return np.full(self._image.shape[2:], -1, dtype=np.int64)
        found: NDArray[np.int64] = self._targets[z].astype(np.int64)
        return found

    def numbers(self, z: int) -> Floats:
        """Return the attributes at a slice, (N,) float32.

        Parameters
        ----------
        z : int
            Its number.
        """
        numbers: Floats = self._attributes[z]
        return numbers


def collate(slices: Sequence[tuple[Floats, NDArray[np.int64], NDArray[np.bool_], Floats]]) -> Batch:
    """Return slices as one batch; smaller ones get edges repeated to the size of the largest, which nothing learns.

    Parameters
    ----------
    slices : sequence of (image (L C, Y, X), target (Y, X), foreground (Y, X), attributes (N,))
        As `SlicedCase` gives them.
    """
    height = max(image.shape[1] for image, _, _, _ in slices)
    width = max(image.shape[2] for image, _, _, _ in slices)
    margins = [[(0, height - image.shape[1]), (0, width - image.shape[2])] for image, _, _, _ in slices]
    images = [np.pad(s[0], [(0, 0), *m], mode="edge") for s, m in zip(slices, margins, strict=True)]
    targets = [np.pad(s[1], m, constant_values=-1) for s, m in zip(slices, margins, strict=True)]
    heads = [np.pad(s[2], m) for s, m in zip(slices, margins, strict=True)]
    whole = torch.from_numpy(np.stack(images))
    target, head, known = (torch.from_numpy(np.stack(parts)) for parts in (targets, heads, [s[3] for s in slices]))
    return Batch(whole, target, head, known, whole)


def _standard(case: LabelledCase) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Return the head, and mean and standard deviation of each channel in it."""
    data = np.asarray(case.image, dtype=np.float32)
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(data).all(axis=0))
    try:
        foreground = automatic_mask(data, finite).mask
    except MaskError as error:
        raise InputError(f"{case.name}: {error.message}", "Leave the case out, or repair its image.") from error
    inside = data[:, foreground].astype(np.float64)
    spread = inside.std(axis=1)
    return foreground, inside.mean(axis=1).astype(np.float32), np.where(spread > 0, spread, 1.0).astype(np.float32)


def _targets(labels: NDArray[np.uint8], classes: ClassTable, name: str) -> NDArray[np.int16]:
    index = np.full(256, -1, dtype=np.int16)
    index[0] = 0
    for k, value in enumerate(classes.values, start=1):
        index[value] = k
    found = index[labels]
    if (found < 0).any():
        unknown = sorted(set(np.unique(labels).tolist()) - {0, *classes.values})
        raise InputError(
            f"{name} holds the label {', '.join(map(str, unknown))}, which no class has.",
            "Give all cases the same labels.",
        )
    return found


def _encoded(table: AttributeTable, attributes: Attributes, positions: Sequence[float]) -> Floats:
    return np.stack([table.encode(attributes, position) for position in positions])
