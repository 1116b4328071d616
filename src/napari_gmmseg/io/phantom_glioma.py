"""A generated glioma in a warped brain, in T1, T1 with gadolinium, T2 and FLAIR, with patient attributes."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from scipy import ndimage

from napari_gmmseg.config.presets import CSF, GM, MAGENTA, VERMILLION, WM, YELLOW
from napari_gmmseg.config.strict import STRICT
from napari_gmmseg.errors import GeometryError
from napari_gmmseg.io.phantom import Acquisition, Array, Phantom, Spacing, acquire, smooth_field
from napari_gmmseg.volumes import ClassTable, Geometry, LabelMap, TissueClass, Volume

CHANNELS = ("t1", "t1gd", "t2", "flair")
OEDEMA = TissueClass(4, "Oedema", "ED", YELLOW, "oedema")
ENHANCING = TissueClass(5, "Enhancing tumour", "ET", VERMILLION, "enhancing")
NECROSIS = TissueClass(6, "Necrotic core", "NC", MAGENTA, "necrosis")
#: Classes of the truth.
CLASSES = ClassTable((CSF, GM, WM, OEDEMA, ENHANCING, NECROSIS))
#: Mean intensity (invented) of each class in T1, T1Gd, T2 and FLAIR.
MEANS = np.array(
    [
        (240, 250, 960, 190),
        (560, 580, 600, 600),
        (800, 820, 440, 500),
        (500, 520, 790, 900),
        (580, 1180, 660, 780),
        (330, 360, 900, 430),
    ],
    dtype=np.float64,
).T


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Tumour:
    """What grows in the brain."""

    grade: Annotated[
        Literal[2, 3, 4],
        Field(
            title="WHO grade", description="2: oedema-like tumour only; 3: with enhancement; 4: with a necrotic core."
        ),
    ] = 4
    radius_mm: Annotated[
        float, Field(gt=2, le=40, title="Radius [mm]", description="Mean radius of the tumour without its oedema.")
    ] = 18.0
    rim_mm: Annotated[
        float, Field(gt=0.5, le=20, title="Rim [mm]", description="Mean thickness of what enhances around the core.")
    ] = 4.0
    oedema_mm: Annotated[
        float, Field(ge=0, le=40, title="Oedema [mm]", description="How far oedema reaches into white matter.")
    ] = 14.0
    push_mm: Annotated[
        float, Field(ge=0, le=12, title="Push [mm]", description="Shift of the tissue at the tumour's border.")
    ] = 4.0
    variation_mm: Annotated[
        float, Field(ge=0, le=6, title="Variation [mm]", description="Standard deviation of the brain's own shape.")
    ] = 2.0


def glioma_phantom(
    seed: int = 0,
    tumour: Tumour | None = None,
    acquisition: Acquisition | None = None,
    brain: tuple[NDArray[np.floating], Geometry] | None = None,
) -> Phantom:
    """Generate a brain with a glioma.

    Parameters
    ----------
    seed : int
        Same seed, same bits: shape of the brain, place and shape of the tumour, attributes, bias, texture and noise.
    tumour : Tumour or None
        Grade and size; None for the defaults.
    acquisition : Acquisition or None
        Noise, bias, texture and blur; None for the defaults.
    brain : (ndarray (3, Z, Y, X), Geometry) or None
        Shares of CSF, GM and WM in each voxel, 0 outside the brain, and their grid in mm; None for the sample brain.

    Returns
    -------
    Phantom
        Channels t1, t1gd, t2, flair, 0 outside the brain; truth 1 CSF, 2 GM, 3 WM, 4 oedema, 5 enhancing tumour,
        6 necrotic core; mask = the brain. Among the attributes, `MethylationCluster` goes with the extent of the
        oedema and `RNASeqCluster` with the thickness of the rim; the others tell place, or nothing.

    Raises
    ------
    GeometryError
        Where the brain's maps do not fit their grid, or the grid has no voxel size.
    """
    tumour = tumour or Tumour()
    acquisition = acquisition or Acquisition()
    maps, geometry = brain or _sample_brain()
    healthy = np.asarray(maps, dtype=np.float32)
    if healthy.shape != (3, *geometry.shape) or geometry.unit != "mm":
        raise GeometryError(
            f"Maps of shape {healthy.shape} were given for a grid of {geometry.describe()}.",
            "Give CSF, GM and WM maps (3, Z, Y, X) on a grid in mm.",
        )
    rng = np.random.default_rng(seed)
    clusters = {name: int(rng.integers(1, n + 1)) for name, n in _CLUSTERS.items()}
    warped = _warped(healthy, _random_shift(geometry, tumour.variation_mm, rng), geometry.spacing)
    centre = _place(warped, geometry, tumour, rng)
    distance, offset = _distance(geometry, centre, rng)
    push = tumour.push_mm * np.exp(-np.maximum(distance - tumour.radius_mm, 0) / 18) * (distance > 1)
    warped = _warped(warped, [push * o / np.maximum(distance, 1) for o in offset], geometry.spacing)
    mask = warped.sum(axis=0) >= 0.5
    fractions = _grown(warped, distance, geometry=geometry, tumour=tumour, clusters=clusters, rng=rng)
    fractions = np.where(mask, fractions / np.maximum(fractions.sum(axis=0), 1e-6), 0).astype(np.float32)
    labels = np.where(mask, fractions.argmax(axis=0) + 1, 0).astype(np.uint8)
    data = acquire(fractions, MEANS, mask, spacing=geometry.spacing, acquisition=acquisition, rng=rng)
    return Phantom(
        volume=Volume(data=np.where(mask, np.maximum(data, 1), 0), geometry=geometry, channels=CHANNELS),
        truth=LabelMap(labels=labels, geometry=geometry, classes=CLASSES),
        mask=mask,
        attributes=_attributes(seed, tumour, clusters=clusters, centre=centre, geometry=geometry, rng=rng),
    )


_CLUSTERS = {
    "RNASeqCluster": 4,
    "MethylationCluster": 5,
    "miRNACluster": 4,
    "CNCluster": 3,
    "RPPACluster": 4,
    "OncosignCluster": 3,
}


def _sample_brain() -> tuple[Array, Geometry]:
    from napari_gmmseg.io.sample import load_sample_maps

    volume = load_sample_maps()
    return volume.data, volume.geometry


def _random_shift(geometry: Geometry, std_mm: float, rng: np.random.Generator) -> list[Array]:
    """Return a smooth displacement, three arrays (Z, Y, X) in mm."""
    return [smooth_field(geometry.shape, geometry.spacing, 16.0, rng) * np.float32(std_mm) for _ in range(3)]


def _warped(maps: Array, shift: list[Array], spacing: Spacing) -> Array:
    """Return maps (K, Z, Y, X) read at each voxel minus its shift in mm."""
    indices = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in maps.shape[1:]), indexing="ij")
    at = [i - s / np.float32(step) for i, s, step in zip(indices, shift, spacing, strict=True)]
    return np.stack([ndimage.map_coordinates(m, at, order=1, mode="constant") for m in maps]).astype(np.float32)


def _place(maps: Array, geometry: Geometry, tumour: Tumour, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the voxel (z, y, x) of the tumour's centre: deep in the white matter of one hemisphere."""
    brain = maps.sum(axis=0) >= 0.5
    depth = ndimage.distance_transform_edt(brain, sampling=geometry.spacing)
    middle = np.argwhere(brain).mean(axis=0)
    z, _, x = np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij", sparse=True)
    aside = np.abs(x - middle[2]) * geometry.spacing[2]
    good = (maps[2] > 0.6) & (depth > tumour.radius_mm) & (aside > 16) & (z > middle[0])
    # A brain too small for such a place takes the deepest voxel of its white matter.
    places = np.argwhere(good) if good.any() else np.argwhere(depth * maps[2] == (depth * maps[2]).max())
    place: NDArray[np.intp] = places[rng.integers(len(places))]
    return place


def _distance(
    geometry: Geometry, centre: NDArray[np.intp], rng: np.random.Generator
) -> tuple[Array, list[NDArray[np.float64]]]:
    """Return the distance from the centre in mm, stretched and ragged (Z, Y, X), and the offset along each axis."""
    axes = [(np.arange(n) - c) * step for n, c, step in zip(geometry.shape, centre, geometry.spacing, strict=True)]
    offset = list(np.meshgrid(*axes, indexing="ij"))
    stretch = rng.uniform(0.85, 1.2, size=3)
    plain = np.sqrt(sum((o / s) ** 2 for o, s in zip(offset, stretch, strict=True)))
    lobes = 2.2 * smooth_field(geometry.shape, geometry.spacing, 7.0, rng)
    fringe = 0.9 * smooth_field(geometry.shape, geometry.spacing, 2.5, rng)
    ragged: Array = np.maximum(plain + lobes + fringe, 0).astype(np.float32)
    return ragged, offset


def _grown(
    healthy: Array,
    distance: Array,
    *,
    geometry: Geometry,
    tumour: Tumour,
    clusters: dict[str, int],
    rng: np.random.Generator,
) -> Array:
    """Return the shares of all six classes (6, Z, Y, X): borders are soft over about one voxel."""
    soft = float(np.mean(geometry.spacing)) / 2
    rim = tumour.rim_mm * (0.7 + 0.15 * clusters["RNASeqCluster"])
    reach = tumour.oedema_mm * (0.55 + 0.15 * clusters["MethylationCluster"])
    hole = distance + 1.2 * smooth_field(geometry.shape, geometry.spacing, 3.5, rng)
    solid = _inside(distance, tumour.radius_mm, soft) if tumour.grade >= 3 else np.zeros_like(distance)
    core = solid * _inside(hole, tumour.radius_mm - rim, soft) if tumour.grade == 4 else np.zeros_like(distance)
    # Oedema follows white matter: grey matter and CSF count as a longer way.
    white = ndimage.gaussian_filter(healthy[2], [1.5 / step for step in geometry.spacing])
    spread = distance + 12 * (1 - white) * (distance > tumour.radius_mm)
    oedema = _inside(spread, tumour.radius_mm + reach, 1.5 * soft) * (1 - healthy[0]) * (1 - solid)
    rest = np.clip(1 - solid - oedema, 0, 1)
    return np.stack([*(rest * healthy), oedema, solid - core, core])


def _inside(distance: Array, radius: float, soft: float) -> Array:
    """Return 1 within a radius, 0 beyond, with a logistic edge of `soft` mm; (Z, Y, X)."""
    share = 1 / (1 + np.exp(np.clip((distance - radius) / soft * 2, -30, 30)))
    return np.asarray(share, dtype=np.float32)


def _attributes(
    seed: int,
    tumour: Tumour,
    *,
    clusters: dict[str, int],
    centre: NDArray[np.intp],
    geometry: Geometry,
    rng: np.random.Generator,
) -> dict[str, str | int | float]:
    """Return an invented patient, named after the columns of public glioma tables."""
    world = geometry.affine @ np.array([*centre, 1.0])
    return {
        "Patient": f"glioma-{seed:04d}",
        **clusters,
        "neoplasm_histologic_grade": tumour.grade,
        "laterality": "right" if world[2] > 0 else "left",
        "gender": "female" if rng.random() < 0.5 else "male",
        "age_at_initial_pathologic": int(np.clip(rng.normal(35 + 6 * tumour.grade, 10), 18, 88)),
        "slice_position": round(float(centre[0]) / max(geometry.shape[0] - 1, 1), 3),
    }
