"""What a person painted, and the result that has it: strokes that follow the classes, edits that stay in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from napari_gmmseg.session.situation import Given, Situation, with_given
from napari_gmmseg.volumes import ClassTable, Edits, Scribbles, Segmentation


def with_edits(result: Segmentation, edits: Edits) -> Segmentation:
    """Return a result with the edited voxels as the person set them; what it refined is edited alike.

    A class that the result has lost and that edited voxels still have comes back, with a probability of 1 there.

    Parameters
    ----------
    result : Segmentation
        As the model has it.
    edits : Edits
        On its grid.
    """
    base = None if result.base is None else with_edits(result.base, edits)
    label_map = edits.apply(result.label_map)
    n_lost = len(label_map.classes) - len(result.label_map.classes)
    edited = replace(result, label_map=label_map, base=base)
    return edited if not n_lost else _with_lost_classes(edited, n_lost)


def with_background(result: Segmentation, background: int | None) -> Segmentation:
    """Return a result in which one class is background, 0 in its mask; what it refined is done alike.

    Voxels of a class that was background before are that class again.

    Parameters
    ----------
    result : Segmentation
        Without edits by hand.
    background : int or None
        Label value of the class; None where every class is a tissue.
    """
    base = None if result.base is None else with_background(result.base, background)
    table, labels = result.label_map.classes, result.label_map.labels
    unlabelled = (labels == 0) & result.mask
    known = background in table.values
    told = result.provenance.get("background") == (background if known else None)
    if told and not unlabelled.any() and not (known and (labels == background).any()):
        return result if base is result.base else replace(result, base=base)
    likeliest = np.asarray(table.values, dtype=np.uint8)[result.probabilities[:, unlabelled].argmax(axis=0)]
    labels = labels.copy()
    labels[unlabelled] = likeliest
    if known:
        labels[labels == background] = 0
    others = {name: value for name, value in result.provenance.items() if name != "background"}
    provenance = {**others, "background": background} if known else others
    return replace(result, label_map=replace(result.label_map, labels=labels), base=base, provenance=provenance)


def _with_lost_classes(result: Segmentation, n_lost: int) -> Segmentation:
    """Return a result with maps and Gaussians for classes at the end of its table that only edits have."""
    labels, mixture = result.label_map.labels, result.mixture
    lost = result.label_map.classes.values[-n_lost:]
    held = np.stack([labels == value for value in lost]).astype(np.float32)
    probabilities = np.concatenate((result.probabilities * (1 - held.sum(axis=0)), held))
    prior = None if result.prior is None else np.concatenate((result.prior, held))
    n_before = len(result.probabilities)
    # A class without a fit of its own has the intensities of all of them, and next to no share.
    weights = np.append(mixture.mixing_weights, np.full(n_lost, 1e-9))
    mean = mixture.mixing_weights @ mixture.means
    covariance = np.einsum("g,gij->ij", mixture.mixing_weights, mixture.covariances)
    whole = replace(
        mixture,
        mixing_weights=weights,
        means=np.concatenate((mixture.means, np.tile(mean, (n_lost, 1)))),
        covariances=np.concatenate((mixture.covariances, np.tile(covariance, (n_lost, 1, 1)))),
        class_of=np.append(mixture.class_of, np.arange(n_before, n_before + n_lost)),
    )
    return replace(result, probabilities=probabilities, prior=prior, mixture=whole)


def in_force(now: Situation) -> Situation:
    """Return a situation whose result has the edits.

    Parameters
    ----------
    now : Situation
        Whose result may be new, or whose edits may be others.
    """
    edits, result = now.edits, now.result
    if edits is None or not len(edits) or result is None:
        return now if now.model is None else replace(now, model=None)
    # A fit, and whatever changes its numbers, brings a provenance of its own; names do not.
    if now.model is not None and now.model.provenance is result.provenance and _has(result, edits):
        return now
    return replace(now, model=result, result=with_edits(result, edits))


def edited(now: Situation, edits: Edits) -> Situation:
    """Return a situation with other edits: those that are gone leave their voxels to the model again.

    Parameters
    ----------
    now : Situation
        Before.
    edits : Edits
        All of them.
    """
    model, result = now.model, now.result
    if model is not None and result is not None and model.label_map.classes != result.label_map.classes:
        # Names may have changed since.
        table = [result.label_map.classes.by_value(tissue.value) or tissue for tissue in model.label_map.classes]
        model = replace(model, label_map=replace(model.label_map, classes=ClassTable(tuple(table))))
    plain = result if model is None else model
    return in_force(replace(now, edits=edits if len(edits) else None, result=plain, model=None))


def _has(result: Segmentation, edits: Edits) -> bool:
    labels = result.label_map.labels
    return labels.shape == edits.shape and bool(np.array_equal(labels.reshape(-1)[edits.positions], edits.values))


def with_classes(scribbles: Scribbles, table: ClassTable, *, whole: bool = False) -> Scribbles:
    """Return scribbles whose classes are called as they are now, in the order that they had.

    Parameters
    ----------
    scribbles : Scribbles
        Before.
    table : ClassTable
        The classes as they are.
    whole : bool
        Whether the table has all classes; else those that it lacks stay, painted or not.
    """
    painted = {stroke.value for stroke in scribbles.strokes} | {scribbles.background}
    old = tuple(t for t in scribbles.classes if t.value in painted or not whole or table.by_value(t.value))
    new = tuple(t for t in table if scribbles.classes.by_value(t.value) is None)
    # A class that is only painted keeps its name, unless another has it now.
    current = {t.value: Given(t.name, t.abbreviation) for t in table}
    known = with_given(ClassTable((*(table.by_value(t.value) or t for t in old), *new)), current)
    return scribbles if known == scribbles.classes else replace(scribbles, classes=known)


def merged(now: Situation, table: ClassTable, into: int, other: int) -> dict[str, Any]:
    """Return what becomes of strokes and edits, as fields of the situation, when two classes are made one.

    Parameters
    ----------
    now : Situation
        Before.
    table : ClassTable
        The classes as they are, both of them among them.
    into, other : int
        Label values; the first stays.
    """
    scribbles, edits = now.scribbles, now.edits

    def left(known: ClassTable) -> ClassTable:
        # Strokes and edits may be older than the class that stays.
        stays = () if known.by_value(into) else tuple(t for t in table if t.value == into)
        return ClassTable((*(t for t in known if t.value != other), *stays))

    if scribbles is not None:
        values = {other: into}
        strokes = tuple(replace(s, value=values.get(s.value, s.value)) for s in scribbles.strokes)
        background = None if scribbles.background is None else values.get(scribbles.background, scribbles.background)
        scribbles = replace(scribbles, classes=left(scribbles.classes), strokes=strokes, background=background)
    if edits is not None:
        edits = edits.renamed({other: into}, left(edits.classes))
    return {"scribbles": scribbles, "edits": edits}


def kept_paint(before: Situation, now: Situation) -> Situation:
    """Return an earlier situation with what was painted since: no stroke is lost with a run that is.

    Parameters
    ----------
    before : Situation
        Where the run began.
    now : Situation
        With later strokes and edits.
    """
    if before.scribbles is now.scribbles and before.edits is now.edits:
        return before
    answered = before.answered and before.scribbles is now.scribbles
    kept = replace(before, scribbles=now.scribbles, answered=answered)
    return kept if now.edits is None else edited(kept, now.edits)


def classes_held(now: Situation) -> frozenset[int]:
    """Return the label values that a person painted or edited with: these classes do not disappear by themselves.

    Parameters
    ----------
    now : Situation
        As it is.
    """
    held: Mapping[int, int] = {} if now.scribbles is None else now.scribbles.counts()
    in_edits = set() if now.edits is None else set(np.unique(now.edits.values).tolist()) - {0}
    return frozenset({value for value, n in held.items() if n} | in_edits)
