"""The part of an image that is answered at once, a slice or the volume, and what is kept of it between strokes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.config.scribbles import ScribbleConfig
from napari_gmmseg.mixture.geodesics import GeodesicGrid
from napari_gmmseg.mixture.labelling import label_winners
from napari_gmmseg.mixture.neighbours import axis_weights, neighbour_sum
from napari_gmmseg.mixture.scribble_mixture import class_log_likelihoods
from napari_gmmseg.mixture.spatial import clamp_
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.volumes import Geometry, Mixture

#: More voxels than this, and geodesic distances are computed on every second voxel of each axis.
COARSE_FROM = 300_000
#: A prior is never below exp(-this): where no path leads, other classes win, but intensities may still object.
FARTHEST = 20.0
REACH = 3.0


class Plane:
    """One slice, or the whole volume.

    Parameters
    ----------
    data : ndarray (C, *grid) float32
        Intensities in the image's own unit, finite.
    unit : ndarray (C, *grid) float32
        The same on a scale of 0 to 1.
    mask : ndarray (*grid) bool
        Voxels to answer.
    slice_index : int or None
        Which slice it is.
    geometry : Geometry
        Of the volume.
    scale : Standardisation
        Of the whole mask.
    config : ScribbleConfig
        How to answer.
    """

    def __init__(
        self,
        data: NDArray[np.float32],
        unit: NDArray[np.float32],
        mask: NDArray[np.bool_],
        slice_index: int | None,
        geometry: Geometry,
        scale: Standardisation,
        config: ScribbleConfig,
    ) -> None:
        self._data, self._unit, self._mask = data, unit, mask
        self._slice, self._scale, self._config = slice_index, scale, config
        sizes = np.asarray(geometry.spacing)
        # Without a voxel size, lengths count in the finest pixels.
        self._spacing = tuple(float(s) for s in (sizes if geometry.unit == "mm" else sizes / sizes.min()))
        self._weights = axis_weights(geometry.spacing, geometry.unit)
        self._grid: GeodesicGrid | None = None
        self._maps: dict[bytes, NDArray[np.float32]] = {}
        self.n_maps = 0

    def mask(self, kinds: NDArray[np.int16]) -> NDArray[np.bool_]:
        return self._mask | (self._here(kinds) >= 0)

    def _here(self, kinds: NDArray[np.int16]) -> NDArray[np.int16]:
        if self._slice is None:
            return kinds
        return kinds[..., self._slice : self._slice + 1, :, :]

    def log_priors(self, kinds: NDArray[np.int16], n_classes: int) -> Tensor:
        reach = self._config.reach or REACH
        distances = torch.from_numpy(self.distances(kinds, n_classes)).clamp_max_(1e6)
        # Against the nearest class: far from all strokes, the nearest still wins.
        return (distances.amin(0) - distances).mul_(1.0 / reach).clamp_min_(-FARTHEST)

    def distances(self, kinds: NDArray[np.int16], n_classes: int) -> NDArray[np.float32]:
        """Return the geodesic distance (K, *grid) of each class's strokes; those of the last call are kept."""
        mask = self.mask(kinds)
        maps = []
        kept = {}
        for k in range(n_classes):
            seeds, offset = self._seeds(kinds == k)
            key = seeds.tobytes()
            if key not in self._maps:
                self._maps[key] = self._distances(seeds, mask)
            kept[key] = self._maps[key]
            maps.append(kept[key] + offset)
        self._maps = kept
        return np.stack(maps)

    def _seeds(self, own: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], float]:
        """Return a class's strokes here; where there are none, those of the nearest slice, and how far that is."""
        if self._slice is None:
            return own, 0.0
        slices = np.flatnonzero(own.any(axis=tuple(a for a in range(own.ndim) if a != own.ndim - 3)))
        nearest = int(slices[np.abs(slices - self._slice).argmin()])
        return own[..., nearest : nearest + 1, :, :], abs(nearest - self._slice) * self._spacing[0]

    def _distances(self, seeds: NDArray[np.bool_], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        self.n_maps += 1
        coarse = mask.sum() > COARSE_FROM
        if self._grid is None:
            image, inside, spacing = self._unit, mask, self._spacing
            if coarse:
                image, inside = _halved(image, mask)
                spacing = tuple(2 * s if n > 1 else s for s, n in zip(spacing, mask.shape[-3:], strict=True))
            self._grid = GeodesicGrid(image, inside, spacing, self._config.edge_weight)
        if not coarse:
            return self._grid.distances(seeds)
        small = self._grid.distances(_any_of_eight(seeds))
        whole = _doubled(small, seeds.shape)
        whole[seeds] = 0
        return whole

    def evidence(self, kinds: NDArray[np.int16], priors: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """Return intensities (C, n) and log priors (K, n) of unlabelled voxels, evenly spread over the mask."""
        free = np.flatnonzero(self._mask & (self._here(kinds) == -1))
        chosen = free[:: max(1, len(free) // most)]
        samples = torch.from_numpy(self._data.reshape(len(self._data), -1)[:, chosen])
        return samples, torch.log_softmax(priors.reshape(len(priors), -1)[:, torch.from_numpy(chosen)], 0)

    def posterior(
        self, mixture: Mixture, priors: Tensor, kinds: NDArray[np.int16], n_classes: int
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8], float]:
        mask = torch.from_numpy(self.mask(kinds))
        fixed = torch.from_numpy(self._here(kinds).astype(np.int64))
        samples = torch.from_numpy(self._data).reshape(len(self._data), -1)
        unary = class_log_likelihoods(mixture, samples, self._scale).reshape(priors.shape)
        inside = mask.float()
        total = torch.log_softmax(priors, 0) + unary
        log_likelihood = float(torch.logsumexp(total, 0)[mask].double().mean())
        memberships = torch.softmax(total, 0).mul_(inside)
        clamp_(memberships, fixed)
        for _ in range(self._config.sweeps):
            logits = neighbour_sum(memberships, self._weights, total.clone(), self._config.neighbour_weight)
            memberships = torch.softmax(logits, 0).mul_(inside)
            clamp_(memberships, fixed)
        labels = label_winners(memberships, mask)
        return memberships.numpy(), labels.numpy(), log_likelihood


def _halved(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return means over the masked voxels of blocks of two along each axis that has so many, and where there are any."""
    count = _block_sums(mask.astype(np.float32))
    total = np.stack([_block_sums(channel * mask) for channel in image])
    return (total / np.maximum(count, 1.0)).astype(np.float32), count > 0


def _any_of_eight(seeds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(_block_sums(seeds.astype(np.float32)) > 0)


def _block_sums(array: NDArray[np.float32]) -> NDArray[np.float32]:
    for axis in (-3, -2, -1):
        n = array.shape[axis]
        if n > 1:
            array = np.add.reduceat(array, np.arange(0, n, 2), axis=axis)
    return array


def _doubled(small: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Bring a map from blocks of two to voxels, linearly between the blocks' centres."""
    finite = np.isfinite(small)
    filled = np.where(finite, small, small[finite].max() if finite.any() else 0.0)
    for axis in (-3, -2, -1):
        n = shape[axis]
        if n > 1:
            at = np.clip((np.arange(n) - 0.5) / 2, 0, filled.shape[axis] - 1)
            low = np.floor(at).astype(int)
            high = np.minimum(low + 1, filled.shape[axis] - 1)
            part = (at - low).astype(np.float32).reshape((-1,) + (1,) * (-axis - 1))
            filled = filled.take(low, axis) * (1 - part) + filled.take(high, axis) * part
    return np.ascontiguousarray(filled, dtype=np.float32)
