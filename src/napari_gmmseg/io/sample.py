"""The sample data that ships: a brain, a generated heart and a generated glioma."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.errors import InputError
from napari_gmmseg.io.labels import read_labels
from napari_gmmseg.io.reading import read_channels
from napari_gmmseg.volumes import LabelMap, Volume

#: Channels of each case, in order; files are called <case>_<channel>.nii.gz.
SAMPLES: dict[str, tuple[str, ...]] = {
    "brain": ("t1",),
    "heart": ("bssfp", "lge", "t2"),
    "glioma": ("t1", "t1gd", "t2", "flair"),
}


def sample_folder() -> Path:
    """Return the folder of the sample data: in the installed package, else in the checkout beside `src`.

    Raises
    ------
    InputError
        Where there is neither.
    """
    package = Path(__file__).resolve().parents[1]
    folders = (package / "sample_data", package.parents[1] / "sample_data")
    for folder in folders:
        if (folder / "brain_t1.nii.gz").is_file():
            return folder
    raise InputError(
        "The sample data was not found; looked in " + " and ".join(str(folder) for folder in folders) + ".",
        "Install napari-gmmseg again: pip install --force-reinstall --no-deps napari-gmmseg.",
    )


def sample_path(name: str) -> Path:
    """Return the path of a sample file.

    Parameters
    ----------
    name : str
        A case, "brain", "heart" or "glioma", for its first channel, or a file name, e.g. "heart_mask.nii.gz".

    Raises
    ------
    InputError
        Where there is no such file.
    """
    folder = sample_folder()
    path = folder / (f"{name}_{SAMPLES[name][0]}.nii.gz" if name in SAMPLES else name)
    if Path(name).name != name or not path.is_file():
        files = ", ".join(sorted(p.name for p in folder.glob("*.nii.gz")))
        raise InputError(f"There is no sample {name!r}.", f"Choose one of: {', '.join(SAMPLES)}, {files}.")
    return path


def sample_files(name: str) -> tuple[Path, ...]:
    """Return the paths of a case's channels, in the order of its preset.

    Parameters
    ----------
    name : str
        "brain", "heart" or "glioma".

    Raises
    ------
    InputError
        Where there is no such case.
    """
    return tuple(sample_path(f"{name}_{channel}.nii.gz") for channel in SAMPLES[_case(name)])


def load_sample(name: str = "brain") -> Volume:
    """Read the image of a case.

    Parameters
    ----------
    name : str
        "brain" (T1), "heart" (bSSFP, LGE, T2) or "glioma" (T1, T1Gd, T2, FLAIR).

    Returns
    -------
    Volume
        Data (C, Z, Y, X) in arbitrary units.

    Raises
    ------
    InputError
        Where there is no such case.
    """
    return _stacked(sample_files(name), SAMPLES[name])


def load_sample_labels(name: str = "brain") -> LabelMap:
    """Read the truth of a case.

    Parameters
    ----------
    name : str
        "brain", "heart" or "glioma".

    Returns
    -------
    LabelMap
        Labels (Z, Y, X) uint8: the class that fills most of each voxel; 0 outside the brain or the left ventricle.

    Raises
    ------
    InputError
        Where there is no such case.
    """
    return read_labels(sample_path(f"{_case(name)}_dseg.nii.gz"))


def load_sample_mask(name: str = "brain") -> NDArray[np.bool_]:
    """Read the region to segment of a case: the brain, or the left ventricle.

    Parameters
    ----------
    name : str
        "brain", "heart" or "glioma".

    Returns
    -------
    ndarray (Z, Y, X) bool
        True inside.

    Raises
    ------
    InputError
        Where there is no such case.
    """
    return np.asarray(load_sample_labels(name).labels > 0)


def load_sample_maps() -> Volume:
    """Read the probability maps of the sample brain.

    Returns
    -------
    Volume
        Data (3, Z, Y, X): probability of CSF, GM and WM; sums to 1 inside the brain, 0 outside.

    Raises
    ------
    InputError
        Where the sample data is not installed.
    """
    names = ("csf", "gm", "wm")
    return _stacked(tuple(sample_path(f"brain_probability_{name}.nii.gz") for name in names), names)


def load_sample_attributes(name: str = "glioma") -> dict[str, str | int | float]:
    """Read what is known of a generated patient besides the image.

    Parameters
    ----------
    name : str
        "heart" or "glioma".

    Raises
    ------
    InputError
        Where nothing is known of that case.
    """
    path = sample_path(f"{_case(name)}.json")
    attributes: dict[str, str | int | float] = json.loads(path.read_text(encoding="utf-8"))
    return attributes


def _case(name: str) -> str:
    if name not in SAMPLES:
        raise InputError(f"There is no sample case {name!r}.", f"Choose one of: {', '.join(SAMPLES)}.")
    return name


def _stacked(paths: tuple[Path, ...], names: tuple[str, ...]) -> Volume:
    volumes = read_channels(paths)
    first = volumes[0]
    source = None if first.source is None else replace(first.source, paths=paths)
    return Volume(
        data=np.concatenate([volume.data for volume in volumes]),
        geometry=first.geometry,
        channels=names,
        source=source,
    )
