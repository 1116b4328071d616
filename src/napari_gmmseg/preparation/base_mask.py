"""Which voxels are fitted before region and box cut them: given, all, the object, or a brain proposed in a head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import PreparationConfig, Preset
from napari_gmmseg.errors import MaskError, SettingsError
from napari_gmmseg.preparation.brain import BrainProposal, looks_like_a_head, propose_brain
from napari_gmmseg.preparation.masks import AutoMask, automatic_mask, foreground, imaged_box
from napari_gmmseg.volumes import AtlasPrior, Finding, Volume

BoolArray = NDArray[np.bool_]
#: Returns the brain (Z, Y, X) of a T1-weighted head (Z, Y, X), axes rising (superior, anterior, right); or nothing.
BrainEngine: TypeAlias = Callable[[NDArray[np.float32]], BoolArray]
Kind = Literal["given", "everything", "object", "foreground", "brain"]

#: More than any brain with its CSF has, in ml; a head has twice as much.
_LARGEST_BRAIN_ML = 2400.0
#: An image that is smaller than this across, or smaller than this in all, shows no head: mm, and ml.
_ACROSS, _LEAST_ML = 100.0, 100.0
_LOOK_AT_IT = "Look at its border; where it is wrong, give a brain mask (--mask FILE)."
#: A proposal above this confidence is a note, below it a warning.
_SURE = 0.9


@dataclass(frozen=True)
class BaseMask:
    """A mask before region and finiteness.

    Parameters
    ----------
    mask : ndarray (Z, Y, X) or (T, Z, Y, X), bool
        The mask.
    tissue_names : bool
        Whether classes may be named as tissues.
    findings : tuple of Finding
        What there is to say of it.
    brain_confidence : float or None
        0 ... 1 where a brain was looked for in a head.
    kind : str
        How it was found; "object": all that differs from a constant background.
    background : tuple of float
        Of an object: the constant value of each channel.
    """

    mask: BoolArray
    tissue_names: bool
    findings: tuple[Finding, ...] = ()
    brain_confidence: float | None = None
    kind: Kind = "everything"
    background: tuple[float, ...] = ()


def base_mask(
    volume: Volume,
    config: PreparationConfig,
    given: BoolArray | None,
    preset: Preset,
    finite: BoolArray,
    *,
    placed: bool,
    atlas: Callable[[], AtlasPrior] | None,
    engine: BrainEngine | None,
) -> BaseMask:
    """Choose the mask.

    Parameters
    ----------
    volume : Volume
        The image, (C, Z, Y, X) or (C, T, Z, Y, X), in its own intensity unit.
    config : PreparationConfig
        Mask mode.
    given : ndarray (Z, Y, X) or (T, Z, Y, X), bool, or None
        A mask that was handed over; it stays as it is.
    preset : Preset
        What kind of image it is.
    finite : ndarray (Z, Y, X) or (T, Z, Y, X), bool
        Voxels that are finite in every channel.
    placed : bool
        Whether a person said where to look: then nothing dark in there is left out.
    atlas : callable or None
        Returns an average brain; None: no brain is looked for in a head.
    engine : callable or None
        Cuts brains out where the mask mode asks for one that is cut out.

    Raises
    ------
    MaskError
        Where no foreground, or no brain, is found.
    SettingsError
        Where a brain is to be cut out of what is no T1-weighted volume.
    """
    if given is not None:
        return BaseMask(given, True, kind="given")
    if config.mask == "deepbet":
        return _cut_out(volume, engine)
    everything = np.ones(volume.grid_shape, dtype=bool)
    if config.mask == "none" or preset.needs_region:
        return BaseMask(everything, preset.needs_region, _whole_grid_findings(preset))
    auto = automatic_mask(volume.data, finite)
    if placed and not auto.masked_background:
        return BaseMask(everything, False, _whole_grid_findings(preset))
    if placed or atlas is None or not _may_be_a_head(volume, auto, preset, finite):
        return _automatic(volume, auto, preset, None)
    found = _proposal(volume, auto, finite, atlas())
    if not found.credible:
        return _automatic(volume, auto, preset, found.confidence)
    return BaseMask(found.mask, True, (_proposed_finding(volume, found),), found.confidence, "brain")


def _cut_out(volume: Volume, engine: BrainEngine | None) -> BaseMask:
    """Return the brain that an engine cuts out."""
    known = [name for name in volume.channels if name]
    if engine is None or volume.data.ndim != 4 or volume.geometry.unit != "mm" or (known and "t1" not in known):
        raise SettingsError(
            "A brain is cut out of T1-weighted volumes in mm, of one frame.",
            "Leave the mask automatic (--mask auto), or give a mask (--mask FILE).",
        )
    mask = engine(_channel(volume))
    ml = float(mask.sum()) * volume.geometry.voxel_volume_ml
    if not 0 < ml <= _LARGEST_BRAIN_ML:
        seen = (
            f"what it cut out has {ml:.0f} ml, and a brain at most {_LARGEST_BRAIN_ML:g} ml" if ml else "it sees none"
        )
        raise MaskError(
            f"deepbet found no brain in this image: {seen}.",
            "Check that it shows a head, and that its header tells which way is up. Or leave the mask automatic "
            "(--mask auto).",
        )
    told = Finding(
        "proposed-brain",
        f"A brain of {ml:.0f} ml was cut out by deepbet, which cannot tell that there is none: only that was fitted.",
        _LOOK_AT_IT,
        "note",
    )
    return BaseMask(mask, True, (told,), kind="brain")


def _automatic(volume: Volume, auto: AutoMask, preset: Preset, confidence: float | None) -> BaseMask:
    """Return the automatic mask: an object in a constant background, else the foreground."""
    if not auto.masked_background:
        return BaseMask(auto.mask, False, (_foreground_finding(preset, confidence),), confidence, "foreground")
    if confidence is not None or _too_large_for_a_brain(volume, auto.mask, preset):
        return BaseMask(auto.mask, False, (_head_finding(confidence),), confidence, "object", auto.background)
    if not any(auto.background):
        return BaseMask(auto.mask, True, kind="object", background=auto.background)
    values = ", ".join(f"{value:g}" for value in auto.background)
    constant = Finding(
        "constant-background",
        f"The background is not zero but constant ({values}), and was left out.",
        "Give a mask if voxels with that value belong to it.",
        "note",
    )
    return BaseMask(auto.mask, True, (constant,), kind="object", background=auto.background)


def _names_tissues(volume: Volume, preset: Preset) -> bool:
    return preset.classes is not None and any(c.role == "wm" for c in preset.classes) and volume.geometry.unit == "mm"


def _may_be_a_head(volume: Volume, auto: AutoMask, preset: Preset, finite: BoolArray) -> bool:
    """Whether a brain is worth looking for: in a volume that is large enough, and no brain without its skull."""
    size = np.array(volume.geometry.shape) * volume.geometry.spacing
    if not _names_tissues(volume, preset) or volume.n_frames > 1 or volume.data.ndim != 4:
        return False
    if np.sort(size)[1] < _ACROSS or min(volume.geometry.shape) < 2 or np.prod(size) / 1000 < _LEAST_ML:
        return False
    if not auto.masked_background or _too_large_for_a_brain(volume, auto.mask, preset):
        return True
    box = imaged_box(volume.data, finite)
    spacing = np.asarray(volume.geometry.spacing, dtype=np.float64)
    return looks_like_a_head(_channel(volume)[box], auto.mask[box], spacing)


def _channel(volume: Volume) -> NDArray[np.float32]:
    """Return the channel in which a brain is looked for, finite: T1 where there is one, else the first."""
    data: NDArray[np.float32] = volume.data[volume.channels.index("t1") if "t1" in volume.channels else 0]
    if np.isfinite(data).all():
        return data
    filled: NDArray[np.float32] = np.where(np.isfinite(data), data, np.float32(0))
    return filled


def _proposal(volume: Volume, auto: AutoMask, finite: BoolArray, atlas: AtlasPrior) -> BrainProposal:
    """Look for a brain in what the image shows: constant background around it is no part of the head."""
    box = imaged_box(volume.data, finite)
    head = foreground(volume.data, finite) if auto.masked_background else auto.mask
    affine = np.array(volume.geometry.affine)
    affine[:3, 3] += affine[:3, :3] @ [cut.start for cut in box]
    found = propose_brain(_channel(volume)[box], affine, head[box], atlas)
    whole = np.zeros(volume.grid_shape, dtype=bool)
    whole[box] = found.mask
    return BrainProposal(whole, found.confidence)


def _too_large_for_a_brain(volume: Volume, mask: BoolArray, preset: Preset) -> bool:
    """Whether a mask that should hold a brain holds more than that, such as a head before a zero background."""
    if not _names_tissues(volume, preset):
        return False
    return float(mask.sum()) / volume.n_frames * volume.geometry.voxel_volume_ml > _LARGEST_BRAIN_ML


def _whole_grid_findings(preset: Preset) -> tuple[Finding, ...]:
    if preset.needs_region or preset.classes is None:
        return ()
    return (
        Finding(
            "no-mask",
            "Every voxel was fitted, background, scalp and skull too where there are any: classes are numbered by "
            "rising intensity, not named CSF, GM and WM.",
            "Give a brain mask (--mask FILE), or leave the mask automatic.",
        ),
    )


def _proposed_finding(volume: Volume, found: BrainProposal) -> Finding:
    ml = float(found.mask.sum()) * volume.geometry.voxel_volume_ml
    return Finding(
        "proposed-brain",
        f"The image shows a head with its skull, and a brain of {ml:.0f} ml was proposed in it "
        f"(confidence {found.confidence:.2f}): only that was fitted.",
        _LOOK_AT_IT,
        "note" if found.confidence >= _SURE else "warning",
    )


def _looked_for(confidence: float | None) -> str:
    """Return what is told where a brain was looked for in vain."""
    return "" if confidence is None else f" A brain was looked for, and none is credible (confidence {confidence:.2f})."


def _head_finding(confidence: float | None) -> Finding:
    why = f"What is not background is larger than a brain can be ({_LARGEST_BRAIN_ML:g} ml)"
    if confidence is not None:
        why = "What is not background looks like a head with its skull"
    return Finding(
        "scalp-and-skull",
        f"{why}: scalp and skull are in it, and classes are numbered by rising intensity, not named CSF, GM and WM."
        + _looked_for(confidence),
        "Give a brain mask (--mask FILE) or a skull-stripped image.",
    )


def _foreground_finding(preset: Preset, confidence: float | None) -> Finding:
    if preset.classes is None:
        return Finding(
            "foreground-mask",
            "The background is not masked, so the foreground alone was fitted: what is as dark as air is labelled 0.",
            "Fit every voxel with --mask none, or give a mask (--mask FILE).",
            "note",
        )
    return Finding(
        "scalp-and-skull",
        "The background is not zero, so the foreground was fitted: scalp and skull are in it, what is as dark as air "
        "(much of the CSF) is labelled 0, and classes are numbered by rising intensity, not named CSF, GM and WM."
        + _looked_for(confidence),
        "Give a brain mask (--mask FILE) or a skull-stripped image; --preset custom for what is no brain.",
    )
