"""Fit a mixture to one case."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from napari_gmmseg.api.following import follow
from napari_gmmseg.api.options import PathLike, fit_config, or_words, preparation_config, settings_without_effect
from napari_gmmseg.api.reading import opened_mask, read
from napari_gmmseg.api.scribbling import segment_scribbles
from napari_gmmseg.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_gmmseg.config import Preset
    from napari_gmmseg.session.journal import Opened
    from napari_gmmseg.volumes import Command, FitReport, LabelMap, Scribbles, Segmentation, Volume


def segment(
    image: Volume | PathLike | Sequence[PathLike],
    *,
    preset: str | None = None,
    method: str = "auto",
    n_classes: int | None = None,
    mask: PathLike | NDArray[Any] | LabelMap | None = "auto",
    region: PathLike | NDArray[Any] | LabelMap | None = None,
    box: tuple[int, int, int, int, int, int] | None = None,
    disc: tuple[float, float, float] | None = None,
    resample: bool = False,
    seed: int = 0,
    scribbles: Scribbles | PathLike | None = None,
    background: int | None = None,
    init: LabelMap | PathLike | None = None,
    progress: Callable[[FitReport], object] | None = None,
    **settings: Any,
) -> Segmentation:
    """Fit a mixture to one case and label its voxels.

    Methods: "gmm" looks at intensities alone; "svgmm" is the spatially variant mixture of Schwab et al.; "spatial" has
    a neighbour prior; "deepg" and "deepsvg" are the deep forms of the first two, a U-Net trained on the one image by
    the likelihood; "blindspot" is a U-Net that learns each voxel's prior from its neighbours. "auto" takes the spatial
    mixture and refines it by a network where that measured better, unless `refine=False`.

    Parameters
    ----------
    image : Volume, path, or sequence of paths
        The channels of one case; paths are read by `read` without options.
    preset : str or None
        Kind of image, e.g. "brain-t1", "brain-multi", "cardiac", "glioma", "custom"; None: brain-t1 for one channel,
        brain-multi for several.
    method : "auto", "gmm", "svgmm", "spatial", "deepg", "deepsvg" or "blindspot"
        How labels are found.
    n_classes : int or None
        Number of classes K; None: as many as the preset names, else 3.
    mask : "auto", "none", "deepbet", path, ndarray (Z, Y, X) or (T, Z, Y, X), LabelMap, or None
        Where to look; None counts as "none".
    region : path, ndarray (Z, Y, X) or (T, Z, Y, X), LabelMap, or None
        Cut out of the mask, such as the left ventricle.
    box : (z0, y0, x0, z1, y1, x1) or None
        In voxels of the volume, stop exclusive; cut out of the mask.
    disc : (y, x, radius) or None
        In voxels of the volume, the same in every slice; cut out of the mask.
    resample : bool
        Whether channels and masks on other grids are resampled to the first channel's.
    seed : int
        Same seed, same mask.
    scribbles : Scribbles, path or None
        Strokes of two classes or more: they tell the classes and their number, and there is no `method` then. A path is
        a label image (0 unlabelled, 1 ... K, 255 left out) or JSON.
    background : int or None
        The value of the strokes that means background: it is 0 in the mask, and the whole image is answered.
    init : LabelMap, path or None
        A finished mask: strokes correct it where they contradict it, and without strokes it comes back unchanged.
    progress : callable or None
        Called with each `FitReport`; what it raises ends the fit and leaves nothing behind.
    **settings
        Further fields of `napari_gmmseg.config.FitConfig`, e.g. `max_steps`, `tolerance`, `device`, `threads`; for the
        deep methods `recipe`, `learning_rate`, `view` and more.

    Returns
    -------
    Segmentation
        Label map (Z, Y, X) or (T, Z, Y, X), probabilities (K, *grid), mixture and findings; after a deep method also
        the network's prior (K, *grid), and after a refinement what was refined, as `base`.

    Raises
    ------
    GmmsegError
        `SettingsError`, `MaskError`, `InputError` or `GeometryError`, each with a hint.

    Examples
    --------
    >>> result = segment("T1.nii.gz", n_classes=3)  # doctest: +SKIP
    >>> result.label_map.counts()  # doctest: +SKIP
    """
    if scribbles is not None or init is not None:
        return segment_scribbles(
            image,
            scribbles,
            background=background,
            init=init,
            n_classes=n_classes,
            preset=preset,
            progress=progress,
            place={"mask": mask, "region": region, "box": box, "disc": disc},
            resample=resample,
            **dict(settings, method=method, seed=seed),
        )
    if background is not None:
        raise SettingsError(
            f"Class {background} is to be background, and no scribbles were given.", "Give scribbles, or leave it out."
        )
    case = open_case(
        image,
        preset=preset,
        method=method,
        n_classes=n_classes,
        mask=mask,
        region=region,
        box=box,
        disc=disc,
        resample=resample,
        seed=seed,
        **settings,
    )
    return finished(case, _run_fit(case, progress))


def open_case(
    image: Volume | PathLike | Sequence[PathLike],
    *,
    preset: str | None = None,
    method: str = "auto",
    n_classes: int | None = None,
    mask: PathLike | NDArray[Any] | LabelMap | None = "auto",
    region: PathLike | NDArray[Any] | LabelMap | None = None,
    box: tuple[int, int, int, int, int, int] | None = None,
    disc: tuple[float, float, float] | None = None,
    resample: bool = False,
    seed: int = 0,
    **settings: Any,
) -> Opened:
    """Read and check all that a segmentation depends on, and fit nothing yet.

    Parameters
    ----------
    image : Volume, path, or sequence of paths
        See `segment`, also for the rest.
    preset : str or None
        Kind of image.
    method : str
        How labels are found.
    n_classes : int or None
        Number of classes K.
    mask, region : "auto", "none", "deepbet", path, ndarray (Z, Y, X) or (T, Z, Y, X), LabelMap, or None
        Where to look.
    box : (z0, y0, x0, z1, y1, x1) or None
        Cut out of the mask.
    disc : (y, x, radius) or None
        Cut out of the mask.
    resample : bool
        Whether channels and masks on other grids are resampled.
    seed : int
        Same seed, same mask.
    **settings
        Further fields of `napari_gmmseg.config.FitConfig`.

    Raises
    ------
    GmmsegError
        Where files cannot be read, or settings contradict each other.
    """
    from napari_gmmseg.session import SegmentationRequest
    from napari_gmmseg.session.journal import Opened
    from napari_gmmseg.volumes import Volume

    volume = image if isinstance(image, Volume) else read(image, resample=resample)
    kind = _choose_preset(preset, volume)
    k = n_classes if n_classes is not None else _expected_classes(kind, volume)
    kind = _as_asked(kind, volume, n_classes)
    wanted = fit_config(dict(settings, method=method, n_classes=k, seed=seed))
    config = preparation_config(mask, box, disc)
    given, notes = opened_mask(mask if config.mask == "given" else None, volume, resample, or_words())
    where, more = opened_mask(region, volume, resample)
    told = {"mask": _named(mask), "region": _named(region), "box": box, "disc": disc, "resample": resample}
    request = SegmentationRequest(
        volume=volume, preset=kind, mask=given, region=where, preparation=config, config=wanted
    )
    return Opened(request, (*notes, *more), told)


def finished(case: Opened, result: Segmentation) -> Segmentation:
    """Return the result of a fit with what was noted before it, and how its preparation was asked for.

    Parameters
    ----------
    case : Opened
        What was fitted.
    result : Segmentation
        As the fit returned it.
    """
    from dataclasses import replace

    findings = (*case.notes, *result.findings, *settings_without_effect(case.request.config, result.method))
    return replace(result, findings=findings, provenance={**result.provenance, "preparation": dict(case.told)})


def _choose_preset(name: str | None, volume: Volume) -> Preset:
    from napari_gmmseg.config import find_preset

    return find_preset(name or ("brain-t1" if volume.n_channels == 1 else "brain-multi"))


def _expected_classes(kind: Preset, volume: Volume) -> int:
    from napari_gmmseg.preparation.preparing import with_expected_contrasts

    table = kind.classes_in(with_expected_contrasts(volume, kind).channels)
    return 3 if table is None else len(table)


def _as_asked(kind: Preset, volume: Volume, n_classes: int | None) -> Preset:
    """Return a preset without its unnamed classes where no channel shows one, and as many as are left were asked for.

    It names and numbers classes as before; only that sequences are missing need not be told then.
    """
    from dataclasses import replace

    from napari_gmmseg.preparation.preparing import with_expected_contrasts

    shown = kind.classes_in(with_expected_contrasts(volume, kind).channels)
    if shown is None or n_classes != len(shown) or any(tissue.bright_in for tissue in shown):
        return kind
    return replace(kind, classes=shown)


def _named(mask: PathLike | NDArray[Any] | LabelMap | None) -> str | None:
    """Return how a record tells of a mask: its word or path, or that it was an array."""
    return os.fspath(mask) if isinstance(mask, (str, os.PathLike)) else None if mask is None else "array"


def _run_fit(case: Opened, progress: Callable[[FitReport], object] | None) -> Segmentation:
    """Run a fit to its end; whatever ends it early closes the generator first."""
    from napari_gmmseg.fitting import fit
    from napari_gmmseg.io.atlas import read_atlas
    from napari_gmmseg.networks.brain_extraction import extract_brain
    from napari_gmmseg.preparation import prepare_case

    request = case.request
    volume, prepared = prepare_case(
        request.volume,
        request.preparation,
        mask=request.mask,
        region=request.region,
        preset=request.preset,
        n_classes=request.config.n_classes,
        atlas=read_atlas,
        engine=extract_brain,
    )
    steps: Generator[FitReport, Command | None, Segmentation] = fit(volume, prepared, request.config, request.preset)
    return follow(steps, progress)
