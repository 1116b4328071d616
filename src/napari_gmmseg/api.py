"""Read, segment, evaluate, write: what the command line does, from Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from napari_gmmseg.errors import InputError, MaskError, SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_gmmseg.config import Box, Disc, FitConfig, PreparationConfig, Preset
    from napari_gmmseg.preparation import Prepared
    from napari_gmmseg.quality import Evaluation
    from napari_gmmseg.volumes import Finding, FitReport, LabelMap, Segmentation, Stop, Volume

PathLike = str | os.PathLike[str]
Result = TypeVar("Result")

#: Fields of the settings whose flag has another name.
_FLAGS = {"n_classes": "classes", "max_steps": "steps", "neighbour_weight": "beta"}
#: Complaints of pydantic that a person would not understand.
_REASONS = {"string_pattern_mismatch": "is none of the known ones", "unexpected_keyword_argument": "is not known"}


def read(
    paths: PathLike | Sequence[PathLike],
    *,
    contrasts: Sequence[str] = (),
    axis4: Literal["time", "channel"] | None = None,
    frame: int | None = None,
    series: str | None = None,
    resample: bool = False,
    spacing: tuple[float, ...] | None = None,
) -> Volume:
    """Read the channels of one case.

    Parameters
    ----------
    paths : path or sequence of paths
        One file (or DICOM folder) a channel, or one file with a channel axis.
    contrasts : sequence of str
        Contrast of each channel, such as "t1", "t2", "flair", "pd"; empty: as far as the files tell.
    axis4 : "time", "channel" or None
        What a fourth axis is; None refuses to guess.
    frame : int or None
        The one position on the fourth axis to read, from 0.
    series : str or None
        The DICOM series to read where a folder holds several.
    resample : bool
        Whether channels on other grids are resampled to the first one's.
    spacing : tuple of float or None
        Voxel size in mm for files that tell none, (dy, dx) or (dz, dy, dx).

    Returns
    -------
    Volume
        (C, Z, Y, X), or (C, T, Z, Y, X) with a time axis, in the file's own intensity unit.

    Raises
    ------
    InputError
        Where a file cannot be read, or does not hold an image.
    GeometryError
        Where channels lie on different grids and `resample` is not set.

    Examples
    --------
    >>> volume = read(["T1.nii.gz", "FLAIR.nii.gz"], contrasts=("t1", "flair"))  # doctest: +SKIP
    """
    from napari_gmmseg.io import read_channels
    from napari_gmmseg.preparation import stack_channels

    files = [Path(paths)] if isinstance(paths, (str, os.PathLike)) else [Path(path) for path in paths]
    if not files:
        raise InputError("No file was given.", "Give at least one image.")
    volumes = read_channels(files, axis4=axis4, frame=frame, series=series, spacing=_spacing(spacing))
    return stack_channels(volumes, contrasts=tuple(contrasts), resample=resample)


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
    progress: Callable[[FitReport], object] | None = None,
    **settings: Any,
) -> Segmentation:
    """Fit a mixture to one case and label its voxels.

    Parameters
    ----------
    image : Volume, path, or sequence of paths
        The channels of one case; paths are read by `read` without options.
    preset : str or None
        Kind of image, e.g. "brain-t1", "brain-multi", "cardiac", "glioma", "custom"; None: brain-t1 for one channel,
        brain-multi for several.
    method : "auto", "gmm", "svgmm" or "spatial"
        How labels are found.
    n_classes : int or None
        Number of classes K; None: as many as the preset names, else 3.
    mask : "auto", "none", path, ndarray (Z, Y, X) or (T, Z, Y, X), LabelMap, or None
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
    progress : callable or None
        Called with each `FitReport`; what it raises ends the fit and leaves nothing behind.
    **settings
        Further fields of `napari_gmmseg.config.FitConfig`, e.g. `max_steps`, `tolerance`, `device`, `threads`.

    Returns
    -------
    Segmentation
        Label map (Z, Y, X) or (T, Z, Y, X), probabilities (K, *grid), mixture and findings.

    Raises
    ------
    GmmsegError
        `SettingsError`, `MaskError`, `InputError` or `GeometryError`, each with a hint.

    Examples
    --------
    >>> result = segment("T1.nii.gz", n_classes=3)  # doctest: +SKIP
    >>> result.label_map.counts()  # doctest: +SKIP
    """
    from dataclasses import replace

    from napari_gmmseg.preparation import prepare_case
    from napari_gmmseg.volumes import Volume

    volume = image if isinstance(image, Volume) else read(image, resample=resample)
    kind = _choose_preset(preset, volume)
    k = n_classes if n_classes is not None else len(kind.classes) if kind.classes else 3
    fit_config = _fit_config(dict(settings, method=method, n_classes=k, seed=seed))
    config = _preparation_config(mask, box, disc)
    given, notes = _opened(mask if config.mask == "given" else None, volume, resample, "auto, none, or ")
    where, more = _opened(region, volume, resample)
    volume, prepared = prepare_case(volume, config, mask=given, region=where, preset=kind, n_classes=k)
    result = _run_fit(volume, prepared, fit_config, kind, progress)
    told = {"mask": _named(mask), "region": _named(region), "box": box, "disc": disc, "resample": resample}
    findings = (*notes, *more, *result.findings)
    return replace(result, findings=findings, provenance={**result.provenance, "preparation": told})


def evaluate(prediction: LabelMap | PathLike, truth: LabelMap | PathLike, *, match_labels: bool = False) -> Evaluation:
    """Compare a mask with a reference: Dice, HD95 [mm] and volumes [ml] of each class.

    Parameters
    ----------
    prediction, truth : LabelMap or path
        Labels (Z, Y, X) or (T, Z, Y, X) on one grid.
    match_labels : bool
        Whether to rename the predicted labels so that they agree best; the result says so.

    Returns
    -------
    Evaluation
        One entry a class, and the mean Dice.

    Raises
    ------
    GeometryError
        Where the grids differ.
    """
    from napari_gmmseg import quality
    from napari_gmmseg.io import read_labels
    from napari_gmmseg.volumes import LabelMap

    first = prediction if isinstance(prediction, LabelMap) else read_labels(Path(prediction))
    second = truth if isinstance(truth, LabelMap) else read_labels(Path(truth))
    return quality.evaluate(first, second, match_labels=match_labels)


def write(
    path: PathLike,
    segmentation: Segmentation,
    *,
    probabilities: PathLike | None = None,
    uncertainty: PathLike | None = None,
) -> tuple[Path, ...]:
    """Write a segmentation on the grid of its source, each file whole or not at all, read back and compared.

    Parameters
    ----------
    path : path
        The mask; its sidecars (BIDS `dseg.tsv`, ITK-SNAP labels) stand beside it.
    segmentation : Segmentation
        What `segment` returned.
    probabilities : path or None
        Probabilities, one volume a class.
    uncertainty : path or None
        1 - the largest probability.

    Returns
    -------
    tuple of Path
        What was written: mask, then probabilities and uncertainty where asked for.

    Raises
    ------
    OutputError
        Where a file cannot be written, or read back differently.
    ResourceError
        Where the disk is full.
    """
    from napari_gmmseg.io import write_labels, write_map

    like = segmentation.label_map
    written = [write_labels(Path(path), like)]
    if probabilities is not None:
        written.append(write_map(Path(probabilities), segmentation.probabilities, like))
    if uncertainty is not None:
        written.append(write_map(Path(uncertainty), segmentation.uncertainty, like))
    return tuple(written)


def check_writable(
    path: PathLike, image: Volume, *, probabilities: PathLike | None = None, uncertainty: PathLike | None = None
) -> None:
    """Refuse targets that cannot hold what `write` would put there, before an image is segmented.

    Parameters
    ----------
    path : path
        The mask.
    image : Volume
        What is to be segmented.
    probabilities, uncertainty : path or None
        As for `write`.

    Raises
    ------
    OutputError
        Where a folder, a format or its number of axes will not do.
    """
    from napari_gmmseg import io

    for target, n_maps in ((path, 0), (probabilities, 2), (uncertainty, 1)):
        if target is not None:
            io.check_writable(Path(target), image, n_maps=n_maps)


def _spacing(values: tuple[float, ...] | None) -> tuple[float, float] | tuple[float, float, float] | None:
    """Return a voxel size as two or three numbers."""
    if values is None or len(values) == 2:
        return None if values is None else (values[0], values[1])
    if len(values) == 3:
        return values[0], values[1], values[2]
    raise SettingsError(
        f"A spacing has two or three numbers; {len(values)} were given.", "Give DY DX or DZ DY DX in mm."
    )


def _choose_preset(name: str | None, volume: Volume) -> Preset:
    from napari_gmmseg.config import find_preset

    return find_preset(name or ("brain-t1" if volume.n_channels == 1 else "brain-multi"))


def _fit_config(values: dict[str, Any]) -> FitConfig:
    from napari_gmmseg.config import FitConfig

    return validated(lambda: FitConfig(**values))


def validated(make: Callable[[], Result]) -> Result:
    """Return what `make` makes from pydantic dataclasses, with their complaints as one sentence.

    Parameters
    ----------
    make : callable
        Makes the settings.

    Raises
    ------
    SettingsError
        Where a value is out of bounds, of another type, or unknown.
    """
    from pydantic import ValidationError

    try:
        return make()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else error.title
        flag = _FLAGS.get(name, name.replace("_", "-"))
        what = first["msg"].removeprefix("Input ").rstrip(".").lower()
        raise SettingsError(
            f"The setting {name} (--{flag}) cannot be {first['input']!r}: it {_REASONS.get(first['type'], what)}.",
            _about_field(name) or "Check its name and value; `napari-gmmseg segment --help` lists them.",
        ) from error


def _about_field(name: str) -> str:
    """Return what the settings tell of one of their fields, with its bounds; "" for an unknown one."""
    from napari_gmmseg.config import FitConfig
    from napari_gmmseg.config.bounds import bounds_of

    field = FitConfig.__pydantic_fields__.get(name)  # type: ignore[attr-defined]
    if field is None:
        return ""
    bounds = bounds_of(field)
    return f"{field.title}: {field.description}{f' It is {bounds}.' if bounds else ''}"


def _preparation_config(
    mask: PathLike | NDArray[Any] | LabelMap | None,
    box: tuple[int, int, int, int, int, int] | None,
    disc: tuple[float, float, float] | None,
) -> PreparationConfig:
    from napari_gmmseg.config import PreparationConfig

    mode: Literal["auto", "none", "given"] = "given"
    if mask is None or (isinstance(mask, str) and mask == "none"):
        mode = "none"
    elif isinstance(mask, str) and mask == "auto":
        mode = "auto"
    return validated(lambda: PreparationConfig(mask=mode, box=_box(box), disc=_disc(disc)))


def _box(corners: tuple[int, int, int, int, int, int] | None) -> Box | None:
    from napari_gmmseg.config import Box

    return None if corners is None else Box(start=corners[:3], stop=corners[3:])


def _disc(values: tuple[float, float, float] | None) -> Disc | None:
    from napari_gmmseg.config import Disc

    return None if values is None else Disc(centre=values[:2], radius=values[2])


def _opened(
    mask: PathLike | NDArray[Any] | LabelMap | None, volume: Volume, resample: bool, words: str = ""
) -> tuple[NDArray[Any] | LabelMap | None, tuple[Finding, ...]]:
    """Return a mask, read where it is a path, and what there is to say of it."""
    from napari_gmmseg.io import read_mask_with_notes

    if not isinstance(mask, (str, os.PathLike)):
        return mask, ()
    if not Path(mask).exists():
        raise MaskError(f"There is no mask file {mask}.", f"Give {words}the path of a file that is there.")
    return read_mask_with_notes(Path(mask), volume, resample)


def _named(mask: PathLike | NDArray[Any] | LabelMap | None) -> str | None:
    """Return how a record tells of a mask: its word or path, or that it was an array."""
    return os.fspath(mask) if isinstance(mask, (str, os.PathLike)) else None if mask is None else "array"


def _run_fit(
    volume: Volume,
    prepared: Prepared,
    config: FitConfig,
    preset: Preset,
    progress: Callable[[FitReport], object] | None,
) -> Segmentation:
    """Run a fit to its end; whatever ends it early closes the generator first."""
    from napari_gmmseg.fitting import fit

    steps: Generator[FitReport, Stop | None, Segmentation] = fit(volume, prepared, config, preset)
    try:
        while True:
            report = next(steps)
            if progress is not None:
                progress(report)
    except StopIteration as end:
        result: Segmentation = end.value
        return result
    finally:
        steps.close()
