"""Fine-tune a network on strokes: distilled from the answer at once, never worse than it on strokes it has not seen."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.config.finetuning import FinetuneConfig
from napari_gmmseg.config.outlier import OUTLIER_FIELDS, check_outliers
from napari_gmmseg.errors import SettingsError
from napari_gmmseg.fitting.runtime import choose_device, choose_threads, torch_threads
from napari_gmmseg.fitting.scribbling.at_once import AtOnce
from napari_gmmseg.fitting.scribbling.budget import Budget
from napari_gmmseg.fitting.scribbling.cases import Case, training_cases
from napari_gmmseg.fitting.scribbling.held_out import NO_STEPS, UNCHECKED, UNHEARD, Examination, hold_out
from napari_gmmseg.fitting.scribbling.placing import Place
from napari_gmmseg.fitting.scribbling.situation import Observer, Situation, network_classes
from napari_gmmseg.fitting.scribbling.training_cases import TrainingCase, looks_of, scale_of
from napari_gmmseg.fitting.scribbling.tuned_weights import network_of, tensors_of, trained_further, versions
from napari_gmmseg.fitting.scribbling.tuner import Tuner, load_optimiser
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import (
    Command,
    Finding,
    FinetunedSegmentation,
    FitReport,
    Look,
    NetworkWeights,
    Retune,
    Scribbles,
    Stop,
    Volume,
)

PHASE = "Fine-tuning"
#: Shortest time in s between two previews of the shown slice.
_PREVIEW_INTERVAL = 0.3
#: Steps between two looks at the held-out strokes.
_BETWEEN_LOOKS = 10


def finetune(
    volume: Volume,
    prepared: Prepared,
    scribbles: Scribbles,
    config: FinetuneConfig | None = None,
    *,
    weights: NetworkWeights | None = None,
    earlier: Sequence[Case] = (),
    look: int | None = None,
    at_once: AtOnce | None = None,
) -> Generator[FitReport, Command | None, FinetunedSegmentation]:
    """Fine-tune a network on strokes; a generator of reports that returns the segmentation with the network's weights.

    It is distilled from the answer at once where that is sure, learns the strokes, the mixture and short borders, and
    sees how far each class's strokes are. Where each class has two strokes or more, some are held out at first: the
    answer at once stays unless the network does better on them. Send `Look(z)` to preview another slice, `Stop()` to
    end with the best so far, `Retune({...})` to change windows or weight of the outlier-region loss.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        Mask and scale.
    scribbles : Scribbles
        Strokes of at least two classes; with `weights`, of any.
    config : FinetuneConfig or None
        How to learn, and for how long; None for the defaults.
    weights : NetworkWeights or None
        A model to start from, such as that of the case before.
    earlier : sequence of Case
        Cases that are learnt again between the steps, so that they are not forgotten; labelled, or with strokes.
    look : int or None
        The slice of the volume's Z axis that is previewed; None: the middle one.
    at_once : AtOnce or None
        What answered these strokes: it has kept that answer, and the time goes to the network.

    Raises
    ------
    GeometryError
        Where the strokes lie on another grid.
    SettingsError
        Where strokes, model and image do not go together.
    """
    run = Finetuning(volume, prepared, scribbles, config or FinetuneConfig(), weights, earlier, look, at_once)
    with torch_threads(run.threads):
        run.begin()
    command = yield run.report()
    while not run.done and not isinstance(command, Stop):
        run.hear(command)
        with torch_threads(run.threads):
            run.step()
        command = yield run.report()
    with torch_threads(run.threads):
        return run.finished(stopped=isinstance(command, Stop))


class Finetuning:
    """A network in fine-tuning on one image.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        Mask and scale.
    scribbles : Scribbles
        The strokes.
    config : FinetuneConfig
        Settings.
    weights : NetworkWeights or None
        A model to start from.
    earlier : sequence of Case
        Cases that are learnt again.
    look : int or None
        The slice that is previewed.
    at_once : AtOnce or None
        What answered these strokes.
    """

    def __init__(
        self,
        volume: Volume,
        prepared: Prepared,
        scribbles: Scribbles,
        config: FinetuneConfig,
        weights: NetworkWeights | None,
        earlier: Sequence[Case],
        look: int | None,
        at_once: AtOnce | None,
    ) -> None:
        load_optimiser()
        self.budget = Budget(config, time.perf_counter())
        self._volume, self._prepared, self._scribbles, self._config = volume, prepared, scribbles, config
        self._weights, self._earlier, self._look = weights, list(earlier), look
        self.threads, self._device = choose_threads(config.threads), choose_device(config.device)
        self._classes = network_classes(scribbles, volume, weights)
        background = scribbles.background
        if weights is not None:
            self._weights = replace(weights, classes=self._classes)
            background = weights.background if background is None else background
        check_outliers(config, len(self._classes))
        self._place = Place(volume, prepared, self._classes, background)
        self._engine = at_once or AtOnce(volume, prepared)
        self._previewed_at = float("-inf")
        self._examination: Examination | None = None
        self._learns_all = True
        self._refused: Finding | None = None

    def begin(self) -> None:
        """Answer at once, hold some strokes out, and draw the network."""
        weights, config = self._weights, self._config
        # Without a model, strokes that tell no classes apart are refused here, with the reason.
        mask = self._engine.update(self._scribbles).mask if weights is None else self._engine.mask(self._scribbles)
        n_looks = looks_of(self._volume.geometry, mask.shape, config.view) if weights is None else weights.n_looks
        blank = TrainingCase.cut(self._volume, self._prepared, mask, len(self._classes), n_looks, self._device)
        observer = Observer(self._prepared, self._classes, config, self._engine, blank)
        if weights is not None:
            observer.carry(network_of(weights, self._device), weights)
        self._whole = observer.look(self._scribbles)
        held = hold_out(self._scribbles, self._classes, self._engine, config.seed)
        self._now = self._whole
        if held is not None:
            self._learns_all = False
            self._now = observer.look(held.kept)
            self._examination = Examination(held, blank.crop, self._now.at_once)
        self.budget.suit(len(blank.stack.trained))
        self._tuner = self._new_tuner(n_looks)
        self._labels = self._place.labels(self._whole.at_once, self._whole.case)

    def _new_tuner(self, n_looks: int) -> Tuner:
        config, weights = self._config, self._weights
        shares = [1.0]
        if self._earlier:
            shares = [1.0 - config.replay_share, *[config.replay_share / len(self._earlier)] * len(self._earlier)]
        background, mixture = self._place.background, None if weights is None else weights.mixture
        again = training_cases(self._earlier, self._classes, config, n_looks, self._device, background, mixture)
        cases = [self._now.case, *(learnt.case for learnt in again)]
        size = (config.width, config.depth) if weights is None else (weights.width, weights.depth)
        tuner = Tuner(cases, config, len(self._classes), n_looks, self._device, shares, width=size[0], depth=size[1])
        if weights is not None:
            tuner.load(tensors_of(weights))
        return tuner

    @property
    def done(self) -> bool:
        """Whether the budget is used up."""
        return self.budget.used(self._tuner.steps) >= 1.0

    def look(self, slice_index: int) -> None:
        """Preview another slice from now on.

        Parameters
        ----------
        slice_index : int
            Position on the volume's Z axis.
        """
        self._look, self._previewed_at = slice_index, float("-inf")

    def hear(self, command: Command | None) -> None:
        """Do what was said: `Look`, or `Retune` of the outlier-region loss, which acts at the next step.

        Parameters
        ----------
        command : Command or None
            Others are not for a fine-tuning. What cannot be is refused in the next report.
        """
        if isinstance(command, Look):
            self.look(command.slice_index)
        elif isinstance(command, Retune):
            told = {name: value for name, value in command.settings.items() if name in OUTLIER_FIELDS}
            try:
                config = replace(self._config, **told)
                check_outliers(config, len(self._classes))
            except SettingsError as error:
                self._refused = Finding("refused", error.message, error.hint)
            else:
                self._config = config
                self._tuner.retune(config)

    def step(self) -> None:
        """Take one step, and look at the held-out strokes now and then."""
        tuner = self._tuner
        tuner.step(self.budget.used(tuner.steps))
        if self._learns_all or self._examination is None:
            return
        if tuner.steps % _BETWEEN_LOOKS == 0:
            self._examine()
        if self._examination.told or self.budget.checked(tuner.steps):
            self._learn_all()

    def _examine(self) -> None:
        assert self._examination is not None
        case = self._now.case
        answer = torch.zeros_like(case.nearness)
        for piece in case.stack.holding(self._examination.where):
            case.stack.put(answer, [piece], self._answer_piece(self._now, piece))
        self._examination.take(answer)

    def _learn_all(self) -> None:
        """Learn from the held-out strokes, too, from now on."""
        if self._examination is not None and not self._examination.losses:
            self._examine()
        self._learns_all, self._now = True, self._whole
        self._tuner.exchange(0, self._whole.case)

    @property
    def _share(self) -> float:
        """How much the network counts.

        Tissues lie everywhere, and of one stroke each a network learns nothing that the answer at once does not know:
        unchecked, it made brains worse. Against a background it only takes away, which measured better there, too.
        """
        unchecked = self._examination is None and self._weights is None and self._place.background is None
        return 0.0 if unchecked else self._config.network_share

    def _answer_piece(self, situation: Situation, piece: int) -> Tensor:
        """Return the answer (1, K, *S) of one slice."""
        prior = self._tuner.slice_prior(situation.case, piece)
        return situation.grounds.answer_piece(prior, self._share, situation.case, piece)

    def report(self) -> FitReport:
        """Return what is told of the last step, with a preview now and then."""
        tuner = self._tuner
        terms = dict(tuner.terms)
        if self._examination is not None:
            terms["held-out error, answer at once"] = self._examination.at_once
            if self._examination.losses:
                terms["held-out error"] = self._examination.losses[-1]
        refused, self._refused = self._refused, None
        return FitReport(
            PHASE,
            tuner.steps,
            self.budget.steps(tuner.steps),
            terms=terms,
            seconds=self.budget.seconds,
            preview=self._preview(),
            classes=self._classes,
            refused=refused,
        )

    def _preview(self) -> NDArray[np.uint8] | None:
        if time.perf_counter() - self._previewed_at < _PREVIEW_INTERVAL:
            return None
        case, stack = self._whole.case, self._whole.case.stack
        piece = None
        if self._look is not None:
            piece = stack.piece_of_slice(self._look - case.crop[-3].start)
        began = time.perf_counter()
        if self._tuner.steps:
            shown = stack.n_pieces // 2 if piece is None else piece
            answer = self._answer_piece(self._whole, shown)
            # What all slices will take at the end, with as much again for the rest of the answer.
            self.budget.reserve = 2.0 * stack.n_pieces * (time.perf_counter() - began)
            self._show(shown, answer)
        self._previewed_at = time.perf_counter()
        return self._labels

    def _show(self, piece: int, answer: Tensor) -> None:
        """Bring one slice of the preview up to date."""
        case = self._whole.case
        maps = torch.zeros((1 + len(answer[0]), *case.mask.shape), device=case.mask.device)
        case.stack.put(maps, [piece], torch.cat([torch.ones_like(answer[:, :1]), answer], 1))
        labels = self._place.labels(maps[1:], case)
        here = np.zeros(self._volume.grid_shape, dtype=bool)
        here[case.crop] = (maps[0] > 0).cpu().numpy()
        self._labels = np.where(here, labels, self._labels)

    def finished(self, *, stopped: bool) -> FinetunedSegmentation:
        """Return the answer: the network's and the one at once together, or the latter where it was the better one.

        Parameters
        ----------
        stopped : bool
            Whether a person ended it.
        """
        if not self._learns_all and self._tuner.steps:
            self._learn_all()
        situation, findings = self._whole, self._findings(stopped=stopped)
        better = self._share > 0.0 and not any(finding.code in ("no-gain", "no-steps") for finding in findings)
        prior = self._tuner.prior(situation.case) if self._tuner.steps or self._weights is not None else None
        answer = situation.at_once
        if better and prior is not None:
            answer = situation.grounds.answer(prior, self._share, situation.case)
        return self._place.segmentation(
            answer,
            prior,
            situation.case,
            situation.mixture,
            method="finetuned",
            steps=self._tuner.steps,
            stopped=stopped,
            log_likelihood=situation.log_likelihood,
            findings=findings,
            provenance=self._provenance(better=better),
            weights=self._trained(say=self._share if better else 0.0),
        )

    def _findings(self, *, stopped: bool) -> list[Finding]:
        examination = self._examination
        found: list[Finding | None] = [NO_STEPS if not self._tuner.steps else None]
        if self._tuner.steps:
            unchecked = UNCHECKED if self._share else UNHEARD
            found.append(unchecked if examination is None else examination.finding())
        if stopped:
            found.append(Finding("stopped-early", "The fine-tuning was stopped by hand.", "", "note"))
        return [finding for finding in found if finding is not None]

    def _provenance(self, *, better: bool) -> dict[str, object]:
        examination = self._examination
        return {
            **versions(),
            "device": str(self._device),
            "threads": self.threads,
            "seconds": self.budget.seconds,
            "channels": list(self._volume.channels),
            "settings": asdict(self._config),
            "strokes": len(self._scribbles.strokes),
            "carried": self._weights is not None,
            "earlier_cases": len(self._earlier),
            "held_out_strokes": 0 if examination is None else examination.n_strokes,
            "held_out_error_at_once": None if examination is None else examination.at_once,
            "held_out_errors": [] if examination is None else list(examination.losses),
            "network_counts": better,
            "centre": list(self._prepared.centre),
            "scale": list(self._prepared.scale),
        }

    def _trained(self, *, say: float) -> NetworkWeights | None:
        if not self._tuner.steps:
            return None if self._weights is None else replace(self._weights, say=say)
        scale = scale_of(self._prepared)
        arrays = {name: value.numpy() for name, value in self._tuner.state().items()}
        mixture = scale.inward(self._whole.mixture)
        snapshots = tuple({name: value.numpy() for name, value in one.items()} for one in self._tuner.snapshots())
        if self._weights is not None:
            return trained_further(self._weights, self._tuner.steps, arrays, mixture, say, snapshots)
        return NetworkWeights(
            arrays=arrays,
            width=self._config.width,
            depth=self._config.depth,
            n_looks=self._whole.case.stack.n_looks,
            classes=self._classes,
            channels=self._volume.channels,
            background=self._place.background,
            mixture=mixture,
            geodesic_range=self._config.geodesic_range,
            steps=self._tuner.steps,
            seed=self._config.seed,
            provenance=versions(),
            say=say,
            snapshots=snapshots,
        )
