"""From an image to the voxels that are fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import PreparationConfig, Preset
from napari_gmmseg.errors import InputError, MaskError, SettingsError
from napari_gmmseg.preparation.base_mask import BrainEngine, base_mask
from napari_gmmseg.preparation.masks import bounding_box, box_mask, disc_mask
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import AtlasPrior, Finding, LabelMap, Volume

BoolArray = NDArray[np.bool_]
MaskLike = NDArray[np.generic] | LabelMap

#: Fewer voxels than this cannot tell a class's width from its mean.
_FEWEST_VOXELS = 2


def prepare(
    volume: Volume,
    config: PreparationConfig | None = None,
    *,
    mask: MaskLike | None = None,
    region: MaskLike | None = None,
    preset: Preset,
    atlas: Callable[[], AtlasPrior] | None = None,
    engine: BrainEngine | None = None,
) -> Prepared:
    """Choose the voxels to fit, and measure the scale of each channel in them.

    Parameters
    ----------
    volume : Volume
        The image, (C, Z, Y, X) or (C, T, Z, Y, X), in its own intensity unit.
    config : PreparationConfig or None
        Mask mode, box and disc; None for the defaults. A mask handed over goes before the mode "auto".
    mask : ndarray (Z, Y, X) or (T, Z, Y, X), any kind, or LabelMap, or None
        Non-zero voxels are fitted; a 3-D mask holds for all frames.
    region : ndarray (Z, Y, X) or (T, Z, Y, X), any kind, or LabelMap, or None
        Non-zero where to look, such as the left ventricle: cut out of the mask. In a preset that needs a region the
        automatic mask is not used: everything inside the region is fitted.
    preset : Preset
        What kind of image it is.
    atlas : callable or None
        Returns an average brain, which is asked for where a brain is looked for in a whole head; None looks for none.
    engine : callable or None
        Returns the brain (Z, Y, X) of a T1-weighted head (Z, Y, X), which is asked for where the mask mode names it.

    Returns
    -------
    Prepared
        Mask, bounding box, centre and scale of each channel, and findings.

    Raises
    ------
    SettingsError
        Where settings contradict each other, or the preset needs a region and none is given.
    GeometryError
        Where the grid of a mask that knows its place lies elsewhere.
    MaskError
        Where a mask has another shape, or no voxels are left.
    InputError
        Where a channel holds no finite value, or one value only.
    """
    config = config or PreparationConfig()
    check_mode(config, mask, preset, region)
    finite: BoolArray = np.asarray(np.isfinite(volume.data).all(axis=0))
    if not finite.any():
        raise InputError(
            "The image holds no voxel that is finite in every channel: all are NaN or infinite.",
            "Check how the image was made; a failed conversion often leaves NaN everywhere.",
        )
    placed = region is not None or config.box is not None or config.disc is not None
    given = None if mask is None else _to_grid(volume, mask, "mask").copy()
    base = base_mask(volume, config, given, preset, finite, placed=placed, atlas=atlas, engine=engine)
    findings = list(base.findings)
    inside = base.mask & _region_mask(volume, config, region)
    lost = int(inside.sum()) - int((inside & finite).sum())
    if lost:
        findings.append(
            Finding(
                "non-finite-voxels",
                f"{lost} voxels of the mask are NaN or infinite and were left out.",
                "They are labelled 0; repair the image if they should not be.",
            )
        )
    inside &= finite
    _check_size(inside)
    centre, scale = _moments(volume, inside)
    return Prepared(
        mask=inside,
        tissue_names=base.tissue_names,
        crop=bounding_box(inside),
        centre=centre,
        scale=scale,
        findings=tuple(findings),
        brain_confidence=base.brain_confidence,
    )


def prepare_case(
    volume: Volume,
    config: PreparationConfig | None = None,
    *,
    mask: MaskLike | None = None,
    region: MaskLike | None = None,
    preset: Preset,
    n_classes: int,
    atlas: Callable[[], AtlasPrior] | None = None,
    engine: BrainEngine | None = None,
) -> tuple[Volume, Prepared]:
    """Do all that comes between an image and its fit: name its contrasts, choose its voxels, check that K fits them.

    Parameters
    ----------
    volume : Volume
        The image, (C, Z, Y, X) or (C, T, Z, Y, X), in its own intensity unit.
    config : PreparationConfig or None
        Mask mode, box and disc; None for the defaults.
    mask, region : ndarray (Z, Y, X) or (T, Z, Y, X), any kind, or LabelMap, or None
        As in `prepare`.
    preset : Preset
        What kind of image it is.
    n_classes : int
        Number of classes K.
    atlas, engine : callable or None
        As in `prepare`.

    Returns
    -------
    Volume
        The same data, with the contrasts that the preset expects where they were not known.
    Prepared
        What is fitted.

    Raises
    ------
    GmmsegError
        What `prepare` and `check_distinct_values` raise.
    """
    named = with_expected_contrasts(volume, preset)
    prepared = prepare(named, config, mask=mask, region=region, preset=preset, atlas=atlas, engine=engine)
    check_distinct_values(named, prepared, n_classes)
    return named, prepared


def with_expected_contrasts(volume: Volume, preset: Preset) -> Volume:
    """Name the channels whose contrast is not known by the preset's order, as far as it reaches.

    Parameters
    ----------
    volume : Volume
        The image; names that are known stay.
    preset : Preset
        Holds the contrasts that are expected, in order.

    Returns
    -------
    Volume
        The same data with more names.
    """
    names = list(volume.channels)
    for c, expected in enumerate(preset.contrasts[: len(names)]):
        if not names[c] and expected not in names:
            names[c] = expected
    if tuple(names) == volume.channels:
        return volume
    taken = [name for name, before in zip(names, volume.channels, strict=True) if name != before]
    assumed = Finding(
        "assumed-contrast",
        f"The contrast is not told by the file; from the preset {preset.name!r} it was taken for {', '.join(taken)}.",
        "Name it if it is another (--contrast).",
        "note" if len(names) == 1 else "warning",
    )
    return replace(volume, channels=tuple(names), findings=(*volume.findings, assumed))


def check_distinct_values(volume: Volume, prepared: Prepared, n_classes: int) -> None:
    """Refuse more classes than there are different intensities inside the mask.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        Its mask.
    n_classes : int
        Number of classes K.

    Raises
    ------
    SettingsError
        Where the mask holds fewer than K different voxels.
    """
    samples = volume.data[:, prepared.mask].T
    if len(np.unique(samples[:: len(samples) // 4096 + 1], axis=0)) >= n_classes:
        return
    rest, found = samples, 0
    # At most K passes, each over what is unlike all found so far: sorting whole volumes would take seconds.
    while len(rest) and found < n_classes:
        rest = rest[(rest != rest[0]).any(axis=1)]
        found += 1
    if found < n_classes:
        raise SettingsError(
            f"{n_classes} classes were asked for, and the mask holds only {found} different intensities "
            f"in {len(samples)} voxels.",
            f"Ask for at most {found} classes, or give the image before it was rounded or thresholded.",
        )


def check_mode(config: PreparationConfig, mask: object | None, preset: Preset, region: object | None) -> None:
    """Refuse settings that contradict each other, and a preset that needs a region without one.

    Parameters
    ----------
    config : PreparationConfig
        Mask mode, box and disc.
    mask, region : object or None
        What was given, in whatever form.
    preset : Preset
        What kind of image it is.

    Raises
    ------
    SettingsError
        Where they do.
    """
    if config.mask == "given" and mask is None:
        raise SettingsError("The mask mode is 'given', and no mask was given.", "Give a mask, or choose auto or none.")
    if config.mask in ("none", "deepbet") and mask is not None:
        raise SettingsError(
            f"A mask was given together with the mask mode {config.mask!r}.", "Leave out one of the two."
        )
    somewhere = mask is not None or region is not None or config.box is not None or config.disc is not None
    if preset.needs_region and not somewhere:
        raise SettingsError(
            f"The preset {preset.name!r} works inside a region only (the left ventricle), and none was given.",
            "Give one: --region FILE or --mask FILE, --box Z0 Y0 X0 Z1 Y1 X1, or --disc Y X RADIUS, in voxels.",
        )


def _to_grid(volume: Volume, mask: MaskLike, what: str) -> BoolArray:
    """Return a mask on the volume's grid as booleans, frames repeated where it has none."""
    shape = volume.grid_shape
    if isinstance(mask, LabelMap):
        if not volume.geometry.same_grid(mask.geometry):
            raise MaskError(
                f"The {what} lies on another grid than the image: {mask.geometry.describe()}, and the image "
                f"{volume.geometry.describe()}.",
                f"Resample the {what} to the image's grid.",
            )
        array: NDArray[np.generic] = mask.labels
    else:
        array = np.asarray(mask)
    if array.shape not in (shape, shape[-3:]):
        raise MaskError(
            f"The {what} has the shape {array.shape}, and the image's grid {shape}.",
            f"Give a {what} with one value for each voxel of the image.",
        )
    if array.dtype.kind not in "buif":
        raise MaskError(f"The {what} holds values of type {array.dtype}.", "Give whole numbers, or true and false.")
    true = (array != 0) & ~np.isnan(array) if array.dtype.kind == "f" else array != 0
    if not true.any():
        raise MaskError(f"The {what} is empty: every voxel is zero.", f"Check that this is the right {what}.")
    return np.asarray(np.broadcast_to(true, shape))


def _region_mask(volume: Volume, config: PreparationConfig, region: MaskLike | None) -> BoolArray:
    inside = np.ones(volume.grid_shape[-3:], dtype=bool)
    if region is not None:
        inside = inside & _to_grid(volume, region, "region")
    if config.box is not None:
        inside = inside & box_mask(config.box, volume.grid_shape)
    if config.disc is not None:
        inside = inside & disc_mask(config.disc, volume.grid_shape)
    return inside


def _check_size(mask: BoolArray) -> None:
    n = int(mask.sum())
    if n < _FEWEST_VOXELS:
        raise MaskError(
            f"{'No voxel is' if n == 0 else 'Only one voxel is'} left to fit inside mask, region and image.",
            "Check that mask, box, disc and image overlap, and that the image is finite there.",
        )


def _moments(volume: Volume, mask: BoolArray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel inside the mask, summed in float64."""
    centre, scale = [], []
    for c, channel in enumerate(volume.data):
        inside = channel[mask]
        low, high = float(inside.min()), float(inside.max())
        if low == high:
            name = volume.channels[c] or f"number {c + 1}"
            raise InputError(
                f"Channel {name} is constant inside the mask: every voxel is {low:g}.",
                "Leave this file out, or check that image and mask belong together.",
            )
        mean = float(inside.mean(dtype=np.float64))
        centre.append(mean)
        scale.append(float(np.sqrt(np.mean((inside.astype(np.float64) - mean) ** 2))))
    return tuple(centre), tuple(scale)
