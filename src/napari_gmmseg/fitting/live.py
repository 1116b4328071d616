"""What a person may change while a fit is running, as the methods take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from napari_gmmseg.config import FitConfig
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.task import FitTask, renumbered
from napari_gmmseg.mixture.reshaping import Reshaped, merged, reshape, split
from napari_gmmseg.volumes import Finding, Mixture

#: Voxels by which it is seen which class is split, and how its halves lie.
_ENOUGH = 200_000


@dataclass(frozen=True)
class Change:
    """A command with classes told by their identity, which they keep through splits and merges.

    Parameters
    ----------
    config : FitConfig
        Settings from now on.
    protected : frozenset of int
        Classes that must not disappear.
    merge : (int, int) or None
        The second becomes part of the first.
    split : int or None
        Becomes two.
    means, stds : mapping of int to tuple of float
        Gaussians that a person set, in the image's own unit.
    locked : frozenset of int or None
        Classes whose Gaussian is held; None leaves that as it is.
    """

    config: FitConfig
    protected: frozenset[int] = frozenset()
    merge: tuple[int, int] | None = None
    split: int | None = None
    means: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    stds: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    locked: frozenset[int] | None = None


@dataclass(frozen=True)
class Changed:
    """What a change made of a task.

    Parameters
    ----------
    task : FitTask
        With new settings and identities.
    mixture : Mixture
        To go on from.
    reshaped : Reshaped or None
        How classes were split and merged; None where they are as they were.
    """

    task: FitTask
    mixture: Mixture
    reshaped: Reshaped | None


def attempt(task: FitTask, mixture: Mixture, change: Change) -> Changed | Finding:
    """Take up a change, or say why not: a run does not end because of it.

    Parameters
    ----------
    task : FitTask
        As it was.
    mixture : Mixture
        Fitted so far, in the image's own unit.
    change : Change
        What is to be different.
    """
    try:
        return apply_change(task, mixture, change)
    except SettingsError as error:
        return Finding("refused", error.message, error.hint)


def apply_change(task: FitTask, mixture: Mixture, change: Change) -> Changed:
    """Take up a change.

    Parameters
    ----------
    task : FitTask
        As it was.
    mixture : Mixture
        Fitted so far, in the image's own unit.
    change : Change
        What is to be different.

    Raises
    ------
    SettingsError
        Where a class that must not disappear would, or Gaussians do not fit the channels.
    """
    reshaped = _reshaped(task, mixture, change)
    config = change.config
    if reshaped is not None:
        left = (*task.left, (task.identities, mixture))
        task = replace(_followed(task, reshaped), left=left)
        mixture = _as_it_was(task) or reshaped.mixture
    if mixture.n_classes != config.n_classes:
        config = replace(config, n_classes=mixture.n_classes)
    if config.gaussians_per_class and reshaped is not None:
        counts = np.bincount(mixture.class_of, minlength=mixture.n_classes)
        config = replace(config, gaussians_per_class=tuple(int(n) for n in counts))
    locked = task.locked if change.locked is None else change.locked
    edited = _edited(mixture, task.identities, change)
    task = replace(
        task,
        config=config,
        locked=frozenset(locked) & frozenset(task.identities),
        widths_set=task.widths_set or bool(change.stds),
        # What a person set or locked since is not to be forgotten.
        left=() if change.locked is not None else task.left,
    )
    return Changed(task, edited, reshaped)


def _as_it_was(task: FitTask) -> Mixture | None:
    """Return the Gaussians with which a change left these classes: with noise, another way leads to other ones."""
    for identities, mixture in reversed(task.left):
        if set(identities) == set(task.identities):
            number = {identity: k for k, identity in enumerate(task.identities)}
            return replace(mixture, class_of=np.array([number[identities[k]] for k in mixture.class_of]))
    return None


def _followed(task: FitTask, reshaped: Reshaped) -> FitTask:
    """Return a task whose identities, and voxels of known class, follow splits and merges."""
    identities, origins, fresh = [], list(task.origins), task.next_identity
    for kept, parents in zip(reshaped.kept, reshaped.parents, strict=True):
        identities.append(fresh if kept is None else task.identities[kept])
        if kept is None:
            origins.insert(0, (fresh, task.identities[parents[0]]))
            fresh += 1
    heirs = reshaped.heirs
    return replace(
        task,
        fixed_labels=None if task.fixed_labels is None else renumbered(task.fixed_labels, heirs),
        identities=tuple(identities),
        next_identity=fresh,
        known=tuple(identities[heirs[task.identities.index(identity)]] for identity in task.known),
        origins=tuple(origin for origin in origins if set(origin) <= set(identities)),
    )


def _reshaped(task: FitTask, mixture: Mixture, change: Change) -> Reshaped | None:
    where = {identity: k for k, identity in enumerate(task.identities)}
    if change.merge is not None:
        into, other = (where[identity] for identity in change.merge)
        return merged(Reshaped.of(mixture), into, other)
    if change.split is not None:
        return split(Reshaped.of(mixture), where[change.split], _some(task))
    n_classes = change.config.n_classes
    if n_classes == mixture.n_classes:
        return None
    protected = {where[identity] for identity in (change.protected | task.locked) if identity in where}
    origins = {where[a]: where[b] for a, b in task.origins if a in where and b in where}
    return reshape(mixture, _some(task), n_classes, protected=protected, origins=origins)


def _some(task: FitTask) -> Tensor:
    """Return intensities (C, N) inside the mask, enough of them to see how a class lies."""
    inside = task.mask.flatten().nonzero()[:, 0]
    return task.image.flatten(1).index_select(1, inside[:: 1 + len(inside) // _ENOUGH])


def _edited(mixture: Mixture, identities: tuple[int, ...], change: Change) -> Mixture:
    """Return a mixture with the Gaussians that a person set; of several a class, all move alike."""
    if not change.means and not change.stds:
        return mixture
    means, covariances = mixture.means.copy(), mixture.covariances.copy()
    centres = mixture.class_means()
    for k, identity in enumerate(identities):
        own = mixture.class_of == k
        if identity in change.means:
            means[own] += _checked(change.means[identity], mixture) - centres[k]
        if identity in change.stds:
            wanted = _checked(change.stds[identity], mixture)
            if not (wanted > 0).all():
                raise SettingsError(f"A standard deviation of {wanted.min():g} is not possible.", "Give one above 0.")
            scale = wanted / np.sqrt(np.diagonal(covariances[own], axis1=1, axis2=2))
            covariances[own] *= scale[:, :, None] * scale[:, None, :]
    return Mixture(mixture.mixing_weights, means, covariances, mixture.class_of)


def _checked(values: tuple[float, ...], mixture: Mixture) -> np.ndarray:
    if len(values) != mixture.n_channels or not np.isfinite(values).all():
        raise SettingsError(
            f"A class has one number for each of {mixture.n_channels} channels; seen: {values}.",
            "Give a finite mean or standard deviation for each channel.",
        )
    return np.asarray(values, dtype=np.float64)
