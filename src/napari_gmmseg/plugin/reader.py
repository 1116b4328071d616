"""Open files in napari: canonical axes shown with a diagonal transform, the true geometry kept in the metadata."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from napari_gmmseg.errors import GmmsegError, SettingsError
from napari_gmmseg.io import read_channels, read_labels
from napari_gmmseg.io.sidecars import has_own_sidecar
from napari_gmmseg.io.sniffing import SUFFIXES, stem_of
from napari_gmmseg.plugin.layer_grids import LayerGrid
from napari_gmmseg.plugin.metadata import KEY
from napari_gmmseg.plugin.shown import LayerData, display_of, image_layers, label_layer
from napari_gmmseg.volumes import Volume

_SUFFIXES = (*SUFFIXES["nifti"], *SUFFIXES["mgh"], *SUFFIXES["itk"], *SUFFIXES["dicom"])
#: Whole numbers above this are not told apart as they are read, in float32.
_MOST_EXACT = 2**24
#: Files of a folder looked at for the mark of DICOM.
_N_LOOKED_AT = 20

ReadFunction = Callable[[str | Sequence[str]], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> ReadFunction | None:
    """Return the function that reads a path, or None where it is not for us.

    Parameters
    ----------
    path : str or sequence of str
        Files, or folders of DICOM files.
    """
    paths = [path] if isinstance(path, str) else list(path)
    return read_layers if paths and all(_is_ours(Path(p)) for p in paths) else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Read files as layers, one a channel.

    Parameters
    ----------
    path : str or sequence of str
        Files, or folders of DICOM files.

    Returns
    -------
    list of LayerData
        Images (Z, Y, X), or (T, Z, Y, X) where a file has a fourth axis: shown as a slider, and left open what it is.
        A mask whose classes are named beside it is a Labels layer with their names and colours; with label values above
        255, or names that cannot be read, without them. With fractions or values below 0 it is an image.

    Raises
    ------
    GmmsegError
        Where a file cannot be read.
    """
    paths = [path] if isinstance(path, str) else list(path)
    layers: list[LayerData] = []
    for one in map(Path, paths):
        named = one.is_file() and has_own_sidecar(one)
        mask = _mask(one) if named else None
        if mask is not None:
            layers.append(mask)
            continue
        volume, is_open = _read(one)
        images = image_layers(volume, _name(one), {"axis4_open": True} if is_open else None)
        layers += [_plain_labels(volume, images[0])] if named and _are_labels(volume) else images
    return layers


def _read(path: Path) -> tuple[Volume, bool]:
    """Read a file, with a fourth axis as frames, and say whether it is open what that axis is."""
    try:
        (volume,) = read_channels(path)
    except SettingsError:
        (volume,) = read_channels(path, axis4="time")
        return volume, True
    return volume, False


def _mask(path: Path) -> LayerData | None:
    """Return a mask with the names of its classes; None where it or its names cannot be read as such."""
    try:
        label_map = read_labels(path)
    except GmmsegError:
        return None
    has_time = label_map.labels.ndim == 4
    grid = LayerGrid.plain(label_map.geometry, axis4="time" if has_time else None)
    return label_layer(label_map, grid, display_of(label_map.geometry, has_time=has_time), _name(path))


def _are_labels(volume: Volume) -> bool:
    """Whether an image holds whole numbers only, none of them negative, such as FreeSurfer's parcellations."""
    data = volume.data
    if volume.n_channels > 1 or not np.isfinite(data).all() or data.min() < 0 or data.max() > _MOST_EXACT:
        return False
    return bool((data == np.round(data)).all())


def _plain_labels(volume: Volume, image: LayerData) -> LayerData:
    """Return an image of whole numbers as a Labels layer in napari's own colours."""
    _, settings, _ = image
    place = display_of(volume.geometry, has_time=volume.data.ndim == 5)
    kept = {KEY: settings["metadata"][KEY]}
    return (
        volume.data[0].astype(np.int32),
        {"name": settings["name"], "opacity": 0.6, "metadata": kept, **place},
        "labels",
    )


def _name(path: Path) -> str:
    return path.name if path.is_dir() else stem_of(path)


def _is_ours(path: Path) -> bool:
    if path.is_dir():
        return _holds_dicom(path)
    return path.name.lower().endswith(_SUFFIXES)


def _holds_dicom(folder: Path) -> bool:
    """Look for DICOM's mark in the first files of a folder."""
    looked_at = 0
    for member in sorted(folder.rglob("*")):
        if not member.is_file():
            continue
        if member.suffix.lower() in SUFFIXES["dicom"]:
            return True
        with member.open("rb") as file:
            file.seek(128)
            if file.read(4) == b"DICM":
                return True
        looked_at += 1
        if looked_at == _N_LOOKED_AT:
            return False
    return False
