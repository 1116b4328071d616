"""Segment one case by strokes, or correct a finished mask by them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_gmmseg.api.following import follow
from napari_gmmseg.api.options import PathLike, or_words, preparation_config, validated
from napari_gmmseg.api.reading import opened_mask, read
from napari_gmmseg.errors import SettingsError

if TYPE_CHECKING:
    from napari_gmmseg.config.scribbles import ScribbleConfig
    from napari_gmmseg.preparation import Prepared
    from napari_gmmseg.volumes import Finding, FitReport, LabelMap, Scribbles, Segmentation, Volume

#: Settings of `segment` that an answer from strokes takes.
_TAKEN = ("seed", "threads")
#: Settings whose other values change nothing here: there is one place to work.
_FREE = {"device": ("auto", "cpu"), "bias_field": ("auto", "off")}


def segment_scribbles(
    image: Volume | PathLike | Sequence[PathLike],
    scribbles: Scribbles | PathLike | None,
    *,
    background: int | None = None,
    init: LabelMap | PathLike | None = None,
    n_classes: int | None = None,
    preset: str | None = None,
    progress: Callable[[FitReport], object] | None = None,
    place: dict[str, Any] | None = None,
    resample: bool = False,
    **settings: Any,
) -> Segmentation:
    """Answer strokes on one image; `segment` calls this where it is given scribbles or a mask to start from.

    Parameters
    ----------
    image : Volume, path, or sequence of paths
        The channels of one case.
    scribbles : Scribbles, path or None
        Strokes; None only where there is `init`.
    background : int or None
        The label value of the strokes that means background: it is 0 in the mask.
    init : LabelMap, path or None
        A finished mask that the strokes correct.
    n_classes : int or None
        Number of classes K, which the strokes tell already.
    preset : str or None
        Kind of image, for its mask and the names of its contrasts.
    progress : callable or None
        Called with each report.
    place : dict or None
        mask, region, box and disc as `segment` takes them.
    resample : bool
        Whether channels and masks on other grids are resampled to the first channel's.
    **settings
        Fields of `FitConfig`: seed and threads are taken, others refused unless they have their default.

    Raises
    ------
    GmmsegError
        `SettingsError`, `MaskError`, `InputError` or `GeometryError`, each with a hint.
    """
    from napari_gmmseg.fitting.scribbling import fit_scribbles
    from napari_gmmseg.fitting.scribbling.correcting import correct_mask
    from napari_gmmseg.volumes import Volume

    config = _config(settings)
    volume = image if isinstance(image, Volume) else read(image, resample=resample)
    strokes = strokes_on(scribbles, volume, background)
    start = _mask(init)
    told = {"scribbles": _named(scribbles), "background": background, "init": _named(init), **_told(place)}
    if start is not None:
        _check_idle_with_init(place or {}, n_classes, preset)
        prepared, findings = _whole_image(volume)
        result = follow(correct_mask(volume, prepared, start, strokes, config), progress)
    else:
        if strokes is None:
            raise SettingsError("There is nothing to segment by.", "Give scribbles, or a mask to start from.")
        _check_classes(strokes, n_classes)
        volume, prepared, findings = prepared_for_strokes(volume, strokes, preset, place or {}, resample)
        result = follow(fit_scribbles(volume, prepared, strokes, config), progress)
    return replace(
        result,
        findings=(*findings, *result.findings),
        provenance={**result.provenance, "preparation": told},
    )


def _config(settings: dict[str, Any]) -> ScribbleConfig:
    """Return settings of an answer, and refuse those of a fit that say nothing here."""
    from napari_gmmseg.api.options import fit_config
    from napari_gmmseg.config import FitConfig
    from napari_gmmseg.config.scribbles import ScribbleConfig

    # Names and bounds are checked as for any fit.
    whole = fit_config({name: value for name, value in settings.items() if value is not None})
    idle = [
        name
        for name in settings
        if name not in _TAKEN
        and getattr(whole, name) != getattr(FitConfig, name)
        and getattr(whole, name) not in _FREE.get(name, ())
    ]
    if idle:
        flags = ", ".join(f"{name} (--{name.replace('_', '-')})" for name in sorted(idle))
        raise SettingsError(
            f"Without meaning where strokes tell the classes: {flags}.",
            "Leave it out: an answer from scribbles has a method of its own.",
        )
    return validated(lambda: ScribbleConfig(seed=whole.seed, threads=whole.threads))


def strokes_on(scribbles: Scribbles | PathLike | None, volume: Volume, background: int | None) -> Scribbles | None:
    """Return strokes, read where they are a file.

    Parameters
    ----------
    scribbles : Scribbles, path or None
        Strokes; None stays None.
    volume : Volume
        The image that they lie on.
    background : int or None
        The label value that means background; None: as the strokes say.
    """
    from napari_gmmseg.io.scribbles import read_scribbles
    from napari_gmmseg.volumes import Scribbles

    if isinstance(scribbles, (str, os.PathLike)):
        return read_scribbles(Path(scribbles), volume, background=background)
    if scribbles is not None and not isinstance(scribbles, Scribbles):
        raise SettingsError(
            f"Scribbles are given as {type(scribbles).__name__}.",
            "Give a file's path, or make them by napari_gmmseg.volumes.Scribbles.from_labels.",
        )
    if scribbles is None or background is None:
        return scribbles
    return replace(scribbles, background=background)


def _mask(init: LabelMap | PathLike | None) -> LabelMap | None:
    from napari_gmmseg.io import read_labels

    if isinstance(init, (str, os.PathLike)):
        return read_labels(Path(init))
    if init is not None and not hasattr(init, "labels"):
        raise SettingsError(
            f"The mask to start from is given as {type(init).__name__}.", "Give a file's path, or a LabelMap."
        )
    return init


def _check_idle_with_init(place: dict[str, Any], n_classes: int | None, preset: str | None) -> None:
    """Refuse what says nothing where a finished mask is corrected: its place and its classes are known."""
    given = [name for name in ("region", "box", "disc") if place.get(name) is not None]
    mask = place.get("mask")
    given += [] if mask is None or (isinstance(mask, str) and mask in ("auto", "none")) else ["mask"]
    given += ["classes"] if n_classes is not None else []
    given += ["preset"] if preset is not None else []
    if given:
        raise SettingsError(
            f"Without meaning beside a mask to start from: {', '.join(f'--{name}' for name in given)}.",
            "Leave it out: only what strokes contradict is answered, in the whole image.",
        )


def _check_classes(strokes: Scribbles, n_classes: int | None) -> None:
    painted = [value for value, count in strokes.counts().items() if count]
    if n_classes is not None and n_classes != len(painted):
        raise SettingsError(
            f"{n_classes} classes were asked for (--classes), and the scribbles have {len(painted)}: {painted}.",
            "Leave --classes out: the scribbles tell how many there are.",
        )


def prepared_for_strokes(
    volume: Volume, strokes: Scribbles, preset: str | None, place: dict[str, Any], resample: bool
) -> tuple[Volume, Prepared, tuple[Finding, ...]]:
    """Return the image with its contrasts' names, its mask, and what there is to say of it.

    Parameters
    ----------
    volume : Volume
        The image.
    strokes : Scribbles
        On it; where one class is background, the whole image is looked at.
    preset : str or None
        Kind of image.
    place : dict of str to object
        mask, region, box and disc as `segment` takes them.
    resample : bool
        Whether masks on other grids are resampled.
    """
    from napari_gmmseg.config import PreparationConfig, find_preset
    from napari_gmmseg.io.atlas import read_atlas
    from napari_gmmseg.networks.brain_extraction import extract_brain
    from napari_gmmseg.preparation import prepare, with_expected_contrasts

    kind = find_preset(preset or "custom")
    volume = with_expected_contrasts(volume, kind)
    somewhere = any(place.get(name) is not None for name in ("region", "box", "disc"))
    if strokes.background is not None and place.get("mask", "auto") == "auto" and not somewhere:
        masked = prepare(volume, PreparationConfig(), preset=find_preset("custom"))
        painted = strokes.labels()[masked.mask] == strokes.background
        # Zeros around an image are background already, as long as other background was painted.
        return (volume, masked, ()) if masked.tissue_names and painted.any() else (volume, *_whole_image(volume, True))
    config = preparation_config(place.get("mask", "auto"), place.get("box"), place.get("disc"))
    given, notes = opened_mask(place.get("mask") if config.mask == "given" else None, volume, resample, or_words())
    where, more = opened_mask(place.get("region"), volume, resample)
    return (
        volume,
        prepare(volume, config, mask=given, region=where, preset=kind, atlas=read_atlas, engine=extract_brain),
        (*notes, *more),
    )


def _whole_image(volume: Volume, told: bool = False) -> tuple[Prepared, tuple[Finding, ...]]:
    from napari_gmmseg.config import PreparationConfig, find_preset
    from napari_gmmseg.preparation import prepare
    from napari_gmmseg.volumes import Finding

    prepared = prepare(volume, PreparationConfig(mask="none"), preset=find_preset("custom"))
    if not told:
        return prepared, ()
    note = Finding(
        "whole-image",
        "One class is background, so every voxel of the image was answered and no mask was made.",
        "Give a mask (--mask FILE) to answer less.",
        "note",
    )
    return prepared, (note,)


def _named(given: object) -> str | None:
    return os.fspath(given) if isinstance(given, (str, os.PathLike)) else None if given is None else "object"


def _told(place: dict[str, Any] | None) -> dict[str, Any]:
    return {name: _named(value) if name in ("mask", "region") else value for name, value in (place or {}).items()}
