from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist

from napari_gmmseg.quality import hausdorff_distance_95


def blob(rng: np.random.Generator, shape: tuple[int, int, int] = (9, 12, 11)) -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    centre = rng.uniform(3, 6, 3)
    return np.linalg.norm(grid - centre, axis=-1) + rng.normal(0, 0.4, shape) < 3


def brute_force(a: np.ndarray, b: np.ndarray, spacing: tuple[float, float, float], percentile: float) -> float:
    edges = [np.argwhere(m & ~binary_erosion(m)) * np.asarray(spacing) for m in (a, b)]
    distances = cdist(*edges)
    return float(max(np.percentile(distances.min(1), percentile), np.percentile(distances.min(0), percentile)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("percentile", [95.0, 100.0])
def test_it_agrees_with_all_pairs_of_surface_voxels(seed: int, percentile: float) -> None:
    rng = np.random.default_rng(seed)
    a, b, spacing = blob(rng), blob(rng), (2.5, 1.0, 0.8)
    found = hausdorff_distance_95(a, b, spacing, percentile=percentile)
    assert found == pytest.approx(brute_force(a, b, spacing, percentile), abs=1e-9)


def test_the_full_distance_of_separate_masks_is_that_of_simpleitk() -> None:
    a, b = np.zeros((12, 14, 16), bool), np.zeros((12, 14, 16), bool)
    a[2:5, 2:6, 2:5], b[6:9, 8:12, 9:15] = True, True
    images = []
    for mask in (a, b):
        image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
        image.SetSpacing((0.8, 1.2, 3.0))
        images.append(image)
    theirs = SimpleITK.HausdorffDistanceImageFilter()
    theirs.Execute(*images)
    assert hausdorff_distance_95(a, b, (3.0, 1.2, 0.8), percentile=100) == pytest.approx(
        theirs.GetHausdorffDistance(), rel=1e-5
    )


def test_a_shift_of_a_box_is_its_distance_in_mm() -> None:
    a, b = np.zeros((1, 20, 20), bool), np.zeros((1, 20, 20), bool)
    a[0, 5:10, 5:10], b[0, 5:10, 8:13] = True, True
    assert hausdorff_distance_95(a, b, (5.0, 1.0, 2.0), percentile=100) == pytest.approx(6.0)


def test_a_slice_has_an_outline_and_not_only_surface() -> None:
    whole, ring = np.zeros((1, 21, 21), bool), np.zeros((1, 21, 21), bool)
    whole[0, 3:18, 3:18] = ring[0, 3:18, 3:18] = True
    ring[0, 6:15, 6:15] = False
    distance = hausdorff_distance_95(whole, ring, (1.0, 1.0, 1.0), percentile=100)
    assert distance == pytest.approx(2.0)


def test_an_empty_side_has_no_distance() -> None:
    a = np.zeros((3, 4, 5), bool)
    b = a.copy()
    b[1, 1, 1] = True
    assert hausdorff_distance_95(a, b, (1.0, 1.0, 1.0)) is None
    assert hausdorff_distance_95(a, a, (1.0, 1.0, 1.0)) is None


def test_frames_do_not_see_each_other() -> None:
    a, b = np.zeros((2, 5, 6, 7), bool), np.zeros((2, 5, 6, 7), bool)
    a[0, 1, 1, 1] = b[0, 1, 1, 3] = True
    a[1, 4, 5, 6] = b[1, 4, 5, 6] = True
    assert hausdorff_distance_95(a, b, (1.0, 1.0, 1.0), percentile=100) == pytest.approx(2.0)


def test_a_mask_in_one_slice_of_a_volume_is_surface_throughout() -> None:
    whole, ring = np.zeros((5, 21, 21), bool), np.zeros((5, 21, 21), bool)
    whole[2, 3:18, 3:18] = ring[2, 3:18, 3:18] = True
    ring[2, 6:15, 6:15] = False
    spacing = (3.0, 1.0, 1.0)
    expected = brute_force(whole, ring, spacing, 100.0)
    assert expected == pytest.approx(5.0)
    assert hausdorff_distance_95(whole, ring, spacing, percentile=100) == pytest.approx(expected)
