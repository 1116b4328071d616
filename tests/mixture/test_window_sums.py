"""Sums over boxes against a plain convolution."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv3d

from napari_gmmseg.mixture import window_sums as module
from napari_gmmseg.mixture.window_sums import ClassCounts, PlaneCounts, window_sums

every_window = pytest.mark.parametrize("window", [(1, 1, 1), (3, 3, 3), (1, 5, 3), (3, 11, 5), (21, 21, 21)], ids=str)


@pytest.fixture(params=["slab by slab", "line by line"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to slide a box, whatever the size."""
    monkeypatch.setattr(module, "_SLAB", 1 if request.param == "slab by slab" else 1 << 40)


def convolved(values: Tensor, window: tuple[int, ...]) -> Tensor:
    kernel = torch.ones(1, 1, *window, dtype=torch.float64)
    return conv3d(values.double()[:, None], kernel, padding=tuple(width // 2 for width in window))[:, 0]


@every_window
@pytest.mark.usefixtures("way")
def test_sums_are_those_of_a_convolution_with_zeros_beyond_the_border(window):
    values = torch.rand(2, 5, 9, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(window_sums(values, window), convolved(values, window))


@every_window
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("n_classes", [1, 2, 3, 4, 7])
def test_the_counts_of_all_classes_are_exact(window, n_classes):
    labels = torch.randint(0, n_classes + 1, (2, 5, 9, 7), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    counts = ClassCounts(labels, n_classes).within(window)
    own = counts.of_own_class(labels)
    for k in range(1, n_classes + 1):
        expected = convolved(labels == k, window).long()
        assert torch.equal(counts.of_class(k).long(), expected)
        assert torch.equal(own[labels == k].long(), expected[labels == k])


def test_gradients_pass_through_the_sums():
    values = torch.rand(1, 3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: window_sums(x, (3, 3, 1)), values)


@every_window
@pytest.mark.parametrize("n_classes", [2, 3, 4, 7])
def test_the_counts_are_exact_in_windows_too_large_for_classes_that_share_a_word(monkeypatch, window, n_classes):
    monkeypatch.setattr(module, "_BITS", 4)
    labels = torch.randint(0, n_classes + 1, (2, 5, 9, 7), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    counts = ClassCounts(labels, n_classes, window).within(window)
    own = counts.of_own_class(labels)
    plane = PlaneCounts(labels[0], n_classes, 2).for_windows_up_to(window).within(window)
    for k in range(1, n_classes + 1):
        expected = convolved(labels == k, window).long()
        assert torch.equal(counts.of_class(k).long(), expected)
        assert torch.equal(own[labels == k].long(), expected[labels == k])
        assert torch.equal(plane.of_class(k)[0].long(), expected[0, 2])


def test_a_box_with_more_voxels_than_a_shared_count_can_tell_is_counted_where_that_was_announced():
    labels = torch.ones(1, 128, 128, 128, dtype=torch.uint8)
    window = (255, 255, 255)
    with pytest.raises(ValueError, match="fewer than 2097152"):
        ClassCounts(labels, 3).within(window)
    assert int(ClassCounts(labels, 3, window).within(window).of_class(1).max()) == 128**3
    assert int(ClassCounts(labels, 1).within(window).of_own_class(labels).max()) == 128**3
