"""Put the channels of one case on one grid, and doubt those that do not belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config.preparation import MOST_CHANNELS
from napari_gmmseg.errors import GeometryError, InputError, SettingsError
from napari_gmmseg.preparation.resampling import resample_volume
from napari_gmmseg.volumes import Finding, SourceGrid, Volume

#: Voxels looked at to compare two channels.
_N_COMPARED = 200_000
#: Above this correlation one channel is a copy of the other, perhaps scaled.
_COPY = 0.9999
#: Of the smaller foreground more than this lies within the larger, whatever the contrast; a brain lies in its head.
_LEAST_OVERLAP = 0.5


def stack_channels(volumes: Sequence[Volume], *, contrasts: Sequence[str] = (), resample: bool = False) -> Volume:
    """Make one volume of several.

    Parameters
    ----------
    volumes : sequence of Volume
        The channels of one case; the first gives the grid.
    contrasts : sequence of str
        One contrast name a channel; empty keeps the names that the volumes have.
    resample : bool
        Whether channels on another grid are resampled to the first's.

    Returns
    -------
    Volume
        Data (C, Z, Y, X) or (C, T, Z, Y, X); the source grid is the first volume's, with all paths.

    Raises
    ------
    GeometryError
        Where grids differ and are not to be resampled, or frames differ in number.
    SettingsError
        Where there are more than four channels, or two of one contrast.
    InputError
        Where there is none.
    """
    if not volumes:
        raise InputError("There is no image.", "Name at least one.")
    n_channels = sum(v.n_channels for v in volumes)
    if n_channels > MOST_CHANNELS:
        raise SettingsError(
            f"{n_channels} channels were given for one case; there can be at most {MOST_CHANNELS}.",
            "Files given together are channels of one case: run the command once for each case.",
        )
    first = volumes[0]
    on_grid, findings = [first], list(first.findings)
    for volume in volumes[1:]:
        moved, moved_findings = _to_grid(volume, first, resample)
        on_grid.append(moved)
        findings += [*volume.findings, *moved_findings]
    data = first.data if len(on_grid) == 1 else np.concatenate([v.data for v in on_grid])
    names = _names(on_grid, contrasts)
    stacked = replace(
        first, data=data, channels=names, source=_all_paths(volumes), findings=(*findings, *_compare(data, names))
    )
    if not all(v.geometry.verified for v in volumes):
        stacked = replace(stacked, geometry=replace(stacked.geometry, verified=False))
    return stacked


def _names(volumes: Sequence[Volume], contrasts: Sequence[str]) -> tuple[str, ...]:
    """Name the channels; two of one contrast are two cases."""
    known = tuple(name for v in volumes for name in v.channels)
    names = tuple(c.lower() for c in contrasts) or known
    if len(names) != len(known):
        raise SettingsError(
            f"The numbers differ: {_counted(len(names), 'contrast')} for {_counted(len(known), 'channel')}.",
            "Give one contrast a channel.",
        )
    for name in {n for n in names if n}:
        if names.count(name) > 1:
            raise SettingsError(
                f"{names.count(name)} of the images have the contrast {name}; channels of one case differ in contrast.",
                "Run the command once for each case, or name the contrasts (--t1 A --t2 B).",
            )
    return names


def _all_paths(volumes: Sequence[Volume]) -> SourceGrid | None:
    """Return the first source grid with the paths of all."""
    first = volumes[0].source
    if first is None:
        return None
    return replace(first, paths=tuple(p for v in volumes if v.source is not None for p in v.source.paths))


def _label(volume: Volume) -> str:
    """Name a volume in a message."""
    paths = volume.source.paths if volume.source is not None else ()
    return paths[0].name if paths else "an image in memory"


def _to_grid(volume: Volume, first: Volume, resample: bool) -> tuple[Volume, list[Finding]]:
    """Bring one channel to the first's grid."""
    if volume.data.shape[1:-3] != first.data.shape[1:-3]:
        raise GeometryError(
            f"{_label(first)} has {first.n_frames} frames and {_label(volume)} {volume.n_frames}.",
            "Choose one frame of each with --frame N.",
        )
    if first.geometry.same_grid(volume.geometry):
        return volume, []
    if first.geometry.shape == volume.geometry.shape and first.geometry.unit != volume.geometry.unit:
        raise GeometryError(
            f"Only one of {_label(first)} and {_label(volume)} tells where its voxels lie, so that they may be turned "
            "against each other.",
            "Export both in one format that tells it, such as NIfTI.",
        )
    grids = f"{_label(first)}: {first.geometry.describe()}; {_label(volume)}: {volume.geometry.describe()}"
    if not resample:
        same_shape = first.geometry.shape == volume.geometry.shape
        turned = " They have the same number of voxels, but lie or are turned differently." if same_shape else ""
        raise GeometryError(
            f"The images lie on different grids. {grids}.{turned}",
            "Add --resample to bring all to the first's grid; images of one head that moved need registration first.",
        )
    moved = resample_volume(volume, first)
    if not np.any(moved.data):
        raise GeometryError(
            f"The images do not overlap in space. {grids}.", "Check that they are of one person and one session."
        )
    finding = Finding(
        "resampled-channel",
        f"{_label(volume)} was resampled to the grid of {_label(first)}. {grids}.",
        "Look at both: resampling follows the headers and corrects no movement.",
        "note",
    )
    return moved, [finding]


def _compare(data: NDArray[np.float32], names: tuple[str, ...]) -> list[Finding]:
    """Look at each pair of channels for copies and for heads that do not lie on each other."""
    n_channels = data.shape[0]
    if n_channels < 2:
        return []
    flat = data.reshape(n_channels, -1)
    sample = flat[:, :: max(1, flat.shape[1] // _N_COMPARED)].astype(np.float64)
    sample = sample[:, np.isfinite(sample).all(axis=0)]
    findings = []
    for b in range(1, n_channels):
        for a in range(b):
            pair = f"Channels {a + 1} and {b + 1}" + (f" ({names[a]}, {names[b]})" if names[a] and names[b] else "")
            if _copies(sample[a], sample[b]):
                findings.append(
                    Finding(
                        "duplicated-channel",
                        f"{pair} hold the same image, perhaps scaled.",
                        "Leave one out: a copy adds no information and doubles its weight.",
                    )
                )
            elif _apart(sample[a], sample[b]):
                findings.append(
                    Finding(
                        "misaligned-channels",
                        f"{pair} show their foregrounds at different places.",
                        "Lay them over each other and look; register them first if they do not match.",
                    )
                )
    return findings


def _copies(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether b is a linear function of a, over what is not background in both."""
    inside = (a != 0) | (b != 0)
    a, b = a[inside], b[inside]
    if a.size < 2 or a.std() == 0 or b.std() == 0:
        return bool(a.size and np.array_equal(a, b))
    return bool(abs(np.corrcoef(a, b)[0, 1]) > _COPY)


def _apart(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether less of the smaller foreground lies in the larger than in images of one head.

    Foregrounds are compared only where both are told clearly: zero background, or values above a tenth of the 98th
    percentile; and only where each fills 2 to 90 % of the image.
    """
    masks = []
    for values in (a, b):
        if values.size == 0:
            return False
        top = float(np.quantile(values, 0.98))
        mask = values != 0 if np.mean(values == 0) > 0.1 else values > 0.1 * top
        if not 0.02 < mask.mean() < 0.9:
            return False
        masks.append(mask)
    smaller = min(np.count_nonzero(mask) for mask in masks)
    return bool(np.count_nonzero(masks[0] & masks[1]) / smaller < _LEAST_OVERLAP)


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
