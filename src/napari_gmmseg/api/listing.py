"""Predict every case of a list."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_gmmseg.api.options import PathLike
from napari_gmmseg.api.reading import read
from napari_gmmseg.api.training import opened_model, predict
from napari_gmmseg.api.writing import write
from napari_gmmseg.errors import GmmsegError, OutputError, ResourceError

if TYPE_CHECKING:
    from napari_gmmseg.io.listed_cases import ListedCase
    from napari_gmmseg.volumes import Segmentation, TrainedModel


@dataclass(frozen=True)
class ListedResult:
    """What became of one case of a list.

    Parameters
    ----------
    case : str
        Its name.
    mask : Path or None
        What was written; None where it was not.
    volumes_ml : dict of str to float
        Volume of each class in ml by labels (hard), background left out; empty without voxel size in mm, and where
        nothing was written.
    findings : tuple of str
        What is doubted, in words; notes are left out.
    error, hint : str
        Why there is no mask; "" where there is one.
    """

    case: str
    mask: Path | None
    volumes_ml: dict[str, float]
    findings: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""


def predict_cases(
    model: TrainedModel | PathLike,
    cases: PathLike,
    folder: PathLike,
    *,
    device: str = "auto",
    threads: int | None = None,
    progress: Callable[[ListedResult, int, int], object] | None = None,
    **reading: Any,
) -> tuple[ListedResult, ...]:
    """Predict every case of a list, each into a mask of its name; one that fails does not stop the others.

    Parameters
    ----------
    model : TrainedModel or path
        The network.
    cases : path
        A list as `train` takes it; labels are not read, and need not be there.
    folder : path
        Where the masks are written, `<case>.nii.gz`; made where it is not there.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    threads : int or None
        Processor threads; None: all cores but one.
    progress : callable or None
        Called after each case with its result, its number from 1 on, and how many there are.
    **reading
        Further options of `read`, e.g. `resample`; the same for all.

    Returns
    -------
    tuple of ListedResult
        In the order of the list.

    Raises
    ------
    InputError
        Where list or model cannot be read.
    OutputError
        Where the folder cannot be made, or a mask or what names its classes would overwrite an image or a label of the
        list, what names that label's classes, the list or the model.
    ResourceError
        Where memory or disk run out: the other cases would fare no better.

    Examples
    --------
    >>> results = predict_cases("model.safetensors", "cases.csv", "masks")  # doctest: +SKIP
    """
    from napari_gmmseg.io.listed_cases import read_listed

    network, target, list_file = opened_model(model), Path(os.fspath(folder)), Path(os.fspath(cases))
    listed = read_listed(list_file, network.channels)
    masks = [target / f"{case.name}.nii.gz" for case in listed]
    _check_targets(masks, _inputs(listed, list_file, model), target)
    found = []
    for number, (case, mask) in enumerate(zip(listed, masks, strict=True), start=1):
        try:
            volume = read(case.files, contrasts=case.contrasts if any(case.contrasts) else (), **reading)
            result = predict(network, volume, attributes=case.attributes, device=device, threads=threads)
            write(mask, result)
            told = _told(case.name, mask, result)
        except ResourceError:
            raise
        except GmmsegError as error:
            told = ListedResult(case.name, None, {}, (), error.message, error.hint)
        found.append(told)
        if progress is not None:
            progress(told, number, len(listed))
    return tuple(found)


def _check_targets(masks: list[Path], inputs: dict[str, str], folder: Path) -> None:
    """Refuse masks that would overwrite an input, themselves or by the files that name their classes."""
    for mask in masks:
        for file in _with_sidecars(mask):
            if what := inputs.get(os.path.realpath(file)):
                raise OutputError(f"{file} would overwrite {what}.", "Name another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be made: {error.strerror}.", "Name a folder that you may write to."
        ) from error


def _inputs(listed: tuple[ListedCase, ...], cases: Path, model: TrainedModel | PathLike) -> dict[str, str]:
    """Return what must stay as it is: real path, and what it is in words."""
    from napari_gmmseg.io.sniffing import members_of
    from napari_gmmseg.volumes import TrainedModel

    kept: dict[Path, str] = {}
    for case in listed:
        for member in members_of(case.label) if case.label is not None else ():
            kept |= dict.fromkeys(_with_sidecars(member), "a label of the list, or what names its classes")
        kept |= {member: "an image of the list" for file in case.files for member in members_of(file)}
    kept[cases] = "the list"
    if not isinstance(model, TrainedModel):
        kept[Path(os.fspath(model))] = "the model"
    return {os.path.realpath(file): what for file, what in kept.items()}


def _with_sidecars(mask: Path) -> tuple[Path, ...]:
    from napari_gmmseg.io.sidecars import bids_path, snap_path

    return mask, bids_path(mask), snap_path(mask)


def _told(name: str, mask: Path, result: Segmentation) -> ListedResult:
    geometry = result.label_map.geometry
    volumes: dict[str, float] = {}
    if geometry.unit == "mm":
        counts = result.label_map.counts()
        ml = geometry.voxel_volume_ml
        volumes = {
            tissue.name: counts[tissue.value] * ml for tissue in result.label_map.classes if tissue.role != "background"
        }
    doubts = tuple(finding.message for finding in result.findings if finding.severity != "note")
    return ListedResult(name, mask, volumes, doubts)
