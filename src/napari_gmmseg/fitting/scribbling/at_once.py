"""An answer as soon as a stroke is there: mixture of the strokes x geodesic prior x neighbours."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.config.scribbles import ScribbleConfig
from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.fitting.scribbling.corrections import MORE_PLACE, painted_later, teaching_weights
from napari_gmmseg.fitting.scribbling.plane import Plane, Weights
from napari_gmmseg.mixture.scribble_mixture import Evidence, fit_scribble_mixture, opened
from napari_gmmseg.mixture.standardisation import Standardisation
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import ClassTable, Geometry, Mixture, Scribbles, Volume, told_apart

#: Slices whose graphs are kept.
KEPT_SLICES = 4
#: Unlabelled voxels that the mixture is fitted on besides the strokes.
EVIDENCE_VOXELS = 8192
#: Gaussians for all voxels together: what a background may look like where nobody painted.
EVERYTHING = 6
#: Weights where no class is background, and against one (its intensities at one stroke a class), as they measured best.
TISSUES = Weights(place=0.3, intensity=1.0, neighbours=1.0)
OBJECTS = Weights(place=1.0, intensity=0.5, neighbours=3.0)


@dataclass(frozen=True)
class Answer:
    """What strokes say of one slice, or of the volume.

    Parameters
    ----------
    classes : ClassTable
        The K classes that strokes name, in the order of the scribbles' table.
    labels : ndarray (*grid) uint8
        Label values; 0 outside the mask and where the background is. Of one slice: grid is (1, Y, X) or (T, 1, Y, X).
    probabilities : ndarray (K, *grid) float32
        Posterior of each class, 0 outside the mask.
    mask : ndarray (*grid) bool
        Voxels that have an answer: the prepared mask, and what strokes added to it.
    mixture : Mixture
        Of the strokes.
    slice_index : int or None
        The slice; None for the volume.
    log_likelihood : float
        Mean over the mask, in nat per voxel of standardised intensities.
    evidence : ndarray (K, *grid) float32
        What place and intensities say of each class, before neighbours do, in nat, up to a constant of the voxel.
    pull : (wz, wy, wx)
        Of one face neighbour along each axis, in nat.
    """

    classes: ClassTable
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    mask: NDArray[np.bool_]
    mixture: Mixture
    slice_index: int | None
    log_likelihood: float
    evidence: NDArray[np.float32]
    pull: tuple[float, float, float]


class AtOnce:
    """Answers to strokes on one image, with what can be kept between strokes.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        Its mask and scale.
    config : ScribbleConfig
        How to answer.
    """

    def __init__(self, volume: Volume, prepared: Prepared, config: ScribbleConfig | None = None) -> None:
        self._volume, self._prepared = volume, prepared
        self._config = config or ScribbleConfig()
        data = np.nan_to_num(volume.data, nan=0.0, posinf=0.0, neginf=0.0)
        self._data = data
        samples = data[:, prepared.mask]
        self._scale = Standardisation(np.asarray(prepared.centre, dtype=np.float64), np.asarray(prepared.scale))
        low, high = np.percentile(samples[:, :: max(1, samples.shape[1] // 100_000)], (1, 99), axis=1)
        wide = np.where(high > low, high - low, 1.0)
        shape = (-1,) + (1,) * (data.ndim - 1)
        self._unit = np.clip((data - low.reshape(shape)) / wide.reshape(shape), -0.5, 1.5).astype(np.float32)
        self._all: Mixture | None = None
        self._planes: OrderedDict[int | None, Plane] = OrderedDict()
        self._newest: tuple[Any, Answer] | None = None

    @property
    def geometry(self) -> Geometry:
        """The image's voxel size and place."""
        return self._volume.geometry

    def update(self, scribbles: Scribbles, slice_index: int | None = None) -> Answer:
        """Answer strokes; of what was computed before, only what a changed class needs is computed again.

        The newest answer of the volume is kept: a fine-tuning on the same strokes begins with it.

        Parameters
        ----------
        scribbles : Scribbles
            All strokes so far.
        slice_index : int or None
            The one slice of the volume's Z axis to answer; None for the volume.

        Raises
        ------
        GeometryError
            Where the scribbles lie on another grid.
        SettingsError
            Where fewer than two classes are painted.
        """
        classes = painted_classes(scribbles, self._volume)
        kinds = self._kinds(scribbles, classes)
        weights = self._weights(scribbles, classes)
        if slice_index is not None:
            return self._answer(scribbles, classes, kinds, weights, slice_index)
        told = classes, scribbles.background, weights, _digest(kinds, scribbles.weights(), scribbles.times())
        if self._newest is None or self._newest[0] != told:
            self._newest = told, self._answer(scribbles, classes, kinds, weights, None)
        return self._newest[1]

    def _answer(
        self,
        scribbles: Scribbles,
        classes: ClassTable,
        kinds: NDArray[np.int16],
        weights: Weights,
        slice_index: int | None,
    ) -> Answer:
        plane = self._plane(slice_index)
        priors = plane.log_priors(kinds, len(classes))
        mixture, contradicted = self._fit(scribbles, classes, kinds, plane, priors)
        if self._config.spatial_weight is None:
            weights = replace(weights, place=weights.place * (1.0 + MORE_PLACE * contradicted))
        evidence, log_likelihood = plane.place_and_intensity(mixture, priors, kinds, weights)
        probabilities, labels = plane.posterior(evidence, kinds, weights)
        values = np.array([0, *classes.values], dtype=np.uint8)
        if scribbles.background in classes.values:
            values[1 + classes.values.index(scribbles.background)] = 0
        return Answer(
            classes,
            values[labels],
            probabilities,
            plane.mask(kinds),
            mixture,
            slice_index,
            log_likelihood,
            evidence.numpy(),
            plane.pull(weights),
        )

    def distances(self, scribbles: Scribbles) -> NDArray[np.float32]:
        """Return the geodesic distance (K, *grid) float32 of each voxel from each painted class's strokes.

        Infinite where no path leads; in mm, or in the finest pixels where no voxel size is known.

        Parameters
        ----------
        scribbles : Scribbles
            All strokes so far.

        Raises
        ------
        GeometryError
            Where the scribbles lie on another grid.
        SettingsError
            Where fewer than two classes are painted.
        """
        classes = painted_classes(scribbles, self._volume)
        return self._plane(None).distances(self._kinds(scribbles, classes), len(classes))

    def nearest(self, scribbles: Scribbles, painted: Scribbles, slice_index: int | None = None) -> NDArray[np.float32]:
        """Return the geodesic distance (*grid) float32 of each voxel from the nearest stroke; infinite without a path.

        Parameters
        ----------
        scribbles : Scribbles
            All strokes so far, with those that stand for classes that were not painted.
        painted : Scribbles
            The strokes that count.
        slice_index : int or None
            The one slice of the volume's Z axis; None for the volume.

        Raises
        ------
        GeometryError
            Where the scribbles lie on another grid.
        SettingsError
            Where fewer than two classes are painted.
        """
        classes = painted_classes(scribbles, self._volume)
        kinds = self._kinds(scribbles, classes)
        counts = painted.counts()
        own = [k for k, value in enumerate(classes.values) if counts.get(value) and (kinds == k).any()]
        plane = self._plane(slice_index)
        if not own:
            return np.full(plane.mask(kinds).shape, np.inf, dtype=np.float32)
        nearest: NDArray[np.float32] = plane.distances_of(kinds, own).min(axis=0)
        return nearest

    def told(self, scribbles: Scribbles) -> NDArray[np.uint8]:
        """Return the label value that strokes tell of each voxel (*grid) uint8; background outside the mask adds none.

        Parameters
        ----------
        scribbles : Scribbles
            All strokes so far.
        """
        return scribbles.told(self._prepared.mask)

    def mask(self, scribbles: Scribbles) -> NDArray[np.bool_]:
        """Return the voxels (*grid) that are answered: the mask, and what strokes of any classes outside of it add.

        Parameters
        ----------
        scribbles : Scribbles
            All strokes so far.
        """
        return self._plane(None).mask(_kinds(self.told(scribbles), scribbles.classes))

    def _kinds(self, scribbles: Scribbles, classes: ClassTable) -> NDArray[np.int16]:
        """Return the class k of each voxel (*grid)."""
        kinds = _kinds(self.told(scribbles), classes)
        known = scribbles.background in classes.values
        if known and not (kinds == classes.values.index(scribbles.background)).any():
            raise SettingsError(
                "The background is painted outside the mask only, where it says nothing.",
                "Paint background inside the mask too, or widen the mask (--mask none).",
            )
        return kinds

    def _plane(self, slice_index: int | None) -> Plane:
        if slice_index not in self._planes:
            self._planes[slice_index] = Plane(
                self._data,
                self._unit,
                self._prepared.mask,
                slice_index,
                self._volume.geometry,
                self._scale,
                self._config,
            )
        self._planes.move_to_end(slice_index)
        while len(self._planes) > KEPT_SLICES:
            self._planes.popitem(last=False)
        return self._planes[slice_index]

    def _weights(self, scribbles: Scribbles, classes: ClassTable) -> Weights:
        """Return how much place, intensities and neighbours count.

        Tissues that lie everywhere are told apart by intensity. Against a background, which holds all sorts of tissue,
        place says more, and the more so the more strokes there are.
        """
        measured = TISSUES
        if scribbles.background in classes.values:
            n_strokes = sum(stroke.value in classes.values for stroke in scribbles.strokes) / len(classes)
            measured = replace(OBJECTS, intensity=OBJECTS.intensity / max(n_strokes, 1.0))
        given = {
            "place": self._config.spatial_weight,
            "intensity": self._config.intensity_weight,
            "neighbours": self._config.neighbour_weight,
        }
        return replace(measured, **{name: value for name, value in given.items() if value is not None})

    def _fit(
        self, scribbles: Scribbles, classes: ClassTable, kinds: NDArray[np.int16], plane: Plane, priors: Tensor
    ) -> tuple[Mixture, float]:
        """Fit the mixture to all strokes, with voxels of the shown part as evidence; and tell what contradicts it."""
        known = kinds >= 0
        numbers = tuple(
            self._config.background_gaussians if value == scribbles.background else self._config.object_gaussians
            for value in classes.values
        )
        evidence = None
        if self._config.evidence:
            evidence = Evidence(*plane.evidence(kinds, priors, EVIDENCE_VOXELS), self._config.evidence)
        labelled = torch.from_numpy(self._data[:, known]), torch.from_numpy(kinds[known].astype(np.int64))
        weights = torch.from_numpy(np.maximum(scribbles.weights()[known], 1e-6))
        seed = self._config.seed

        def fit(samples: Tensor, own: Tensor, counts: Tensor) -> Mixture:
            return fit_scribble_mixture(samples, own, counts, self._scale, numbers, evidence=evidence, seed=seed)

        if scribbles.background not in classes.values:
            later = painted_later(scribbles.times()[known], kinds[known], len(classes))
            weights, contradicted = teaching_weights(*labelled, weights, later, self._scale, fit)
            return fit(*labelled, weights), contradicted
        mixture = fit(*labelled, weights)
        return opened(mixture, classes.values.index(scribbles.background), self._everything()), 0.0

    def _everything(self) -> Mixture:
        """Return Gaussians of all voxels inside the mask, found once."""
        if self._all is None:
            inside = self._data[:, self._prepared.mask]
            chosen = torch.from_numpy(inside[:, :: max(1, inside.shape[1] // EVIDENCE_VOXELS)])
            n = chosen.shape[1]
            self._all = fit_scribble_mixture(
                chosen, torch.zeros(n, dtype=torch.int64), torch.ones(n), self._scale, (EVERYTHING,)
            )
        return self._all


def check_grid(scribbles: Scribbles, volume: Volume) -> None:
    """Refuse strokes on another grid than the image's.

    Parameters
    ----------
    scribbles : Scribbles
        The strokes.
    volume : Volume
        The image.

    Raises
    ------
    GeometryError
        Where they lie on another grid.
    """
    if tuple(scribbles.shape) != volume.grid_shape or not volume.geometry.same_grid(scribbles.geometry):
        raise GeometryError(
            "The scribbles lie on another grid than the image: "
            f"{told_apart(scribbles.shape, scribbles.geometry, volume.grid_shape, volume.geometry)}.",
            "Give the scribbles that were painted on this image.",
        )


def _digest(kinds: NDArray[np.int16], *told: NDArray[np.floating[Any]]) -> bytes:
    """Return what is the same for the same labelled voxels, classes k and what is told of them (*grid) alone."""
    where = np.flatnonzero(kinds != OPEN)
    parts = (where, *(part.reshape(-1)[where] for part in (kinds, *told)))
    return hashlib.blake2b(b"".join(part.tobytes() for part in parts)).digest()


#: Not labelled, and left out of everything that is learnt.
OPEN, LEFT_OUT = -1, -2


def painted_classes(scribbles: Scribbles, volume: Volume) -> ClassTable:
    """Return the classes that strokes name.

    Parameters
    ----------
    scribbles : Scribbles
        The strokes.
    volume : Volume
        The image that they are to lie on.

    Raises
    ------
    GeometryError
        Where they lie on another grid.
    SettingsError
        Where they name fewer than two classes.
    """
    check_grid(scribbles, volume)
    counts = scribbles.counts()
    found = tuple(tissue for tissue in scribbles.classes if counts[tissue.value])
    if len(found) < 2:
        what = f"only {found[0].name} (value {found[0].value}) is painted" if found else "nothing is painted"
        raise SettingsError(
            f"The scribbles tell no classes apart: {what}.",
            "Paint at least two classes; one of them may be declared background.",
        )
    return ClassTable(found)


def _kinds(labels: NDArray[np.uint8], classes: ClassTable) -> NDArray[np.int16]:
    """Return the class k of each voxel (*grid) of some label value; OPEN, or LEFT_OUT."""
    table = np.full(256, OPEN, dtype=np.int16)
    table[255] = LEFT_OUT
    table[list(classes.values)] = np.arange(len(classes))
    kinds: NDArray[np.int16] = table[labels]
    return kinds
