"""Hidden voxels: how many, what stands in their place, and where that comes from."""

from __future__ import annotations

import math

import pytest
import torch

from napari_gmmseg.losses import hide

SIZES = [(23, 31), (9, 14, 11), (1, 12, 13), (2, 3), (3, 40), (5, 1)]
every_size = pytest.mark.parametrize("size", SIZES, ids=str)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(size, n_images=2):
    """Return inputs that hold each voxel's own number, 10,000 more in the second image, and its negative beside it."""
    ones = (1,) * len(size)
    numbers = torch.arange(math.prod(size)).view(1, 1, *size) + 10_000 * torch.arange(n_images).view(-1, 1, *ones)
    return torch.cat([numbers, -numbers], 1).float()


def origins(hidden_inputs, size):
    """Return where each voxel's value comes from, along each axis: a tuple of (B, *S)."""
    return torch.unravel_index(hidden_inputs[:, 0].long() % 10_000, size)


@every_size
def test_each_hidden_voxel_shows_a_near_neighbour_and_never_itself(size):
    inputs = numbered(size)
    shown, hidden = hide(inputs, 0.5, seeded())
    here = torch.meshgrid(*(torch.arange(n) for n in size), indexing="ij")
    distances = torch.stack(
        [(there - place).abs() for there, place in zip(origins(shown, size), here, strict=True)]
    ).amax(0)
    assert hidden.any()
    assert torch.equal(distances > 0, hidden)
    assert distances.max() <= 2
    assert torch.equal(shown[:, 0] >= 10_000, inputs[:, 0] >= 10_000), "a value comes from another image"


@every_size
def test_all_channels_of_a_voxel_come_from_the_same_place(size):
    shown, _ = hide(numbered(size), 0.5, seeded())
    assert torch.equal(shown[:, 0], -shown[:, 1])


def test_the_share_of_hidden_voxels_is_that_asked_for():
    _, hidden = hide(torch.zeros(2, 1, 100, 100), 0.3, seeded())
    assert float(hidden.float().mean()) == pytest.approx(0.3, abs=0.015)


def test_each_neighbour_within_reach_is_as_likely_as_any_other():
    size = (95, 95)
    shown, hidden = hide(numbered(size), 0.9, seeded(), reach=1)
    here = torch.meshgrid(*(torch.arange(n) for n in size), indexing="ij")
    dy, dx = (there - place for there, place in zip(origins(shown, size), here, strict=True))
    counts = torch.bincount((3 * (dy + 1) + dx + 1)[hidden], minlength=9)
    assert counts[4] == 0
    others = counts[[0, 1, 2, 3, 5, 6, 7, 8]].float()
    assert (others / others.mean() - 1).abs().max() < 0.12


def test_the_inputs_stay_as_they_are():
    inputs = numbered((9, 8))
    before = inputs.clone()
    shown, hidden = hide(inputs, 0.5, seeded())
    assert torch.equal(inputs, before)
    untouched = ~hidden[:, None].expand_as(shown)
    assert torch.equal(shown[untouched], inputs[untouched])


def test_the_same_seed_hides_the_same_voxels_and_the_global_generator_is_left_alone():
    inputs = numbered((20, 20))
    state = torch.get_rng_state()
    first, second, other = (hide(inputs, 0.4, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[1], other[1])
    assert torch.equal(torch.get_rng_state(), state)


def test_each_call_hides_other_voxels():
    generator = seeded()
    inputs = numbered((20, 20))
    assert not torch.equal(hide(inputs, 0.4, generator)[1], hide(inputs, 0.4, generator)[1])


def test_an_image_of_one_voxel_has_nothing_to_hide():
    inputs = torch.ones(2, 3, 1, 1)
    shown, hidden = hide(inputs, 0.9, seeded())
    assert torch.equal(shown, inputs)
    assert not hidden.any()


def test_inputs_in_channels_last_order_give_the_same():
    inputs = numbered((12, 10))
    plain = hide(inputs, 0.5, seeded())
    last = hide(inputs.to(memory_format=torch.channels_last), 0.5, seeded())
    assert torch.equal(plain[0], last[0])
    assert torch.equal(plain[1], last[1])
