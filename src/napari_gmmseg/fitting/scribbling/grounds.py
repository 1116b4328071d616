"""What an answer to strokes rests on, and the answer that it gives together with a network."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from napari_gmmseg.fitting.deep.stacks import SliceStack
from napari_gmmseg.fitting.scribbling.training_cases import TrainingCase
from napari_gmmseg.mixture.spatial import clamp_, smoothed

#: Least probability of a class in an answer that is taken as evidence.
_LEAST = 1e-4
#: Least probability that a network gives a class. It is sure of much that it has not seen; so bounded, it cannot
#: overrule strokes that leave no doubt.
_LEAST_OF_NETWORK = 0.03
#: How much less neighbours pull where a network has its full say: its maps are smooth already.
_LESS_PULL = 0.5
#: Against a background: the share of its say that a network has, and how much likelier the background has to be for it
#: before it has any.
_AGAINST_BACKGROUND, _SURE = 0.5, 4.0
_SWEEPS = 10


@dataclass(frozen=True)
class Grounds:
    """Evidence of each class, before neighbours are heard.

    Parameters
    ----------
    evidence : Tensor (K, *crop) float32
        What is known of each class, in nat, up to a constant of the voxel.
    pull : (wz, wy, wx)
        Of one face neighbour along each axis, in nat.
    background : int or None
        The class k that is background, against which a network may only take away; None: it may add, too.
    """

    evidence: Tensor
    pull: tuple[float, float, float] = (0.0, 0.0, 0.0)
    background: int | None = None

    @classmethod
    def of_answer(cls, probabilities: Tensor) -> Grounds:
        """Return a finished answer as evidence, whose neighbours were heard already.

        Parameters
        ----------
        probabilities : Tensor (K, *crop) float32
            Of each class.
        """
        return cls(probabilities.clamp_min(_LEAST).log())

    def answer(self, prior: Tensor, share: float, case: TrainingCase) -> Tensor:
        """Return class probabilities (K, *crop) float32 with what a network says; what is painted stays as it is.

        The network's probabilities count as a prior, to the power of `share`. It is asked without strokes in sight, so
        it does not know where an object lies that has look-alikes elsewhere: against a background it may say what the
        object is not, where it is sure, and never what it is; and it has half its say.

        Parameters
        ----------
        prior : Tensor (K, *crop) float32
            The network's.
        share : float
            How much it counts, 0 ... 1.
        case : TrainingCase
            Mask and strokes.
        """
        return self.settled(self.heard(prior, share), share, case.mask, case.labels)

    def answer_piece(self, prior: Tensor, share: float, case: TrainingCase, piece: int) -> Tensor:
        """Return the answer (1, K, *S) of one slice, as `answer` does, with neighbours within the slice alone.

        Parameters
        ----------
        prior : Tensor (1, K, *S) float32
            The network's.
        share : float
            How much it counts, 0 ... 1.
        case : TrainingCase
            Mask and strokes.
        piece : int
            The slice's number.
        """

        def here(maps: Tensor) -> Tensor:
            return case.stack.gather(maps, [piece]).movedim(0, 1)

        a, b = (self.pull[axis] for axis in _within(case.stack))
        slice_ = Grounds(here(self.evidence), (0.0, a, b), self.background)
        mask, labels = here(case.mask[None])[0], here(case.labels[None])[0]
        return slice_.settled(slice_.heard(prior.movedim(0, 1), share), share, mask, labels).movedim(1, 0)

    def heard(self, prior: Tensor, share: float) -> Tensor:
        """Return the evidence (K, *grid) float32 with what a network says, before neighbours are heard.

        Parameters
        ----------
        prior : Tensor (K, *grid) float32
            The network's.
        share : float
            How much it counts, 0 ... 1.
        """
        said = prior.clamp_min(_LEAST_OF_NETWORK).log()
        if self.background is not None:
            said = (said - said[self.background] + log(_SURE)).clamp_max(0.0)
            said[self.background] = 0.0
        return self.evidence + self._counts(share) * said

    def settled(self, evidence: Tensor, share: float, mask: Tensor, labels: Tensor) -> Tensor:
        """Return class probabilities (K, *grid) float32 after neighbours are heard; what is painted stays as it is.

        Parameters
        ----------
        evidence : Tensor (K, *grid) float32
            With a network's say.
        share : float
            How much that counts, 0 ... 1.
        mask : Tensor (*grid) bool
            Voxels that are answered.
        labels : Tensor (*grid) int64
            Painted class, or -1.
        """
        less = 1.0 - _LESS_PULL * self._counts(share)
        z, y, x = (less * pull for pull in self.pull)
        return smoothed(evidence, mask, labels, (z, y, x), _SWEEPS)

    def _counts(self, share: float) -> float:
        return share if self.background is None else _AGAINST_BACKGROUND * share


def _within(stack: SliceStack) -> list[int]:
    return [axis for axis in range(3) if axis != stack.axis % 3]


def together(first: Tensor, second: Tensor, share: float | Tensor, case: TrainingCase) -> Tensor:
    """Return two answers as one, their logarithms averaged; what is painted stays as it is.

    Parameters
    ----------
    first, second : Tensor (K, *crop) float32
        Class probabilities; the second are a network's.
    share : float or Tensor (*crop) float32
        Of the second, 0 ... 1.
    case : TrainingCase
        Mask and strokes.
    """
    result = joined(first, second, share, case.mask)
    clamp_(result, case.labels)
    return result


def joined(first: Tensor, second: Tensor, share: float | Tensor, mask: Tensor) -> Tensor:
    """Return two answers as one, their logarithms averaged.

    Parameters
    ----------
    first, second : Tensor (K, *grid) float32
        Class probabilities; the second are a network's.
    share : float or Tensor (*grid) float32
        Of the second, 0 ... 1.
    mask : Tensor (*grid) bool
        Voxels that are answered.
    """
    logs = first.clamp_min(_LEAST).log() * (1.0 - share) + second.clamp_min(_LEAST_OF_NETWORK).log() * share
    return torch.softmax(logs, 0).mul_(mask)
