"""The Dice loss: what it is by hand, and that slices without an object are left to the cross-entropy."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_gmmseg.losses import dice


def given(foreground: list[float], labels: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    p = torch.tensor(foreground)[None]
    target = torch.tensor(labels)[None]
    return torch.stack([1 - p, p], 1).log(), target, torch.ones_like(target, dtype=torch.bool)


def test_it_is_one_minus_twice_the_shared_over_the_sum():
    loss = dice(*given([0.9, 0.8, 0.3, 0.1], [1, 1, 0, 0]))
    assert float(loss) == pytest.approx(1 - (2 * 1.7 + 1) / (2.1 + 2 + 1))


def test_background_does_not_count_and_classes_are_averaged():
    logits = torch.zeros(1, 3, 4)
    logits[0, 1, 0] = logits[0, 0, 1:] = 50.0
    target = torch.tensor([[1, 0, 0, 2]])
    mask = torch.ones(1, 4, dtype=torch.bool)
    # Class 1 is right; class 2 is missed: 1 - 1 / (0 + 1 + 1).
    assert float(dice(logits.log_softmax(1), target, mask)) == pytest.approx((0 + 0.5) / 2)


def test_voxels_that_are_not_known_do_not_count():
    known = dice(*given([0.9, 0.3], [1, 0]))
    assert torch.equal(dice(*given([0.9, 0.3, 0.7], [1, 0, -1])), known)


def test_a_slice_without_an_object_is_left_to_the_cross_entropy():
    logits = torch.zeros(2, 2, 50, requires_grad=True)
    mask = torch.ones(2, 50, dtype=torch.bool)
    target = torch.zeros(2, 50, dtype=torch.long)
    target[1, :5] = 1
    loss = dice(logits.log_softmax(1), target, mask)
    loss.backward()
    alone = dice(torch.full((1, 2, 50), 0.5).log(), target[1:], mask[1:])
    assert float(loss) == pytest.approx(float(alone) / 2)
    assert logits.grad is not None
    assert not logits.grad[0].any()
    assert logits.grad[1].isfinite().all()
    assert logits.grad[1].any()


def test_a_batch_of_empty_slices_costs_nothing_and_has_no_gradient_that_is_not_finite():
    logits = torch.zeros(2, 2, 50, requires_grad=True)
    loss = dice(logits.log_softmax(1), torch.zeros(2, 50, dtype=torch.long), torch.ones(2, 50, dtype=torch.bool))
    loss.backward()
    assert float(loss) == 0
    assert logits.grad is not None
    assert not logits.grad.any()
