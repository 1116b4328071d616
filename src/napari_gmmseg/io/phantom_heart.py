"""A generated short-axis heart in three sequences (bSSFP, LGE, T2) with an infarct of the left ventricle."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from napari_gmmseg.config.presets import BLOOD, MUSCLE, OEDEMA, SCAR
from napari_gmmseg.config.strict import STRICT
from napari_gmmseg.io.phantom import Acquisition, Array, Phantom, acquire, smooth_field
from napari_gmmseg.volumes import ClassTable, Geometry, LabelMap, Volume

CHANNELS = ("bssfp", "lge", "t2")
#: Classes of the truth, in the order of the cardiac preset.
CLASSES = ClassTable((BLOOD, MUSCLE, OEDEMA, SCAR))

#: Mean intensity in bSSFP, LGE and T2; the first four are the classes, in their order. The levels are invented; their
#: ranks are those of the cardiac preset.
TISSUES: dict[str, tuple[float, float, float]] = {
    "blood": (760, 330, 120),
    "muscle": (290, 90, 250),
    "oedema": (440, 170, 480),
    "scar": (360, 540, 350),
    "other blood": (740, 320, 130),
    "other muscle": (270, 90, 230),
    "fat": (540, 250, 300),
    "chest wall": (210, 110, 170),
    "liver": (330, 150, 190),
    "lung": (30, 15, 20),
}
_INDEX = {name: k for k, name in enumerate(TISSUES)}
#: Finer steps per voxel along z, y and x in which tissue is drawn, so that voxels at borders hold several tissues.
_FINER = (4, 2, 2)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class HeartAnatomy:
    """Size and place of what is drawn."""

    shape: Annotated[tuple[int, int, int], Field(title="Voxels", description="Slices, rows, columns.")] = (8, 128, 128)
    spacing: Annotated[
        tuple[float, float, float], Field(title="Voxel size [mm]", description="Slice distance, row, column.")
    ] = (8.0, 1.25, 1.25)
    cavity_mm: Annotated[
        float, Field(gt=5, le=50, title="Cavity radius [mm]", description="Of the left ventricle at its base.")
    ] = 24.0
    wall_mm: Annotated[
        float, Field(gt=2, le=30, title="Wall thickness [mm]", description="Of the left ventricle at its base.")
    ] = 11.0
    papillary_mm: Annotated[
        float, Field(ge=0, le=10, title="Papillary radius [mm]", description="Of each of the two papillary muscles.")
    ] = 4.0
    infarct_degrees: Annotated[
        float, Field(ge=0, le=360, title="Infarct [degrees]", description="Angle of the wall that is scarred.")
    ] = 85.0
    transmurality: Annotated[
        float,
        Field(
            ge=0, le=1, title="Transmurality", description="Share of the wall, from within, that is scarred at most."
        ),
    ] = 0.7
    oedema_degrees: Annotated[
        float,
        Field(
            ge=0, le=180, title="Oedema margin [degrees]", description="How far oedema reaches beyond each scar end."
        ),
    ] = 26.0


@plain_dataclass(frozen=True)
class _Polar:
    """Coordinates about the left ventricle; arrays that broadcast to the fine grid (Z, Y, X)."""

    y: Array
    x: Array
    radius: Array
    angle: Array
    level: Array
    cavity: Array
    epicardium: Array


def heart_phantom(
    seed: int = 0, anatomy: HeartAnatomy | None = None, acquisition: Acquisition | None = None
) -> Phantom:
    """Generate a short-axis heart with blood, healthy muscle, oedema and scar in the left ventricle.

    Parameters
    ----------
    seed : int
        Same seed, same bits: shape of the ventricle, place of the infarct, bias, texture and noise follow from it.
    anatomy : HeartAnatomy or None
        Size and place of what is drawn; None for the defaults.
    acquisition : Acquisition or None
        Noise, bias, texture and blur; None for the defaults.

    Returns
    -------
    Phantom
        Channels bssfp, lge, t2; truth 1 blood, 2 muscle, 3 oedema, 4 scar inside the left ventricle, which is the
        mask. The first slice is the apex.
    """
    anatomy = anatomy or HeartAnatomy()
    acquisition = acquisition or Acquisition()
    rng = np.random.default_rng(seed)
    polar = _coordinates(anatomy, rng)
    infarct_angle = float(rng.uniform(0, 2 * np.pi))
    tissue = _surroundings(polar, rng)
    _draw_left_ventricle(tissue, polar, anatomy, infarct_angle, rng)
    fractions = _fractions(tissue, anatomy.shape)
    ventricle = fractions[: len(CLASSES)].sum(axis=0)
    mask = ventricle >= 0.5
    labels = np.where(mask, fractions[: len(CLASSES)].argmax(axis=0) + 1, 0).astype(np.uint8)
    means = np.array(list(TISSUES.values()), dtype=np.float64).T
    data = acquire(fractions, means, mask, spacing=anatomy.spacing, acquisition=acquisition, rng=rng)
    geometry = Geometry.from_spacing(anatomy.shape, anatomy.spacing)
    scar_ml = float(fractions[_INDEX["scar"]].sum(dtype=np.float64)) * geometry.voxel_volume_ml
    return Phantom(
        volume=Volume(data=data, geometry=geometry, channels=CHANNELS),
        truth=LabelMap(labels=labels, geometry=geometry, classes=CLASSES),
        mask=mask,
        attributes={"patient": f"heart-{seed:04d}", "scar_ml": round(scar_ml, 1)},
    )


def _coordinates(anatomy: HeartAnatomy, rng: np.random.Generator) -> _Polar:
    """Return polar coordinates on the fine grid, and the two borders of the left ventricle's wall in mm."""
    n_z, n_y, n_x = (n * f for n, f in zip(anatomy.shape, _FINER, strict=True))
    step_y, step_x = anatomy.spacing[1] / _FINER[1], anatomy.spacing[2] / _FINER[2]
    # 0 at the tip of the cavity, 1 at its base; the first slice cuts it a little above its tip.
    level = (0.08 + 0.92 * (np.arange(n_z) + 0.5) / n_z)[:, np.newaxis, np.newaxis]
    drift_y, drift_x = rng.uniform(-5, 5, size=2)
    y = ((np.arange(n_y) - (n_y - 1) / 2) * step_y)[:, np.newaxis] + 6 - drift_y * (1 - level)
    x = ((np.arange(n_x) - (n_x - 1) / 2) * step_x)[np.newaxis, :] + 16 - drift_x * (1 - level)
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    phases = rng.uniform(0, 2 * np.pi, size=3)
    wobble = 1 + sum(a * np.cos(n * angle + p) for a, n, p in zip((0.05, 0.03, 0.02), (2, 3, 5), phases, strict=True))
    cavity = anatomy.cavity_mm * np.sqrt(np.maximum(1 - (1 - level) ** 2, 0)) * wobble
    wall = anatomy.wall_mm * (0.75 + 0.25 * level) * (1 + 0.1 * np.cos(angle + phases[0]))
    shaped = (np.asarray(v, dtype=np.float32) for v in (y, x, radius, angle, level, cavity, cavity + wall))
    return _Polar(*shaped)


def _surroundings(polar: _Polar, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return tissue indices (Z, Y, X) of all but the left ventricle."""
    y, x, level = polar.y, polar.x, polar.level
    tissue = np.full(polar.radius.shape, _INDEX["lung"], dtype=np.uint8)
    # The right ventricle lies towards +x (the patient's right) and a little anterior, and ends above the apex.
    size = np.clip((level - 0.2) / 0.8, 1e-3, 1) ** 0.5
    right = np.hypot((x - 27) / (30 * size), (y - 6) / (36 * size))
    right_mm = np.where(size > 0.1, (right - 1) * 30 * size, np.inf)
    aorta = np.hypot(x + 34, y + 42)
    dome = 46 + 0.004 * (x - 20) ** 2
    ridge = -38 - 0.1 * x + 3 * np.sin(x / 17 + rng.uniform(0, 6))
    fat_mm = 3 + 4 * np.maximum(np.cos(polar.angle - 0.9), 0)
    near = np.minimum(polar.radius - polar.epicardium, right_mm - 3)
    tissue[y < ridge] = _INDEX["liver"]
    tissue[near < fat_mm] = _INDEX["fat"]
    tissue[np.broadcast_to(y > dome, tissue.shape)] = _INDEX["fat"]
    tissue[np.broadcast_to(y > dome + 5, tissue.shape)] = _INDEX["chest wall"]
    tissue[np.broadcast_to(y > dome + 17, tissue.shape)] = _INDEX["fat"]
    tissue[aorta < 12.5] = _INDEX["other muscle"]
    tissue[aorta < 11] = _INDEX["other blood"]
    tissue[right_mm < 3] = _INDEX["other muscle"]
    tissue[right_mm < 0] = _INDEX["other blood"]
    return tissue


def _draw_left_ventricle(
    tissue: NDArray[np.uint8], polar: _Polar, anatomy: HeartAnatomy, infarct: float, rng: np.random.Generator
) -> None:
    """Draw wall, cavity, papillary muscles, oedema and scar into tissue indices (Z, Y, X), in place."""
    fine = (anatomy.spacing[0] / _FINER[0], anatomy.spacing[1] / _FINER[1], anatomy.spacing[2] / _FINER[2])
    shape = (tissue.shape[0], tissue.shape[1], tissue.shape[2])
    ragged = smooth_field(shape, fine, 4.0, rng)
    wall = (polar.radius < polar.epicardium) & (polar.radius >= polar.cavity)
    depth = (polar.radius - polar.cavity) / (polar.epicardium - polar.cavity)
    away = np.degrees(np.abs(np.angle(np.exp(1j * (polar.angle - infarct)))))
    # The infarct lies in the lower two thirds and narrows towards the base.
    taper = np.clip((0.85 - polar.level) / 0.3, 0, 1)
    half = anatomy.infarct_degrees / 2 * taper
    reach = np.clip(1 - (away / np.maximum(half, 1e-3)) ** 2, 0, 1) ** 0.5
    scar = wall & (taper > 0.3) & (away < half) & (depth < anatomy.transmurality * reach + 0.06 * ragged)
    at_risk = wall & (taper > 0.2) & (away + 6 * ragged < (half + anatomy.oedema_degrees) * taper)
    tissue[wall] = _INDEX["muscle"]
    tissue[at_risk] = _INDEX["oedema"]
    tissue[scar] = _INDEX["scar"]
    tissue[polar.radius < polar.cavity] = _INDEX["blood"]
    held = (polar.level > 0.25) & (polar.level < 0.75)
    for angle in (-2.2 + rng.uniform(-0.2, 0.2), 2.4 + rng.uniform(-0.2, 0.2)):
        centre = 0.62 * polar.cavity
        distance = np.hypot(polar.y - centre * np.sin(angle), polar.x - centre * np.cos(angle))
        tissue[held & (distance < anatomy.papillary_mm * (1 + 0.1 * ragged))] = _INDEX["muscle"]


def _fractions(tissue: NDArray[np.uint8], shape: tuple[int, int, int]) -> Array:
    """Return the share of each tissue in each voxel; tissue (fine Z, Y, X) to (K, Z, Y, X) float32."""
    (n_z, n_y, n_x), (f_z, f_y, f_x) = shape, _FINER
    boxes = tissue.reshape(n_z, f_z, n_y, f_y, n_x, f_x)
    return np.stack([(boxes == k).mean(axis=(1, 3, 5), dtype=np.float32) for k in range(len(TISSUES))])
