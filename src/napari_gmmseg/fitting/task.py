"""What a fit works on: the cropped image as tensors, and the way back to the whole grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.config import FitConfig
from napari_gmmseg.config.fit import Covariance, Means
from napari_gmmseg.config.memory import Savings
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.mixture.tensors import as_tensor, gather
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import BiasField, Mixture, Volume


@dataclass(frozen=True)
class FitTask:
    """One case, cropped to its mask, on the device.

    Parameters
    ----------
    image : Tensor (C, *crop) float32
        Intensities in the image's own unit, 0 where they are not finite; without bias where a field was found.
    mask : Tensor (*crop) bool
        Voxels that are fitted.
    fixed_labels : Tensor (*crop) int64 or None
        Known class k of a voxel, or -1.
    volume : Volume
        The whole image.
    prepared : Prepared
        The whole mask, and where the crop lies.
    config : FitConfig
        Settings.
    look : int or None
        The slice of the volume's Z axis that a person looks at, to be previewed first.
    identities : tuple of int
        Of each fitted class: what it keeps through splits and merges.
    next_identity : int
        Of the next class that is new.
    locked : frozenset of int
        Identities of the classes whose Gaussian is held.
    widths_set : bool
        Whether a person set standard deviations: the likelihood is then Gaussian, without partial volume.
    known : tuple of int
        For each class that the fixed labels were given for: the identity of what it is part of now.
    origins : tuple of (int, int)
        Identities of classes that were split off, each with that of the class that it comes from; the newest first.
    left : tuple of (tuple of int, Mixture)
        Classes and Gaussians that a change of K left behind, and to which it can come back; a network keeps its own.
    savings : Savings
        With how little memory a network has to do.
    as_start : bool
        Whether it is the mixture from which a network starts: bounds on steps and means are the network's then.
    keeps_means : bool
        Whether means are the mixture's, even so.
    bright : tuple of str
        Contrasts in which a class beside the tissues is bright, without a name: there is one such class each.
    bias_field : BiasField or None
        What the image was divided by.
    counts : Tensor (*crop) float64 or None
        How many voxels each stands for, where the volume is a table of intensities; EM alone heeds them.
    seeks_field : bool
        Whether a bias field is still to be looked for.
    """

    image: Tensor
    mask: Tensor
    fixed_labels: Tensor | None
    volume: Volume
    prepared: Prepared
    config: FitConfig
    look: int | None = None
    identities: tuple[int, ...] = ()
    next_identity: int = 0
    locked: frozenset[int] = frozenset()
    widths_set: bool = False
    known: tuple[int, ...] = ()
    origins: tuple[tuple[int, int], ...] = ()
    left: tuple[tuple[tuple[int, ...], Mixture], ...] = ()
    savings: Savings = field(default_factory=Savings)
    as_start: bool = False
    keeps_means: bool = False
    bright: tuple[str, ...] = ()
    bias_field: BiasField | None = None
    counts: Tensor | None = None
    seeks_field: bool = False

    def __post_init__(self) -> None:
        if not self.identities:
            object.__setattr__(self, "identities", tuple(range(self.config.n_classes)))
            object.__setattr__(self, "next_identity", self.config.n_classes)
        if not self.known:
            object.__setattr__(self, "known", self.identities)

    @property
    def held(self) -> tuple[int, ...]:
        """Fitted classes whose Gaussian is held."""
        return tuple(k for k, identity in enumerate(self.identities) if identity in self.locked)

    @classmethod
    def cut(
        cls,
        volume: Volume,
        prepared: Prepared,
        config: FitConfig,
        device: torch.device,
        fixed_labels: NDArray[np.integer] | None = None,
        look: int | None = None,
        *,
        known: tuple[int, ...] = (),
    ) -> FitTask:
        """Crop a volume to its mask and bring it to the device.

        Parameters
        ----------
        volume : Volume
            The image.
        prepared : Prepared
            Mask and crop.
        config : FitConfig
            Settings.
        device : torch.device
            Where to work.
        fixed_labels : ndarray (*grid) integer, optional
            Known class k of a voxel, or -1.
        look : int or None
            The slice of the volume's Z axis that a person looks at.
        known : tuple of int
            The class that each number of the fixed labels means now; empty: that of its number.

        Raises
        ------
        SettingsError
            Where the mask has fewer voxels than there are Gaussians, or the fixed labels have another shape or classes
            that are not fitted.
        """
        mask = as_tensor(np.ascontiguousarray(prepared.mask[prepared.crop])).to(device)
        needed = max(config.n_classes, sum(config.gaussians_per_class))
        inside = int(torch.count_nonzero(mask))
        if inside < needed:
            raise SettingsError(
                f"The mask holds {inside} voxels; {needed} Gaussians cannot be told apart in so few.",
                "Widen the mask, or ask for fewer classes.",
            )
        image = as_tensor(np.ascontiguousarray(volume.data[(slice(None), *prepared.crop)])).to(device)
        # One that is not finite makes the sum so, too; a sum may overflow all the same.
        if not bool(torch.isfinite(image.sum()) or torch.isfinite(image).all()):
            image = torch.nan_to_num(image, nan=0.0, posinf=0.0, neginf=0.0)
        fixed = None
        if fixed_labels is not None:
            if fixed_labels.shape != volume.grid_shape:
                raise SettingsError(
                    f"Fixed labels have the shape {fixed_labels.shape}, the image {volume.grid_shape}.",
                    "Give one label for each voxel of the image.",
                )
            cropped = np.array(fixed_labels[prepared.crop], dtype=np.int64)
            numbers = known or tuple(range(config.n_classes))
            low, high = (int(cropped.min()), int(cropped.max())) if cropped.size else (-1, -1)
            if low < -1 or high >= len(numbers):
                raise SettingsError(
                    f"Fixed labels go from {low} to {high}, and there are {len(numbers)} classes from 0 on.",
                    "Give labels of classes that are fitted, and -1 where the class is not known.",
                )
            fixed = renumbered(torch.from_numpy(cropped).to(device).masked_fill(~mask, -1), numbers)
        counts = None
        if prepared.counts is not None:
            counts = as_tensor(np.ascontiguousarray(prepared.counts[prepared.crop])).to(device)
        return cls(image, mask, fixed, volume, prepared, config, look, counts=counts)

    def to(self, device: torch.device) -> FitTask:
        """Return the task on another device.

        Parameters
        ----------
        device : torch.device
            Where to.
        """
        fixed = None if self.fixed_labels is None else self.fixed_labels.to(device)
        counts = None if self.counts is None else self.counts.to(device)
        return replace(self, image=self.image.to(device), mask=self.mask.to(device), fixed_labels=fixed, counts=counts)

    def for_start(self, *, keep_means: bool = False) -> FitTask:
        """Return the task of the spatial mixture from which a network starts.

        Parameters
        ----------
        keep_means : bool
            Whether what the settings say of class means holds for the mixture, too; otherwise it is the network's, as
            bounds on steps are.
        """
        return replace(self, as_start=True, keeps_means=keep_means)

    @property
    def most_sweeps(self) -> int | None:
        """Bound on a mixture's steps; None where the bound is the network's."""
        return None if self.as_start else self.config.max_steps

    @property
    def covariance(self) -> Covariance:
        """Whether channels are correlated within a class of the mixture."""
        chosen = self.config.covariance
        if chosen == "auto":
            return "full" if self.bright else "diagonal"
        return chosen

    @property
    def spatial_means(self) -> Means:
        """What the spatial mixture may do with its means."""
        means = None if self.as_start and not self.keeps_means else self.config.means
        return means or "anchored"

    def samples(self) -> Tensor:
        """Return the intensities (C, N) float32 inside the mask."""
        return gather(self.image, self.mask)

    def fixed_samples(self) -> Tensor | None:
        """Return the known classes (N,) inside the mask, or None."""
        return None if self.fixed_labels is None else self.fixed_labels[self.mask]

    def sample_counts(self) -> Tensor | None:
        """Return how many voxels each of the samples (N,) stands for, or None."""
        return None if self.counts is None else self.counts[self.mask]

    def gaussians_per_class(self) -> tuple[int, ...]:
        """Return the number of Gaussians of each class.

        Raises
        ------
        SettingsError
            Where as many numbers as classes were not given.
        """
        given = self.config.gaussians_per_class
        if given and (len(given) != self.config.n_classes or min(given) < 1):
            raise SettingsError(
                f"Gaussians per class are {given} for {self.config.n_classes} classes.",
                "Give one number, at least 1, for each class.",
            )
        return given or (1,) * self.config.n_classes

    def whole(self, cropped: Tensor) -> NDArray[np.generic]:
        """Put cropped maps back on the whole grid.

        Parameters
        ----------
        cropped : Tensor (..., *crop)
            Any number of maps.

        Returns
        -------
        ndarray (..., *grid)
            0 outside the crop.
        """
        n_maps = cropped.ndim - self.mask.ndim
        here = cropped.cpu().numpy()
        if here.shape[n_maps:] == self.volume.grid_shape:
            return here
        result = np.zeros((*cropped.shape[:n_maps], *self.volume.grid_shape), dtype=here.dtype)
        result[(slice(None),) * n_maps + self.prepared.crop] = here
        return result


def renumbered(labels: Tensor, numbers: Sequence[int]) -> Tensor:
    """Return fixed labels under other numbers.

    Parameters
    ----------
    labels : Tensor (*crop) int64
        Known class k of a voxel, or -1.
    numbers : sequence of int
        The new number of each class.

    Returns
    -------
    Tensor (*crop) int64
        -1 where it was negative.
    """
    # -1 takes the last entry.
    table = torch.tensor([*numbers, -1], device=labels.device)
    return table[labels.clamp_min(-1)]
