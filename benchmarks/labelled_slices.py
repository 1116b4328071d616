"""Labelled single slices for benchmarks of scribbles: hearts, gliomas, brains."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_gmmseg.config import PreparationConfig, find_preset, numbered_classes
from napari_gmmseg.fitting.scribbling.at_once import AtOnce
from napari_gmmseg.io import read_channels, read_labels
from napari_gmmseg.preparation import Prepared, prepare_case
from napari_gmmseg.volumes import ClassTable, Geometry, Scribbles, Stroke, Volume

DATA = Path(os.environ.get("GMMSEG_DATA", Path(__file__).parents[2] / "shared" / "data"))
SETS = ("sunnybrook", "lgg", "philips 2 mm")


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
        """Return strokes of label value and pixels (n, 2) as scribbles."""
        made = [Stroke(value, np.insert(pixels, 0, 0, axis=1)) for value, pixels in strokes]
        empty = Scribbles((1, *self.truth.shape), self.volume.geometry, self.classes, background=self.background)
        return empty.with_strokes(made)

    def engine(self) -> AtOnce:
        """Return what answers strokes on this slice."""
        return AtOnce(*self.prepared())


def _made(
    name: str,
    image: NDArray[np.float32],
    truth: NDArray[np.uint8],
    spacing: tuple[float, float],
    background: int | None,
) -> LabelledSlice:
    geometry = Geometry.from_spacing((1, *truth.shape), (1.0, *spacing))
    volume = Volume(data=np.ascontiguousarray(image[None, None]), geometry=geometry, channels=("",))
    return LabelledSlice(name, volume, truth, background)


def _hearts() -> Iterator[LabelledSlice]:
    for path in sorted((DATA / "sunnybrook_dev").glob("*_lv.png")):
        image = np.asarray(Image.open(path.with_name(path.name.replace("_lv", "")))).astype(np.float32)
        truth = np.where(np.asarray(Image.open(path)) > 0, 2, 1).astype(np.uint8)
        yield _made(path.stem[:-3], image, truth, (1.4, 1.4), 1)


def _gliomas() -> Iterator[LabelledSlice]:
    for folder in sorted((DATA / "lgg_dev").glob("TCGA*")):
        masks = {path: int((np.asarray(Image.open(path)) > 0).sum()) for path in folder.glob("*_mask.tif")}
        for path in sorted(masks, key=lambda path: -masks[path])[:6:3]:
            image = np.asarray(Image.open(path.with_name(path.name.replace("_mask", ""))))[..., 1].astype(np.float32)
            truth = np.where(np.asarray(Image.open(path)) > 0, 2, 1).astype(np.uint8)
            yield _made(path.stem[:-5], image, truth, (1.0, 1.0), 1)


def _brains() -> Iterator[LabelledSlice]:
    folder = DATA / "philips_mprage"
    volume, truth = (
        read_channels([folder / "demo_2mm_t1.nii.gz"])[0],
        read_labels(folder / "demo_2mm_labels.nii.gz").labels,
    )
    for z in np.linspace(0.35, 0.75, 6) * truth.shape[0]:
        yield _made(f"z{int(z)}", volume.data[0, int(z)], truth[int(z)], (2.0, 2.0), None)


def labelled_slices(which: str, most: int = 6) -> list[LabelledSlice]:
    """Return slices of a set, spread over its cases; none where the data are not there."""
    makers = {"sunnybrook": _hearts, "lgg": _gliomas, "philips 2 mm": _brains}
    found = [s for s in makers[which]() if s.truth.max() > 1]
    places = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).astype(int)) if found else []
    return [found[i] for i in places]
