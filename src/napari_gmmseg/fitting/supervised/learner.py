"""A network that learns, epoch by epoch: what it sees next, how fast it learns, and which epoch was the best."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.config.training import TrainingConfig
from napari_gmmseg.fitting.runtime import choose_device, choose_threads, multiplies_bfloat16_fast, torch_threads
from napari_gmmseg.fitting.supervised.augmenting import augmented
from napari_gmmseg.fitting.supervised.looking import mean_dice, probabilities_of
from napari_gmmseg.fitting.supervised.objective import Objective, class_weights
from napari_gmmseg.fitting.supervised.slices import Batch, SlicedCase, collate
from napari_gmmseg.fitting.supervised.splitting import Split
from napari_gmmseg.networks import DeepLab, hold_batch_norms_, load_encoder_
from napari_gmmseg.volumes import AttributeTable, ClassTable, Finding

#: What the cosine ends at, as a share of the first learning rate; and what a plateau multiplies it by.
_LEAST, _HALF = 0.01, 0.5


class Learner:
    """A network in training.

    Parameters
    ----------
    parts : Split
        Cases to learn from and to look at.
    classes : ClassTable
        What label values mean.
    config : TrainingConfig
        How to learn.
    encoder_weights : mapping of str to ndarray, of any shape, or None
        Public weights of the encoder.
    """

    def __init__(
        self,
        parts: Split,
        classes: ClassTable,
        config: TrainingConfig,
        encoder_weights: Mapping[str, NDArray[np.float32]] | None,
    ) -> None:
        self.config = config
        self.device, self.threads = choose_device(config.device), choose_threads(config.threads)
        self.table = AttributeTable.of(
            [case.attributes for case in parts.train], config.attributes, position=config.position
        )
        used = [case for case in parts.train if case.labels is not None or config.mixture_weight]
        self._train = [SlicedCase(case, classes, self.table, config.slices) for case in used]
        self._validation = [SlicedCase(case, classes, self.table, config.slices) for case in parts.validation]
        self._slices = [(case, z) for case in self._train for z in range(case.n_slices) if not case.empty(z)]
        self._n_classes, self._n_channels = len(classes) + 1, len(parts.train[0].channels)
        self.network = new_network(config, self._n_channels, self._n_classes, self.table)
        #: Whether batch norms keep the statistics that public weights brought.
        self.holds_batch_norms = bool(encoder_weights) and config.batch_slices == 1
        if encoder_weights:
            load_encoder_(self.network.encoder, {k: torch.from_numpy(np.array(v)) for k, v in encoder_weights.items()})
        self.network.to(self.device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate)
        weights = class_weights(self._train, self._n_classes, balanced=config.balance == "weights")
        self._objective = Objective(config, weights.to(self.device))
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self._in_epoch = 0
        #: What tells these cases, in these parts, from others.
        self.identity = _identity(parts, classes)
        self.findings = self._doubts(parts)

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which as many slices are seen as there are."""
        return -(-len(self._slices) // self.config.batch_slices)

    @property
    def steps(self) -> int:
        """Steps done."""
        return len(self.history) * self.steps_per_epoch + self._in_epoch

    @property
    def all_steps(self) -> int:
        """Steps at most."""
        return self.config.epochs * self.steps_per_epoch

    @property
    def done(self) -> bool:
        """Whether all epochs are done, or validation has not become better for as long as patience says."""
        waited = len(self.history) - self.best_epoch
        patience = self.config.patience
        early = bool(self._validation) and patience is not None and waited >= patience
        return len(self.history) >= self.config.epochs or early

    def epoch(self) -> Iterator[dict[str, float]]:
        """Take the steps of an epoch, and give the terms of the loss after each; the same from the same epoch on."""
        rng = np.random.default_rng([self.config.seed, 2, len(self.history)])
        order = self._order(rng)
        rate = self._rate()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        if self.holds_batch_norms:
            hold_batch_norms_(self.network)
        sums: dict[str, list[float]] = {}
        size = self.config.batch_slices
        for start in range(0, len(order), size):
            with torch_threads(self.threads):
                terms = self._step(order[start : start + size], rng)
            self._in_epoch += 1
            for name, value in terms.items():
                sums.setdefault(name, []).append(value)
            yield terms
        self._in_epoch = 0
        self.history.append({**{name: float(np.mean(values)) for name, values in sums.items()}, "learning rate": rate})

    @property
    def finite(self) -> bool:
        """Whether all weights are finite numbers."""
        return all(bool(torch.isfinite(value).all()) for value in self.network.state_dict().values())

    def drop_epoch(self) -> None:
        """Take the last epoch out of the history, before it was looked at."""
        self.history.pop()

    def look(self) -> None:
        """Predict the validation part, and keep the weights where they are the best so far."""
        last = self.history[-1]
        if self._validation:
            last["validation Dice"] = self._validated()
        best_before = self.history[self.best_epoch - 1]["validation Dice"] if self.best and self._validation else -1.0
        if not self._validation or last["validation Dice"] > best_before:
            self.best_epoch = len(self.history)
            self.best = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}

    def _validated(self) -> float:
        self.network.eval()
        scores = []
        for case in self._validation:
            answer = probabilities_of(self.network, case, self.device).argmax(0)
            assert case.targets is not None
            scores.append(mean_dice(answer, case.targets, self._n_classes))
        return float(np.mean(scores))

    def _order(self, rng: np.random.Generator) -> list[tuple[SlicedCase, int]]:
        """Return the slices of an epoch, all of them once, or as many drawn so that half of them show an object."""
        n = len(self._slices)
        shown = np.array([case.shown(z) for case, z in self._slices])
        if self.config.balance != "slices" or shown.all() or not shown.any():
            return [self._slices[i] for i in rng.permutation(n)]
        chances = np.where(shown, 0.5 / shown.sum(), 0.5 / (~shown).sum())
        return [self._slices[i] for i in rng.choice(n, size=n, p=chances)]

    def _step(self, chosen: list[tuple[SlicedCase, int]], rng: np.random.Generator) -> dict[str, float]:
        cut = collate([(case.image(z), case.target(z), case.foreground[z], case.numbers(z)) for case, z in chosen])
        batch = augmented(cut, self.config, self.config.slices, rng).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            logits = self.network(batch.images, batch.attributes)
        loss, terms = self._objective(logits, batch, self._middle(batch), self.steps / self.all_steps)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return {name: float(value) for name, value in {"loss": loss.detach(), **terms}.items()}

    def _middle(self, batch: Batch) -> Tensor:
        first = (self.config.slices // 2) * self._n_channels
        return batch.plain[:, first : first + self._n_channels]

    @property
    def _half(self) -> bool:
        precision = self.config.precision
        return precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16_fast(self.device))

    def _rate(self) -> float:
        config, done = self.config, len(self.history)
        if config.schedule == "cosine":
            fallen = 0.5 * (1 + math.cos(math.pi * done / config.epochs))
            return config.learning_rate * (_LEAST + (1 - _LEAST) * fallen)
        if config.schedule == "plateau" and self._validation:
            return config.learning_rate * _HALF ** self._plateaus()
        return config.learning_rate

    def _plateaus(self) -> int:
        """Return how often validation stood still for a quarter of the patience."""
        wait = max(1, (self.config.patience or 20) // 4)
        found, best, since = 0, -1.0, 0
        for told in self.history:
            since += 1
            if told["validation Dice"] > best:
                best, since = told["validation Dice"], 0
            elif since >= wait:
                found, since = found + 1, 0
        return found

    def _doubts(self, parts: Split) -> tuple[Finding, ...]:
        shown = sum(case.shown(z) for case, z in self._slices)
        left_out = sum(case.n_slices for case in self._train) - len(self._slices)
        told = [
            Finding(
                "slices",
                f"{len(self._slices)} slices of {len(self._train)} cases are learnt from; {shown} show an object, "
                f"{left_out} lie outside of the head and were left out.",
                severity="note",
            )
        ]
        unlabelled = sum(case.labels is None for case in parts.train)
        if unlabelled and not self.config.mixture_weight:
            told.append(
                Finding(
                    "without-labels",
                    f"{unlabelled} cases without labels were left out.",
                    "Only --mixture-weight learns from them.",
                )
            )
        if not shown:
            told.append(Finding("no-object", "No slice shows an object: the network will learn to see none."))
        if not self._validation:
            told.append(
                Finding("no-validation", "Nobody was validated on: the last epoch is kept, whatever it is worth.")
            )
        told += self._misread(parts)
        gaps = {case.patient: len(self.table.missing(case.attributes)) for case in parts.train}
        gaps = {patient: n for patient, n in gaps.items() if n}
        if gaps:
            words = ", ".join(f"{n} of {patient}" for patient, n in list(gaps.items())[:8])
            more = f" and of {len(gaps) - 8} more patients" if len(gaps) > 8 else ""
            told.append(
                Finding(
                    "missing-attributes", f"Attributes that are missing count as unknown: {words}{more}.", "", "note"
                )
            )
        return tuple(told)

    def _misread(self, parts: Split) -> list[Finding]:
        wrong = [
            f"{name} of {case.name} is {value!r}"
            for case in (*parts.train, *parts.validation, *parts.test)
            for name, value in self.table.misread(case.attributes).items()
        ]
        if not wrong:
            return []
        more = f" and {len(wrong) - 8} more" if len(wrong) > 8 else ""
        words = f"{', '.join(wrong[:8])}{more}: no numbers, so that they count as unknown."
        return [Finding("misread-attributes", words, "Write numbers alone in the list.")]


def _identity(parts: Split, classes: ClassTable) -> str:
    told = hashlib.sha256(f"{parts.train[0].channels}/{[(c.value, c.name) for c in classes]}".encode())
    for part in (parts.train, parts.validation):
        for case in part:
            told.update(f"{case.name}/{case.patient}/{sorted(case.attributes.items())}/{case.positions}".encode())
            for array in (case.image, case.labels):
                told.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        told.update(b"|")
    return told.hexdigest()


def new_network(config: TrainingConfig, n_channels: int, n_classes: int, table: AttributeTable) -> DeepLab:
    """Return the network that settings ask for, with drawn weights.

    Parameters
    ----------
    config : TrainingConfig
        Encoder, widths, slices and seed.
    n_channels : int
        Of the images.
    n_classes : int
        K, background included.
    table : AttributeTable
        How attributes become numbers.
    """
    return DeepLab(
        n_channels * config.slices,
        n_classes,
        encoder=config.encoder,
        width=config.width,
        n_attributes=table.size,
        attribute_grid=config.attribute_grid,
        generator=torch.Generator().manual_seed(config.seed),
    )
