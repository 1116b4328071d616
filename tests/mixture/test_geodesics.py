from __future__ import annotations

import numpy as np
import pytest

from napari_gmmseg.mixture.geodesics import GeodesicGrid


def test_on_an_even_image_distance_is_that_of_steps_in_mm() -> None:
    image = np.zeros((1, 3, 8, 9), dtype=np.float32)
    seeds = np.zeros((3, 8, 9), dtype=bool)
    seeds[0, 0, 0] = True
    found = GeodesicGrid(image, np.ones_like(seeds), (4.0, 1.0, 2.0), 30.0).distances(seeds)
    assert found[0, 0, 0] == 0
    assert found[0, 5, 0] == pytest.approx(5.0)
    assert found[0, 0, 4] == pytest.approx(8.0)
    assert found[2, 0, 0] == pytest.approx(8.0)
    assert found[0, 1, 1] == pytest.approx(np.sqrt(5.0), rel=1e-6)


def test_an_edge_costs_its_height() -> None:
    image = np.zeros((1, 1, 5, 6), dtype=np.float32)
    image[..., 3:] = 0.5
    seeds = np.zeros((1, 5, 6), dtype=bool)
    seeds[..., 0] = True
    found = GeodesicGrid(image, np.ones_like(seeds), (1.0, 1.0, 1.0), 30.0).distances(seeds)
    assert found[0, 2, 2] == pytest.approx(2.0)
    assert found[0, 2, 3] == pytest.approx(2.0 + np.sqrt(1.0 + 15.0**2), rel=1e-6)


def test_paths_stay_inside_the_mask() -> None:
    mask = np.ones((1, 5, 5), dtype=bool)
    mask[0, :, 2] = False
    seeds = np.zeros_like(mask)
    seeds[0, 0, 0] = True
    found = GeodesicGrid(np.zeros((1, 1, 5, 5), dtype=np.float32), mask, (1.0, 1.0, 1.0), 1.0).distances(seeds)
    assert np.isinf(found[0, :, 2:]).all()
    assert np.isfinite(found[0, :, :2]).all()


def test_frames_are_no_neighbours() -> None:
    seeds = np.zeros((2, 1, 4, 4), dtype=bool)
    seeds[0, 0, 0, 0] = True
    grid = GeodesicGrid(np.zeros((1, *seeds.shape), dtype=np.float32), np.ones_like(seeds), (1.0, 1.0, 1.0), 1.0)
    assert np.isinf(grid.distances(seeds)[1]).all()
