"""What a session works on: written down so that it can be had again, with the same bits."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import Box, Disc, PreparationConfig, Preset, recorded_config
from napari_gmmseg.errors import GmmsegError, InputError
from napari_gmmseg.session.journal.files import read_arrays, write_arrays
from napari_gmmseg.session.journal.nouns import finding_of, geometry_of, plain, source_of, source_values, tissue_of
from napari_gmmseg.session.journal.results import array_hash
from napari_gmmseg.session.segmenting import MaskLike, SegmentationRequest, stack
from napari_gmmseg.volumes import ClassTable, Finding, LabelMap, Volume

_LIBRARIES = ("napari-gmmseg", "torch", "numpy", "scipy")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Origin:
    """Files that a request was made from, and how they were read; without it arrays are kept with the session.

    Parameters
    ----------
    files : tuple of Path
        Channels of the case.
    contrasts : tuple of str
        As told, one a channel; empty for what the files tell.
    reading : mapping of str to object
        Options of `io.read_channels`, and `resample`.
    mask, region : Path or None
        Mask files; None where there is none, or an array was given.
    """

    files: tuple[Path, ...]
    contrasts: tuple[str, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)
    mask: Path | None = None
    region: Path | None = None


@dataclass(frozen=True)
class Opened:
    """A case as a session has it.

    Parameters
    ----------
    request : SegmentationRequest
        All that a segmentation depends on.
    notes : tuple of Finding
        What was noticed while its files were read, beside what its volume tells.
    told : mapping of str to object
        How the preparation was asked for, for the result's provenance.
    origin : Origin or None
        Its files.
    """

    request: SegmentationRequest
    notes: tuple[Finding, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin | None = None

    def files(self) -> tuple[Path, ...]:
        """Return the files that it was made from."""
        if self.origin is None:
            source = self.request.volume.source
            return () if source is None else source.paths
        masks = (self.origin.mask, self.origin.region)
        return (*self.origin.files, *(path for path in masks if path is not None))


def versions() -> dict[str, str]:
    """Return what another run needs for the same bits: libraries, system, number of processor cores."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    found["cores"] = str(os.cpu_count() or 1)
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def opened_values(opened: Opened, folder: Path) -> dict[str, Any]:
    """Return a case as JSON has it; arrays that no file holds are written into the session's folder.

    Parameters
    ----------
    opened : Opened
        The case.
    folder : Path
        The session's.

    Raises
    ------
    OSError
        Where an array cannot be written.
    """
    request, origin = opened.request, opened.origin
    volume = request.volume
    told: dict[str, Any] = {
        "channels": list(volume.channels),
        "geometry": plain(volume.geometry),
        "source": source_values(volume.source),
        "findings": plain(volume.findings),
        "hash": array_hash(volume.data),
    }
    if origin is None:
        told["stored"] = _stored(folder, volume.data)
    else:
        told |= {
            "files": [_file_values(path) for path in origin.files],
            "contrasts": list(origin.contrasts),
            "reading": plain(origin.reading),
        }
    return {
        "volume": told,
        "mask": _mask_values(request.mask, None if origin is None else origin.mask, folder),
        "region": _mask_values(request.region, None if origin is None else origin.region, folder),
        "preset": plain(request.preset),
        "preparation": plain(request.preparation),
        "config": plain(request.config),
        "look": request.look,
        "proposes_brain": request.proposes_brain,
        "notes": plain(opened.notes),
        "told": plain(opened.told),
        "versions": versions(),
    }


def opened_of(values: Mapping[str, Any], folder: Path) -> Opened:
    """Return a case that was written down: files are read again, and all is compared with what it was.

    Parameters
    ----------
    values : mapping
        From `opened_values`.
    folder : Path
        The session's.

    Raises
    ------
    InputError
        Where a file is gone, or is not what it was.
    """
    told = values["volume"]
    volume = _volume_of(told, folder)
    resample = bool(told.get("reading", {}).get("resample", False))
    mask = _mask_of(values["mask"], volume, folder, resample=resample)
    region = _mask_of(values["region"], volume, folder, resample=resample)
    request = SegmentationRequest(
        volume=volume,
        preset=_preset_of(values["preset"]),
        mask=mask,
        region=region,
        preparation=_preparation_of(values["preparation"]),
        config=recorded_config(values["config"]),
        look=values["look"],
        proposes_brain=bool(values.get("proposes_brain", False)),
    )
    origin = None
    if "files" in told:
        origin = Origin(
            tuple(Path(entry["path"]) for entry in told["files"]),
            tuple(told["contrasts"]),
            told["reading"],
            *(_path_of(values[name]) for name in ("mask", "region")),
        )
    return Opened(request, tuple(finding_of(note) for note in values["notes"]), values["told"], origin)


def _stored(folder: Path, array: NDArray[Any]) -> str:
    name = f"input-{array_hash(array)[:16]}.npz"
    if not (folder / name).exists():
        write_arrays(folder / name, {"array": array}, {})
    return name


def _file_values(path: Path) -> dict[str, str]:
    return {"path": str(path.absolute()), "sha256": file_hash(path)}


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file; of a folder that of the names and contents of its files; "" where it is gone.

    Parameters
    ----------
    path : Path
        The file.
    """
    digest = hashlib.sha256()
    try:
        for part in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if part.is_file():
                digest.update(part.relative_to(path).as_posix().encode())
                with part.open("rb") as file:
                    while block := file.read(_BLOCK):
                        digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


def _mask_values(mask: MaskLike | None, path: Path | None, folder: Path) -> dict[str, Any] | None:
    if mask is None:
        return None
    labels = mask.labels if isinstance(mask, LabelMap) else np.asarray(mask)
    told: dict[str, Any] = {"hash": array_hash(labels)}
    if isinstance(mask, LabelMap):
        told |= {"geometry": plain(mask.geometry), "classes": plain(mask.classes), "source": source_values(mask.source)}
    return told | ({"stored": _stored(folder, labels)} if path is None else {"file": _file_values(path)})


def _mask_of(values: Mapping[str, Any] | None, volume: Volume, folder: Path, *, resample: bool) -> MaskLike | None:
    if values is None:
        return None
    if "file" in values:
        from napari_gmmseg.io import read_mask_with_notes

        path = Path(values["file"]["path"])
        try:
            array: NDArray[Any] = read_mask_with_notes(path, volume, resample)[0]
        except GmmsegError as error:
            raise _gone([values["file"]], error.message) from error
        _compare(array, values["hash"], [values["file"]])
    else:
        array = read_arrays(folder / values["stored"])[0]["array"]
        _compare(array, values["hash"], [{"path": str(folder / values["stored"]), "sha256": ""}])
    if "classes" not in values:
        return array
    classes = ClassTable(tuple(tissue_of(tissue) for tissue in values["classes"]))
    return LabelMap(array, geometry_of(values["geometry"]), classes, source_of(values["source"]))


def _path_of(values: Mapping[str, Any] | None) -> Path | None:
    return None if values is None or "file" not in values else Path(values["file"]["path"])


def _volume_of(told: Mapping[str, Any], folder: Path) -> Volume:
    if "stored" in told:
        data = read_arrays(folder / told["stored"])[0]["array"]
        _compare(data, told["hash"], [{"path": str(folder / told["stored"]), "sha256": ""}])
        return Volume(
            data,
            geometry_of(told["geometry"]),
            tuple(told["channels"]),
            source_of(told["source"]),
            tuple(finding_of(finding) for finding in told["findings"]),
        )
    try:
        volume = _read_again(told)
    except GmmsegError as error:
        raise _gone(told["files"], error.message) from error
    _compare(volume.data, told["hash"], told["files"])
    if plain(volume.geometry) != told["geometry"]:
        raise _gone(told["files"], "The image lies elsewhere in space than it did.")
    return replace(volume, channels=tuple(told["channels"]))


def _read_again(told: Mapping[str, Any]) -> Volume:
    from napari_gmmseg.io import read_channels

    options = dict(told["reading"])
    resample = bool(options.pop("resample", False))
    spacing = options.pop("spacing", None)
    files = [Path(entry["path"]) for entry in told["files"]]
    volumes = read_channels(files, spacing=None if spacing is None else tuple(spacing), **options)
    return stack(volumes, contrasts=tuple(told["contrasts"]), resample=resample)


def _compare(array: NDArray[Any], wanted: str, files: Sequence[Mapping[str, str]]) -> None:
    if array_hash(array) != wanted:
        raise _gone(files, "Its voxels are not what they were.")


def _gone(files: Sequence[Mapping[str, str]], reason: str) -> InputError:
    changed = [entry["path"] for entry in files if file_hash(Path(entry["path"])) != entry["sha256"]]
    named = ", ".join(changed or [entry["path"] for entry in files])
    return InputError(
        f"The input of the session is another than it was: {named}. {reason}",
        "Put the file back as it was and where it was; a session goes on with the same voxels or not at all.",
    )


def _preset_of(values: Mapping[str, Any]) -> Preset:
    classes = values["classes"]
    table = None if classes is None else ClassTable(tuple(tissue_of(tissue) for tissue in classes))
    return Preset(**{**values, "contrasts": tuple(values["contrasts"]), "classes": table})


def _preparation_of(values: Mapping[str, Any]) -> PreparationConfig:
    box, disc = values["box"], values["disc"]
    return PreparationConfig(
        mask=values["mask"],
        box=None if box is None else Box(**box),
        disc=None if disc is None else Disc(**disc),
    )
