"""What must not change a mask: orientation, intensity scale, padding, threads and a second run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, Any]
Transform = Callable[[Array], Array]


def pad(array: Array) -> Array:
    return np.pad(array, 8)


TRANSFORMS: dict[str, tuple[Transform, Transform]] = {
    "flip left and right": (lambda a: a[..., ::-1], lambda a: a[..., ::-1]),
    "permute axes": (lambda a: a.transpose(2, 0, 1), lambda a: a.transpose(1, 2, 0)),
    "pad by 8": (pad, lambda a: a[8:-8, 8:-8, 8:-8]),
}


@pytest.mark.parametrize("method", ["gmm", "svgmm", "spatial"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_labels_do_not_depend_on_how_the_grid_lies(noisy_brain, segment, method, name) -> None:
    image, truth = noisy_brain
    there, back = TRANSFORMS[name]
    plain = segment(image, truth > 0, method=method).label_map.labels
    moved = segment(there(image), there(truth > 0), method=method).label_map.labels
    assert np.mean(back(moved)[truth > 0] == plain[truth > 0]) >= 0.999


@pytest.mark.parametrize("method", ["gmm", "svgmm", "spatial"])
def test_labels_do_not_depend_on_the_intensity_scale(noisy_brain, segment, method) -> None:
    image, truth = noisy_brain
    plain = segment(image, truth > 0, method=method).label_map.labels
    scaled = segment(image * 10 + 37, truth > 0, method=method).label_map.labels
    assert np.mean(scaled[truth > 0] == plain[truth > 0]) >= 0.999


@pytest.mark.parametrize("method", ["gmm", "svgmm", "spatial"])
def test_three_runs_of_one_seed_give_the_same_bits(noisy_brain, segment, method) -> None:
    image, truth = noisy_brain
    runs = [segment(image, truth > 0, method=method, seed=3) for _ in range(3)]
    for other in runs[1:]:
        assert other.probabilities.tobytes() == runs[0].probabilities.tobytes()
        assert other.label_map.labels.tobytes() == runs[0].label_map.labels.tobytes()
        assert other.mixture.means.tobytes() == runs[0].mixture.means.tobytes()


@pytest.mark.parametrize("method", ["gmm", "svgmm", "spatial"])
def test_two_threads_give_the_labels_of_one(noisy_brain, method) -> None:
    from napari_gmmseg.config import FitConfig, PreparationConfig, find_preset
    from napari_gmmseg.fitting import fit
    from napari_gmmseg.preparation import prepare
    from napari_gmmseg.volumes import Volume

    image, truth = noisy_brain
    preset = find_preset("brain-t1")
    volume = Volume.from_array(image, (2.0, 2.0, 2.0), ("t1",))
    prepared = prepare(volume, PreparationConfig(mask="given"), mask=truth > 0, preset=preset)
    labels = []
    for threads in (1, 2):
        steps = fit(volume, prepared, FitConfig(method=method, threads=threads), preset)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                labels.append(end.value.label_map.labels)
                break
    assert np.mean(labels[0] == labels[1]) >= 0.9999
