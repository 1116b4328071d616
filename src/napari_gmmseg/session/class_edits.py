"""Edits of a finished result without another fit: what its classes are called, and which there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import Preset, find_preset, new_class
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.session.situation import Numbers
from napari_gmmseg.volumes import ClassTable, Mixture, Segmentation, TissueClass, Volume

if TYPE_CHECKING:
    from napari_gmmseg.mixture.reshaping import Reshaped

P = ParamSpec("P")
T = TypeVar("T")


def _on_own_threads(edit: Callable[P, T]) -> Callable[P, T]:
    """Have an edit use the machine's usual number of threads, whatever the thread that asks was left with.

    Sums come out otherwise in their last bits on another number of threads, and a replay would make another result.
    """

    @wraps(edit)
    def held(*arguments: P.args, **options: P.kwargs) -> T:
        from napari_gmmseg.fitting.runtime import choose_threads, torch_threads

        with torch_threads(choose_threads(None)):
            return edit(*arguments, **options)

    return held


def retabled(result: Segmentation, change: Callable[[ClassTable], ClassTable]) -> Segmentation:
    """Return a result whose classes are called otherwise; arrays are shared.

    Parameters
    ----------
    result : Segmentation
        Before.
    change : callable
        From a class table to another with the same label values.
    """
    base = None if result.base is None else retabled(result.base, change)
    label_map = replace(result.label_map, classes=change(result.label_map.classes))
    return replace(result, label_map=label_map, base=base)


def named_by_contrast(volume: Volume, preset: Preset, table: ClassTable, mixture: Mixture) -> dict[int, TissueClass]:
    """Return which tissue of a preset each class is, by the rank of its mean in each contrast that is known.

    Parameters
    ----------
    volume : Volume
        For its contrasts.
    preset : Preset
        Whose tissues are meant; a brain's where it names none.
    table : ClassTable
        The classes as they are.
    mixture : Mixture
        Class k is the table's k-th.

    Returns
    -------
    dict of int to TissueClass
        By label value.

    Raises
    ------
    SettingsError
        Where the number of classes is another, or no contrast is known.
    """
    from napari_gmmseg.mixture.naming import match_classes
    from napari_gmmseg.preparation.preparing import with_expected_contrasts

    tissues = preset.classes or find_preset("brain-t1").classes
    assert tissues is not None
    if len(tissues) != len(table):
        names = ", ".join(tissue.abbreviation for tissue in tissues)
        raise SettingsError(
            f"There are {len(table)} classes, and {len(tissues)} tissues to name them by: {names}.",
            f"Ask for {len(tissues)} classes, or name them one by one.",
        )
    channels = with_expected_contrasts(volume, preset).channels
    entry = match_classes(mixture.class_means(), channels, tissues)
    if entry is None:
        raise SettingsError(
            f"How bright each tissue is in this contrast ({', '.join(c or 'unknown' for c in channels)}) is not known.",
            "Say which contrast the image has.",
        )
    return {tissue.value: tissues[int(e)] for tissue, e in zip(table, entry, strict=True)}


@_on_own_threads
def merge_classes(volume: Volume, result: Segmentation, into: int, other: int) -> Segmentation:
    """Return a result with two classes made one: probabilities add up, and the Gaussian has both's moments.

    Parameters
    ----------
    volume : Volume
        The image.
    result : Segmentation
        Before.
    into, other : int
        Label values; the first stays.
    """
    from napari_gmmseg.mixture.reshaping import Reshaped, merged

    values = result.label_map.classes.values
    reshaped = merged(Reshaped.of(result.mixture), values.index(into), values.index(other))
    table = ClassTable(tuple(t for t in result.label_map.classes if t.value != other))
    base = None if result.base is None else merge_classes(volume, result.base, into, other)
    return replace(_reshaped(volume, result, reshaped, table, {"merge": [into, other]}), base=base)


@_on_own_threads
def split_class(volume: Volume, result: Segmentation, value: int) -> Segmentation:
    """Return a result with one class made two along its main axis, which share its voxels by their densities.

    Parameters
    ----------
    volume : Volume
        The image.
    result : Segmentation
        Before.
    value : int
        Its label value, which the half with more voxels keeps.
    """
    import torch

    from napari_gmmseg.mixture.reshaping import Reshaped, split

    table = result.label_map.classes
    samples = torch.from_numpy(np.asarray(volume.data[:, result.mask], dtype=np.float32))
    reshaped = split(Reshaped.of(result.mixture), table.values.index(value), samples)
    larger = ClassTable((*table, new_class(table)))
    base = None if result.base is None else split_class(volume, result.base, value)
    return replace(_reshaped(volume, result, reshaped, larger, {"split": value}), base=base)


@_on_own_threads
def adjust_classes(
    volume: Volume,
    result: Segmentation,
    means: Numbers,
    stds: Numbers,
) -> Segmentation:
    """Return a result under moved Gaussians: what neighbours and network said of each voxel stays.

    Parameters
    ----------
    volume : Volume
        The image.
    result : Segmentation
        Before.
    means, stds : mapping of int to tuple of float
        By label value: mean and standard deviation in each channel, in the image's own unit. Others stay.

    Raises
    ------
    SettingsError
        Where there is no such class, or the numbers do not make a Gaussian of the image's channels.
    """
    from napari_gmmseg.fitting.editing import edited_probabilities

    mixture = moved(result.mixture, result.label_map.classes, means, stds)
    probabilities = edited_probabilities(volume, result, mixture)
    noted = {str(v): list(map(float, numbers)) for v, numbers in {**means}.items()}
    widths = {str(v): list(map(float, numbers)) for v, numbers in {**stds}.items()}
    answer = replace(result, probabilities=probabilities, mixture=mixture)
    return _labelled(volume, answer, result.label_map.classes, {"adjust": {"means": noted, "stds": widths}})


def adjusted_labels(
    volume: Volume, result: Segmentation, means: Numbers, stds: Numbers, plane: tuple[int | slice, ...]
) -> NDArray[np.uint8]:
    """Return the labels that a part of a result would have under moved Gaussians.

    Parameters
    ----------
    volume : Volume
        The image.
    result : Segmentation
        Before.
    means, stds : mapping of int to tuple of float
        As for `adjust_classes`.
    plane : tuple of int or slice
        Index into the grid, such as (z,) for one slice.

    Returns
    -------
    ndarray (*plane) uint8
        Label values.

    Raises
    ------
    SettingsError
        As `adjust_classes`.
    """
    from napari_gmmseg.fitting.editing import edited_labels

    mixture = moved(result.mixture, result.label_map.classes, means, stds)
    return edited_labels(volume, result, mixture, plane=plane)


def moved(
    mixture: Mixture,
    table: ClassTable,
    means: Numbers,
    stds: Numbers,
) -> Mixture:
    """Return a mixture with the Gaussians that a person set; of several a class, all move alike.

    Parameters
    ----------
    mixture : Mixture
        Before.
    table : ClassTable
        Whose label values are meant; class k is its k-th.
    means, stds : mapping of int to tuple of float
        By label value: mean and standard deviation in each channel, in the image's own unit. Others stay.

    Raises
    ------
    SettingsError
        Where there is no such class, or the numbers do not make a Gaussian of the image's channels.
    """
    centres = mixture.class_means()
    new_means, covariances = mixture.means.copy(), mixture.covariances.copy()
    for value in (*means, *stds):
        if value not in table.values:
            raise SettingsError(f"There is no class of the label {value}.", "Choose one of the classes that are shown.")
    for k, tissue in enumerate(table):
        own = mixture.class_of == k
        if tissue.value in means:
            new_means[own] += _numbers(means[tissue.value], mixture.n_channels, above=-np.inf) - centres[k]
        if tissue.value in stds:
            wanted = _numbers(stds[tissue.value], mixture.n_channels, above=0.0)
            scale = wanted / np.sqrt(np.diagonal(covariances[own], axis1=1, axis2=2))
            covariances[own] *= scale[:, :, None] * scale[:, None, :]
    return Mixture(mixture.mixing_weights, new_means, covariances, mixture.class_of)


def _numbers(values: tuple[float, ...], n_channels: int, *, above: float) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (n_channels,) or not np.isfinite(numbers).all() or not (numbers > above).all():
        raise SettingsError(
            f"A class has one finite number for each of {n_channels} channels, a width above 0; seen: {values}.",
            "Give a mean or a standard deviation for each channel.",
        )
    return numbers


def _reshaped(
    volume: Volume, result: Segmentation, reshaped: Reshaped, table: ClassTable, edit: dict[str, Any]
) -> Segmentation:
    import torch

    image = torch.from_numpy(np.array(volume.data, dtype=np.float32))
    mask = torch.from_numpy(np.array(result.mask))

    def carried(maps: NDArray[np.float32]) -> NDArray[np.float32]:
        new: NDArray[np.float32] = reshaped.memberships(torch.from_numpy(np.array(maps)), image, mask).numpy()
        return new

    prior = None if result.prior is None else carried(result.prior)
    answer = replace(result, probabilities=carried(result.probabilities), prior=prior, mixture=reshaped.mixture)
    return _labelled(volume, answer, table, edit)


def _labelled(volume: Volume, answer: Segmentation, table: ClassTable, edit: dict[str, Any]) -> Segmentation:
    """Return a result whose labels and likelihood follow its probabilities and its mixture, with a note of the edit."""
    import torch

    from napari_gmmseg.mixture.densities import mean_log_likelihood
    from napari_gmmseg.mixture.labelling import label_winners

    winners = label_winners(torch.from_numpy(np.array(answer.probabilities)), torch.from_numpy(np.array(answer.mask)))
    values = np.array([0, *table.values], dtype=np.uint8)
    label_map = replace(answer.label_map, labels=values[winners.numpy()], classes=table)
    samples = np.asarray(volume.data[:, answer.mask], dtype=np.float32)
    edits = [*answer.provenance.get("edits", []), edit]
    return replace(
        answer,
        label_map=label_map,
        log_likelihood=mean_log_likelihood(answer.mixture, samples, dtype=torch.float32),
        provenance={**answer.provenance, "edits": edits},
    )
