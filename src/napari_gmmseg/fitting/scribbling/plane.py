"""The part of an image that is answered at once, a slice or the volume, and what is kept of it between strokes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_gmmseg.config.scribbles import ScribbleConfig
from napari_gmmseg.fitting.scribbling.blocks import (
    any_of_eight,
    around,
    block_sums,
    blocks_of,
    doubled,
    doubled_spacing,
    faces_of,
    halved,
)
from napari_gmmseg.mixture.geodesics import GeodesicGrid
from napari_gmmseg.mixture.labelling import label_winners
from napari_gmmseg.mixture.neighbours import axis_weights
from napari_gmmseg.mixture.random_walks import conductances, first_met
from napari_gmmseg.mixture.scribble_mixture import class_log_likelihoods
from napari_gmmseg.mixture.spatial import smoothed
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.mixture.tensors import as_tensor
from napari_gmmseg.preparation.masks import bounding_box
from napari_gmmseg.volumes import Geometry, Mixture

Box: TypeAlias = tuple[slice, ...]

#: More voxels than this, and geodesic distances are computed on every second voxel of each axis.
COARSE_FROM = 300_000
#: Conductance of a block with strokes of several classes to each, by their shares: many times that to a neighbour.
SHARED = 1e3
#: No class is less likely than this by its place alone, so that intensities may object.
LEAST_PROBABILITY = 1e-4
#: No class is less likely than exp(-this) times the likeliest by its intensity alone, so that place may object.
MOST_OBJECTION = 10.0


@dataclass(frozen=True)
class Weights:
    """How much each kind of evidence counts.

    Parameters
    ----------
    place, intensity : float
        Powers of the random walk's probabilities and of the mixture's.
    neighbours : float
        Pull of one face neighbour at 1 mm, in nat.
    """

    place: float
    intensity: float
    neighbours: float


class Plane:
    """One slice of a volume, or all of it.

    Parameters
    ----------
    data : ndarray (C, *grid) float32
        Intensities in the image's own unit, finite.
    unit : ndarray (C, *grid) float32
        The same on a scale of 0 to 1.
    mask : ndarray (*grid) bool
        Of the volume: voxels to answer.
    slice_index : int or None
        Which slice it is; None for the volume.
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
        part = slice(None) if slice_index is None else slice(slice_index, slice_index + 1)
        where = (..., part, slice(None), slice(None))
        self._data, self._whole_unit, self._unit, self._mask = data[where], unit, unit[where], mask[where]
        self._slice, self._scale, self._config = slice_index, scale, config
        sizes = np.asarray(geometry.spacing)
        # Without a voxel size, lengths count in the finest pixels.
        z, y, x = (float(s) for s in (sizes if geometry.unit == "mm" else sizes / sizes.min()))
        self._spacing = (z, y, x)
        self._weights = axis_weights(geometry.spacing, geometry.unit)
        self._grid: GeodesicGrid | None = None
        self._maps: dict[bytes, NDArray[np.float32]] = {}
        self.n_maps = 0
        self._added = b""
        self._answered, self._box = self._mask, _box_of(self._mask)

    def mask(self, kinds: NDArray[np.int16]) -> NDArray[np.bool_]:
        """Return the voxels (*grid) that are answered: the mask, and what strokes outside of it add.

        They add their own voxels, and those outside the mask within `extension` mm of geodesic distance of them: what
        is near, connected and alike.

        Parameters
        ----------
        kinds : ndarray (*grid of the volume) int16
            Class k of each labelled voxel, negative elsewhere.
        """
        outside = (self._here(kinds) >= 0) & ~self._mask
        if not outside.any():
            self._use(b"", self._mask)
        elif (key := outside.tobytes()) != self._added:
            self._use(key, self._mask | self._reached(outside))
        return self._answered

    def _use(self, key: bytes, answered: NDArray[np.bool_]) -> None:
        """Answer these voxels; what was computed for others is void."""
        if key != self._added:
            self._grid, self._maps = None, {}
            self._answered, self._box = answered, _box_of(answered)
        self._added = key

    def _reached(self, outside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        places = np.argwhere(outside)
        margins = [int(np.ceil(self._config.extension / step)) + 1 for step in self._spacing]
        margins = [0] * (outside.ndim - 3) + margins
        box = tuple(
            slice(max(0, int(low) - margin), int(high) + 1 + margin)
            for low, high, margin in zip(places.min(0), places.max(0), margins, strict=True)
        )
        grid = GeodesicGrid(self._unit[(slice(None), *box)], ~self._mask[box], self._spacing, self._config.edge_weight)
        reached = np.zeros_like(outside)
        reached[box] = grid.distances(outside[box]) <= self._config.extension
        return reached

    def _here(self, kinds: NDArray[np.int16]) -> NDArray[np.int16]:
        if self._slice is None:
            return kinds
        return kinds[..., self._slice : self._slice + 1, :, :]

    def log_priors(self, kinds: NDArray[np.int16], n_classes: int) -> Tensor:
        """Return the log probability (K, *grid) float32 that a random walk meets each class's strokes first.

        Parameters
        ----------
        kinds : ndarray (*grid of the volume) int16
            Class k of each labelled voxel, negative elsewhere.
        n_classes : int
            Number of classes K.
        """
        mask = self.mask(kinds)
        box = self._box
        links = self._links(kinds, n_classes)
        met = torch.zeros((n_classes, *mask.shape))
        met[(slice(None), *box)] = self._met(box, self._here(kinds), n_classes, links)
        return met.clamp_min_(LEAST_PROBABILITY).log_()

    def _met(self, box: Box, kinds: NDArray[np.int16], n_classes: int, links: Tensor | None) -> Tensor:
        """Return the probability (K, *box) float32 that a random walk in a box meets each class's strokes first."""
        mask, here = self._answered[box], kinds[box]
        image, spacing = np.ascontiguousarray(self._unit[(slice(None), *box)]), self._spacing
        links = None if links is None else links[(slice(None), *box)].contiguous()
        coarse = bool(mask.sum() > COARSE_FROM)
        inside = mask
        if coarse:
            image, inside = halved(image, mask)
            here, shares = blocks_of(here, n_classes)
            spacing = doubled_spacing(spacing, mask.shape)
            if links is not None:
                links = torch.from_numpy(np.stack([block_sums(link) for link in links.numpy()]))
            if shares is not None:
                shared = torch.from_numpy(shares).mul_(SHARED)
                links = shared if links is None else links.add_(shared)
        voxels = as_tensor(inside)
        edges = conductances(as_tensor(image), voxels, spacing, self._config.edge_sharpness)
        met = first_met(edges, voxels, torch.from_numpy(here.astype(np.int64)), n_classes, links)
        if coarse:
            met = torch.from_numpy(np.stack([doubled(one, mask.shape) for one in met.numpy()]))
            if shares is not None:
                self._refine_(met, shares.sum(0) > 0, self._unit[(slice(None), *box)], kinds[box], mask)
        return met

    def _refine_(
        self,
        met: Tensor,
        mixed: NDArray[np.bool_],
        image: NDArray[np.float32],
        kinds: NDArray[np.int16],
        mask: NDArray[np.bool_],
    ) -> None:
        """Walk voxel by voxel around blocks with strokes of several classes, as far as there is time to, in place."""
        n_left = COARSE_FROM
        pieces, _ = ndimage.label(mixed, np.ones((3,) * mixed.ndim))
        for blocks in ndimage.find_objects(pieces):
            box = around(blocks, mask.shape)
            inside = mask[box]
            n_left -= inside.size
            if n_left < 0:
                return
            voxels = as_tensor(inside)
            part = as_tensor(np.ascontiguousarray(image[(slice(None), *box)]))
            edges = conductances(part, voxels, self._spacing, self._config.edge_sharpness)
            here = met[(slice(None), *box)]
            links = here * torch.from_numpy(faces_of(box, mask.shape)).mul_(SHARED)
            met[(slice(None), *box)] = first_met(
                edges, voxels, torch.from_numpy(kinds[box].astype(np.int64)), len(met), links
            )

    def _links(self, kinds: NDArray[np.int16], n_classes: int) -> Tensor | None:
        """Return how strongly each voxel of a slice is tied to strokes right above or below it in the nearest slice."""
        if self._slice is None:
            return None
        axis = kinds.ndim - 3
        sharpness = self._config.edge_sharpness
        shortest = min(self._spacing)
        links = np.zeros((n_classes, *self._mask.shape), dtype=np.float32)
        for k in range(n_classes):
            own = kinds == k
            slices = np.flatnonzero(own.any(axis=tuple(a for a in range(own.ndim) if a != axis)))
            others = slices[slices != self._slice]
            if len(others):
                z = int(others[np.abs(others - self._slice).argmin()])
                away = abs(z - self._slice) * self._spacing[0]
                painted = own[..., z : z + 1, :, :]
                difference = ((self._unit - self._whole_unit[..., z : z + 1, :, :]) ** 2).mean(0)
                links[k] = painted * np.exp(-sharpness * difference) * (shortest / away) ** 2
        return torch.from_numpy(links) if links.any() else None

    def distances(self, kinds: NDArray[np.int16], n_classes: int) -> NDArray[np.float32]:
        """Return the geodesic distance (K, *grid) of each class's strokes; those of the last call are kept.

        Parameters
        ----------
        kinds : ndarray (*grid of the volume) int16
            Class k of each labelled voxel, negative elsewhere.
        n_classes : int
            Number of classes K.
        """
        return self.distances_of(kinds, range(n_classes))

    def distances_of(self, kinds: NDArray[np.int16], classes: Iterable[int]) -> NDArray[np.float32]:
        """Return the geodesic distance (n, *grid) of the strokes of some classes; those of the last call are kept.

        Parameters
        ----------
        kinds : ndarray (*grid of the volume) int16
            Class k of each labelled voxel, negative elsewhere.
        classes : iterable of int
            Which k, each with strokes.
        """
        mask = self.mask(kinds)
        maps = []
        kept = {}
        for k in classes:
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
                image, inside = halved(image, mask)
                spacing = doubled_spacing(spacing, mask.shape)
            self._grid = GeodesicGrid(image, inside, spacing, self._config.edge_weight)
        if not coarse:
            return self._grid.distances(seeds)
        small = self._grid.distances(any_of_eight(seeds))
        whole = doubled(small, seeds.shape)
        whole[seeds] = 0
        return whole

    def evidence(self, kinds: NDArray[np.int16], priors: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """Return intensities (C, n) and log priors (K, n) of unlabelled voxels, evenly spread over the mask.

        Parameters
        ----------
        kinds : ndarray (*grid of the volume) int16
            Class k of each labelled voxel, negative elsewhere.
        priors : Tensor (K, *grid) float32
            From `log_priors`.
        most : int
            About as many voxels, at most twice so many.
        """
        free = np.flatnonzero(self._mask & (self._here(kinds) == -1))
        chosen = free[:: max(1, len(free) // most)]
        samples = torch.from_numpy(self._data.reshape(len(self._data), -1)[:, chosen])
        return samples, torch.log_softmax(priors.reshape(len(priors), -1)[:, torch.from_numpy(chosen)], 0)

    def place_and_intensity(
        self, mixture: Mixture, priors: Tensor, kinds: NDArray[np.int16], weights: Weights
    ) -> tuple[Tensor, float]:
        """Return what place and intensities say of each class (K, *grid) in nat, and the mean log-likelihood.

        Parameters
        ----------
        mixture : Mixture
            Of the strokes.
        priors : Tensor (K, *grid) float32
            From `log_priors`.
        kinds : ndarray (*grid of the volume) int16
            Class k of each labelled voxel, negative elsewhere.
        weights : Weights
            What counts how much.
        """
        mask = self.mask(kinds)
        box = self._box
        samples = as_tensor(np.ascontiguousarray(self._data[(slice(None), *box)])).reshape(len(self._data), -1)
        there = priors[(slice(None), *box)]
        unary = class_log_likelihoods(mixture, samples, self._scale).reshape(there.shape)
        log_likelihood = float(torch.logsumexp(there + unary, 0)[as_tensor(mask[box])].double().mean())
        unary = (unary - unary.amax(0)).clamp_min_(-MOST_OBJECTION)
        evidence = weights.place * priors
        evidence[(slice(None), *box)] += weights.intensity * unary
        return evidence, log_likelihood

    def pull(self, weights: Weights) -> tuple[float, float, float]:
        """Return the pull (wz, wy, wx) of one face neighbour along each axis, in nat.

        Parameters
        ----------
        weights : Weights
            What counts how much.
        """
        z, y, x = (weights.neighbours * weight for weight in self._weights)
        return z, y, x

    def posterior(
        self, evidence: Tensor, kinds: NDArray[np.int16], weights: Weights
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return memberships (K, *grid) and labels (*grid) 0 ... K, with what neighbours say.

        Parameters
        ----------
        evidence : Tensor (K, *grid) float32
            From `place_and_intensity`.
        kinds : ndarray (*grid of the volume) int16
            Class k of each labelled voxel, negative elsewhere.
        weights : Weights
            What counts how much.
        """
        mask = self.mask(kinds)
        box = self._box
        inside = as_tensor(mask[box])
        fixed = torch.from_numpy(self._here(kinds)[box].astype(np.int64))
        part = evidence[(slice(None), *box)].contiguous()
        memberships, labels = torch.zeros_like(evidence), np.zeros(mask.shape, dtype=np.uint8)
        found = smoothed(part, inside, fixed, self.pull(weights), self._config.sweeps)
        memberships[(slice(None), *box)], labels[box] = found, label_winners(found, inside).numpy()
        return memberships.numpy(), labels


def _box_of(mask: NDArray[np.bool_]) -> Box:
    """Return the least box of a mask, whose blocks of two are those of the grid: nothing is to be walked outside."""
    if not mask.any():
        return tuple(slice(0, n) for n in mask.shape)
    n_before = mask.ndim - 3
    return tuple(
        part if axis < n_before else slice(part.start - part.start % 2, part.stop)
        for axis, part in enumerate(bounding_box(mask))
    )
