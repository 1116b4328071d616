"""Write a segmentation where it was asked for, and tell about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_gmmseg import api
from napari_gmmseg.cli.answers import Answer, Errand
from napari_gmmseg.cli.tables import segmentation_data, show_segmentation
from napari_gmmseg.cli.targets import side_files
from napari_gmmseg.volumes import Finding

if TYPE_CHECKING:
    from napari_gmmseg.volumes import Segmentation


def deliver(
    errand: Errand,
    result: Segmentation,
    channels: Sequence[str],
    output: Path,
    maps: Mapping[str, Path | None],
    told: Mapping[str, Any],
) -> Answer:
    """Write a mask and maps, and return what is to be told.

    Parameters
    ----------
    errand : Errand
        Where the files are noted.
    result : Segmentation
        What to write.
    channels : sequence of str
        Contrast of each channel, "" where it is not known.
    output : Path
        The mask.
    maps : mapping of str to Path or None
        Further files: probabilities, uncertainty, prior, bias_field, fractions.
    told : mapping of str to object
        What else `--json` tells.
    """
    if maps["prior"] is not None and result.prior is None:
        result, maps = _without_prior(result), {**maps, "prior": None}
    if maps.get("bias_field") is not None and result.bias_field is None:
        result, maps = _without_field(result), {**maps, "bias_field": None}
    names = tuple(name or f"channel {c + 1}" for c, name in enumerate(channels))
    files = {what: path for what, path in {"mask": output, **maps}.items() if path is not None}
    beside = side_files(output)
    data = segmentation_data(result, names) | {"files": files, "side_files": beside, **told}
    errand.watch((*files.values(), *beside))
    # Last of all: a Ctrl-C that comes later has nothing to interrupt.
    api.write(output, result, **maps)
    return Answer(data, lambda console: show_segmentation(console, data))


def _without_prior(result: Segmentation) -> Segmentation:
    """Return a segmentation that tells why no prior was written: the mask is worth more than a refusal now."""
    told = Finding(
        "no-prior",
        f"No prior was written: the result is of the method {result.method}, which gives none.",
        "Only deepsvg and blindspot do, and auto where it refines by one of them.",
        "note",
    )
    return replace(result, findings=(*result.findings, told))


def _without_field(result: Segmentation) -> Segmentation:
    """Return a segmentation that tells why no bias field was written."""
    told = Finding(
        "no-bias-field",
        "No bias field was written: the image is not clearly likelier with one.",
        "--bias-field on takes one out all the same.",
        "note",
    )
    return replace(result, findings=(*result.findings, told))
