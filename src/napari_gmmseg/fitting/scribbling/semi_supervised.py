"""One network from several cases: some labelled, some with strokes, some with nothing."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass

from torch import Tensor

from napari_gmmseg.config.finetuning import FinetuneConfig
from napari_gmmseg.config.outlier import check_outliers
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.runtime import choose_device, choose_threads, torch_threads
from napari_gmmseg.fitting.scribbling.budget import Budget
from napari_gmmseg.fitting.scribbling.cases import Case, LearntCase, pooled, training_cases
from napari_gmmseg.fitting.scribbling.gaussians import by_network
from napari_gmmseg.fitting.scribbling.placing import Place
from napari_gmmseg.fitting.scribbling.situation import check_channels
from napari_gmmseg.fitting.scribbling.training_cases import looks_of, scale_of
from napari_gmmseg.fitting.scribbling.tuned_weights import tensors_of, versions
from napari_gmmseg.fitting.scribbling.tuner import Tuner, load_optimiser
from napari_gmmseg.mixture.spatial import clamp_
from napari_gmmseg.volumes import (
    ClassTable,
    Command,
    FinetunedSegmentation,
    FitReport,
    Geometry,
    Mixture,
    NetworkWeights,
    Stop,
    TissueClass,
)

PHASE = "Learning from several cases"


@dataclass(frozen=True)
class Cohort:
    """What was learnt from several cases.

    Parameters
    ----------
    weights : NetworkWeights
        The network.
    segmentations : tuple of FinetunedSegmentation
        Of each case, in their order.
    """

    weights: NetworkWeights
    segmentations: tuple[FinetunedSegmentation, ...]


def finetune_cases(
    cases: Sequence[Case],
    config: FinetuneConfig | None = None,
    *,
    weights: NetworkWeights | None = None,
    background: int | None = None,
) -> Generator[FitReport, Command | None, Cohort]:
    """Train one network on several cases; a generator of reports that returns the network and each case's answer.

    A labelled case teaches its labels, one with strokes what `finetune` learns from them, and one with nothing the
    likelihood of its intensities under the others' Gaussians, with short borders. Send `Stop()` to end.

    Parameters
    ----------
    cases : sequence of Case
        With what is known of each; something of one at least.
    config : FinetuneConfig or None
        How to learn, and for how long; None for the defaults.
    weights : NetworkWeights or None
        A model to go on from.
    background : int or None
        The label value that means background, where finished masks are 0.

    Raises
    ------
    SettingsError
        Where nothing is known of any case, or cases and model do not go together.
    """
    run = _Several(cases, config or FinetuneConfig(), weights, background)
    with torch_threads(run.threads):
        run.begin()
    command = yield run.report()
    while not run.done and not isinstance(command, Stop):
        with torch_threads(run.threads):
            run.step()
        command = yield run.report()
    with torch_threads(run.threads):
        return run.finished(stopped=isinstance(command, Stop))


class _Several:
    """A network in training on several cases."""

    def __init__(
        self, cases: Sequence[Case], config: FinetuneConfig, weights: NetworkWeights | None, background: int | None
    ) -> None:
        load_optimiser()
        self._budget = Budget(config, time.perf_counter())
        self._cases, self._config, self._weights = list(cases), config, weights
        if not cases:
            raise SettingsError("There is no case to learn from.", "Give one at least.")
        self.threads, self._device = choose_threads(config.threads), choose_device(config.device)
        declared = [case.scribbles.background for case in cases if case.scribbles is not None]
        declared += [weights.background if weights is not None else None]
        self._background = next((value for value in (background, *declared) if value is not None), None)
        self._classes = _classes(cases, weights, self._background)
        check_outliers(config, len(self._classes))
        first = cases[0].volume
        for case in cases[1:]:
            if case.volume.n_channels != first.n_channels:
                raise SettingsError(
                    f"One case has {first.n_channels} channels and another {case.volume.n_channels}.",
                    "Give cases with the same channels in the same order.",
                )
        if weights is not None:
            check_channels(first, weights)

    def begin(self) -> None:
        """Make the cases and the network ready."""
        weights, config = self._weights, self._config
        first = self._cases[0].volume
        n_looks = looks_of(first.geometry, first.grid_shape, config.view) if weights is None else weights.n_looks
        self._n_looks = n_looks
        mixture = None if weights is None else weights.mixture
        self._learnt = training_cases(
            self._cases, self._classes, config, n_looks, self._device, self._background, mixture
        )
        n = len(self._learnt)
        self._budget.suit(sum(len(learnt.case.stack.trained) for learnt in self._learnt))
        self._size = (config.width, config.depth) if weights is None else (weights.width, weights.depth)
        self._tuner = Tuner(
            [learnt.case for learnt in self._learnt],
            config,
            len(self._classes),
            n_looks,
            self._device,
            [1.0 / n] * n,
            width=self._size[0],
            depth=self._size[1],
        )
        if weights is not None:
            self._tuner.load(tensors_of(weights))

    @property
    def done(self) -> bool:
        return self._budget.used(self._tuner.steps) >= 1.0

    def step(self) -> None:
        self._tuner.step(self._budget.used(self._tuner.steps))

    def report(self) -> FitReport:
        steps = self._tuner.steps
        return FitReport(
            PHASE,
            steps,
            self._budget.steps(steps),
            terms=dict(self._tuner.terms),
            seconds=self._budget.seconds,
            classes=self._classes,
        )

    def finished(self, *, stopped: bool) -> Cohort:
        config = self._config
        known = [one.mixture for one, case in zip(self._learnt, self._cases, strict=True) if case.known]
        before = self._weights
        weights = NetworkWeights(
            arrays={name: value.numpy() for name, value in self._tuner.state().items()},
            width=self._size[0],
            depth=self._size[1],
            n_looks=self._n_looks,
            classes=self._classes,
            channels=self._cases[0].volume.channels,
            background=self._background,
            mixture=pooled(known) or (None if before is None else before.mixture),
            geodesic_range=config.geodesic_range,
            cases=len(self._cases) + (0 if before is None else before.cases),
            steps=self._tuner.steps + (0 if before is None else before.steps),
            seed=config.seed,
            provenance=versions(),
        )
        answers = [
            self._answer(case, learnt, weights, stopped=stopped)
            for case, learnt in zip(self._cases, self._learnt, strict=True)
        ]
        return Cohort(weights, tuple(answers))

    def _answer(
        self, case: Case, learnt: LearntCase, weights: NetworkWeights, *, stopped: bool
    ) -> FinetunedSegmentation:
        prior = self._tuner.prior(learnt.case)
        scale = scale_of(case.prepared)
        answer, mixture = self._probabilities(learnt, prior, case.volume.geometry)
        return Place(case.volume, case.prepared, self._classes, self._background).segmentation(
            answer,
            prior,
            learnt.case,
            scale.outward(mixture),
            method="finetuned",
            steps=self._tuner.steps,
            stopped=stopped,
            provenance={
                **versions(),
                "device": str(self._device),
                "threads": self.threads,
                "seconds": self._budget.seconds,
                "channels": list(case.volume.channels),
                "settings": asdict(self._config),
                "cases": len(self._cases),
            },
            weights=weights,
        )

    def _probabilities(self, learnt: LearntCase, prior: Tensor, geometry: Geometry) -> tuple[Tensor, Mixture]:
        """Return a case's answer, and its Gaussians in standardised intensities."""
        if learnt.situation is not None:
            share = self._config.network_share
            return learnt.situation.grounds.answer(prior, share, learnt.case), learnt.mixture
        answer, mixture = by_network(learnt.case, prior, learnt.mixture, geometry)
        answer = answer.clone()
        clamp_(answer, learnt.case.labels)
        return answer, mixture


def _classes(cases: Sequence[Case], weights: NetworkWeights | None, background: int | None) -> ClassTable:
    """Return the network's classes: a model's, else all that are labelled or painted, by their values."""
    found: dict[int, TissueClass] = {}
    for case in cases:
        if case.labels is not None:
            seen = {value for value, n in case.labels.counts().items() if n} | {background}
            found |= {tissue.value: tissue for tissue in case.labels.classes if tissue.value in seen}
        elif case.scribbles is not None:
            counts = case.scribbles.counts()
            found |= {tissue.value: tissue for tissue in case.scribbles.classes if counts[tissue.value]}
    if weights is not None:
        unknown = sorted(set(found) - set(weights.classes.values))
        if unknown:
            raise SettingsError(
                f"The model knows the classes {weights.classes.values}; the cases have {tuple(unknown)}, too.",
                "Label the model's classes, or start without it.",
            )
        return weights.classes
    if len(found) < 2:
        raise SettingsError(
            f"The cases tell no classes apart: {len(found)} is labelled or painted.", "Label or paint at least two."
        )
    return ClassTable(tuple(found[value] for value in sorted(found)))
