"""Strokes that a network does not see, to tell whether it has learnt anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_gmmseg.fitting.scribbling.at_once import AtOnce
from napari_gmmseg.volumes import ClassTable, Finding, Scribbles

#: Share of each class's strokes that are held out; one at least.
SHARE = 0.25
#: Looks without a gain after which held-out strokes have told enough.
PATIENCE = 4
#: What is said where no strokes could be held out, of a network that counts and of one that does not; and where there
#: was no time to learn anything.
UNCHECKED = Finding(
    "not-checked",
    "Too few strokes to hold some out: whether the network does better than the answer at once was not checked.",
    "Paint at least two strokes of each class.",
    "note",
)
UNHEARD = Finding(
    "not-checked",
    "Too few strokes to hold some out: whether the network does better than the answer at once could not be "
    "checked, so that answer stays. The network has learnt, and can be carried to another image.",
    "Paint at least two strokes of each class.",
    "note",
)
NO_STEPS = Finding(
    "no-steps", "There was no time for a step of the network: the answer at once stays.", "Give it more seconds."
)


@dataclass(frozen=True)
class HeldOut:
    """Strokes in two parts.

    Parameters
    ----------
    kept : Scribbles
        What the network learns from.
    labels : ndarray (*grid) int64
        Class of each voxel of the others, in the order of the class table that was given; -1 elsewhere.
    weights : ndarray (*grid) float32
        How much each counts; 0 elsewhere.
    n_strokes : int
        How many are held out.
    """

    kept: Scribbles
    labels: NDArray[np.int64]
    weights: NDArray[np.float32]
    n_strokes: int

    def loss(self, probabilities: Tensor, crop: tuple[slice, ...]) -> float:
        """Return the Brier score of class probabilities on the held-out voxels, 0 = right and sure, 2 = the opposite.

        The squared error summed over classes, a mean over voxels (Brier 1950, equation 2), each voxel with its weight.
        Bounded, unlike the log score, which one sure mistake would decide.

        Parameters
        ----------
        probabilities : Tensor (K, *crop) float32
            Of each class.
        crop : tuple of slice
            Where they lie on the grid.
        """
        labels = self.labels[crop]
        where = labels >= 0
        given = probabilities.cpu()[:, torch.from_numpy(where)].double().numpy()
        truth = np.arange(len(given))[:, None] == labels[where]
        return float(np.average(((given - truth) ** 2).sum(0), weights=self.weights[crop][where]))


class Examination:
    """Whether a network does better on held-out strokes than the answer at once.

    Parameters
    ----------
    held : HeldOut
        The strokes.
    crop : tuple of slice
        Where answers lie on the grid.
    at_once : Tensor (K, *crop) float32
        The answer at once to the other strokes.
    """

    def __init__(self, held: HeldOut, crop: tuple[slice, ...], at_once: Tensor) -> None:
        self._held, self._crop = held, crop
        #: Brier score of the answer at once, and of the network at each look.
        self.at_once = held.loss(at_once, crop)
        self.losses: list[float] = []

    @property
    def where(self) -> Tensor:
        """The voxels that are held out; (*crop) bool on the CPU."""
        return torch.from_numpy(self._held.labels[self._crop] >= 0)

    @property
    def n_strokes(self) -> int:
        """Number of strokes held out."""
        return self._held.n_strokes

    @property
    def gained(self) -> bool:
        """Whether the network did better at any look."""
        return bool(self.losses) and min(self.losses) < self.at_once

    @property
    def told(self) -> bool:
        """Whether the last looks brought nothing: it is time to learn from all strokes."""
        return len(self.losses) > PATIENCE and min(self.losses[-PATIENCE:]) >= min(self.losses[:-PATIENCE])

    def take(self, answer: Tensor) -> None:
        """Take a look.

        Parameters
        ----------
        answer : Tensor (K, *crop) float32
            The network's.
        """
        self.losses.append(self._held.loss(answer, self._crop))

    def finding(self) -> Finding | None:
        """Return that nothing was gained, where it is so."""
        if self.gained or not self.losses:
            return None
        strokes = "1 stroke" if self.n_strokes == 1 else f"{self.n_strokes} strokes"
        return Finding(
            "no-gain",
            f"On {strokes} that it had not seen, the network did no better than the answer at once "
            f"(error {min(self.losses):.3f} against {self.at_once:.3f}): that answer stays.",
            "Paint where the answer is wrong, or give it more time.",
            "note",
        )


def hold_out(scribbles: Scribbles, classes: ClassTable, engine: AtOnce, seed: int) -> HeldOut | None:
    """Hold out some strokes of each class; None where a painted class would have none left, or none held out.

    Parameters
    ----------
    scribbles : Scribbles
        All strokes.
    classes : ClassTable
        What the classes' numbers mean.
    engine : AtOnce
        What answers them; voxels that its answer to the others does not reach are not held against it.
    seed : int
        Which strokes are held out.
    """
    rng = np.random.default_rng(seed)
    final = engine.told(scribbles)
    visible = [s for s in scribbles.strokes if s.value in classes.values and _shows(final, s.voxels, s.value)]
    chosen: list[int] = []
    for value in sorted({s.value for s in visible}):
        own = [s.id for s in visible if s.value == value]
        if len(own) < 2:
            return None
        n = max(1, round(SHARE * len(own)))
        chosen += [own[i] for i in sorted(rng.choice(len(own), n, replace=False))]
    if not chosen:
        return None
    kept = replace(scribbles, strokes=tuple(s for s in scribbles.strokes if s.id not in chosen))
    others = replace(scribbles, strokes=tuple(s for s in scribbles.strokes if s.id in chosen))
    # What was painted over again, or is learnt from, cannot be held against an answer.
    told, asked = engine.told(kept), engine.told(others)
    labels = np.where((told == 0) & (asked == final) & engine.mask(kept), class_numbers(asked, classes), -1)
    known = labels >= 0
    left = {s.value for s in kept.strokes if _shows(told, s.voxels, s.value)}
    if not known.any() or left != {s.value for s in visible}:
        return None
    return HeldOut(kept, labels, np.where(known, others.weights(), 0).astype(np.float32), len(chosen))


def class_numbers(told: NDArray[np.uint8], classes: ClassTable) -> NDArray[np.int64]:
    """Return the class of each painted voxel (*grid) in the order of a class table; -1 elsewhere.

    Parameters
    ----------
    told : ndarray (*grid) uint8
        Label values that strokes tell, 0 where they tell none.
    classes : ClassTable
        The order.
    """
    numbers = np.full(256, -1, dtype=np.int64)
    numbers[list(classes.values)] = np.arange(len(classes))
    known: NDArray[np.int64] = numbers[told]
    return known


def _shows(final: NDArray[np.uint8], voxels: NDArray[np.integer[Any]], value: int) -> bool:
    return bool((final[tuple(voxels.T)] == value).any())
