"""Label maps, and what a fit returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError
from napari_gmmseg.volumes.bias_field import BiasField
from napari_gmmseg.volumes.classes import ClassTable
from napari_gmmseg.volumes.findings import Finding
from napari_gmmseg.volumes.fractions import FractionBasis, Fractions, OneChannel
from napari_gmmseg.volumes.geometry import Geometry, SourceGrid, read_only
from napari_gmmseg.volumes.mixture import Mixture
from napari_gmmseg.volumes.reports import FitReport
from napari_gmmseg.volumes.volume import Volume

#: Where the provenance has the noise that mixed voxels of one channel were modelled with, in the image's own unit.
MIXED_VOXEL_NOISE = "mixed voxel noise"
#: A class with less weight than this has no intensity of its own, and no place among mixed voxels.
_LEAST_WEIGHT = 1e-6


@dataclass(frozen=True)
class LabelMap:
    """A mask: one label value a voxel.

    Parameters
    ----------
    labels : ndarray (Z, Y, X) or (T, Z, Y, X), uint8
        0 is background.
    geometry : Geometry
        Grid of the last three axes.
    classes : ClassTable
        What the label values mean.
    source : SourceGrid or None
        The grid to write it back on.
    """

    labels: NDArray[np.uint8]
    geometry: Geometry
    classes: ClassTable
    source: SourceGrid | None = None

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if labels.shape[-3:] != tuple(self.geometry.shape):
            raise GeometryError(
                f"The labels have {labels.shape[-3:]} voxels and their geometry {self.geometry.shape}.",
                "Give the geometry of these labels.",
            )
        object.__setattr__(self, "labels", read_only(labels))

    def counts(self) -> dict[int, int]:
        """Return the number of voxels of each label value of the class table."""
        # Quicker than a bincount, which makes an index of eight bytes of each label.
        return {c.value: int(np.count_nonzero(self.labels == c.value)) for c in self.classes}


@dataclass(frozen=True)
class Segmentation:
    """A finished segmentation.

    Parameters
    ----------
    label_map : LabelMap
        The answer.
    probabilities : ndarray (K, *grid) float32
        Posterior of each class, 0 outside the mask.
    mask : ndarray (*grid) bool
        Voxels that were fitted.
    mixture : Mixture
        Fitted parameters.
    method : str
        The method that gave it, as in `FitConfig.method` without "auto".
    log_likelihood : float
        Mean over the mask, in nat per voxel: of the intensities under the mixture alone, without neighbours; for
        deepsvg and blindspot under the mixture with the network's prior in place of the mixing weights.
    steps : int
        Steps done.
    stopped : bool
        True where a person ended it before it had converged.
    findings : tuple of Finding
        Doubts about data and result.
    provenance : dict
        Settings, seed, versions, device, seconds: what is needed to do it again.
    prior : ndarray (K, *grid) float32 or None
        The class probabilities pi(x) that a network gave, before the voxel's own intensity; None without a network.
    base : Segmentation or None
        The spatial mixture that was refined; None where nothing was.
    history : tuple of FitReport
        What was reported step by step, without previews and mixtures.
    bias_field : BiasField or None
        The shading that was taken out before: the mixture is that of the corrected intensities. None where none was.
    image : Volume or None
        The image that it is of, where a model of mixed voxels was fitted: fractions need its intensities. Without it
        they are the posterior.
    """

    label_map: LabelMap
    probabilities: NDArray[np.float32]
    mask: NDArray[np.bool_]
    mixture: Mixture
    method: str
    log_likelihood: float
    steps: int
    stopped: bool = False
    findings: tuple[Finding, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    prior: NDArray[np.float32] | None = None
    base: Segmentation | None = None
    history: tuple[FitReport, ...] = ()
    bias_field: BiasField | None = None
    image: Volume | None = field(default=None, repr=False)

    @property
    def fractions(self) -> NDArray[np.float32]:
        """Return the share of each tissue in each voxel, (K, *grid) float32; worked out anew each time.

        Where one channel was fitted with mixed voxels, what its intensity makes expected (see `MixedVoxels`); for any
        other fit the posterior, and where grey matter is not between CSF and white matter in intensity, as in FLAIR:
        `fraction_basis` says which. Voxels whose label was set otherwise are wholly of it.
        """
        return self._shares.maps()

    @cached_property
    def fraction_sums(self) -> NDArray[np.float64]:
        """Return the sum of each tissue's fractions over the grid, in voxels: (K,) float64."""
        return self._shares.sums()

    @property
    def fraction_basis(self) -> FractionBasis:
        """What the fractions are from: intensities of mixed voxels, or the posterior."""
        return self._shares.basis

    @property
    def _shares(self) -> Fractions:
        background = self.provenance.get("background")
        values = [0 if value == background else value for value in self.label_map.classes.values]
        return Fractions(
            self.probabilities, self.mask, self.label_map.labels, np.array(values, dtype=np.uint8), self._channel
        )

    @property
    def _channel(self) -> OneChannel | None:
        """What mixed voxels are modelled with; None where there is no model, or none for these classes."""
        noise, image, means = self.provenance.get(MIXED_VOXEL_NOISE), self.image, self.mixture.class_means()[:, 0]
        if noise is None or image is None or self.mixture.mixing_weights.min() < _LEAST_WEIGHT:
            return None
        if len(means) < 2 or not (np.diff(np.sort(means)) > 0).all() or self._hides_mixtures(means):
            return None
        return OneChannel(lambda slab: self.intensities(image, (slab,))[0], means, float(noise))

    def _hides_mixtures(self, means: NDArray[np.float64]) -> bool:
        """Whether mixtures of CSF and grey matter look like white matter, as in FLAIR: intensities then mislead."""
        place = {tissue.role: means[k] for k, tissue in enumerate(self.label_map.classes)}
        if not {"csf", "gm", "wm"} <= place.keys():
            return False
        return not min(place["csf"], place["wm"]) < place["gm"] < max(place["csf"], place["wm"])

    def with_image(self, image: Volume) -> Segmentation:
        """Return the same with the image that it is of, and so what it refined.

        Parameters
        ----------
        image : Volume
            The image.
        """
        base = None if self.base is None else self.base.with_image(image)
        return replace(self, image=image, base=base)

    @property
    def uncertainty(self) -> NDArray[np.float32]:
        """Return 1 - max_k p_k inside the mask, 0 outside; (*grid) float32, 0 = sure."""
        return np.where(self.mask, 1.0 - self.probabilities.max(axis=0), 0.0).astype(np.float32)

    def intensities(self, volume: Volume, plane: tuple[int | slice, ...] = ()) -> NDArray[np.float32]:
        """Return the intensities that the mixture is of: the image's own, without bias where one was found.

        Parameters
        ----------
        volume : Volume
            The image.
        plane : tuple of int or slice
            Index into the grid, such as (z,) for one slice; () for all of it.

        Returns
        -------
        ndarray (C, *plane) float32
            In the image's own unit.
        """
        raw = np.asarray(volume.data[(slice(None), *plane)], dtype=np.float32)
        if self.bias_field is None:
            return raw
        shape = self.mask.shape
        index = (*plane, *(slice(None),) * (len(shape) - len(plane)))[-3:]
        where = tuple(
            slice(*part.indices(n)[:2]) if isinstance(part, slice) else slice(part, part + 1)
            for part, n in zip(index, shape[-3:], strict=True)
        )
        keep = (slice(None), *(slice(None) if isinstance(part, slice) else 0 for part in index))
        factors = self.bias_field.factors(where)[keep]
        frames = (1,) * (raw.ndim - factors.ndim)
        return raw / factors.reshape(len(factors), *frames, *factors.shape[1:])
