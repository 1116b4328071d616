"""Where the voxels of a layer lie, whichever reader it comes from.

Kinds of layers, as seen in readers of 2021 to 2026:

- ours: the `Volume` itself is in the metadata (see `reader.py`);
- napari-nifti 0.0.20: array (S, A, R), or with time last; `scale` negative on all three axes; the true affine, in x-y-z
  order and RAS+, in `metadata["affine"]`, 4 x 4, or 5 x 5 with time last;
- readers that keep ITK's keys "origin", "spacing" and "direction" in the metadata (napari-itk-io, whose layer
  transform holds the inverse rotation, older napari-nifti, in z-y-x order and LPS; napari-medical-image-formats, in
  x-y-z order and with `scale` in the wrong order);
- the rest: the layer's own transform, be it scale and translate, or a full affine with rotation and shear. Its world is
  then taken as z-y-x (or as the axis labels x, y, z say) and the sides as unverified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import GeometryError
from napari_gmmseg.io.grids import LPS_TO_RAS, REVERSED
from napari_gmmseg.io.pictures import picture_affine
from napari_gmmseg.plugin.snapshots import LayerSnapshot
from napari_gmmseg.volumes import Finding, Unit

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class LayerPlace:
    """Where a layer's voxels lie.

    Parameters
    ----------
    extra : int or None
        Which axis is not a spatial one.
    affine : ndarray (4, 4) float64
        Index on the spatial axes, in the layer's order (padded to three), to world (x, y, z), RAS+.
    unit : "mm" or "pixel"
        Unit of the world.
    verified : bool
        Whether it is known which side is which.
    reversed_axes : bool
        Whether a file would hold the spatial axes in the reverse of the layer's order, as x-y-z formats do.
    findings : tuple of Finding
        Doubts.
    """

    extra: int | None
    affine: Matrix
    unit: Unit
    verified: bool
    reversed_axes: bool = True
    findings: tuple[Finding, ...] = ()


def find_place(layer: LayerSnapshot) -> LayerPlace:
    """Tell where a layer's voxels lie from its metadata, else from its transform.

    Parameters
    ----------
    layer : LayerSnapshot
        The layer.

    Raises
    ------
    GeometryError
        Where the transform cannot place voxels in space.
    """
    if layer.ndim >= 3:
        known = _from_affine(layer) or _from_itk(layer)
        if known is not None:
            return known
    return _from_transform(layer)


def _finite(value: Any, shape: tuple[int, ...]) -> Matrix | None:
    """Return a value as a float array of a shape, or None where it is none."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return array if array.shape == shape and np.isfinite(array).all() else None


def _invertible(affine: Matrix) -> bool:
    linear = affine[:3, :3]
    lengths = np.linalg.norm(linear, axis=0)
    return bool(lengths.min() > 0 and abs(np.linalg.det(linear)) > 1e-6 * lengths.prod())


def _from_affine(layer: LayerSnapshot) -> LayerPlace | None:
    """Read napari-nifti's metadata: an affine in x-y-z order for an array in z-y-x order, time last."""
    given = layer.metadata.get("affine")
    affine = _finite(given, (4, 4))
    if affine is None:
        wide = _finite(given, (5, 5))
        if wide is None:
            return None
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = wide[:3, :3], wide[:3, 4]
    if not _invertible(affine):
        return None
    extra = layer.ndim - 1 if layer.ndim == 4 else None
    steps = np.linalg.norm(np.delete(layer.transform[:-1, :-1], [] if extra is None else [extra], axis=1), axis=0)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(steps, spacing[::-1], rtol=1e-3):
        # It was made for another array than this: resampled, or in another order of axes.
        return None
    lps = str(layer.metadata.get("coordinate_system", "")).upper().startswith("LPS")
    world = LPS_TO_RAS @ affine if lps else affine
    return LayerPlace(extra=extra, affine=world @ REVERSED, unit="mm", verified=True)


def _from_itk(layer: LayerSnapshot) -> LayerPlace | None:
    """Read ITK's keys: arrays in z-y-x order, or SimpleITK's flat tuples in x-y-z order; the world is LPS."""
    direction = layer.metadata.get("direction")
    origin, spacing = (_finite(layer.metadata.get(key), (3,)) for key in ("origin", "spacing"))
    square, flat = _finite(direction, (3, 3)), _finite(direction, (9,))
    if origin is None or spacing is None or (square is None and flat is None):
        return None
    affine = np.eye(4)
    if square is not None:
        affine[:3, :3], affine[:3, 3] = square * spacing, origin
        affine = REVERSED @ affine @ REVERSED
    elif flat is not None:
        affine[:3, :3], affine[:3, 3] = flat.reshape(3, 3) * spacing, origin
    if not _invertible(affine):
        return None
    extra = 0 if layer.ndim == 4 else None
    return LayerPlace(extra=extra, affine=LPS_TO_RAS @ affine @ REVERSED, unit="mm", verified=True)


def _from_transform(layer: LayerSnapshot) -> LayerPlace:
    extra = _extra_axis(layer) if layer.ndim == 4 else None
    kept = [axis for axis in range(layer.ndim) if axis != extra]
    whole = layer.transform[np.ix_([*kept, layer.ndim], [*kept, layer.ndim])]
    if not np.isfinite(whole).all() or abs(np.linalg.det(whole)) < 1e-12:
        raise GeometryError(
            f"The transform of the layer {layer.name!r} cannot place voxels in space.",
            "Give the layer a scale other than 0, or open the file again.",
        )
    factors = [layer.millimetres[axis] for axis in kept]
    bare = bool(np.allclose(whole, np.eye(len(kept) + 1)))
    findings: list[Finding] = []
    if any(factor is None for factor in factors):
        factors = [1.0] * len(kept)
        unit: Unit = "pixel" if bare else "mm"
        if not bare:
            findings.append(
                Finding(
                    "unit-assumed",
                    f"The layer {layer.name!r} has a scale and no unit: it was taken as mm.",
                    "Set the layer's units if it is another.",
                    "note",
                )
            )
    else:
        unit = "mm"
    scaled = np.diag([*(f if f is not None else 1.0 for f in factors), 1.0]) @ whole
    if len(kept) == 2:
        return LayerPlace(None, _lift(scaled), unit, verified=bare, findings=tuple(findings))
    if unit == "mm":
        findings.append(
            Finding(
                "orientation-unknown",
                f"The layer {layer.name!r} does not tell which side is left.",
                "Check left and right by eye; exports are marked as unverified.",
            )
        )
    order = _world_order(layer, kept)
    return LayerPlace(
        extra=extra,
        affine=order @ scaled,
        unit=unit,
        verified=unit == "pixel",
        reversed_axes=not np.array_equal(order, np.eye(4)),
        findings=tuple(findings),
    )


def _extra_axis(layer: LayerSnapshot) -> int:
    """Find the axis that is not spatial: the one with a unit that is no length, else the first, as napari has it."""
    not_lengths = [axis for axis, mm in enumerate(layer.millimetres) if mm is None]
    return not_lengths[0] if len(not_lengths) == 1 else 0


def _world_order(layer: LayerSnapshot, kept: list[int]) -> Matrix:
    """Return what brings the layer's world to x-y-z order: as the axis labels say, else reversed."""
    names = [layer.axis_labels[axis].strip().lower() for axis in kept]
    if sorted(names) != ["x", "y", "z"]:
        return REVERSED.copy()
    order = np.zeros((4, 4))
    order[3, 3] = 1.0
    for axis, name in enumerate(names):
        order["xyz".index(name), axis] = 1.0
    return order


def _lift(flat: Matrix) -> Matrix:
    """Make the affine of a slice (row, column, added) of a transform in the plane."""
    lifted = np.eye(4)
    lifted[:2, :2], lifted[:2, 3] = flat[:2, :2], flat[:2, 2]
    return picture_affine(2) @ lifted
