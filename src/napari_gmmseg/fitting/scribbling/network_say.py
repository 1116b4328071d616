"""What a fine-tuned network says of the image that it was tuned on, beside each later answer at once."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.config.finetuning import FinetuneConfig
from napari_gmmseg.fitting.runtime import choose_threads, torch_threads
from napari_gmmseg.fitting.scribbling.at_once import Answer, AtOnce
from napari_gmmseg.fitting.scribbling.gaussians import by_network
from napari_gmmseg.fitting.scribbling.grounds import Grounds, joined
from napari_gmmseg.fitting.scribbling.held_out import class_numbers
from napari_gmmseg.fitting.scribbling.plane import LEAST_PROBABILITY
from napari_gmmseg.fitting.scribbling.situation import NEAR, number_of
from napari_gmmseg.fitting.scribbling.training_cases import TrainingCase, on_classes, scale_of
from napari_gmmseg.fitting.scribbling.tuned_weights import network_of
from napari_gmmseg.fitting.scribbling.tuner import predict
from napari_gmmseg.mixture.labelling import label_winners
from napari_gmmseg.preparation.prepared import Prepared
from napari_gmmseg.volumes import ClassTable, Mixture, NetworkWeights, Scribbles, Volume

_CPU = torch.device("cpu")


class NetworkSay:
    """Puts what a network says together with answers to strokes; what it says is predicted once, without strokes.

    A network that was tuned on this image counts as it did at the end of that (`NetworkWeights.say`), beside place and
    intensities, and neighbours are heard after it. One that knows earlier images counts far from strokes, as it does
    where a fine-tuning starts from it.

    Parameters
    ----------
    volume : Volume
        The image.
    prepared : Prepared
        Mask and scale.
    weights : NetworkWeights
        The network.
    lock : context manager or None
        Held while something is predicted, where several threads ask.
    """

    def __init__(
        self,
        volume: Volume,
        prepared: Prepared,
        weights: NetworkWeights,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self._volume, self._prepared, self.weights = volume, prepared, weights
        self._lock = nullcontext() if lock is None else lock
        self._network: torch.nn.Module | None = None
        self._case: TrainingCase | None = None
        self._prior: Tensor | None = None
        self._carried: Tensor | None = None

    def answer(
        self, at_once: AtOnce, scribbles: Scribbles, painted: Scribbles, slice_index: int | None = None
    ) -> Answer:
        """Answer strokes together with the network.

        Parameters
        ----------
        at_once : AtOnce
            What answers them without it; for this thread alone.
        scribbles : Scribbles
            Strokes, with those that stand for classes that were not painted.
        painted : Scribbles
            What a person painted.
        slice_index : int or None
            The one slice of the volume's Z axis to answer; None for the volume.

        Raises
        ------
        GeometryError
            Where the scribbles lie on another grid.
        SettingsError
            Where fewer than two classes are painted.
        """
        first = at_once.update(scribbles, slice_index)
        classes = self._classes(scribbles, first.classes)
        own = _OwnClasses.of(classes, self.weights.classes, first.classes)
        if len(own.missing) == len(own.known):
            return first
        prior, carried = self._maps(slice_index)
        told = torch.from_numpy(on_classes(prior, self.weights.classes, own.table))
        mask = torch.from_numpy(np.ascontiguousarray(first.mask))
        labels = torch.from_numpy(_here(class_numbers(at_once.told(painted), classes), slice_index))
        # On what the network was not asked about, and of classes that it does not know, it says nothing.
        asked = (told.sum(0) > 0) & mask
        if carried is None:
            grounds = Grounds(
                torch.from_numpy(np.array(on_classes(first.evidence, first.classes, classes))),
                first.pull,
                number_of(scribbles.background, own.table),
            )
            maps = self._beside_evidence(grounds, own, told, asked, mask, labels)
        else:
            near = np.exp(-at_once.nearest(scribbles, painted, slice_index) / self.weights.geodesic_range)
            share = FinetuneConfig().carried_share * (1.0 - torch.from_numpy(near.astype(np.float32)) ** NEAR)
            others = torch.from_numpy(np.array(on_classes(carried, self.weights.classes, own.table)))
            base = torch.from_numpy(np.array(on_classes(first.probabilities, first.classes, classes)))
            maps = self._beside_answer(base, own, told, others, share, asked)
        return self._placed(first, classes, maps, labels, mask, scribbles.background)

    def _beside_evidence(
        self, grounds: Grounds, own: _OwnClasses, prior: Tensor, asked: Tensor, mask: Tensor, labels: Tensor
    ) -> Tensor:
        """Return probabilities (K, *grid) of all classes, as a fine-tuning on this image alone has them."""
        say = self.weights.say or 0.0
        evidence = _completed(grounds.evidence[own.known], prior, own.missing)
        heard = torch.where(asked, replace(grounds, evidence=evidence).heard(prior, say), evidence)
        # How likely other classes are beside all that the network knows stays as it is.
        total = grounds.evidence + (torch.logsumexp(heard, 0) - torch.logsumexp(evidence, 0))
        total[own.known] = heard
        return grounds.settled(total, say, mask, labels)

    def _beside_answer(
        self, base: Tensor, own: _OwnClasses, prior: Tensor, others: Tensor, share: Tensor, asked: Tensor
    ) -> Tensor:
        """Return probabilities (K, *grid) of all classes, as a fine-tuning of a carried network has them."""
        told = base[own.known].sum(0)
        answer = _filled(base[own.known] / told.clamp_min(1e-6), others, own.missing)
        answer = joined(answer, others, share, asked)
        if self.weights.say is not None:
            grounds, unknown = Grounds.of_answer(answer), torch.full_like(asked, -1, dtype=torch.int64)
            answer = grounds.settled(grounds.heard(prior, self.weights.say), self.weights.say, asked, unknown)
        for k, row in zip(own.known, answer * told, strict=True):
            base[k] = torch.where(asked, row, base[k])
        return base

    def _placed(
        self, first: Answer, classes: ClassTable, maps: Tensor, labels: Tensor, mask: Tensor, background: int | None
    ) -> Answer:
        for k in range(len(maps)):
            maps[k][labels >= 0] = (labels[labels >= 0] == k).to(maps.dtype)
        maps.mul_(mask)
        values = np.array([0, *classes.values], dtype=np.uint8)
        if background in classes.values:
            values[1 + classes.values.index(background)] = 0
        return replace(
            first,
            classes=classes,
            labels=values[label_winners(maps, mask).numpy()],
            probabilities=maps.numpy(),
            mixture=self._mixture(first, classes),
        )

    def _classes(self, scribbles: Scribbles, answered: ClassTable) -> ClassTable:
        """Return the classes that strokes or the network know, in the order of the strokes' table."""
        values = {*answered.values, *self.weights.classes.values}
        return ClassTable(tuple(tissue for tissue in scribbles.classes if tissue.value in values))

    def _mixture(self, first: Answer, classes: ClassTable) -> Mixture:
        """Return the strokes' Gaussians, with the network's for classes that no stroke tells about."""
        own = first.mixture
        numbers = np.asarray([classes.values.index(value) for value in first.classes.values])
        parts = [replace(own, class_of=numbers[own.class_of])]
        known = self.weights.mixture
        lacking = [value for value in classes.values if value not in first.classes.values]
        if known is not None and lacking:
            outward = scale_of(self._prepared).outward(known)
            for value in lacking:
                chosen = outward.class_of == self.weights.classes.values.index(value)
                number = np.full(int(chosen.sum()), classes.values.index(value))
                parts.append(
                    replace(
                        outward,
                        mixing_weights=outward.mixing_weights[chosen],
                        means=outward.means[chosen],
                        covariances=outward.covariances[chosen],
                        class_of=number,
                    )
                )
        weights = np.concatenate([part.mixing_weights for part in parts])
        return replace(
            own,
            mixing_weights=weights / weights.sum(),
            means=np.concatenate([part.means for part in parts]),
            covariances=np.concatenate([part.covariances for part in parts]),
            class_of=np.concatenate([part.class_of for part in parts]),
        )

    def warm(self) -> None:
        """Have the network say all that it has to say: the first answer is then as fast as the others."""
        with torch_threads(choose_threads(None)):
            self._ready()
            self._whole()

    def members(self) -> Generator[NDArray[np.float32]]:
        """Yield what the network and each of its snapshots say of the volume (K, *grid): members of an ensemble."""
        case = self._ready()
        for member in self.weights.members:
            with torch_threads(choose_threads(None)):
                maps = predict(network_of(member, _CPU), case)
            yield self._on_grid(maps, case, None)

    def _maps(self, slice_index: int | None) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return what the network says (K, *grid), and what it says as one that knows earlier images, if it does."""
        case = self._ready()
        prior: Tensor | None = None
        if slice_index is not None and self._prior is None and not self._knows_others:
            prior = self._of_slice(case, slice_index)
        if prior is not None:
            return self._on_grid(prior, case, slice_index), None
        prior, carried = self._whole()
        others = None if carried is None else self._on_grid(carried, case, slice_index)
        return self._on_grid(prior, case, slice_index), others

    @property
    def _knows_others(self) -> bool:
        return self.weights.say is None or self.weights.cases > 1

    def _whole(self) -> tuple[Tensor, Tensor | None]:
        """Return the same (K, *crop) of the volume, found once."""
        with self._lock:
            if self._prior is None:
                assert self._network is not None
                assert self._case is not None
                prior = predict(self._network, self._case)
                if self._knows_others:
                    self._carried, _ = by_network(self._case, prior, self.weights.mixture, self._volume.geometry)
                self._prior = prior
            return self._prior, self._carried

    def _ready(self) -> TrainingCase:
        if self._case is not None:
            # Who asks for a slice does not wait until the volume is predicted.
            return self._case
        with self._lock:
            if self._case is None:
                weights = self.weights
                self._network = network_of(weights, _CPU)
                n_classes, mask = len(weights.classes), self._prepared.mask
                self._case = TrainingCase.cut(self._volume, self._prepared, mask, n_classes, weights.n_looks, _CPU)
            return self._case

    def _of_slice(self, case: TrainingCase, slice_index: int) -> Tensor | None:
        """Return what the network says of one slice, 0 elsewhere; None where it does not see slices of the Z axis."""
        if not case.stack.shows_slices:
            return None
        assert self._network is not None
        found = torch.zeros_like(case.nearness)
        pieces = case.stack.pieces_of_slice(slice_index - case.crop[-3].start)
        with torch.inference_mode():
            for piece in pieces:
                logits = self._network(case.inputs([piece], hides_strokes=True))
                case.stack.put(found, [piece], torch.softmax(logits, 1))
        return found.mul_(case.mask)

    def _on_grid(self, maps: Tensor, case: TrainingCase, slice_index: int | None) -> NDArray[np.float32]:
        shape = (len(maps), *self._volume.grid_shape)
        if slice_index is None:
            whole = np.zeros(shape, dtype=np.float32)
            whole[(slice(None), *case.crop)] = maps.numpy()
            return whole
        plane = np.zeros((*shape[:-3], 1, *shape[-2:]), dtype=np.float32)
        z = slice_index - case.crop[-3].start
        if 0 <= z < maps.shape[-3]:
            where = (slice(None), *case.crop[:-3], slice(None), *case.crop[-2:])
            plane[where] = maps[..., z : z + 1, :, :].numpy()
        return plane


def _here(numbers: NDArray[np.int64], slice_index: int | None) -> NDArray[np.int64]:
    part = numbers if slice_index is None else numbers[..., slice_index : slice_index + 1, :, :]
    return np.ascontiguousarray(part)


@dataclass(frozen=True)
class _OwnClasses:
    """What a network knows of the classes of an answer.

    Parameters
    ----------
    table : ClassTable
        The classes that it knows, in the answer's order.
    known : list of int
        Their numbers in the answer.
    missing : list of int
        Numbers in `table` of those that no stroke tells about.
    """

    table: ClassTable
    known: list[int]
    missing: list[int]

    @classmethod
    def of(cls, classes: ClassTable, learnt: ClassTable, told: ClassTable) -> _OwnClasses:
        """Compare the classes of an answer with those that a network has learnt, and that strokes tell about."""
        table = ClassTable(tuple(tissue for tissue in classes if tissue.value in learnt.values))
        known = [classes.values.index(value) for value in table.values]
        return cls(table, known, [k for k, value in enumerate(table.values) if value not in told.values])


def _filled(answer: Tensor, prior: Tensor, missing: list[int]) -> Tensor:
    """Return an answer in which classes that it knows nothing of are as the network has them."""
    if not missing:
        return answer
    whole = answer * (1.0 - prior[missing].sum(0))
    whole[missing] = prior[missing]
    return whole


def _completed(evidence: Tensor, prior: Tensor, missing: list[int]) -> Tensor:
    """Return evidence (K, *grid) with that of classes that strokes say nothing of as the network has them."""
    if not missing:
        return evidence
    told = [k for k in range(len(evidence)) if k not in missing]
    mass = torch.logsumexp(evidence[told], 0)
    result = evidence - mass + (1.0 - prior[missing].sum(0)).clamp_min(LEAST_PROBABILITY).log()
    result[missing] = prior[missing].clamp_min(LEAST_PROBABILITY).log()
    return result + mass
