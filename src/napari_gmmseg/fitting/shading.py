"""Take the bias field out of what is fitted, and tell of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.mixture.bias_field import FoundField, find_bias_field, without_bias
from napari_gmmseg.volumes import BiasField, Finding, Segmentation, Volume

#: Only what is this large in mm along two axes is looked at: in a heart, tissue and shading have the same size.
LEAST_EXTENT = 100.0


def corrected(task: FitTask) -> FitTask:
    """Return a task whose image is without bias, where the settings want that and a field is found.

    Parameters
    ----------
    task : FitTask
        As it was cut.

    Raises
    ------
    SettingsError
        Where a field is to be taken out of an image that is no product of tissue and field.
    """
    wanted = task.config.bias_field
    if wanted == "off" or (wanted == "auto" and not _as_large_as_a_head(task)):
        return task
    found = _found(task)
    if wanted == "on" and not any(found.suited):
        raise SettingsError(
            "A bias field is a factor, and no channel can be a product with one: it needs intensities above 0, an "
            "extent of 50 mm or more, and some hundred voxels.",
            "Use --bias-field off or auto.",
        )
    return with_field(task, found.field)


def with_field(task: FitTask, field: BiasField | None) -> FitTask:
    """Return a task whose image is divided by a field.

    Parameters
    ----------
    task : FitTask
        As it was cut.
    field : BiasField or None
        None leaves it as it is.
    """
    if field is None:
        return task
    return replace(task, image=without_bias(task.image, field, task.prepared.crop[-3:]), bias_field=field)


def carried_on(task: FitTask, start: Segmentation) -> FitTask:
    """Return a task that goes on from a result: with its field, whose Gaussians are of the corrected image.

    Where the result was made without looking for a field, one is looked for.

    Parameters
    ----------
    task : FitTask
        As it was cut.
    start : Segmentation
        The result.
    """
    if task.config.bias_field == "off":
        return task
    if start.bias_field is not None:
        return with_field(task, start.bias_field)
    before = dict(start.provenance.get("settings", {})).get("bias_field", "off")
    return task if before == task.config.bias_field else corrected(task)


def _found(task: FitTask) -> FoundField:
    geometry = task.volume.geometry
    return find_bias_field(
        task.image,
        task.mask,
        geometry.spacing,
        unit=geometry.unit,
        n_classes=task.config.n_classes,
        start=[part.start for part in task.prepared.crop[-3:]],
        forced=task.config.bias_field == "on",
    )


def _as_large_as_a_head(task: FitTask) -> bool:
    geometry = task.volume.geometry
    sizes = [n * edge for n, edge in zip(task.mask.shape[-3:], geometry.spacing, strict=True)]
    return geometry.unit == "mm" and sum(size >= LEAST_EXTENT for size in sizes) >= 2


def field_findings(volume: Volume, field: BiasField | None) -> tuple[Finding, ...]:
    """Return what a person is told of a field.

    Parameters
    ----------
    volume : Volume
        For the names of its channels.
    field : BiasField or None
        What was taken out.
    """
    if field is None:
        return ()
    names = [name.upper() if name else f"channel {c + 1}" for c, name in enumerate(volume.channels)]
    shares = [
        f"±{percent:.0f} %{f' in {name}' if len(names) > 1 else ''}"
        for name, percent, own in zip(names, field.percent, field.coefficients, strict=True)
        if np.any(own)
    ]
    return (
        Finding(
            "bias-field",
            f"A bias field of {', '.join(shares)} was corrected.",
            "Means are those of the corrected image; --bias-field off fits it as it is.",
            "note",
        ),
    )
