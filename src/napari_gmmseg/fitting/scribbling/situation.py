"""What is known of an image before a network is fine-tuned on it: strokes, the answer at once, an earlier model's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_gmmseg.config.finetuning import FinetuneConfig
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.scribbling.at_once import Answer, AtOnce, check_grid, painted_classes
from napari_gmmseg.fitting.scribbling.gaussians import by_network
from napari_gmmseg.fitting.scribbling.grounds import Grounds, together
from napari_gmmseg.fitting.scribbling.held_out import class_numbers
from napari_gmmseg.fitting.scribbling.training_cases import TrainingCase, on_classes, scale_of
from napari_gmmseg.fitting.scribbling.tuner import predict
from napari_gmmseg.mixture.spatial import clamp_
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import IGNORED, ClassTable, Mixture, NetworkWeights, Scribbles, Volume

#: How steeply the say of an earlier model falls near strokes.
NEAR = 2.0


@dataclass(frozen=True)
class Situation:
    """A case with some strokes, ready for a network.

    Parameters
    ----------
    case : TrainingCase
        With what is to be learnt.
    at_once : Tensor (K, *crop) float32
        The answer at once; where too few classes are painted for one, what an earlier model says.
    grounds : Grounds
        What a network's say is added to: place and intensities, or where there is an earlier model the answer at once
        together with what that says.
    mixture : Mixture
        In the image's own unit, its classes in the order of the network's.
    log_likelihood : float
        Of the answer at once, in nat per voxel of standardised intensities; 0 where there is none.
    """

    case: TrainingCase
    at_once: Tensor
    grounds: Grounds
    mixture: Mixture
    log_likelihood: float = 0.0


class Observer:
    """Tells what strokes say of one image, in the order of a network's classes.

    Parameters
    ----------
    prepared : Prepared
        The image's mask and scale.
    classes : ClassTable
        The network's classes.
    config : FinetuneConfig
        Settings.
    engine : AtOnce
        Answers at once.
    blank : TrainingCase
        The image, with nothing known.
    """

    def __init__(
        self,
        prepared: Prepared,
        classes: ClassTable,
        config: FinetuneConfig,
        engine: AtOnce,
        blank: TrainingCase,
    ) -> None:
        self._prepared, self._classes, self._config = prepared, classes, config
        self._engine, self._blank = engine, blank
        self._scale = scale_of(prepared)
        self._carried: tuple[nn.Module, Mixture | None] | None = None

    def carry(self, network: nn.Module, weights: NetworkWeights) -> None:
        """Listen to an earlier model, too.

        Parameters
        ----------
        network : nn.Module
            The earlier model's.
        weights : NetworkWeights
            With its Gaussians.
        """
        self._carried = network, weights.mixture

    def look(self, scribbles: Scribbles) -> Situation:
        """Return what strokes say.

        Parameters
        ----------
        scribbles : Scribbles
            The strokes.

        Raises
        ------
        SettingsError
            Where a class is not painted, and there is no earlier model to tell it.
        """
        told = self._engine.told(scribbles)
        labels = class_numbers(told, self._classes)
        painted = np.unique(labels[labels >= 0])
        distances = probabilities = mixture = grounds = None
        log_likelihood = 0.0
        if len(painted) > 1:
            answer = self._engine.update(scribbles)
            distances = on_classes(self._engine.distances(scribbles), answer.classes, self._classes, np.inf)
            probabilities = on_classes(answer.probabilities, answer.classes, self._classes)
            grounds = self._grounds(answer, scribbles.background)
            mixture, log_likelihood = _of_classes(answer.mixture, answer.classes, self._classes), answer.log_likelihood
        case = self._blank.knowing(labels, scribbles.weights(), distances, self._config.geodesic_range)
        case = case.leaving_out(told == IGNORED)
        at_once = None if probabilities is None else self._here(probabilities)
        if self._carried is not None:
            at_once, base, gaussians = self._with_carried(case, at_once, painted)
            mixture = self._scale.outward(gaussians)
        elif at_once is None or mixture is None or len(painted) < len(self._classes):
            raise SettingsError(
                f"Strokes name {len(painted)} of {len(self._classes)} classes, and no model tells how the others look.",
                "Paint each class.",
            )
        else:
            base = at_once
        if grounds is None or self._carried is not None:
            grounds = Grounds.of_answer(base)
        case = case.imitating(base, self._config.trust if self._carried is None else 0.0).under(
            self._scale.inward(mixture)
        )
        return Situation(case, at_once, grounds, mixture, log_likelihood)

    def _grounds(self, answer: Answer, background: int | None) -> Grounds:
        evidence = self._here(on_classes(answer.evidence, answer.classes, self._classes))
        return Grounds(evidence, answer.pull, number_of(background, self._classes))

    def _here(self, maps: NDArray[np.float32]) -> Tensor:
        """Return maps (K, *grid) on the crop (K, *crop)."""
        here = np.ascontiguousarray(maps[(slice(None), *self._blank.crop)])
        return torch.from_numpy(here).to(self._blank.mask.device)

    def _with_carried(
        self, case: TrainingCase, at_once: Tensor | None, painted: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor, Mixture]:
        """Return the answer at once, the same together with the earlier model's, and that model's Gaussians here."""
        assert self._carried is not None
        network, mixture = self._carried
        carried, gaussians = by_network(case, predict(network, case), mixture, self._engine.geometry)
        clamp_(carried, case.labels)
        if at_once is None:
            return carried, carried, gaussians
        unpainted = [k for k in range(len(self._classes)) if k not in painted]
        whole = at_once * (1.0 - carried[unpainted].sum(0))
        whole[unpainted] = carried[unpainted]
        # Near strokes, these count; far from them the model does.
        share = self._config.carried_share * (1.0 - case.nearness.amax(0) ** NEAR)
        return whole, together(whole, carried, share, case), gaussians


def number_of(value: int | None, classes: ClassTable) -> int | None:
    """Return the number k of a class by its label value; None where it is none of them.

    Parameters
    ----------
    value : int or None
        Label value.
    classes : ClassTable
        The classes.
    """
    if value is None or value not in classes.values:
        return None
    return classes.values.index(value)


def _of_classes(mixture: Mixture, given: ClassTable, wanted: ClassTable) -> Mixture:
    numbers = np.asarray([wanted.values.index(value) if value in wanted.values else -1 for value in given.values])
    class_of = numbers[mixture.class_of]
    return _some(mixture, class_of >= 0, class_of[class_of >= 0])


def _some(mixture: Mixture, chosen: NDArray[np.bool_], class_of: NDArray[np.int64]) -> Mixture:
    return replace(
        mixture,
        mixing_weights=mixture.mixing_weights[chosen],
        means=mixture.means[chosen],
        covariances=mixture.covariances[chosen],
        class_of=class_of,
    )


def network_classes(scribbles: Scribbles, volume: Volume, weights: NetworkWeights | None) -> ClassTable:
    """Return the classes of the network: an earlier model's, called as in the strokes, else those that are painted.

    Parameters
    ----------
    scribbles : Scribbles
        The strokes.
    volume : Volume
        The image.
    weights : NetworkWeights or None
        The earlier model.

    Raises
    ------
    GeometryError
        Where the strokes lie on another grid.
    SettingsError
        Where fewer than two classes are painted, or some that the model does not know; where the model takes other
        channels.
    """
    if weights is None:
        return painted_classes(scribbles, volume)
    check_grid(scribbles, volume)
    check_channels(volume, weights)
    unknown = [value for value, n in scribbles.counts().items() if n and value not in weights.classes.values]
    if unknown:
        raise SettingsError(
            f"The model knows the classes {weights.classes.values}; painted are also {tuple(unknown)}.",
            "Paint the model's classes, or start without it.",
        )
    return weights.classes.called_as(scribbles.classes)


def check_channels(volume: Volume, weights: NetworkWeights) -> None:
    """Refuse an image with other channels than a model was trained on.

    Parameters
    ----------
    volume : Volume
        The image.
    weights : NetworkWeights
        The model.

    Raises
    ------
    SettingsError
        Where their number differs, or contrasts that both name.
    """
    if not weights.takes(volume.channels):
        raise SettingsError(
            f"The model takes the channels {_told(weights.channels)}; the image has {_told(volume.channels)}.",
            "Give the channels that it was trained on, in the same order.",
        )


def _told(channels: tuple[str, ...]) -> str:
    return ", ".join(name.upper() or "(no name)" for name in channels)
