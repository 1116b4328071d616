"""Values of a mask as rows, and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_gmmseg.mixture.tensors import as_tensor, empty, gather, scatter

SHAPE = (5, 6, 7)


@pytest.fixture
def mask() -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)) > 0.5


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.uint8, torch.int64])
def test_gathered_values_are_those_that_indexing_gives(mask: torch.Tensor, kind: torch.dtype) -> None:
    maps = (100 * torch.rand((3, *SHAPE), generator=torch.Generator().manual_seed(1))).to(kind)
    rows = gather(maps, mask)
    assert rows.dtype == kind
    assert rows.is_contiguous()
    assert torch.equal(rows, maps[:, mask])


def test_scattered_rows_are_gathered_again_and_nothing_is_left_outside(mask: torch.Tensor) -> None:
    rows = torch.rand((4, int(mask.sum())), generator=torch.Generator().manual_seed(2))
    maps = scatter(rows, mask)
    assert torch.equal(gather(maps, mask), rows)
    assert not maps[:, ~mask].any()


def test_parts_of_larger_and_read_only_arrays_are_gathered(mask: torch.Tensor) -> None:
    whole = np.random.default_rng(0).random((2, 9, 8, 8), dtype=np.float32)
    whole.flags.writeable = False
    part = as_tensor(whole[:, 2:7, 1:7, 1:8])
    assert torch.equal(gather(part, mask), part[:, mask])


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.uint8, torch.int64, torch.bool])
def test_empty_tensors_have_the_size_and_kind_that_was_asked_for(kind: torch.dtype) -> None:
    made = empty((3, 4, 5), kind, torch.device("cpu"))
    assert made.shape == (3, 4, 5)
    assert made.dtype == kind
    assert made.is_contiguous()
