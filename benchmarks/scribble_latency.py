"""Seconds from strokes to labels of the shown slice and of the volume, without a window.

    python benchmarks/scribble_latency.py [--repeats 9]

A 256 x 256 heart (Sunnybrook) and the 1 mm Philips brain (142 x 178 x 142) from ../shared/data; strokes of the
simulated annotator, one more class touched each time. Medians; one thread.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import numpy as np
import torch

from annotator import first_strokes, random_strokes
from labelled_slices import DATA, LabelledSlice
from napari_gmmseg.config import PreparationConfig, find_preset, numbered_classes
from napari_gmmseg.fitting.scribbling import AtOnce
from napari_gmmseg.io import read_channels, read_labels
from napari_gmmseg.preparation import prepare
from napari_gmmseg.volumes import Scribbles, Stroke
from scribbles import cases_of


def timed(engine: AtOnce, scribbles: Scribbles, more: list[Stroke], z: int | None) -> list[float]:
    """Return seconds of an answer after each further stroke."""
    engine.update(scribbles, z)
    found = []
    for stroke in more:
        scribbles = scribbles.with_strokes([stroke])
        began = time.perf_counter()
        engine.update(scribbles, z)
        found.append(time.perf_counter() - began)
    return found


def strokes_on(truth: np.ndarray, z: int, repeats: int) -> tuple[list[Stroke], list[Stroke]]:
    rng = np.random.default_rng(0)
    first = [Stroke(value, np.insert(pixels, 0, z, axis=1)) for value, pixels in first_strokes(truth, rng).items()]
    more = [
        Stroke(value, np.insert(pixels, 0, z, axis=1))
        for _ in range(repeats)
        for value, pixels in random_strokes(truth, rng).items()
    ]
    return first, more[:repeats]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    heart: LabelledSlice = next(cases_of("sunnybrook"))[0]
    first, more = strokes_on(heart.truth, 0, repeats)
    empty = Scribbles((1, *heart.truth.shape), heart.volume.geometry, heart.classes, background=1)
    seconds = timed(heart.engine(), empty.with_strokes(first), more, 0)
    print(f"heart 256 x 256, shown slice: median {median(seconds):.3f} s, largest {max(seconds):.3f} s")
    volume = read_channels(DATA / "philips_mprage/t1_brain_nospheres.nii.gz")[0]
    truth = read_labels(DATA / "philips_mprage/labels_tissue.nii.gz").labels
    prepared = prepare(volume, PreparationConfig(), preset=find_preset("brain-t1"))
    z = len(truth) // 2
    first, more = strokes_on(truth[z], z, repeats)
    scribbles = Scribbles(truth.shape, volume.geometry, numbered_classes(3)).with_strokes(first)
    for place, count in ((z, repeats), (None, min(repeats, 3))):
        engine = AtOnce(volume, prepared)
        began = time.perf_counter()
        engine.update(scribbles, place)
        start = time.perf_counter() - began
        seconds = timed(engine, scribbles, more[:count], place)
        what = "volume" if place is None else "shown slice"
        print(
            f"brain 1 mm, {what}: first {start:.2f} s, then median {median(seconds):.3f} s, "
            f"largest {max(seconds):.3f} s"
        )


if __name__ == "__main__":
    main()
