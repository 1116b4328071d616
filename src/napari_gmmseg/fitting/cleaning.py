"""Clean up a result without training: voxels of regions too small to be believed take the class around them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config.outlier import OUTER_TO_INNER, windows_on_grid
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.settling import MOST_ROUNDS, settled
from napari_gmmseg.fitting.solid_labels import SolidLabels
from napari_gmmseg.mixture.islands import label_around, regions_with, voxels_of
from napari_gmmseg.mixture.outlier_score import surrounding_labels
from napari_gmmseg.mixture.tensors import as_tensor
from napari_gmmseg.preparation.masks import bounding_box
from napari_gmmseg.volumes import ClassChange, Finding, Island, LabelMap, Segmentation, class_changes

#: Share of a class from which on it is said that much of it goes.
MUCH = 0.05

Windows = tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True)
class Cleaning:
    """What a clean-up would do.

    Parameters
    ----------
    labels : ndarray ([T,] Z, Y, X) uint8
        Label values after it.
    changes : tuple of ClassChange
        What each class loses and gains, in voxels.
    rounds : int
        How often outliers, or small regions, took the class around them, until there were none left.
    findings : tuple of Finding
        Where much of a class would go, or it did not settle.
    held : ndarray ([T,] Z, Y, X) bool or None
        Voxels that stay since they, or others of their island, were to stay.
    """

    labels: NDArray[np.uint8]
    changes: tuple[ClassChange, ...]
    rounds: int
    findings: tuple[Finding, ...]
    held: NDArray[np.bool_] | None = None


def windows_of_length(label_map: LabelMap, smaller_than_mm: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the windows that remove islands smaller than a length: the inner one this wide, the outer three times.

    Parameters
    ----------
    label_map : LabelMap
        For its grid.
    smaller_than_mm : float
        In mm.

    Raises
    ------
    SettingsError
        Where the length is no positive number, or no voxel size is known.
    """
    geometry = label_map.geometry
    if not 0 < smaller_than_mm < np.inf:
        raise SettingsError(f"Islands have a size above 0 mm; seen: {smaller_than_mm:g}.", "Give a length in mm.")
    if geometry.unit != "mm":
        raise SettingsError(
            "No voxel size is known, so that a length in mm means nothing.", "Give its spacing (--spacing DZ DY DX)."
        )
    return windows_on_grid(smaller_than_mm, OUTER_TO_INNER * smaller_than_mm, "mm", geometry.spacing, geometry.shape)


def outlier_map(
    segmentation: Segmentation, windows: Windows, *, z: int | None = None, spared: Iterable[int] = ()
) -> NDArray[np.float32]:
    """Return how much of an outlier each voxel is: what a clean-up looks at; no network is asked.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    windows : (tuple of int, tuple of int)
        i and j: odd voxels along (z, y, x).
    z : int or None
        One slice, scored with the slices around it; None: the whole grid.
    spared : iterable of int
        Label values whose voxels are never outliers.

    Returns
    -------
    ndarray ([T,] Z, Y, X) float32, or ([T,] 1, Y, X) for a slice
        0 ... 1.
    """
    numbers, solid, classes = numbered_classes_of(segmentation, spared)
    if z is not None:
        reach = windows[1][0] // 2
        low = max(z - reach, 0)
        numbers = numbers[:, low : z + reach + 1]
    score, _ = surrounding_labels(as_tensor(numbers), len(solid.values), *windows, classes=classes)
    if z is not None:
        score = score[:, z - low : z - low + 1]
    result: NDArray[np.float32] = score.numpy()
    return result if segmentation.mask.ndim == 4 else result[0]


def plan_cleaning(
    segmentation: Segmentation,
    windows: Windows,
    *,
    spared: Iterable[int] = (),
    held: NDArray[np.bool_] | None = None,
    islands: bool = False,
) -> Cleaning:
    """Return what a clean-up would make of a result, without doing it.

    In each round, voxels with a score above 0 take the class that there is most of in the ring around them; where there
    are none left, small regions take the class that touches them most. It ends when neither changes anything, so that
    a second clean-up with the same windows finds nothing to do.

    Parameters
    ----------
    segmentation : Segmentation
        The result; voxels outside its mask stay background.
    windows : (tuple of int, tuple of int)
        i and j: odd voxels along (z, y, x).
    spared : iterable of int
        Label values whose voxels stay.
    held : ndarray ([T,] Z, Y, X) bool or None
        Voxels that stay, whatever they are; so does the whole island that has one of them.
    islands : bool
        Whether connected regions with no more voxels than the inner window go, too, wherever they lie: the score leaves
        those that have more of their class near.
    """
    steps = plan_in_rounds(segmentation, windows, spared=spared, held=held, islands=islands)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            planned: Cleaning = end.value
            return planned


def plan_in_rounds(
    segmentation: Segmentation,
    windows: Windows,
    *,
    spared: Iterable[int] = (),
    held: NDArray[np.bool_] | None = None,
    islands: bool = False,
) -> Generator[int, None, Cleaning]:
    """Plan a clean-up as a generator, which can be closed between its rounds.

    Parameters
    ----------
    segmentation : Segmentation
        The result; voxels outside its mask stay background.
    windows : (tuple of int, tuple of int)
        i and j: odd voxels along (z, y, x).
    spared : iterable of int
        Label values whose voxels stay.
    held : ndarray ([T,] Z, Y, X) bool or None
        Voxels that stay, whatever they are; so does the whole island that has one of them.
    islands : bool
        Whether connected regions with no more voxels than the inner window go, too, wherever they lie: the score leaves
        those that have more of their class near.

    Yields
    ------
    int
        How many rounds are done.

    Returns
    -------
    Cleaning
        The plan.
    """
    numbers, solid, classes = numbered_classes_of(segmentation, spared)
    # Beyond the mask there is no class: what lies there changes no count.
    whole = (slice(None),) * 3
    crop = (slice(None), *(bounding_box(segmentation.mask)[-3:] if segmentation.mask.any() else whole))
    labels = as_tensor(np.ascontiguousarray(numbers[crop]))
    old = solid.label_map(segmentation)
    held = None if held is None else held_islands(old, windows, held)
    stays = None if held is None else np.ascontiguousarray(held.reshape(numbers.shape)[crop])
    most = island_voxels(windows) if islands else 0
    labels, rounds = yield from settled(labels, len(solid.values), windows, classes, stays, most)
    numbers = numbers.copy()
    numbers[crop] = labels.numpy()
    new = np.array([0, *solid.values], dtype=np.uint8)[numbers.reshape(old.labels.shape)]
    new[~segmentation.mask] = old.labels[~segmentation.mask]
    changes = class_changes(old, replace(old, labels=new))
    same, back = segmentation.label_map.labels, np.arange(256, dtype=np.uint8)
    back[list(solid.values)] = solid.masked_values[1:]
    labels_after = np.where(new == old.labels, same, back[new])
    return Cleaning(labels_after, changes, rounds, _doubts(changes, windows, settled=rounds < MOST_ROUNDS), held)


def held_islands(label_map: LabelMap, windows: Windows, held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return voxels that stay, and with each the whole region that it lies in, where that is no larger than an island.

    Parameters
    ----------
    label_map : LabelMap
        The labels.
    windows : (tuple of int, tuple of int)
        i and j: odd voxels along (z, y, x).
    held : ndarray ([T,] Z, Y, X) bool
        Voxels that stay, such as those that a person set.

    Returns
    -------
    ndarray ([T,] Z, Y, X) bool
        At least the same.
    """
    return held | regions_with(label_map.labels, label_map.classes.values, held, island_voxels(windows))


def island_voxels(windows: Windows) -> int:
    """Return how many voxels an island has at most: those of the inner window, and none where that is one voxel.

    Parameters
    ----------
    windows : (tuple of int, tuple of int)
        i and j: odd voxels along (z, y, x).
    """
    return int(np.prod(windows[0])) if max(windows[0]) > 1 else 0


def clean(segmentation: Segmentation, cleaning: Cleaning) -> Segmentation:
    """Return a result with a clean-up done.

    Where a voxel changes its class, the probabilities of the two classes change places: the label stays the likeliest.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    cleaning : Cleaning
        From `plan_cleaning`.
    """
    ml = segmentation.label_map.geometry.voxel_volume_ml if segmentation.label_map.geometry.unit == "mm" else None
    gone = ", ".join(
        f"{change.tissue.name} {change.lost} voxels" + ("" if ml is None else f" ({change.lost * ml:.2f} ml)")
        for change in cleaning.changes
        if change.lost
    )
    told = Finding("cleaned", f"Islands took the class around them: {gone or 'there were none'}.", severity="note")
    return _relabelled(segmentation, cleaning.labels, (told, *cleaning.findings))


def remove_islands(segmentation: Segmentation, islands: Iterable[Island]) -> Segmentation:
    """Return a result in which some islands have the class of most voxels that touch them; those alone stay.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    islands : iterable of Island
        From `napari_gmmseg.mixture.islands.find_islands`.
    """
    solid = SolidLabels.of(segmentation)
    label_map, labels = solid.label_map(segmentation), segmentation.label_map.labels.copy()
    for island in islands:
        own = voxels_of(label_map, island)
        around = label_around(label_map.labels, island, own)
        if around:
            labels[island.slices][own] = solid.value_of(around)
    return _relabelled(segmentation, labels, ())


def numbered_classes_of(
    segmentation: Segmentation, spared: Iterable[int]
) -> tuple[NDArray[np.uint8], SolidLabels, set[int]]:
    """Return labels as class numbers, what they mean, and the classes that may be outliers.

    Parameters
    ----------
    segmentation : Segmentation
        The result.
    spared : iterable of int
        Label values whose voxels stay.

    Returns
    -------
    numbers : ndarray (T, Z, Y, X) uint8
        1 ... K, 0 outside the mask.
    solid : SolidLabels
        Label value of each number.
    classes : set of int
        0 ... K - 1.
    """
    solid, kept = SolidLabels.of(segmentation), set(spared)
    numbers = solid.numbers(segmentation.label_map.labels, segmentation.mask)
    classes = {k for k, value in enumerate(segmentation.label_map.classes.values) if value not in kept}
    return numbers if numbers.ndim == 4 else numbers[None], solid, classes


def _doubts(changes: Sequence[ClassChange], windows: Windows, *, settled: bool) -> tuple[Finding, ...]:
    eaten = [change for change in changes if change.lost > MUCH * max(change.voxels_before, 1)]
    findings = [
        Finding(
            "cleaning-eats-tissue",
            f"{change.lost / change.voxels_before:.0%} of {change.tissue.name} would go: the windows of {windows[0]} "
            f"and {windows[1]} voxels take thin tissue for islands.",
            "Remove smaller islands only, or leave this class out.",
        )
        for change in eaten
    ]
    if not settled:
        findings.append(
            Finding("cleaning-unsettled", f"Islands were left after {MOST_ROUNDS} rounds.", "Do it again.", "note")
        )
    return tuple(findings)


def _relabelled(segmentation: Segmentation, labels: NDArray[np.uint8], findings: tuple[Finding, ...]) -> Segmentation:
    old = segmentation.label_map
    changed = old.labels != labels
    probabilities = np.array(segmentation.probabilities)
    row = SolidLabels.of(segmentation).rows
    before, after = row[old.labels[changed]], row[labels[changed]]
    there = probabilities[:, changed]
    # What a person erased has no probability of its own: it is left as edits leave it.
    columns = np.flatnonzero((before >= 0) & (after >= 0))
    before, after = before[columns], after[columns]
    there[before, columns], there[after, columns] = there[after, columns], there[before, columns]
    probabilities[:, changed] = there
    provenance: dict[str, Any] = {**segmentation.provenance, "cleaned voxels": int(changed.sum())}
    return replace(
        segmentation,
        label_map=replace(old, labels=labels),
        probabilities=probabilities,
        findings=(*segmentation.findings, *findings),
        provenance=provenance,
    )
