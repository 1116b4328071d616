"""A case as deep mixtures see it: standardised maps, what is known beforehand, and the pieces of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_gmmseg.fitting.deep.stacks import Stack, make_stack
from napari_gmmseg.fitting.progress import Fitted
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.mixture import class_log_densities
from napari_gmmseg.mixture.soft_moments import Anchor
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.volumes import Mixture

#: What a voxel of known class loses in log density in every other class, in nat.
_KNOWN = 30.0


@dataclass(frozen=True)
class Batch:
    """Some pieces of a case.

    Parameters
    ----------
    inputs : Tensor (B, I, *S) float32
        What the network sees.
    image : Tensor (B, C, *S) float32
        Standardised intensities.
    mask : Tensor (B, *S) bool
        Voxels that count.
    evidence : Tensor (B, K, *S) float32 or None
        What is known of some voxels' class, in nat, to be added to log densities.
    densities : Tensor (B, K, *S) float32 or None
        Class log densities under the spatial mixture, in the image's own unit, evidence included.
    target : Tensor (B, K, *S) float32 or None
        Class memberships of the spatial mixture.
    """

    inputs: Tensor
    image: Tensor
    mask: Tensor
    evidence: Tensor | None
    densities: Tensor | None
    target: Tensor | None


@dataclass(frozen=True)
class DeepCase:
    """A case, ready for a network.

    Parameters
    ----------
    stack : Stack
        Its pieces.
    image : Tensor (C, *crop) float32
        Standardised inside the mask, 0 outside.
    seen : Tensor (I, *crop) float32
        Maps that the network sees: the image, and with a start the classes' responsibilities by intensity alone.
    mask : Tensor (*crop) bool
        Voxels that are fitted.
    standardisation : Standardisation
        Of the image.
    n_classes : int
        K.
    evidence : Tensor (K, *crop) float32 or None
        See `Batch`.
    densities, target : Tensor (K, *crop) float32 or None
        See `Batch`; None without a start.
    base : Fitted or None
        The spatial mixture that it starts from.
    held : tuple of int
        Classes whose Gaussian stays at the start.
    """

    stack: Stack
    image: Tensor
    seen: Tensor
    mask: Tensor
    standardisation: Standardisation
    n_classes: int
    evidence: Tensor | None
    densities: Tensor | None
    target: Tensor | None
    base: Fitted | None
    held: tuple[int, ...] = ()

    @classmethod
    def of_task(cls, task: FitTask, base: Fitted | None, *, sees_start: bool = True) -> DeepCase:
        """Standardise a case, and bring in the spatial mixture that was fitted to it.

        Parameters
        ----------
        task : FitTask
            The case.
        base : Fitted or None
            What it starts from.
        sees_start : bool
            Whether the network sees the start's responsibilities beside the image.
        """
        # Looked for once: a mask as an index is looked through anew by every use of it.
        inside = task.mask.flatten().nonzero()[:, 0]
        samples = task.image.flatten(1).index_select(1, inside)
        standardisation = Standardisation.of_samples(samples)
        device, dims = task.image.device, (-1,) + (1,) * task.mask.ndim
        centre = torch.from_numpy(standardisation.centre).to(device, torch.float32).view(dims)
        scale = torch.from_numpy(standardisation.scale).to(device, torch.float32).view(dims)
        image = (task.image - centre).div_(scale).mul_(task.mask)
        evidence = _evidence(task)
        densities = target = None
        seen = image
        if base is not None:
            rows, target = class_log_densities(base.mixture, samples), base.memberships
            if evidence is not None:
                rows += evidence.flatten(1).index_select(1, inside)
            densities = _spread(rows, inside, task.mask)
            if sees_start:
                weights = _class_weights(base.mixture).to(device).clamp_min(1e-4).log()
                alone = torch.softmax(rows.add_(weights[:, None]), 0)
                seen = _spread(alone, inside, task.mask, before=image)
        geometry = task.volume.geometry
        stack = make_stack(task.mask, geometry.spacing, task.config.view)
        k = task.config.n_classes
        return cls(stack, image, seen, task.mask, standardisation, k, evidence, densities, target, base, task.held)

    def batch(self, pieces: Sequence[int]) -> Batch:
        """Return some pieces.

        Parameters
        ----------
        pieces : sequence of int
            Their numbers.
        """
        gather = self.stack.gather

        def maybe(maps: Tensor | None) -> Tensor | None:
            return None if maps is None else gather(maps, pieces)

        return Batch(
            inputs=self.stack.look(self.seen, pieces),
            image=gather(self.image, pieces),
            mask=gather(self.mask[None], pieces)[:, 0],
            evidence=maybe(self.evidence),
            densities=maybe(self.densities),
            target=maybe(self.target),
        )

    def start(self) -> Anchor:
        """Return the spatial mixture in standardised intensities, one Gaussian a class, with strength 0.

        Raises
        ------
        ValueError
            Where there is no start.
        """
        if self.base is None:
            raise ValueError("This case has no start.")
        inner = self.standardisation.inward(self.base.mixture)
        means = inner.class_means()
        weights = np.bincount(inner.class_of, inner.mixing_weights)
        shares = inner.mixing_weights / np.maximum(weights, 1e-300)[inner.class_of]
        spread = inner.stds**2 + (inner.means - means[inner.class_of]) ** 2
        variances = np.zeros_like(means)
        np.add.at(variances, inner.class_of, shares[:, None] * spread)
        device = self.image.device

        def tensor(values: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device, torch.float32)

        return Anchor(tensor(means), tensor(variances), tensor(weights), 0.0)

    def class_weights(self) -> Tensor | None:
        """Return the share (K,) of each class in the spatial mixture; None without a start."""
        return None if self.base is None else _class_weights(self.base.mixture).to(self.image.device)


def _class_weights(mixture: Mixture) -> Tensor:
    return torch.from_numpy(np.bincount(mixture.class_of, mixture.mixing_weights)).to(torch.float32)


def _spread(rows: Tensor, inside: Tensor, mask: Tensor, before: Tensor | None = None) -> Tensor:
    """Return rows (K, N) as maps (K, *crop), 0 outside the mask, behind others (M, *crop)."""
    first = 0 if before is None else len(before)
    maps = torch.zeros((first + len(rows), *mask.shape), device=mask.device)
    if before is not None:
        maps[:first] = before
    maps.flatten(1)[first:].index_copy_(1, inside, rows.to(torch.float32))
    return maps


def _evidence(task: FitTask) -> Tensor | None:
    """Return (K, *crop): 0 where nothing is known, and -30 nat in all classes but the known one."""
    if task.fixed_labels is None:
        return None
    known = task.fixed_labels >= 0
    classes = torch.arange(task.config.n_classes, device=known.device).view((-1,) + (1,) * known.ndim)
    return -_KNOWN * (known & (classes != task.fixed_labels)).to(torch.float32)
