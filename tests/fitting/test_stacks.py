"""Slices and patches: what is cut out comes back, once, and what a network sees beside it."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from napari_gmmseg.fitting.deep.stacks import PatchStack, SliceStack, make_stack, slice_axis

SHAPES = [(6, 5, 7), (2, 6, 5, 7), (1, 5, 7), (6, 1, 7), (6, 5, 1), (3, 5, 100), (2, 3, 5, 60)]


def ragged_mask(shape, share=0.3):
    """A mask with empty slices at its ends, and one in the middle."""
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < share
    if shape[-3] > 2:
        mask[..., 0, :, :] = mask[..., 2, :, :] = False
    mask.view(-1)[-1] = True
    return mask


def numbered(shape, n_maps=2):
    """Maps whose every voxel has a number of its own."""
    return torch.arange(1.0, 1 + n_maps * torch.Size(shape).numel()).view(n_maps, *shape)


def stacks_of(mask):
    yield from (SliceStack(mask, axis, neighbours=n) for axis, n in product((-3, -2, -1), (0, 2)))
    yield PatchStack(mask)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_voxel_of_the_mask_comes_back_once_and_to_its_place(shape) -> None:
    mask = ragged_mask(shape)
    maps = numbered(shape)
    for stack in stacks_of(mask):
        back, times = torch.zeros_like(maps), torch.zeros(1, *shape)
        for piece in range(stack.n_pieces):
            cut = stack.gather(maps, [piece])
            stack.put(back, [piece], cut)
            stack.put(times, [piece], torch.ones_like(cut[:, :1]))
        assert torch.equal(back[:, mask], maps[:, mask])
        assert (times[0][mask] == 1).all()
        assert times.max() == 1


def test_several_pieces_at_once_are_those_pieces_one_by_one() -> None:
    mask, maps = ragged_mask((6, 5, 7)), numbered((6, 5, 7))
    for stack in stacks_of(mask):
        pieces = list(range(stack.n_pieces))[::-1]
        for cut in (stack.gather, stack.look):
            torch.testing.assert_close(cut(maps, pieces), torch.cat([cut(maps, [p]) for p in pieces]))


def test_values_are_added_to_what_was_there() -> None:
    mask = torch.ones(3, 4, 5, dtype=torch.bool)
    maps = numbered((3, 4, 5))
    for stack in stacks_of(mask):
        total = maps.clone()
        for piece in range(stack.n_pieces):
            stack.put(total, [piece], stack.gather(maps, [piece]))
        assert torch.equal(total, 2 * maps)


@pytest.mark.parametrize("axis", [-3, -2, -1])
def test_slices_without_voxels_are_left_out(axis) -> None:
    mask = torch.zeros(6, 7, 8, dtype=torch.bool)
    mask.movedim(axis, 0)[2:5] = True
    stack = SliceStack(mask, axis)
    assert stack.n_pieces == 3
    maps = numbered((6, 7, 8), 1)
    assert torch.equal(stack.gather(maps, [0])[0, 0], maps[0].select(axis, 2))


def test_a_slice_is_seen_first_and_its_neighbours_after_it_by_distance() -> None:
    maps = numbered((6, 2, 3))
    stack = SliceStack(torch.ones(6, 2, 3, dtype=torch.bool), -3, neighbours=2)
    assert stack.n_looks == 5
    seen = stack.look(maps, [3])[0]
    assert torch.equal(seen, torch.cat([maps[:, z] for z in (3, 2, 4, 1, 5)]))


def test_beyond_the_ends_of_the_volume_a_network_sees_nothing() -> None:
    maps = numbered((4, 2, 3))
    stack = SliceStack(torch.ones(4, 2, 3, dtype=torch.bool), -3, neighbours=2)
    nothing = torch.zeros(2, 2, 3)
    first, last = stack.look(maps, [0, 3])
    assert torch.equal(first, torch.cat([maps[:, 0], nothing, maps[:, 1], nothing, maps[:, 2]]))
    assert torch.equal(last, torch.cat([maps[:, 3], maps[:, 2], nothing, maps[:, 1], nothing]))


def test_a_slice_never_sees_another_frame() -> None:
    maps = numbered((2, 3, 2, 4))
    stack = SliceStack(torch.ones(2, 3, 2, 4, dtype=torch.bool), -3, neighbours=1)
    assert stack.n_pieces == 6
    end_of_first, begin_of_second = stack.look(maps, [2, 3])
    assert torch.equal(end_of_first, torch.cat([maps[:, 0, 2], maps[:, 0, 1], torch.zeros(2, 2, 4)]))
    assert torch.equal(begin_of_second, torch.cat([maps[:, 1, 0], torch.zeros(2, 2, 4), maps[:, 1, 1]]))


def test_patches_of_a_long_volume_overlap_and_see_around_their_core() -> None:
    stack = PatchStack(torch.ones(4, 10, 100, dtype=torch.bool))
    assert stack.n_pieces == 3
    maps = numbered((4, 10, 100), 1)
    assert stack.gather(maps, range(3)).shape == (3, 1, 4, 10, 48)
    for piece in range(3):
        core = torch.zeros_like(maps)
        stack.put(core, [piece], torch.ones(1, 1, 4, 10, 48))
        inside = core[0, 0, 0].nonzero()[:, 0]
        around = stack.gather(maps, [piece])[0, 0, 0, 0] - 1
        assert inside.min() == 0 or inside.min() >= around.min() + 8
        assert inside.max() == 99 or inside.max() <= around.max() - 8


@pytest.mark.parametrize("kind", [lambda mask: SliceStack(mask, -3), PatchStack])
def test_pieces_that_are_almost_empty_are_predicted_but_not_trained_on(kind) -> None:
    mask = torch.zeros(60, 60, 60, dtype=torch.bool)
    mask[4:50] = True
    mask[0, 0, :9] = True
    mask[55, 3, 3] = True
    stack = kind(mask)
    sizes = [int(stack.gather(mask[None], [p]).sum()) for p in range(stack.n_pieces)]
    trained = stack.trained.tolist()
    assert trained
    if isinstance(stack, SliceStack):
        assert stack.n_pieces == 48
        assert len(trained) == 46
        assert min(sizes[p] for p in trained) == 3600
    assert set(trained) <= set(range(stack.n_pieces))


@pytest.mark.parametrize(
    ("shape", "spacing", "axis"),
    [
        ((10, 20, 20), (1, 1, 1), 0),
        ((10, 20, 20), (5, 1, 1), 0),
        ((20, 10, 20), (1, 5, 1), 1),
        ((20, 20, 10), (1, 1, 5), 2),
        ((20, 20, 20), (1.1, 1, 1.15), 0),
        ((20, 20, 20), (1, 1.3, 1.3), 1),
        ((1, 20, 20), (1, 1, 5), 0),
        ((20, 1, 20), (5, 1, 1), 1),
        ((20, 20, 1), (5, 1, 1), 2),
        ((1, 1, 20), (1, 1, 1), 0),
    ],
)
def test_a_volume_is_sliced_across_its_thin_or_coarse_axis_and_else_across_the_first(shape, spacing, axis) -> None:
    assert slice_axis(shape, spacing) == axis


@pytest.mark.parametrize(
    ("view", "shape", "spacing", "n_looks"),
    [
        ("auto", (9, 8, 8), (1, 1, 1), 5),
        ("auto", (9, 8, 8), (2, 1, 1), 5),
        ("auto", (9, 8, 8), (2.1, 1, 1), 1),
        ("auto", (1, 8, 8), (1, 1, 1), 1),
        ("auto", (2, 8, 8), (1, 1, 1), 3),
        ("2d", (9, 8, 8), (1, 1, 1), 1),
        ("2.5d", (9, 8, 8), (8, 1, 1), 5),
        ("2.5d", (1, 8, 8), (1, 1, 1), 1),
        ("3d", (1, 8, 8), (1, 1, 1), 1),
    ],
)
def test_neighbouring_slices_are_seen_where_they_are_near_or_wanted(view, shape, spacing, n_looks) -> None:
    stack = make_stack(torch.ones(shape, dtype=torch.bool), spacing, view)
    assert isinstance(stack, SliceStack)
    assert stack.n_looks == n_looks


def test_patches_are_cut_from_volumes_only() -> None:
    assert isinstance(make_stack(torch.ones(4, 8, 8, dtype=torch.bool), (1, 1, 1), "3d"), PatchStack)
    assert isinstance(make_stack(torch.ones(4, 1, 8, dtype=torch.bool), (1, 1, 1), "3d"), SliceStack)


def test_the_piece_of_a_slice_is_found_along_z_only() -> None:
    mask = torch.zeros(6, 5, 7, dtype=torch.bool)
    mask[2:5] = True
    stack = SliceStack(mask, -3)
    assert [stack.piece_of_slice(z) for z in (-1, 1, 2, 4, 5, 99)] == [None, None, 0, 2, None, None]
    assert SliceStack(mask, -1).piece_of_slice(2) is None
    assert PatchStack(mask).piece_of_slice(2) is None
