"""Take the bias field out of what is fitted, and tell of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.live import Change, Changed, attempt
from napari_gmmseg.fitting.methods import first_look
from napari_gmmseg.fitting.progress import Fitted, Method, Progress
from napari_gmmseg.fitting.task import FitTask
from napari_gmmseg.mixture.bias_field import STEPS_A_CHANNEL, FoundField, Search, search_bias_field, without_bias
from napari_gmmseg.volumes import BiasField, Finding, Mixture, Segmentation, Stop, Volume

BIAS_FIELD = "Bias field"
#: Only what is this large in mm along two axes is looked at: in a heart, tissue and shading have the same size.
LEAST_EXTENT = 100.0
_NO_PRODUCT = (
    "A bias field is a factor, and no channel can be a product with one: it needs intensities above 0, an extent of "
    "50 mm or more, and some hundred voxels.",
    "Use --bias-field off or auto.",
)
_GIVEN_UP = Finding(
    "bias-field-given-up",
    "The search for a bias field was stopped: the image was fitted as it is.",
    "Run it again to the end, or use --bias-field off where there is no shading.",
    "note",
)


def seeking(task: FitTask) -> FitTask:
    """Return a task for which a field is looked for first, where the settings want that.

    Parameters
    ----------
    task : FitTask
        As it was cut.
    """
    wanted = task.config.bias_field
    return replace(task, seeks_field=wanted == "on" or (wanted == "auto" and _as_large_as_a_head(task)))


def fit_shaded(task: FitTask, start: Mixture | None, method: Callable[[FitTask, Mixture | None], Method]) -> Method:
    """Look for a field, with a first look at the image as it is; then fit what is without it.

    Takes changes; when sent Stop, the search is given up, and the image is fitted as it is.

    Parameters
    ----------
    task : FitTask
        From `seeking`.
    start : Mixture or None
        To begin with, in the image's own unit; None to find one.
    method : function of task and start
        How the classes are fitted.

    Raises
    ------
    SettingsError
        Where a field is to be taken out of an image that is no product of tissue and field.
    """
    search, most = field_search(task), STEPS_A_CHANNEL * task.volume.n_channels
    if task.config.bias_field == "on" and next(search, None) is None:
        raise SettingsError(*_NO_PRODUCT)
    mixture, labels = first_look(task, start)
    report = Progress(0, most, mixture, labels=labels, phase=BIAS_FIELD, task=task)
    found: FoundField | None = None
    while True:
        told = yield report
        if isinstance(told, Stop) or (found is not None and not isinstance(told, Change)):
            break
        taken = attempt(task, report.mixture, told) if isinstance(told, Change) else None
        if isinstance(taken, Changed):
            # The Gaussians are of the uncorrected image; as the log field has mean 0, they are near.
            task, start = taken.task, taken.mixture
        done = most
        if found is None:
            try:
                done, _ = next(search)
            except StopIteration as end:
                found = end.value
                task = _taken_out(task, found)
        report = _report(task, report, start, done, most, taken)
    rest = method(replace(task, seeks_field=False), start)
    if isinstance(told, Stop):
        fitted = _at_once(rest)
    else:
        fitted = yield from rest
    doubts = (_GIVEN_UP,) if found is None else ()
    return replace(fitted, task=fitted.task or task, findings=(*fitted.findings, *doubts))


def _at_once(method: Method) -> Fitted:
    """Return what a method ends with that is stopped from the beginning."""
    next(method)
    while True:
        try:
            method.send(Stop())
        except StopIteration as end:
            fitted: Fitted = end.value
            return fitted


def _report(
    task: FitTask, before: Progress, start: Mixture | None, done: int, most: int, taken: Changed | Finding | None
) -> Progress:
    """Return a step's report, with a look at the classes where these were changed."""
    mixture, labels = before.mixture, None
    if isinstance(taken, Changed):
        mixture, labels = first_look(task, start)
    refused = taken if isinstance(taken, Finding) else None
    return Progress(done, most, mixture, labels=labels, phase=BIAS_FIELD, task=task, refused=refused)


def _taken_out(task: FitTask, found: FoundField) -> FitTask:
    if task.config.bias_field == "on" and not any(found.suited):
        raise SettingsError(*_NO_PRODUCT)
    return with_field(replace(task, seeks_field=False), found.field)


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

    Where the result was made without looking for a field, or the search was given up, one is to be looked for.

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
    given_up = any(finding.code == _GIVEN_UP.code for finding in start.findings)
    return task if before == task.config.bias_field and not given_up else seeking(task)


def field_search(task: FitTask) -> Search:
    """Return the search for the bias field of a task's image, step by step.

    Parameters
    ----------
    task : FitTask
        As it was cut.
    """
    geometry = task.volume.geometry
    return search_bias_field(
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
