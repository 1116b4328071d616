"""Gaussians while a person moves them: what they would be, before they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from napari_gmmseg.session.class_edits import moved
from napari_gmmseg.session.histograms import class_stds
from napari_gmmseg.volumes import ClassTable, Mixture

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Move:
    """One class with another mean or width.

    Parameters
    ----------
    value : int
        Its label value.
    means, stds : mapping of int to tuple of float
        By label value, in every channel; empty where all is as it was.
    """

    value: int
    means: Mapping[int, Numbers] = field(default_factory=dict)
    stds: Mapping[int, Numbers] = field(default_factory=dict)

    def to(self, what: str, numbers: Numbers, channels: tuple[int, ...], mixture: Mixture, table: ClassTable) -> Move:
        """Return the move with a mean or width that is wanted in the channels that are shown.

        Parameters
        ----------
        what : str
            "mean" or "std".
        numbers : tuple of float
            One for each of `channels`.
        channels : tuple of int
            Which are meant; the others stay as they are.
        mixture : Mixture
            As it was before the move.
        table : ClassTable
            Its classes.
        """
        k = table.values.index(self.value)
        held = self.means if what == "mean" else self.stds
        before = mixture.class_means()[k] if what == "mean" else class_stds(mixture)[k]
        all_of_them = np.array(held.get(self.value, before), dtype=np.float64)
        all_of_them[list(channels)] = numbers
        wanted = {self.value: tuple(float(v) for v in all_of_them)}
        return replace(self, means=wanted) if what == "mean" else replace(self, stds=wanted)

    @property
    def moves(self) -> bool:
        """Whether anything is another than it was."""
        return bool(self.means or self.stds)

    def and_then(self, other: Move) -> Move:
        """Return this move followed by another, perhaps of another class.

        Parameters
        ----------
        other : Move
            The later one.
        """
        return Move(other.value, {**self.means, **other.means}, {**self.stds, **other.stds})

    def applied(self, mixture: Mixture, table: ClassTable) -> Mixture:
        """Return the mixture with the class moved.

        Parameters
        ----------
        mixture : Mixture
            As it was before the move.
        table : ClassTable
            Its classes.

        Raises
        ------
        SettingsError
            Where the numbers do not make a Gaussian.
        """
        return moved(mixture, table, self.means, self.stds)
