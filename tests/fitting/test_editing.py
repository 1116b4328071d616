"""The answer under Gaussians that a person has moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from tests.fitting.live_runs import FAST, slab_case, slice_case

from napari_gmmseg.fitting.editing import edited_labels, edited_probabilities
from napari_gmmseg.volumes import Mixture, Segmentation, Volume

METHODS = [("gmm", 1), ("spatial", 1), ("spatial", 2), ("deepsvg", 1), ("blindspot", 2)]


def fitted(method: str, n_channels: int) -> tuple[Volume, Segmentation]:
    case = slice_case(n_channels)
    settings = FAST if method in ("deepsvg", "blindspot") else {}
    return case.volume, case.run(method=method, **settings).result


def moved(mixture: Mixture, k: int, by: float) -> Mixture:
    means = mixture.means.copy()
    means[mixture.class_of == k] += by
    return replace(mixture, means=means)


@pytest.mark.parametrize(("method", "n_channels"), METHODS)
def test_gaussians_that_were_not_moved_give_the_result_itself(method: str, n_channels: int) -> None:
    volume, result = fitted(method, n_channels)
    np.testing.assert_array_equal(edited_labels(volume, result, result.mixture), result.label_map.labels)
    probabilities = edited_probabilities(volume, result, result.mixture)
    np.testing.assert_allclose(probabilities, result.probabilities, atol=1e-3)
    assert not probabilities[:, ~result.mask].any()


def density(mixture: Mixture, k: int, samples: np.ndarray) -> np.ndarray:
    own = np.flatnonzero(mixture.class_of == k)
    weights = mixture.mixing_weights[own] / mixture.mixing_weights[own].sum()
    return sum(
        w * multivariate_normal(mixture.means[g], mixture.covariances[g]).pdf(samples)
        for w, g in zip(weights, own, strict=True)
    )


@pytest.mark.parametrize(("method", "n_channels"), METHODS)
def test_a_moved_gaussian_acts_as_bayes_rule_says(method: str, n_channels: int) -> None:
    volume, result = fitted(method, n_channels)
    edited = replace(moved(result.mixture, 1, 0.03), covariances=result.mixture.covariances * 1.21)
    samples = volume.data[:, result.mask].T.astype(np.float64)
    rows = [
        np.maximum(result.probabilities[k][result.mask].astype(np.float64), 1e-4)
        * density(edited, k, samples)
        / density(result.mixture, k, samples)
        for k in range(3)
    ]
    expected = np.stack(rows) / np.sum(rows, 0)
    found = edited_probabilities(volume, result, edited)[:, result.mask]
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_a_class_whose_mean_rises_towards_the_next_takes_voxels_from_it() -> None:
    volume, result = fitted("spatial", 1)
    before = edited_labels(volume, result, result.mixture)
    after = edited_labels(volume, result, moved(result.mixture, 1, 0.05))
    assert ((before == 3) & (after == 2)).sum() > 20
    assert not ((before == 2) & (after == 3)).any()


@pytest.mark.parametrize("plane", [(2,), (slice(None), 40), (slice(None), slice(None), 30)])
def test_a_plane_is_that_of_the_whole_volume(plane: tuple[int | slice, ...]) -> None:
    case = slab_case()
    result = case.run(method="spatial").result
    edited = moved(result.mixture, 0, 0.05)
    whole = edited_probabilities(case.volume, result, edited)
    part = edited_probabilities(case.volume, result, edited, plane=plane)
    np.testing.assert_allclose(part, whole[(slice(None), *plane)], atol=1e-6)
    np.testing.assert_array_equal(
        edited_labels(case.volume, result, edited, plane=plane), edited_labels(case.volume, result, edited)[plane]
    )


def test_a_plane_without_voxels_of_the_mask_is_empty() -> None:
    case = slice_case()
    result = case.run(method="spatial").result
    assert not edited_labels(case.volume, result, result.mixture, plane=(0, 0)).any()


def test_labels_are_those_of_the_classes_not_their_numbers() -> None:
    case = slice_case()
    result = case.run(method="spatial").result
    table = result.label_map.classes
    renamed = type(table)(tuple(replace(tissue, value=tissue.value + 10) for tissue in table))
    values = edited_labels(
        case.volume, replace(result, label_map=replace(result.label_map, classes=renamed)), result.mixture
    )
    assert set(np.unique(values)) == {0, 11, 12, 13}
