"""The neighbour weight that an image tells: known ones are found again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gmmseg.mixture.neighbours import axis_weights, neighbour_sum
from napari_gmmseg.mixture.pseudo_likelihood import MOST_PULL, Agreement

SAME = torch.zeros(3, dtype=torch.float64)
EVEN = (1.0, 1.0, 1.0)


def drawn(weight: float, shape: tuple[int, int, int], weights=EVEN, sweeps: int = 40) -> torch.Tensor:
    """Draw memberships 0 and 1 from a Potts field of three classes: Gibbs sweeps over a chessboard."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, shape, generator=generator)
    black = torch.from_numpy(np.indices(shape).sum(0) % 2 == 0)
    for _ in range(sweeps):
        for part in (black, ~black):
            w = torch.nn.functional.one_hot(labels, 3).movedim(-1, 0).float()
            chances = torch.softmax(neighbour_sum(w, weights, torch.zeros_like(w), weight), 0)
            new = torch.multinomial(chances.reshape(3, -1).T, 1, generator=generator).reshape(shape)
            labels = torch.where(part, new, labels)
    return torch.nn.functional.one_hot(labels, 3).movedim(-1, 0).float()


def agreement(w: torch.Tensor, mask: torch.Tensor, weights, shares: torch.Tensor, start: float, n: int = 6) -> float:
    ask = Agreement(mask, weights, n)
    for _ in range(3):
        start = ask(w, shares, start)
    return start


def inside(w: torch.Tensor) -> torch.Tensor:
    return torch.ones(w.shape[1:], dtype=torch.bool)


@pytest.mark.parametrize("weight", [0.0, 0.2, 0.4])
def test_the_weight_of_a_potts_field_is_found_again(weight) -> None:
    w = drawn(weight, (24, 40, 40))
    assert agreement(w, inside(w), EVEN, SAME, 1.0) == pytest.approx(weight, abs=0.03)


def test_the_start_makes_no_difference_but_in_how_far_it_comes() -> None:
    w = drawn(0.3, (12, 40, 40))
    assert agreement(w, inside(w), EVEN, SAME, 0.0) == pytest.approx(agreement(w, inside(w), EVEN, SAME, 1.2), abs=1e-3)


def test_it_is_the_top_of_the_pseudo_likelihood() -> None:
    generator = torch.Generator().manual_seed(0)
    w = torch.softmax(3 * drawn(0.4, (6, 20, 20)) + torch.randn(3, 6, 20, 20, generator=generator), 0)
    shares = torch.tensor([0.0, -0.4, -1.0], dtype=torch.float64)
    around = neighbour_sum(w, EVEN, torch.zeros_like(w)).double()

    def likelihood(weight: float) -> float:
        logs = torch.log_softmax(shares[:, None, None, None] + weight * around, 0)
        return float((w * logs).sum())

    found = agreement(w, inside(w), EVEN, shares, 0.5)
    # All voxels of so small an image are asked.
    assert likelihood(found) >= max(likelihood(found - 0.02), likelihood(found + 0.02))


@pytest.mark.parametrize("n_neighbours", [6, 26])
def test_voxels_are_asked_for_the_sums_of_the_sweep(n_neighbours) -> None:
    w = torch.rand(3, 2, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    weights = axis_weights((3.0, 1.0, 0.8), "mm")
    whole = neighbour_sum(w, weights, torch.zeros_like(w), n_neighbours=n_neighbours)
    asked = Agreement(torch.ones(2, 4, 5, 6, dtype=torch.bool), weights, n_neighbours)._around(w.flatten(1))
    torch.testing.assert_close(asked, whole.flatten(1))


def test_what_is_alike_everywhere_pulls_as_much_as_may_be() -> None:
    w = torch.zeros(3, 6, 12, 12)
    w[0] = 1
    assert agreement(w, inside(w), EVEN, SAME, 1.0) == MOST_PULL


def test_what_avoids_its_like_pulls_nothing() -> None:
    board = torch.from_numpy(np.indices((6, 12, 12)).sum(0) % 2)
    w = torch.nn.functional.one_hot(board, 3).movedim(-1, 0).float()
    assert agreement(w, inside(w), EVEN, SAME, 0.5) == 0


def test_coarser_voxels_are_told_in_millimetres() -> None:
    w = drawn(0.4, (16, 32, 32))
    fine, coarse = (agreement(w, inside(w), (a, a, a), SAME, 0.4 / a) for a in (1.0, 0.25))
    assert coarse == pytest.approx(4 * fine)


def test_only_voxels_in_the_mask_count() -> None:
    w = drawn(0.4, (12, 32, 32))
    mask = inside(w)
    mask[..., 16:] = False
    w = w * mask
    other = w.clone()
    # All alike there; the first voxels beyond the mask are neighbours of it, and keep what they are.
    other[0, ..., 17:] = 1
    found = agreement(w, mask, EVEN, SAME, 0.4)
    assert found == agreement(other, mask, EVEN, SAME, 0.4)
    assert found == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 1)])
def test_too_little_to_ask_is_no_number_that_is_none(shape) -> None:
    w = torch.full((3, *shape), 1 / 3)
    assert np.isfinite(agreement(w, torch.ones(shape, dtype=torch.bool), EVEN, SAME, 0.7))
    assert agreement(w, torch.zeros(shape, dtype=torch.bool), EVEN, SAME, 0.7) == 0.7
