"""Sums over 6 and 26 neighbours, against sums that are written out."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from napari_gmmseg.mixture.neighbours import EDGE, axis_weights, neighbour_sum


def spelt_out(w: np.ndarray, weights: tuple[float, float, float], n_neighbours: int) -> np.ndarray:
    """Add up neighbour by neighbour; weights of 26 are not yet scaled to the sum of six."""
    total = np.zeros_like(w)
    greatest = max(weights)
    for shift in product((-1, 0, 1), repeat=3):
        moved = [axis for axis in range(3) if shift[axis]]
        if not moved or (n_neighbours == 6 and len(moved) > 1):
            continue
        weight = weights[moved[0]] if n_neighbours == 6 else np.prod([EDGE * weights[a] / greatest for a in moved])
        for place in np.ndindex(w.shape):
            other = tuple(p + s for p, s in zip(place, shift, strict=True))
            if all(0 <= o < n for o, n in zip(other, w.shape, strict=True)):
                total[place] += weight * w[other]
    return total


def some(shape: tuple[int, ...]) -> torch.Tensor:
    """Memberships in a mask with holes."""
    generator = torch.Generator().manual_seed(0)
    w = torch.rand(2, *shape, generator=generator)
    return w * (torch.rand(shape, generator=generator) > 0.3)


def summed(w: torch.Tensor, weights: tuple[float, float, float], n_neighbours: int, scale: float = 1.0):
    return neighbour_sum(w, weights, torch.zeros_like(w), scale, n_neighbours=n_neighbours)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), axis_weights((3.0, 1.2, 0.9), "mm"), (4.0, 0.25, 1.0)])
@pytest.mark.parametrize("n_neighbours", [6, 26])
def test_sums_are_those_that_are_spelt_out(weights, n_neighbours) -> None:
    w = some((4, 5, 6))
    expected = np.stack([spelt_out(row.numpy().astype(np.float64), weights, n_neighbours) for row in w])
    if n_neighbours == 26:
        inner = np.zeros((3, 3, 3))
        inner[:] = 1
        six, more = (spelt_out(inner, weights, n)[1, 1, 1] for n in (6, 26))
        expected *= six / more
    np.testing.assert_allclose(summed(w, weights, n_neighbours, 0.7).numpy(), 0.7 * expected, rtol=1e-5, atol=1e-6)


def test_an_edge_weighs_half_and_a_corner_a_quarter_of_a_face() -> None:
    w = torch.zeros(1, 3, 3, 3)
    w[0, 1, 1, 1] = 1
    total = summed(w, (1.0, 1.0, 1.0), 26)[0]
    face = float(total[0, 1, 1])
    assert total[1, 1, 1] == 0
    assert float(total[0, 0, 1]) == pytest.approx(face / 2)
    assert float(total[0, 0, 0]) == pytest.approx(face / 4)


def test_six_and_twenty_six_pull_as_much_in_all() -> None:
    for weights in ((1.0, 1.0, 1.0), (1 / 64, 1.0, 1.0), (4.0, 1.0, 0.25)):
        ones = torch.ones(1, 3, 3, 3)
        six, more = (float(summed(ones, weights, n)[0, 1, 1, 1]) for n in (6, 26))
        assert more == pytest.approx(six, rel=1e-5)
        assert six == pytest.approx(2 * sum(weights))


def test_a_slice_has_eight_neighbours_that_pull_as_much_as_its_four() -> None:
    ones = torch.ones(1, 1, 5, 5)
    assert float(summed(ones, (1.0, 1.0, 1.0), 26)[0, 0, 2, 2]) == pytest.approx(4, rel=1e-5)


def test_far_slices_count_little_across_edges_too() -> None:
    w = torch.zeros(1, 3, 5, 5)
    w[0, 0] = 1
    assert 0 < float(summed(w, axis_weights((8.0, 1.0, 1.0), "mm"), 26)[0, 1].max()) < 0.05


def test_frames_have_no_neighbours_in_time() -> None:
    w = torch.zeros(1, 2, 3, 4, 5)
    w[0, 0] = 1
    total = summed(w, (1.0, 1.0, 1.0), 26)
    assert not total[0, 1].any()
    assert torch.equal(total[0, 0], summed(w[:, 0], (1.0, 1.0, 1.0), 26)[0])


@pytest.mark.parametrize("n_neighbours", [6, 26])
def test_a_portion_of_planes_has_the_bits_of_the_whole(n_neighbours) -> None:
    w = some((7, 9, 11))
    whole = summed(w, (0.3, 1.0, 2.0), n_neighbours)
    for first, last in ((0, 1), (0, 3), (2, 3), (2, 6), (6, 7)):
        out = torch.zeros(2, last - first, 9, 11)
        neighbour_sum(w, (0.3, 1.0, 2.0), out, n_neighbours=n_neighbours, planes=(first, last))
        assert torch.equal(out, whole[:, first:last])


@pytest.mark.parametrize("n_neighbours", [6, 26])
def test_a_single_voxel_has_no_neighbour(n_neighbours) -> None:
    assert summed(torch.ones(1, 1, 1, 1), (1.0, 1.0, 1.0), n_neighbours).item() == 0
