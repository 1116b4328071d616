"""Voxels that are brighter than tissue."""

from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.config import PRESETS
from napari_gmmseg.mixture import initial_mixture
from napari_gmmseg.mixture.bright import bright_voxels, with_bright
from napari_gmmseg.mixture.naming import dim_classes, match_classes

N = 20_000
LESION = slice(0, 600)


def intensities(*, enhanced: bool = True) -> np.ndarray:
    """T1, T1Gd and FLAIR of normal tissue; the first 600 voxels are a lesion, the next 600 blood."""
    rng = np.random.default_rng(0)
    x = rng.normal(100, 10, (3, N))
    x[2, LESION] += 100
    x[1, LESION] += 120 if enhanced else 0
    x[:2, 600:1200] += 120
    return x


def test_a_lesion_is_bright_and_tissue_is_not() -> None:
    groups = bright_voxels(intensities(), ("t1", "t1gd", "flair"), ("flair",))
    assert (groups[LESION] == 0).mean() > 0.99
    assert (groups[1200:] == 0).mean() < 0.005


def test_what_is_bright_without_gadolinium_too_is_no_enhancement() -> None:
    channels = ("t1", "t1gd", "flair")
    groups = bright_voxels(intensities(), channels, ("flair", "t1gd"))
    assert (groups[LESION] == 1).mean() > 0.95
    assert (groups[600:1200] == 1).mean() < 0.05
    alone = bright_voxels(intensities()[1:], channels[1:], ("t1gd",))
    assert (alone[600:1200] == 0).any()


@pytest.mark.parametrize("gain", [1e-3, 1.0, 1e4])
def test_units_do_not_matter(gain) -> None:
    x, channels = intensities(), ("t1", "t1gd", "flair")
    expected = bright_voxels(x, channels, ("flair", "t1gd"))
    assert np.array_equal(bright_voxels(gain * x + 7 * gain, channels, ("flair", "t1gd")), expected)


def test_an_image_without_anything_bright_still_begins_a_class() -> None:
    groups = bright_voxels(np.random.default_rng(0).uniform(0, 1, (1, N)), ("flair",), ("flair",))
    assert 5 <= (groups == 0).sum() <= 20
    constant = bright_voxels(np.ones((1, N)), ("flair",), ("flair",))
    assert (constant == 0).sum() >= 2


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_a_mixture_gets_the_moments_of_what_is_bright(covariance) -> None:
    x = intensities()
    groups = bright_voxels(x, ("t1", "t1gd", "flair"), ("flair",))
    tissue = initial_mixture(x[:, groups < 0], (1, 1), covariance=covariance)
    mixture = with_bright(tissue, x, groups, covariance=covariance)
    assert mixture.n_classes == 3
    assert mixture.mixing_weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(mixture.means[2], x[:, groups == 0].mean(axis=1))
    off = mixture.covariances[2] - np.diag(np.diag(mixture.covariances[2]))
    assert bool(off.any()) == (covariance == "full")
    np.testing.assert_allclose(np.diag(mixture.covariances[2]), x[:, groups == 0].var(axis=1), rtol=0.01)


def test_unnamed_classes_are_the_brightest_in_their_contrast_and_doubted_where_they_are_not() -> None:
    table = PRESETS["glioma"].classes
    assert table is not None
    channels = ("t1", "t1gd", "t2", "flair")
    means = np.array([(5, 9, 6, 8), (2, 2, 9, 2), (8, 7, 4, 5), (5, 5, 7, 9), (6, 6, 6, 6)], dtype=float)
    entry = match_classes(means, channels, table)
    assert entry is not None
    assert entry.tolist() == [4, 0, 2, 3, 1]
    assert dim_classes(means, channels, table, entry) == ()
    means[3, 3] = 6.5
    means[1, 3] = 20
    swapped = match_classes(means, channels, table)
    assert swapped is not None
    assert table[int(swapped[1])].bright_in == "flair"
    assert match_classes(means, ("t1", "t1gd", "t2", "pd"), table) is None
