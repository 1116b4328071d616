"""A case as a network in training sees it: maps of the image and of its strokes, and what is known of each voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.config.deep import View
from napari_gmmseg.config.slicing import neighbours_seen, slice_axis
from napari_gmmseg.fitting.deep.stacks import SliceStack
from napari_gmmseg.mixture.scribble_mixture import class_log_likelihoods
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.preparation.masks import bounding_box
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import ClassTable, Geometry, Mixture, Volume

#: Standardised intensities beyond this say no more than that they are far away.
FARTHEST = 5.0


@dataclass(frozen=True)
class TuneBatch:
    """Some slices of a case.

    Parameters
    ----------
    inputs : Tensor (B, I, *S) float32
        What the network sees.
    mask : Tensor (B, *S) bool
        Voxels that count.
    labels : Tensor (B, *S) int64
        Known class, or -1.
    weights : Tensor (B, *S) float32
        How much each known voxel counts.
    target : Tensor (B, K, *S) float32 or None
        Class probabilities to imitate, times the confidence in them.
    densities : Tensor (B, K, *S) float32 or None
        Class log densities, in nat.
    """

    inputs: Tensor
    mask: Tensor
    labels: Tensor
    weights: Tensor
    target: Tensor | None
    densities: Tensor | None


@dataclass(frozen=True)
class TrainingCase:
    """A case, cropped, on the device.

    Parameters
    ----------
    stack : SliceStack
        Its slices.
    image : Tensor (C, *crop) float32
        Standardised intensities, 0 outside the mask.
    nearness : Tensor (K, *crop) float32
        exp(-geodesic distance / range) of each class's strokes; 0 where there are none.
    mask : Tensor (*crop) bool
        Voxels that count.
    crop : tuple of slice
        Where it lies on the whole grid.
    labels : Tensor (*crop) int64
        Known class, or -1.
    weights : Tensor (*crop) float32
        How much each known voxel counts.
    target : Tensor (K, *crop) float32 or None
        Class probabilities to imitate.
    densities : Tensor (K, *crop) float32 or None
        Class log densities of the standardised intensities, in nat.
    spacing : (dz, dy, dx)
        Voxel size.
    left_out : Tensor (*crop) bool or None
        Voxels of the mask from which nothing is learnt; None: there are none.
    """

    stack: SliceStack
    image: Tensor
    nearness: Tensor
    mask: Tensor
    crop: tuple[slice, ...]
    labels: Tensor
    weights: Tensor
    target: Tensor | None = None
    densities: Tensor | None = None
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    left_out: Tensor | None = None

    @classmethod
    def cut(
        cls,
        volume: Volume,
        prepared: Prepared,
        mask: NDArray[np.bool_],
        n_classes: int,
        n_looks: int,
        device: torch.device,
    ) -> TrainingCase:
        """Standardise an image and crop it to a mask; nothing is known of its classes yet.

        Parameters
        ----------
        volume : Volume
            The image.
        prepared : Prepared
            Centre and scale of its intensities.
        mask : ndarray (*grid) bool
            Voxels that count.
        n_classes : int
            K.
        n_looks : int
            Slices that the network sees at once.
        device : torch.device
            Where to.
        """
        crop = bounding_box(mask)
        inside = torch.from_numpy(np.array(mask[crop])).to(device)
        shape = (-1,) + (1,) * inside.ndim
        centre = np.asarray(prepared.centre, dtype=np.float32).reshape(shape)
        scale = np.asarray(prepared.scale, dtype=np.float32).reshape(shape)
        data = np.nan_to_num((volume.data[(slice(None), *crop)] - centre) / scale, nan=0.0)
        image = torch.from_numpy(data.clip(-FARTHEST, FARTHEST)).to(device) * inside
        spacing = volume.geometry.spacing
        axis = slice_axis(inside.shape[-3:], spacing)
        stack = SliceStack(inside, axis - 3, neighbours=(n_looks - 1) // 2, spacing=spacing)
        nothing = torch.full(inside.shape, -1, dtype=torch.int64, device=device)
        nearness = torch.zeros((n_classes, *inside.shape), device=device)
        counted = torch.zeros(inside.shape, device=device)
        return cls(stack, image, nearness, inside, crop, nothing, counted, spacing=spacing)

    def knowing(
        self,
        labels: NDArray[np.integer[Any]],
        weights: NDArray[np.float32],
        distances: NDArray[np.float32] | None = None,
        geodesic_range: float = 1.0,
    ) -> TrainingCase:
        """Return the case with known classes, and how far their strokes are.

        Parameters
        ----------
        labels : ndarray (*grid) integer
            Known class, or -1.
        weights : ndarray (*grid) float32
            How much each known voxel counts.
        distances : ndarray (K, *grid) float32 or None
            Geodesic distance of each class's strokes, infinite where there are none.
        geodesic_range : float
            Over which what is seen of a stroke falls to 1/e, in the unit of the distances.
        """
        known = torch.from_numpy(np.array(labels[self.crop], dtype=np.int64)).to(self.mask.device)
        counted = torch.from_numpy(np.array(weights[self.crop], dtype=np.float32)).to(self.mask.device)
        nearness = self.nearness
        if distances is not None:
            near = np.exp(-distances[(slice(None), *self.crop)] / geodesic_range).astype(np.float32)
            nearness = torch.from_numpy(near).to(self.mask.device)
        return replace(self, labels=known.masked_fill(~self.mask, -1), weights=counted, nearness=nearness)

    def leaving_out(self, left_out: NDArray[np.bool_]) -> TrainingCase:
        """Return the case with voxels that are answered, and from which nothing is learnt.

        Parameters
        ----------
        left_out : ndarray (*grid) bool
            Which.
        """
        here = np.array(left_out[self.crop])
        return replace(self, left_out=torch.from_numpy(here).to(self.mask.device) if here.any() else None)

    @property
    def counted(self) -> Tensor:
        """Voxels from which something is learnt; (*crop) bool."""
        return self.mask if self.left_out is None else self.mask & ~self.left_out

    def imitating(self, probabilities: Tensor, trust: float = 0.0) -> TrainingCase:
        """Return the case with class probabilities to imitate.

        Parameters
        ----------
        probabilities : Tensor (K, *crop) float32
            Of each class.
        trust : float
            How fast the confidence in them falls with the geodesic distance from strokes; 0: not at all.
        """
        target = confident(probabilities)
        if trust and not self.unseen:
            target = target * self.nearness.amax(0) ** trust
        return replace(self, target=target)

    def under(self, mixture: Mixture) -> TrainingCase:
        """Return the case with the class densities of its intensities.

        Parameters
        ----------
        mixture : Mixture
            In standardised intensities, its classes in the order of the network's.
        """
        n_channels = len(self.image)
        neutral = Standardisation(np.zeros(n_channels), np.ones(n_channels))
        rows = class_log_likelihoods(mixture, self.image[:, self.mask].cpu(), neutral).to(self.mask.device)
        densities = torch.zeros((len(rows), *self.mask.shape), device=self.mask.device)
        densities[:, self.mask] = rows
        return replace(self, densities=densities)

    @property
    def unseen(self) -> bool:
        """Whether there are no strokes to see."""
        return not bool(self.nearness.any())

    @property
    def painted(self) -> Tensor:
        """Numbers of the pieces with known voxels; (n,) int64 on the CPU."""
        return torch.tensor(self.stack.holding(self.labels >= 0), dtype=torch.int64)

    def batch(self, pieces: Sequence[int], *, hides_strokes: bool) -> TuneBatch:
        """Return some slices.

        Parameters
        ----------
        pieces : sequence of int
            Their numbers.
        hides_strokes : bool
            Whether the network shall not see where strokes lie.
        """
        gather = self.stack.gather
        return TuneBatch(
            inputs=self.inputs(pieces, hides_strokes=hides_strokes),
            mask=gather(self.counted[None], pieces)[:, 0],
            labels=gather(self.labels[None], pieces)[:, 0],
            weights=gather(self.weights[None], pieces)[:, 0],
            target=None if self.target is None else gather(self.target, pieces),
            densities=None if self.densities is None else gather(self.densities, pieces),
        )

    def inputs(self, pieces: Sequence[int], *, hides_strokes: bool) -> Tensor:
        """Return what the network sees (B, n_looks * (C + K), *S): in each look the image, then the strokes.

        Parameters
        ----------
        pieces : sequence of int
            Their numbers.
        hides_strokes : bool
            Whether it shall not see where strokes lie.
        """
        image = self.stack.look(self.image, pieces)
        if hides_strokes:
            n_looks = self.stack.n_looks
            blank = image.new_zeros(len(image), n_looks, len(self.nearness), *image.shape[2:])
        else:
            strokes = self.stack.look(self.nearness, pieces)
            blank = strokes.view(len(strokes), self.stack.n_looks, -1, *strokes.shape[2:])
        looks = image.view(len(image), self.stack.n_looks, -1, *image.shape[2:])
        return torch.cat([looks, blank], 2).flatten(1, 2)


def scale_of(prepared: Prepared) -> Standardisation:
    """Return how an image's intensities are standardised.

    Parameters
    ----------
    prepared : Prepared
        Centre and scale inside its mask.
    """
    return Standardisation(np.asarray(prepared.centre), np.asarray(prepared.scale))


def confident(probabilities: Tensor) -> Tensor:
    """Return class probabilities times the confidence in them, 1 - entropy / log K.

    Parameters
    ----------
    probabilities : Tensor (K, *crop) float32
        Of each class.
    """
    entropy = torch.special.entr(probabilities).sum(0)
    sure: Tensor = (1.0 - entropy / np.log(len(probabilities))).clamp_min(0.0)
    return probabilities * sure


def on_classes(
    maps: NDArray[np.float32], given: ClassTable, wanted: ClassTable, missing: float = 0.0
) -> NDArray[np.float32]:
    """Return maps of some classes in the order of others, by label value.

    Parameters
    ----------
    maps : ndarray (k, *grid) float32
        One for each class of `given`.
    given, wanted : ClassTable
        Classes as they are, and as they shall be.
    missing : float
        What stands for a class that is not given.
    """
    if given.values == wanted.values:
        return maps
    result = np.full((len(wanted), *maps.shape[1:]), missing, dtype=np.float32)
    for k, tissue in enumerate(wanted):
        if tissue.value in given.values:
            result[k] = maps[given.values.index(tissue.value)]
    return result


def looks_of(geometry: Geometry, shape: Sequence[int], view: View) -> int:
    """Return how many slices a new network sees at once.

    Parameters
    ----------
    geometry : Geometry
        Voxel size.
    shape : sequence of int
        The crop's; the last three axes count.
    view : "auto", "2d" or "2.5d"
        Setting.
    """
    here = tuple(shape[-3:])
    axis = slice_axis(here, geometry.spacing)
    return 1 + 2 * neighbours_seen(here, geometry.spacing, view, axis)
