"""A labelled single slice, for benchmarks of scribbles."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_gmmseg.config import PreparationConfig, find_preset, numbered_classes
from napari_gmmseg.fitting.scribbling.at_once import AtOnce
from napari_gmmseg.preparation import Prepared, prepare_case
from napari_gmmseg.volumes import ClassTable, Scribbles, Stroke, Volume

DATA = Path(os.environ.get("GMMSEG_DATA", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True)
class LabelledSlice:
    """One slice with its truth (Y, X): 1 ... K inside the mask, 0 outside of it."""

    name: str
    volume: Volume
    truth: NDArray[np.uint8]
    background: int | None

    @property
    def classes(self) -> ClassTable:
        return numbered_classes(int(self.truth.max()))

    def prepared(self) -> tuple[Volume, Prepared]:
        """Return image and mask as a fit takes them."""
        mask = self.truth[None] > 0
        k = len(self.classes)
        return prepare_case(
            self.volume, PreparationConfig(mask="given"), mask=mask, preset=find_preset("custom"), n_classes=k
        )

    def scribbles(self, strokes: list[tuple[int, NDArray[np.int64]]]) -> Scribbles:
        """Return strokes of label value and pixels (n, 2) as scribbles, painted a second after one another."""
        made = [
            Stroke(value, np.insert(pixels, 0, 0, axis=1), time=float(second))
            for second, (value, pixels) in enumerate(strokes, start=1)
        ]
        empty = Scribbles((1, *self.truth.shape), self.volume.geometry, self.classes, background=self.background)
        return empty.with_strokes(made)

    def engine(self) -> AtOnce:
        """Return what answers strokes on this slice."""
        return AtOnce(*self.prepared())
