"""Segmentations as files, and the hash that tells whether two are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.session.journal.files import read_arrays, write_arrays
from napari_gmmseg.session.journal.nouns import (
    finding_of,
    geometry_of,
    plain,
    source_of,
    source_values,
    tissue_of,
)
from napari_gmmseg.volumes import BiasField, ClassTable, FitReport, LabelMap, Mixture, Segmentation

_MIXTURE = ("mixing_weights", "means", "covariances", "class_of")
_FIGURES = ("method", "log_likelihood", "steps", "stopped")
_TOLD = ("phase", "step", "n_steps", "log_likelihood", "terms", "seconds")


def array_hash(*arrays: NDArray[Any]) -> str:
    """Return the SHA-256 of arrays: of their types, shapes and bytes.

    Parameters
    ----------
    *arrays : ndarray, any shape
        In C order, whatever their layout.
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def result_hash(segmentation: Segmentation) -> str:
    """Return the SHA-256 of a result: of its labels and its probabilities.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    """
    return array_hash(segmentation.label_map.labels, segmentation.probabilities)


def write_result(path: Path, segmentation: Segmentation) -> None:
    """Write a segmentation, all that it holds.

    Parameters
    ----------
    path : Path
        An `.npz` file.
    segmentation : Segmentation
        What to write.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    arrays, meta = _parts(segmentation)
    if segmentation.base is not None:
        below, meta["base"] = _parts(segmentation.base)
        arrays |= {f"base/{name}": array for name, array in below.items()}
    write_arrays(path, arrays, meta)


def read_result(path: Path) -> Segmentation:
    """Read a segmentation.

    Parameters
    ----------
    path : Path
        From `write_result`.

    Raises
    ------
    InputError
        Where the file is missing or damaged.
    """
    arrays, meta = read_arrays(path)
    base = None
    if "base" in meta:
        below = {name.removeprefix("base/"): array for name, array in arrays.items() if name.startswith("base/")}
        base = _whole(below, meta["base"], None)
    return _whole(arrays, meta, base)


def _parts(segmentation: Segmentation) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    label_map = segmentation.label_map
    arrays: dict[str, NDArray[Any]] = {
        "labels": label_map.labels,
        "probabilities": segmentation.probabilities,
        "mask": segmentation.mask,
        **{name: getattr(segmentation.mixture, name) for name in _MIXTURE},
    }
    if segmentation.prior is not None:
        arrays["prior"] = segmentation.prior
    meta = {name: plain(getattr(segmentation, name)) for name in (*_FIGURES, "findings", "provenance")}
    meta["geometry"], meta["source"] = plain(label_map.geometry), source_values(label_map.source)
    meta["classes"] = plain(label_map.classes)
    if segmentation.bias_field is not None:
        meta["bias_field"] = segmentation.bias_field.told()
    meta["history"] = [{name: plain(getattr(report, name)) for name in _TOLD} for report in segmentation.history]
    return arrays, meta


def _whole(arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], base: Segmentation | None) -> Segmentation:
    classes = ClassTable(tuple(tissue_of(tissue) for tissue in meta["classes"]))
    return Segmentation(
        label_map=LabelMap(arrays["labels"], geometry_of(meta["geometry"]), classes, source_of(meta["source"])),
        probabilities=arrays["probabilities"],
        mask=arrays["mask"],
        mixture=Mixture(**{name: arrays[name] for name in _MIXTURE}),
        findings=tuple(finding_of(finding) for finding in meta["findings"]),
        provenance=meta["provenance"],
        prior=arrays.get("prior"),
        bias_field=None if meta.get("bias_field") is None else BiasField.of(meta["bias_field"]),
        base=base,
        history=tuple(FitReport(**told) for told in meta["history"]),
        **{name: meta[name] for name in _FIGURES},
    )
