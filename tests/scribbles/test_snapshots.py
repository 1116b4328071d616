"""Snapshots of a training: a few, evenly spread, however long it lasts."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from napari_gmmseg.fitting.scribbling.snapshots import MEMBERS, Snapshots


def taken(n_steps: int) -> list[int]:
    snapshots = Snapshots()
    for step in range(1, n_steps + 1):
        snapshots.offer(step, lambda step=step: {"step": torch.tensor(step)})
    return [int(state["step"]) for state in snapshots.newest(n_steps)]


@pytest.mark.parametrize("n_steps", [9, 40, 100, 1000])
def test_a_training_of_any_length_leaves_a_few_that_are_evenly_spread(n_steps: int) -> None:
    steps = taken(n_steps)
    assert len(steps) == MEMBERS
    first, second = (b - a for a, b in pairwise(steps))
    assert first == second
    assert first >= n_steps / 8 - 2
    assert steps[-1] < n_steps


def test_a_training_of_a_step_leaves_none() -> None:
    assert taken(1) == taken(2) == []
