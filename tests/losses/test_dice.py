"""The Dice loss: what it is by hand, and for slices without an object."""

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


def test_the_images_of_a_batch_count_as_one():
    generator = torch.Generator().manual_seed(2)
    log_prior = torch.randn(2, 3, 4, 5, generator=generator).log_softmax(1)
    target = torch.randint(3, (2, 4, 5), generator=generator)
    mask = torch.ones(2, 4, 5, dtype=torch.bool)
    as_one = dice(*(torch.cat([x[:1], x[1:]], -1) for x in (log_prior, target, mask)))
    torch.testing.assert_close(dice(log_prior, target, mask), as_one)


def test_an_empty_slice_counts_by_what_is_predicted_in_it():
    with_object = given([0.9, 0.8, 0.3, 0.1], [1, 1, 0, 0])
    costs = []
    for p in (1e-6, 0.5):
        empty = given([p] * 4, [0] * 4)
        costs.append(float(dice(*(torch.cat(pair) for pair in zip(with_object, empty, strict=True)))))
    assert costs[0] == pytest.approx(float(dice(*with_object)), abs=1e-5)
    assert costs[1] == pytest.approx(1 - (2 * 1.7 + 1) / (2.1 + 2 + 2 + 1))


def test_a_batch_without_an_object_has_a_finite_pull_towards_nothing():
    logits = torch.zeros(2, 2, 50, requires_grad=True)
    loss = dice(logits.log_softmax(1), torch.zeros(2, 50, dtype=torch.long), torch.ones(2, 50, dtype=torch.bool))
    loss.backward()
    assert loss.item() == pytest.approx(1 - 1 / 51)
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert (logits.grad[:, 1] > 0).all()
