"""Cases of which one is labelled, another has strokes, and a third nothing: what a network learns of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from napari_gmmseg.config.finetuning import FinetuneConfig
from napari_gmmseg.errors import GeometryError, SettingsError
from napari_gmmseg.fitting.scribbling.at_once import AtOnce, check_grid
from napari_gmmseg.fitting.scribbling.gaussians import gaussians_of
from napari_gmmseg.fitting.scribbling.situation import Observer, Situation
from napari_gmmseg.fitting.scribbling.training_cases import TrainingCase, scale_of
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import ClassTable, LabelMap, Mixture, Scribbles, Volume, told_apart


@dataclass(frozen=True)
class Case:
    """One image of several, with what is known of it.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        Its mask and scale.
    labels : LabelMap or None
        A finished mask.
    scribbles : Scribbles or None
        Strokes; with a finished mask they are not looked at.
    """

    volume: Volume
    prepared: Prepared
    labels: LabelMap | None = None
    scribbles: Scribbles | None = None

    def __post_init__(self) -> None:
        if self.scribbles is not None:
            check_grid(self.scribbles, self.volume)
        if self.labels is None:
            return
        shape, geometry = self.labels.labels.shape, self.labels.geometry
        if shape != self.volume.grid_shape or not self.volume.geometry.same_grid(geometry):
            apart = told_apart(shape, geometry, self.volume.grid_shape, self.volume.geometry)
            raise GeometryError(
                f"A mask lies on another grid than its image: {apart}.", "Give what was made from this image."
            )

    @property
    def known(self) -> bool:
        """Whether anything is known of it."""
        return self.labels is not None or (self.scribbles is not None and bool(self.scribbles.strokes))


@dataclass(frozen=True)
class LearntCase:
    """What a network learns of one case.

    Parameters
    ----------
    case : TrainingCase
        Maps, and what is known of each voxel.
    situation : Situation or None
        What its strokes say, where it has any.
    mixture : Mixture
        Of its classes, in standardised intensities.
    """

    case: TrainingCase
    situation: Situation | None
    mixture: Mixture


def training_cases(
    cases: Sequence[Case],
    classes: ClassTable,
    config: FinetuneConfig,
    n_looks: int,
    device: torch.device,
    background: int | None = None,
    mixture: Mixture | None = None,
) -> list[LearntCase]:
    """Return what a network learns of each case.

    A case without labels and strokes has the intensities alone: standardised, under the Gaussians of the other cases.

    Parameters
    ----------
    cases : sequence of Case
        With what is known of them.
    classes : ClassTable
        The network's.
    config : FinetuneConfig
        Settings.
    n_looks : int
        Slices that the network sees at once.
    device : torch.device
        Where to.
    background : int or None
        The label value that means background: where a finished mask is 0.
    mixture : Mixture or None
        Gaussians of a model that is gone on from, in standardised intensities.

    Raises
    ------
    SettingsError
        Where nothing is known of any case.
    """
    found: list[LearntCase | None] = []
    for case in cases:
        if case.labels is not None:
            blank = TrainingCase.cut(case.volume, case.prepared, case.prepared.mask, len(classes), n_looks, device)
            found.append(_labelled(blank, case.labels, classes, background))
        elif case.known:
            found.append(_painted(case, classes, config, n_looks, device))
        else:
            found.append(None)
    shared = mixture or pooled([one.mixture for one in found if one is not None])
    if shared is None and cases:
        raise SettingsError("Nothing is known of any case.", "Label one, or paint strokes in it.")
    learnt = []
    for case, one in zip(cases, found, strict=True):
        if one is None:
            assert shared is not None
            blank = TrainingCase.cut(case.volume, case.prepared, case.prepared.mask, len(classes), n_looks, device)
            learnt.append(LearntCase(blank.under(shared), None, shared))
        else:
            learnt.append(one)
    return learnt


def _labelled(blank: TrainingCase, labels: LabelMap, classes: ClassTable, background: int | None) -> LearntCase:
    numbers = np.full(256, -1, dtype=np.int64)
    numbers[list(classes.values)] = np.arange(len(classes))
    if background in classes.values:
        numbers[0] = classes.values.index(background)
    known = numbers[labels.labels]
    case = blank.knowing(known, (known >= 0).astype(np.float32))
    hard = torch.nn.functional.one_hot(case.labels.clamp_min(0), len(classes)).movedim(-1, 0)
    mixture = gaussians_of(case, hard, case.labels >= 0)
    return LearntCase(case.under(mixture), None, mixture)


def _painted(case: Case, classes: ClassTable, config: FinetuneConfig, n_looks: int, device: torch.device) -> LearntCase:
    assert case.scribbles is not None
    engine = AtOnce(case.volume, case.prepared)
    mask = engine.mask(case.scribbles)
    blank = TrainingCase.cut(case.volume, case.prepared, mask, len(classes), n_looks, device)
    observer = Observer(case.prepared, classes, config, engine, blank)
    situation = observer.look(case.scribbles)
    scale = scale_of(case.prepared)
    return LearntCase(situation.case, situation, scale.inward(situation.mixture))


def pooled(mixtures: Sequence[Mixture]) -> Mixture | None:
    """Return the Gaussians of several cases as one mixture; None of none.

    Parameters
    ----------
    mixtures : sequence of Mixture
        In standardised intensities, of the same classes.
    """
    if not mixtures:
        return None
    n = len(mixtures)
    return replace(
        mixtures[0],
        mixing_weights=np.concatenate([m.mixing_weights / (n * m.mixing_weights.sum()) for m in mixtures]),
        means=np.concatenate([m.means for m in mixtures]),
        covariances=np.concatenate([m.covariances for m in mixtures]),
        class_of=np.concatenate([m.class_of for m in mixtures]),
    )
