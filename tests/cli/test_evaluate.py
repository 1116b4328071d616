from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from .conftest import Outcome, save, tissues

Run = Callable[..., Outcome]


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return save(tmp_path / "truth.nii.gz", tissues().astype(np.uint8))


def test_a_mask_against_itself_is_perfect(run: Run, truth: Path) -> None:
    outcome = run("evaluate", truth, truth)
    assert outcome.code == 0, outcome.err
    for text in ("1.0000", "HD95", "ml", "Mean"):
        assert text in outcome.out


def test_json_holds_dice_distances_and_volumes(run: Run, truth: Path, tmp_path: Path) -> None:
    moved = save(tmp_path / "moved.nii.gz", np.roll(tissues(), 1, axis=0).astype(np.uint8))
    data = run("evaluate", moved, truth, "--json").data
    wm = data["classes"][2]
    both = ((np.roll(tissues(), 1, axis=0) == 3) & (tissues() == 3)).sum()
    assert wm["dice"] == pytest.approx(both / (tissues() == 3).sum())
    assert wm["hd95_mm"] == pytest.approx(1.5)
    assert wm["volume_ml"] == pytest.approx(wm["voxels"] * 3e-3)
    assert data["matched_with_ground_truth"] is None


def test_matching_says_that_it_looked_at_the_truth(run: Run, truth: Path, tmp_path: Path) -> None:
    permuted = save(tmp_path / "p.nii.gz", np.array([0, 3, 1, 2], np.uint8)[tissues()])
    assert run("evaluate", permuted, truth, "--json").data["mean_dice"] == 0
    matched = run("evaluate", permuted, truth, "--match-labels", "--json").data
    assert matched["mean_dice"] == 1
    assert matched["matched_with_ground_truth"] == [[1, 2], [2, 3], [3, 1]]
    assert "ground truth" in run("evaluate", permuted, truth, "--match-labels").out
